import { describe, expect, it } from "vitest"
import { maxBatches, TelemetryBuffer } from "../../src/runtime-api/TelemetryBuffer.ts"

const buffer = (limits: { maxItems?: number; maxBytes?: number } = {}) =>
  new TelemetryBuffer({ maxItems: 100, maxBytes: 1000, timeoutMs: 1000, ...limits })

describe("TelemetryBuffer", () => {
  it("has a batch when there are as many records as go into one", () => {
    const records = buffer({ maxItems: 2 })
    expect(records.add("1")).toBe(false)
    expect(records.add("2")).toBe(true)
    expect(records.take()).toEqual({ records: 2, body: "[1,2]" })
    expect(records.isOpen).toBe(false)
    expect(records.take()).toBeUndefined()
  })

  it("ends a batch before the record that would make it too large", () => {
    const records = buffer({ maxBytes: 10 })
    expect(records.add('"12345"')).toBe(false)
    expect(records.add('"ü"')).toBe(true)
    expect(records.take()?.body).toBe('["12345"]')
    expect(records.isOpen).toBe(true)
    records.close()
    expect(records.take()?.body).toBe('["ü"]')
  })

  it("sends a record by itself that is larger than a batch", () => {
    const records = buffer({ maxBytes: 5 })
    expect(records.add('"123456789"')).toBe(true)
    expect(records.take()?.body).toBe('["123456789"]')
  })

  it("makes no batch of nothing", () => {
    const records = buffer()
    records.close()
    expect(records.take()).toBeUndefined()
  })

  it("drops the oldest batches of a destination that is too far behind, and counts them once", () => {
    const records = buffer({ maxItems: 1 })
    for (let i = 0; i < maxBatches + 2; i++) records.add(String(i))
    expect(records.takeDropped()).toEqual({ records: 2, bytes: 6 })
    expect(records.takeDropped()).toBeUndefined()
    expect(records.take()?.body).toBe("[2]")
  })
})
