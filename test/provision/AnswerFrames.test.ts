import { describe, expect, it } from "vitest"
import { AnswerFrameReader, endFrame, pieceFrame } from "../../src/provision/AnswerFrames.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

/** What is read of a stream that comes in parts of `size`. */
const readIn = (stream: Buffer, size: number) => {
  const parts: Array<Uint8Array> = []
  const reader = new AnswerFrameReader((part) => parts.push(part))
  for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size))
  return { text: Buffer.concat(parts).toString(), parts: parts.length, end: reader.end }
}

describe("the frames of a streamed answer", () => {
  const end = { error_type: "エラー", document: bytes('{"a":1}') }
  const stream = Buffer.concat([
    pieceFrame(bytes("one")),
    pieceFrame(bytes("")),
    pieceFrame(bytes("two")),
    endFrame(end)
  ])

  it.each([1, 2, 7, 1000])("are read however they are cut: in parts of %i bytes", (size) => {
    const read = readIn(stream, size)
    expect(read.text).toBe("onetwo")
    expect(read.end?.error_type).toBe("エラー")
    expect(Buffer.from(read.end!.document!).toString()).toBe('{"a":1}')
  })

  it("hand a piece on before all of it is there", () => {
    expect(readIn(Buffer.from(pieceFrame(bytes("x".repeat(100)))).subarray(0, 50), 50)).toMatchObject({
      text: "x".repeat(45),
      end: undefined
    })
  })

  it("have no end where they break off", () => {
    expect(readIn(stream.subarray(0, stream.length - 1), 1000).end).toBeUndefined()
  })

  it.each([
    ["nothing after the end", Buffer.concat([endFrame({}), pieceFrame(bytes("x"))])],
    ["no other kind", Buffer.from("X\0\0\0\0")],
    ["no end that is none", Buffer.concat([Buffer.from("E\0\0\0"), Buffer.from([2]), Buffer.from("[]")])],
    ["no end without an end", Buffer.from([69, 255, 255, 255, 255])]
  ])("have %s", (_, stream) => {
    expect(() => readIn(stream, 1000)).toThrow("another protocol")
  })
})
