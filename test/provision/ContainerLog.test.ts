import { describe, expect, it } from "vitest"
import { ContainerLog, LineSplitter } from "../../src/provision/ContainerLog.ts"

const frame = (stream: 1 | 2, text: string): Buffer => {
  const body = Buffer.from(text)
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(body.length, 4)
  return Buffer.concat([header, body])
}

describe("ContainerLog", () => {
  it("gives the lines of both streams, however the bytes are cut", () => {
    const bytes = Buffer.concat([frame(1, "one\ntw"), frame(2, "error\r\n"), frame(1, "o 火\n\nthree")])
    const expected = [
      { stream: "stdout", text: "one" },
      { stream: "stderr", text: "error" },
      { stream: "stdout", text: "two 火" },
      { stream: "stdout", text: "" },
      { stream: "stdout", text: "three" }
    ]
    for (let size = 1; size <= bytes.length; size++) {
      const log = new ContainerLog()
      const lines = []
      for (let at = 0; at < bytes.length; at += size) lines.push(...log.push(bytes.subarray(at, at + size)))
      expect([...lines, ...log.end()]).toEqual(expected)
    }
  })

  it("gives nothing more at the end when the last line was ended", () => {
    const log = new ContainerLog()
    expect(log.push(frame(1, "all\n")).length).toBe(1)
    expect(log.end()).toEqual([])
  })
})

describe("LineSplitter", () => {
  it("hands a line that is too long on in pieces, and keeps no more of it", () => {
    const splitter = new LineSplitter(4)
    expect(splitter.push(Buffer.from("abcdefghij"))).toEqual(["abcd", "efgh"])
    expect(splitter.push(Buffer.from("\nk\n"))).toEqual(["ij", "k"])
  })

  it("does not cut a letter in two", () => {
    const splitter = new LineSplitter(4)
    expect([...splitter.push(Buffer.from("ab火火\n")), ...splitter.end()]).toEqual(["ab", "火", "火"])
  })
})
