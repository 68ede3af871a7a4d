/** Streams what its event asks for, and tells which worker it runs in. */
import { randomUUID } from "node:crypto"
import { existsSync } from "node:fs"

const worker = randomUUID()

const moment = (millis) => new Promise((done) => setTimeout(done, millis))

/** Writes, and waits for the reader where it is slow. */
const write = async (stream, piece) => {
  if (!stream.write(piece)) await new Promise((drained) => stream.once("drain", drained))
}

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  if (event.type !== undefined) stream.setContentType(event.type)
  if (event.failAtOnce !== undefined) throw new RangeError(event.failAtOnce)
  // Each line when its file is there; the time in it is that of the write.
  for (const file of event.files ?? []) {
    while (!existsSync(file)) await moment(1)
    stream.write(`${Date.now()} `)
  }
  const piece = Buffer.alloc(65_536, "x")
  for (let sent = 0; sent < (event.megabytes ?? 0) * 1_048_576; sent += piece.length) await write(stream, piece)
  for (const word of event.words ?? []) stream.write(word)
  if (event.exit !== undefined) {
    await moment(20)
    process.exit(event.exit)
  }
  if (event.sleep !== undefined) await moment(event.sleep)
  if (event.fail !== undefined) throw new RangeError(event.fail)
  stream.end(event.tell ? worker : "")
})
