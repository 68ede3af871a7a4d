import { heapStats } from "bun:jsc"
import { describe, expect, it } from "vitest"
import { forgetStart } from "../src/forgetStart.ts"

const compiled = (): number => heapStats().objectTypeCounts.FunctionCodeBlock ?? 0

describe("forgetStart", () => {
  it("drops the compiled code of what ran once, which runs again all the same", async () => {
    const functions = Array.from({ length: 5000 }, (_, index) => new Function(`return ${index} + 1`) as () => number)
    const sum = () => functions.reduce((total, one) => total + one(), 0)
    const first = sum()
    // While a collection is under way nothing is dropped.
    Bun.gc(true)
    const before = compiled()
    expect(before).toBeGreaterThan(5000)
    await forgetStart()
    expect(before - compiled()).toBeGreaterThan(5000)
    expect(sum()).toBe(first)
  })
})
