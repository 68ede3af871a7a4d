import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { graceMillis, maxMadeUp, missedPolicies, passed } from "../../src/schedules/dueTimes.ts"

const minute = 60_000

describe("passed", () => {
  it("finds what a look at every due time finds", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 60 * minute }), { maxLength: 80 }),
        fc.integer({ min: -1, max: 60 * minute }),
        fc.integer({ min: 0, max: 60 * minute }),
        fc.constantFrom(...missedPolicies),
        (times, past, now, policy) => {
          const sorted = [...times].sort((left, right) => left - right)
          const next = (after: number) => sorted.find((due) => due > after)
          const due = sorted.filter((time) => time > past && time <= now)
          const isLate = due.some((time) => time < now - graceMillis)
          const onTime = due.filter((time) => time >= now - graceMillis)
          const made = !isLate || policy === "all" ? due : policy === "skip" ? onTime : due.slice(-1)
          expect(passed(next, past, now, policy)).toEqual({ fired: made, isSome: made.length < due.length })
        }
      ),
      { numRuns: 500 }
    )
  })

  it("makes up for the last thousand of very many, and takes no time to find them", () => {
    const everyMinute = (after: number) => (Math.floor(after / minute) + 1) * minute
    const years = 30 * 365 * 24 * 60
    const { fired, isSome } = passed(everyMinute, 0, years * minute, "all")
    expect(fired).toHaveLength(maxMadeUp)
    expect(fired.at(-1)).toBe(years * minute)
    expect(fired[0]).toBe((years - maxMadeUp + 1) * minute)
    expect(isSome).toBe(true)
    expect(passed(everyMinute, 0, years * minute + 1, "once")).toEqual({ fired: [years * minute], isSome: true })
  })
})
