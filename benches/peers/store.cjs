// What a peer does before it acknowledges: nothing (`ack`), an append and an fdatasync for each message
// (`each`), or one for all messages that wait meanwhile (`group`).
const fs = require('node:fs')

exports.open = (mode, path) => {
  if (mode === 'ack') return (_text, kept) => kept()
  const file = fs.openSync(path, 'a')
  const append = (bytes, kept) => fs.write(file, bytes, (error, written) => {
    if (error) throw error
    // A regular file takes all of it or fails.
    if (written !== bytes.length) throw new Error('a part was written')
    fs.fdatasync(file, (failed) => {
      if (failed) throw failed
      kept()
    })
  })
  if (mode === 'each') return (text, kept) => append(Buffer.from(text), kept)
  let waiting = []
  let busy = false
  const next = () => {
    if (busy || waiting.length === 0) return
    const group = waiting
    waiting = []
    busy = true
    append(Buffer.from(group.map(([text]) => text).join('')), () => {
      busy = false
      next()
      for (const [, kept] of group) kept()
    })
  }
  return (text, kept) => {
    waiting.push([text, kept])
    next()
  }
}
