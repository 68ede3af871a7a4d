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

  const at = (nanos: number) => `2026-01-12T00:00:01.${String(nanos).padStart(9, "0")}Z`
  const stamped = (nanos: number, text: string, stream: 1 | 2 = 1) => frame(stream, `${at(nanos)} ${text}`)
  const texts = (lines: ReadonlyArray<{ readonly text: string }>) => lines.map(({ text }) => text)

  it("leaves the times out that the engine puts in front, in the middle of a long line too", () => {
    const log = new ContainerLog()
    expect(texts(log.push(Buffer.concat([stamped(1, "a long "), stamped(1, "line\n"), stamped(2, "x\n", 2)])))).toEqual(
      ["a long line", "x"]
    )
  })

  it("reads on where a stream broke off, wherever that was: nothing is lost and nothing comes twice", () => {
    const times = [1, 2, 2, 2, 7, 7, 900_000_000]
    const frames = times.map((nanos, index) => stamped(nanos, `line ${index}\n`, index % 2 === 0 ? 1 : 2))
    const all = Buffer.concat(frames)
    for (let cut = 0; cut <= all.length; cut++) {
      const log = new ContainerLog()
      const before = texts(log.push(all.subarray(0, cut)))
      log.reopen()
      // The engine tells from that time on, itself included.
      const from = times.findIndex(
        (nanos) => Number(log.since) === 0 || log.since === `1768176001.${at(nanos).slice(20, 29)}`
      )
      const after = texts(log.push(Buffer.concat(frames.slice(from))))
      expect([...before, ...after]).toEqual(times.map((_, index) => `line ${index}`))
    }
  })

  it("puts a line together whose halves came in two streams", () => {
    const log = new ContainerLog()
    log.push(stamped(1, "the first "))
    log.reopen()
    expect(texts(log.push(Buffer.concat([stamped(1, "the first "), stamped(2, "half\n")])))).toEqual(["the first half"])
  })
})
