// @medplum/hl7 as an MLLP server: PORT MODE FILE.
const { Hl7Server } = require('@medplum/hl7')
const [port, mode, path] = process.argv.slice(2)
const keep = require('./store.cjs').open(mode, path)

const server = new Hl7Server((connection) => {
  connection.addEventListener('message', ({ message }) => {
    keep(message.toString(), () => connection.send(message.buildAck()))
  })
})
server.start(Number(port))
