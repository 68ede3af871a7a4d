import { describe, expect, it } from "vitest"
import { ContainerLog } from "../../src/provision/ContainerLog.ts"

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
