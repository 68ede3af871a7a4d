import { describe, expect, it } from "@effect/vitest"

interface Answer {
  readonly status: number
  readonly head: string
  readonly body: string
}

interface Program {
  readonly AnswerReader: new (answered: (answer: Answer) => void) => { push: (chunk: Buffer, size: number) => void }
  readonly fieldOf: (name: string) => (head: string) => string | undefined
}

// A file of the worker's program, which is JavaScript: its types are said here.
const program: string = "../../src/runtimes/node/AnswerReader.cjs"
const { AnswerReader, fieldOf }: Program = await import(program)

const answerOf = (status: number, fields: string, body: string) =>
  `HTTP/1.1 ${status} Fine\r\nContent-Type: application/json\r\n${fields}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`

/** What is read of `pieces`, each of which comes in the same memory, as from a socket that has one buffer. */
const read = (pieces: ReadonlyArray<Buffer>): ReadonlyArray<Answer> => {
  const answers: Array<Answer> = []
  const reader = new AnswerReader((answer) => answers.push(answer))
  const buffer = Buffer.alloc(64 * 1024)
  for (const piece of pieces) {
    piece.copy(buffer)
    reader.push(buffer, piece.length)
    buffer.fill("?")
  }
  return answers
}

const inPieces = (text: string, bytes: number): ReadonlyArray<Buffer> => {
  const all = Buffer.from(text)
  return Array.from({ length: Math.ceil(all.length / bytes) }, (_, i) => all.subarray(i * bytes, (i + 1) * bytes))
}

describe("AnswerReader", () => {
  const context = `Lambda-Runtime-Client-Context: {"custom":"${"c".repeat(5000)}"}\r\n`
  const sent: ReadonlyArray<readonly [status: number, fields: string, body: string]> = [
    [202, "", '{"status":"OK"}\n'],
    [200, "Lambda-Runtime-Aws-Request-Id: first\r\n", '{"word":"héllo"}'],
    [202, "", ""],
    [200, context, "😀".repeat(30_000)],
    [413, "", "{}"],
    [200, "Lambda-Runtime-Aws-Request-Id: last\r\n", "3"]
  ]
  const text = sent.map((answer) => answerOf(...answer)).join("")

  for (const bytes of [1, 7, 1000, 1024, 64 * 1024]) {
    it(`reads answers that come ${bytes} bytes at a time`, () => {
      const answers = read(inPieces(text, bytes))
      expect(answers.map(({ status, body }) => [status, body])).toEqual(sent.map(([status, , body]) => [status, body]))
    })
  }

  it("hands an answer over with its last byte, and not before", () => {
    const whole = Buffer.from(answerOf(200, "", "body"))
    expect(read([whole.subarray(0, -1)])).toEqual([])
    expect(read([whole.subarray(0, -1), whole.subarray(-1)])).toHaveLength(1)
  })

  it("has an empty body where no length is said", () => {
    const answers = read([Buffer.from("HTTP/1.1 202 Accepted\r\nX: y\r\n\r\nHTTP/1.1 413 Too Large\r\nX: y\r\n\r\n")])
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [202, ""],
      [413, ""]
    ])
  })

  describe("fieldOf", () => {
    const head = "HTTP/1.1 200 OK\r\nX-Longer-Name: no\r\nlonger-NAME:  a: b \r\nEmpty:\r\nLast: ü"
    for (const [what, name, value] of [
      ["a field however it is spelled, without the spaces around it", "Longer-Name", "a: b"],
      ["a field that is empty", "empty", ""],
      ["the last field", "last", "ü"],
      ["nothing for a field that is not there", "name", undefined]
    ] as const) {
      it(`reads ${what}`, () => expect(fieldOf(name)(head)).toBe(value))
    }
  })
})
