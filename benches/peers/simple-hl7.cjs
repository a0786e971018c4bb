// simple-hl7 as an MLLP server: PORT MODE FILE.
const hl7 = require('simple-hl7')
const [port, mode, path] = process.argv.slice(2)
const keep = require('./store.cjs').open(mode, path)

const app = hl7.tcp()
app.use((req, res, next) => keep(req.raw, next))
app.use((_req, res, _next) => res.end())
app.use((error, _req, _res, _next) => console.error(error))
app.start(Number(port))
