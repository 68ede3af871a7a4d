import { describe, expect, it } from "vitest"
import { LogTail } from "../../src/invoke/LogTail.ts"

const id = "8f507cfc-0000-4000-8000-5b4aaf1f8d0c"
const report = { durationMillis: 1.234, memoryMegabytes: 128, maxMemoryBytes: 35.5 * 1024 * 1024 }

describe("LogTail", () => {
  it("is what Lambda writes around the output of a function", () => {
    const tail = new LogTail(id, "7")
    tail.line("one")
    tail.line("two")
    expect(tail.end({ ...report, initMillis: 110.1 })).toBe(
      `START RequestId: ${id} Version: 7\none\ntwo\nEND RequestId: ${id}\n` +
        `REPORT RequestId: ${id}\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n`
    )
  })

  it("has no Init Duration but after a cold start", () => {
    expect(new LogTail(id, "$LATEST").end(report)).toMatch(/\tMax Memory Used: 36 MB\t\n$/)
  })

  it("is the last 4096 bytes, to the byte", () => {
    const whole = new LogTail(id, "7")
    const parts = Array.from({ length: 100 }, (_, number) => `line ${number}`)
    for (const part of parts) whole.line(part)
    const short = whole.end(report)
    const tail = new LogTail(id, "7")
    tail.line("x".repeat(4096))
    for (const part of parts) tail.line(part)
    const cut = tail.end(report)
    expect(Buffer.byteLength(cut)).toBe(4096)
    const begun = short.slice(short.indexOf("line 0"))
    expect(cut).toBe(`${"x".repeat(4096 - 1 - begun.length)}\n${begun}`)
  })

  it("leaves out a letter that the cut would divide", () => {
    const tail = new LogTail(id, "7")
    tail.line("囲".repeat(3000))
    const cut = tail.end(report)
    expect(cut).toMatch(/^囲+\nEND /)
    expect(Buffer.byteLength(cut)).toBeGreaterThan(4096 - 3)
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(4096)
  })
})
