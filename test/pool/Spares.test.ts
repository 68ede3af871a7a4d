import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Spares } from "../../src/pool/Spares.ts"

const second = 1000
const options = { maxSpares: 3, windowMillis: 60 * second, hotCalls: 5 }

const called = (spares: Spares, atMillis: number, calls: number, waiting = 0) => {
  for (let i = 0; i < calls; i++) spares.called(atMillis, i < waiting)
  return spares
}

describe("Spares", () => {
  it("wants none where nobody had to wait for a start, however hot the function is", () => {
    expect(called(new Spares(options), 0, 100).wanted(0)).toBe(0)
  })

  it("wants one for each caller who had to wait, up to the most there may be", () => {
    expect(called(new Spares(options), 0, 10, 1).wanted(0)).toBe(1)
    expect(called(new Spares(options), 0, 10, 2).wanted(0)).toBe(2)
    expect(called(new Spares(options), 0, 10, 9).wanted(0)).toBe(3)
  })

  it("wants none for a function that is seldom called, though each of its callers has to wait", () => {
    const spares = new Spares(options)
    for (let minute = 0; minute < 100; minute++) {
      called(spares, minute * 60 * second, 4, 1)
      expect(spares.wanted(minute * 60 * second)).toBe(0)
    }
  })

  it("wants some from the call on that makes the function hot", () => {
    const spares = called(new Spares(options), 0, 4, 4)
    expect(spares.wanted(0)).toBe(0)
    expect(called(spares, 0, 1).wanted(0)).toBe(3)
  })

  it("forgets a caller who waited when the window is over, not before", () => {
    const spares = called(new Spares(options), 0, 1, 1)
    called(spares, 30 * second, 10)
    expect(spares.wanted(60 * second - 1)).toBe(1)
    expect(spares.wanted(60 * second)).toBe(0)
  })

  it("wants none any more when the calls stop", () => {
    const spares = called(new Spares(options), 0, 4)
    called(spares, 59 * second, 4, 3)
    expect(spares.wanted(59 * second)).toBe(3)
    // Three callers waited within the last minute still, but only four called.
    expect(spares.wanted(60 * second - 1)).toBe(3)
    expect(spares.wanted(60 * second)).toBe(0)
  })

  it("is off where there may be none", () => {
    expect(called(new Spares({ ...options, maxSpares: 0 }), 0, 100, 100).wanted(0)).toBe(0)
  })

  it("wants as many as a count of the whole history says", () => {
    const history = fc.array(fc.record({ afterMillis: fc.nat(20 * second), waits: fc.boolean() }), { maxLength: 60 })
    fc.assert(
      fc.property(history, fc.nat(90 * second), (calls, laterMillis) => {
        const spares = new Spares(options)
        let now = 0
        const all = calls.map(({ afterMillis, waits }) => {
          now += afterMillis
          spares.called(now, waits)
          return { at: now, waits }
        })
        now += laterMillis
        const recent = all.filter(({ at }) => at > now - options.windowMillis)
        const waited = recent.filter(({ waits }) => waits).length
        expect(spares.wanted(now)).toBe(recent.length < options.hotCalls ? 0 : Math.min(waited, options.maxSpares))
      }),
      { numRuns: 1000 }
    )
  })
})
