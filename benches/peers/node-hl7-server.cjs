// node-hl7-server as an MLLP server: PORT MODE FILE.
const { Server } = require('node-hl7-server')
const [port, mode, path] = process.argv.slice(2)
const keep = require('./store.cjs').open(mode, path)

const server = new Server({ bindAddress: '127.0.0.1' })
server.createInbound({ port: Number(port) }, (req, res) => new Promise((answered) => {
  keep(req.getMessage().toString(), () => answered(res.sendResponse('AA')))
}))
