import { describe, expect, it } from "vitest"
import { ResponseReader } from "../../src/invoke/ResponseReader.ts"

/** A response whose bytes come in pieces of `size`, and what it came to; `isEnd` where the connection ends behind it. */
const read = (text: string, size = text.length, isEnd = false) => {
  const reader = new ResponseReader()
  reader.next()
  const bytes = Buffer.from(text, "latin1")
  for (let at = 0; at < bytes.length; at += size) reader.data(bytes.subarray(at, at + size))
  if (isEnd) reader.end()
  const { isComplete, isReusable } = reader
  if (!isComplete) return { isComplete, isReusable }
  const { body, headers, status } = reader.take()
  return { isComplete, isReusable, status, headers, body: body.toString("latin1") }
}

const ok = "HTTP/1.1 200 OK\r\n"

describe("ResponseReader", () => {
  it.each([
    ["a length", `${ok}Content-Length: 4\r\n\r\nbody`, 200, "body", true],
    ["a length and no reason", "HTTP/1.1 200\r\ncontent-LENGTH:4 \t\r\n\r\nbody", 200, "body", true],
    ["the same length twice", `${ok}Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody`, 200, "body", true],
    ["a length of nothing", `${ok}Content-Length: 0\r\n\r\n`, 200, "", true],
    ["chunks", `${ok}Transfer-Encoding: Chunked\r\n\r\n1;a=b\r\nb\r\n3\r\nody\r\n0\r\nT: 1\r\n\r\n`, 200, "body", true],
    ["a status without a body", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true],
    [
      "a status without a body, whatever its length is said to be",
      "HTTP/1.1 304 \r\nContent-Length: x\r\n\r\n",
      304,
      "",
      true
    ],
    ["heads that go before", `HTTP/1.1 103 Early\r\nA: b\r\n\r\n${ok}Content-Length: 4\r\n\r\nbody`, 200, "body", true],
    ["a word that it is the last", `${ok}Connection: Close\r\nContent-Length: 4\r\n\r\nbody`, 200, "body", false],
    ["an old version", "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody", 200, "body", false],
    ["an old version, kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nb", 200, "b", true]
  ])("reads a response with %s, in whatever pieces it comes", (_, text, status, body, isReusable) => {
    for (let size = 1; size <= text.length; size++) {
      expect(read(text, size)).toMatchObject({ isComplete: true, isReusable, status, body })
    }
  })

  it("reads a body up to the end of the connection, which is not to be used again", () => {
    const text = `${ok}A: b\r\n\r\nbody`
    for (let size = 1; size <= text.length; size++) {
      expect(read(text, size)).toMatchObject({ isComplete: false })
      expect(read(text, size, true)).toMatchObject({ isComplete: true, isReusable: false, body: "body" })
    }
  })

  it("does not take a response for whole that ends before its length", () => {
    expect(read(`${ok}Content-Length: 5\r\n\r\nbody`, 100, true).isComplete).toBe(false)
    expect(read(`${ok}Content-Length: 5\r\n`, 100, true).isComplete).toBe(false)
  })

  it("gives no connection back on which more came than was asked for", () => {
    for (const first of [
      `${ok}Content-Length: 4\r\n\r\nbody`,
      `${ok}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n`
    ]) {
      expect(read(`${first}${ok}`)).toMatchObject({ isComplete: true, isReusable: false, body: "body" })
    }
  })

  it("finds a field by its name, whatever its case and however much space is around its value", () => {
    const { headers } = read(`${ok}X-One:a\r\nx-two: \t b:c \t\r\nX-ONE: last\r\nX:\r\nContent-Length: 0\r\n\r\n`)
    const names = ["x-one", "x-two", "x", "content-length", "x-on", "x-one:", "last", "two"]
    expect(names.map((name) => headers?.get(name))).toEqual(["last", "b:c", "", "0", ...Array(4).fill(undefined)])
  })

  it("reads one response after the other", () => {
    const reader = new ResponseReader()
    const bodies = ["one", "two"].flatMap((body) =>
      [`Content-Length: 3\r\n\r\n${body}`, `Transfer-Encoding: chunked\r\n\r\n3\r\n${body}\r\n0\r\n\r\n`].map(
        (rest) => {
          reader.next()
          reader.data(Buffer.from(ok + rest))
          expect(reader.isReusable).toBe(true)
          return reader.take().body.toString()
        }
      )
    )
    expect(bodies).toEqual(["one", "one", "two", "two"])
  })

  it("hands over a body as it comes to who wants that, and holds none of it", () => {
    const pieces: Array<string> = []
    const reader = new ResponseReader()
    reader.next(({ headers, status }) => {
      pieces.push(`${status} ${headers.get("a")}`)
      return (piece) => pieces.push(piece.toString())
    })
    for (const text of [`${ok}A: b\r\nContent-Length: 4\r\n\r\nb`, "od", "y"]) reader.data(Buffer.from(text))
    expect(pieces).toEqual(["200 b", "b", "od", "y"])
    expect(reader.take().body.length).toBe(0)
  })

  const length = "Content-Length: 4\r\n"
  it.each([
    ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n"],
    ["another version", `HTTP/2.0 200 OK\r\n${length}\r\nbody`],
    ["a status of two digits", `HTTP/1.1 20 OK\r\n${length}\r\nbody`],
    ["a status of four digits", `HTTP/1.1 2000 OK\r\n${length}\r\nbody`],
    ["a status below all", `HTTP/1.1 099 OK\r\n${length}\r\nbody`],
    ["two lengths", `${ok}${length}Content-Length: 5\r\n\r\nbody`],
    ["a length and chunks", `${ok}${length}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["a coding that is not known", `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ["two codings", `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["a length with a sign", `${ok}Content-Length: +4\r\n\r\nbody`],
    ["a list of lengths", `${ok}Content-Length: 4, 4\r\n\r\nbody`],
    ["a length in other digits", `${ok}Content-Length: 0x4\r\n\r\nbody`],
    ["space that is none around a length", `${ok}Content-Length: \xa04\r\n\r\nbody`],
    ["an empty length", `${ok}Content-Length:\r\n\r\nbody`],
    ["a blank before the colon", `${ok}Content-Length : 4\r\n\r\nbody`],
    ["a name with a letter that is none", `${ok}A\xe4: b\r\n${length}\r\nbody`],
    ["a field without a name", `${ok}: b\r\n${length}\r\nbody`],
    ["a field without a colon", `${ok}A\r\n${length}\r\nbody`],
    ["a folded line", `${ok}A: b\r\n c\r\n${length}\r\nbody`],
    ["a line feed alone in a field", `${ok}A: b\n${length}\r\nbody`],
    ["a carriage return alone in a field", `${ok}A: b\rc\r\n${length}\r\nbody`],
    ["a null in a field", `${ok}A: b\0c\r\n${length}\r\nbody`],
    ["line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 4\n\nbody"]
  ])("refuses %s, in whatever pieces it comes", (_, text) => {
    for (let size = 1; size <= text.length; size++) expect(() => read(text, size)).toThrow()
  })

  it("refuses a body that is larger than any answer may be", () => {
    const reader = new ResponseReader()
    reader.next()
    reader.data(Buffer.from(`${ok}Content-Length: 99999999\r\n\r\n`))
    const piece = Buffer.alloc(1024 * 1024)
    expect(() => {
      for (let time = 0; time < 65; time++) reader.data(piece)
    }).toThrow("larger")
  })
})
