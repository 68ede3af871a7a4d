import { describe, expect, it } from "vitest"
import { Warmth } from "../../src/pool/Warmth.ts"

const minute = 60_000

/** A function that was called every `minutes`, often enough for that to be known. */
const calledEvery = (minutes: number) => {
  const warmth = new Warmth({ adaptive: true })
  let now = 0
  for (let call = 0; call < 50; call++) {
    warmth.called(now, false)
    warmth.fellQuiet(now)
    now += minutes * minute
  }
  return { warmth, lastCall: now - minutes * minute }
}

describe("Warmth", () => {
  it("has no advice about a function of which little is known", () => {
    const warmth = new Warmth({ adaptive: true })
    warmth.called(0, true)
    warmth.fellQuiet(0)
    expect(warmth.advice(3 * minute)).toEqual({ keep: 0, spares: 0 })
  })

  it("lets the worker of an hourly function go at once, and has one back before the hour is over", () => {
    const { lastCall, warmth } = calledEvery(60)
    expect(warmth.advice(lastCall + minute)).toEqual({ idleTimeoutMillis: 0, keep: 0, spares: 0 })
    expect(warmth.advice(lastCall + 53 * minute)).toEqual({ idleTimeoutMillis: 0, keep: 0, spares: 0 })
    expect(warmth.advice(lastCall + 54 * minute)).toEqual({ keep: 1, spares: 1 })
    expect(warmth.advice(lastCall + 67 * minute)).toEqual({ keep: 1, spares: 1 })
    expect(warmth.advice(lastCall + 68 * minute)).toEqual({ idleTimeoutMillis: 0, keep: 0, spares: 0 })
  })

  it("keeps the worker of a function that is called every half minute", () => {
    const { lastCall, warmth } = calledEvery(0.5)
    expect(warmth.advice(lastCall + minute)).toEqual({ keep: 1, spares: 1 })
    expect(warmth.advice(lastCall + 2 * minute)).toMatchObject({ idleTimeoutMillis: 0 })
  })

  it("does not judge a function while something of it runs", () => {
    const { lastCall, warmth } = calledEvery(60)
    warmth.called(lastCall + 60 * minute, false)
    expect(warmth.advice(lastCall + 180 * minute)).toEqual({ keep: 0, spares: 0 })
  })

  it("has spares for a hot function, for as long as callers had to wait", () => {
    const spares = { maxSpares: 2, windowMillis: minute, hotCalls: 3 }
    const warmth = new Warmth({ adaptive: false, spares })
    for (const waits of [true, true, true]) warmth.called(0, waits)
    expect(warmth.advice(1).spares).toBe(2)
    expect(warmth.advice(minute - 1).spares).toBe(2)
    expect(warmth.advice(minute).spares).toBe(0)
  })
})
