import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { KnownFields } from "../../src/http/KnownFields.ts"
import { framingOf, MessageReader, readFields } from "../../src/http/MessageReader.ts"

interface Message {
  startLine: string
  fields: ReadonlyArray<string>
  body: string
}

/** A reader of messages with a length, and those that it has read. */
const reading = (known = new KnownFields((lines) => lines)) => {
  const messages: Array<Message> = []
  const reader: MessageReader<ReadonlyArray<string>> = new MessageReader(known, {
    headRead: (startLine, fields) => {
      messages.push({ startLine, fields, body: "" })
      return framingOf(readFields(fields)) ?? 0
    },
    pieceRead: (piece) => {
      messages.at(-1)!.body += piece.toString("latin1")
    },
    messageRead: () => queueMicrotask(() => reader.next())
  })
  return { reader, messages }
}

/** What was read of `text` that came in `pieces`, each after what was read of those before it. */
const read = async (pieces: ReadonlyArray<string>, known?: KnownFields<ReadonlyArray<string>>) => {
  const { messages, reader } = reading(known)
  for (const piece of pieces) {
    reader.push(Buffer.from(piece, "latin1"))
    // As many messages as one piece may end.
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  }
  return messages
}

const written = ({ body, fields, startLine }: Message) => `${[startLine, ...fields].join("\r\n")}\r\n\r\n${body}`

const bodies = ["", "body", "ydob"]
const message: fc.Arbitrary<Message> = fc
  .record({
    startLine: fc.constantFrom("GET / HTTP/1.1", "GET /a HTTP/1.1", "PUT / HTTP/1.1"),
    field: fc.constantFrom("A: 1", "A: 2", "a: 1", `A: ${"1".repeat(3000)}`),
    body: fc.constantFrom(...bodies)
  })
  .map(({ body, field, startLine }) => ({ startLine, fields: [field, `Content-Length: ${body.length}`], body }))

describe("MessageReader", () => {
  it("reads each message as if it were the first, whatever came before it and whoever else said the same", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }),
        async (messages, sizes) => {
          const text = messages.map(written).join("")
          const pieces: Array<string> = []
          for (let at = 0; at < text.length; ) {
            const size = text.length > 1000 ? 700 : sizes[pieces.length % sizes.length]!
            pieces.push(text.slice(at, at + size))
            at += size
          }
          const known = new KnownFields((lines) => lines)
          expect(await read(pieces, known)).toEqual(messages)
          expect(await read(messages.map(written), known)).toEqual(messages)
        }
      )
    )
  })

  it("takes what begins like the head before it for what it is", async () => {
    const head = "GET / HTTP/1.1\r\nA: 1\r\n"
    const startLine = "GET / HTTP/1.1"
    expect(await read([`${head}\r\n`, `${head}\r\n`, `${head}B: 2\r\n\r\n`, head, "\r\n"])).toEqual([
      { startLine, fields: ["A: 1"], body: "" },
      { startLine, fields: ["A: 1"], body: "" },
      { startLine, fields: ["A: 1", "B: 2"], body: "" },
      { startLine, fields: ["A: 1"], body: "" }
    ])
  })
})
