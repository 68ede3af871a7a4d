import { describe, expect, it } from "vitest"
import { LineSplitter } from "../../src/provision/LineSplitter.ts"

/** The lines that come of these chunks, and of the end. */
const split = (chunks: ReadonlyArray<string | Buffer>, maxLineBytes = 100): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const splitter = new LineSplitter(maxLineBytes, (line) => lines.push(line))
  for (const chunk of chunks) splitter.push(Buffer.from(chunk))
  splitter.end()
  return lines
}

describe("LineSplitter", () => {
  it("puts a line together that comes in pieces, inside a character too", () => {
    const bytes = Buffer.from("é€😀\nnext\n")
    expect(split([...bytes].map((byte) => Buffer.from([byte])))).toEqual(["é€😀", "next"])
  })

  it("leaves out empty lines, and takes what has no line feed at the end", () => {
    expect(split(["a\n\n\nb"])).toEqual(["a", "b"])
  })

  it("takes a carriage return at the end for part of the line's end, and one inside for a line feed", () => {
    expect(split(["dos\r\none\rtwo\n"])).toEqual(["dos", "one\ntwo"])
  })

  it("cuts a line that is too long before the character that would not fit", () => {
    expect(split(["aaa€€\n"], 5)).toEqual(["aaa", "€", "€"])
    expect(split(["12345\n123456\n"], 5)).toEqual(["12345", "12345", "6"])
  })

  it("cuts bytes that are no characters at the limit", () => {
    expect(split([Buffer.alloc(12, 0x80)], 5).map((line) => line.length)).toSatisfy((lengths: Array<number>) =>
      lengths.every((length) => length <= 5)
    )
  })
})
