import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Candidate, GreedyDual } from "../../src/pool/GreedyDual.ts"

const idle = (key: string, sinceMillis = 0): Candidate => ({ key, sinceMillis })

interface Function {
  readonly uses: number
  readonly costMillis: number
  readonly megabytes: number
}

/** Functions of which each has come up once and been used so often. */
const used = (functions: Readonly<Record<string, Function>>) => {
  const priorities = new GreedyDual()
  for (const [key, { costMillis, megabytes, uses }] of Object.entries(functions)) {
    priorities.started(key, costMillis, megabytes)
    for (let i = 0; i < uses; i++) priorities.touch(key)
  }
  return priorities
}
const alike = { uses: 5, costMillis: 400, megabytes: 128 }

const functionArbitrary = fc.record({
  uses: fc.integer({ min: 1, max: 50 }),
  costMillis: fc.integer({ min: 1, max: 10_000 }),
  megabytes: fc.integer({ min: 128, max: 10_240 })
})

describe("GreedyDual", () => {
  it("has no victim where nothing is idle", () => {
    expect(new GreedyDual().victim([])).toBeUndefined()
  })

  it.each([
    ["used less often", { uses: 4 }],
    ["cheaper to start", { costMillis: 399 }],
    ["bigger", { megabytes: 129 }]
  ])("takes the one that is %s, all else being equal", (_, difference) => {
    const priorities = used({ a: alike, cold: { ...alike, ...difference }, z: alike })
    expect(priorities.victim([idle("a", 1), idle("cold", 9), idle("z", 2)])?.key).toBe("cold")
  })

  it("takes the one that has been idle longest among equals", () => {
    const priorities = used({ a: alike, b: alike, c: alike })
    expect(priorities.victim([idle("a", 3), idle("b", 1), idle("c", 2)])).toEqual(idle("b", 1))
  })

  it("gives back the very candidate, with all that its caller keeps in it", () => {
    const candidate = { ...idle("a"), worker: "w-1" }
    expect(used({ a: alike }).victim([candidate])).toBe(candidate)
  })

  it("takes one that was never used before any that was", () => {
    const priorities = used({ hot: { ...alike, uses: 1, megabytes: 10_240 } })
    priorities.started("spare", 60_000, 128)
    expect(priorities.victim([idle("hot"), idle("spare", 5)])?.key).toBe("spare")
  })

  it("lets what is no longer used age as others are removed, whatever it was worth", () => {
    const priorities = used({ old: { uses: 10, costMillis: 100, megabytes: 100 } })
    // Each is worth one more than what was removed last; what stays is worth ten.
    const removed: Array<string | undefined> = []
    for (let i = 1; i <= 12; i++) {
      const key = `n${i}`
      priorities.started(key, 100, 100)
      priorities.touch(key)
      removed.push(priorities.victim([idle(key, i), idle("old", 0)])?.key)
    }
    expect(removed.indexOf("old")).toBe(9)
  })

  it("forgets how often a function was used when its last worker is gone, and keeps how dear it is", () => {
    const priorities = used({ back: { ...alike, uses: 100 }, other: { ...alike, uses: 2 } })
    priorities.gone("back")
    priorities.touch("back")
    expect(priorities.victim([idle("back", 9), idle("other", 1)])?.key).toBe("back")
    for (let i = 0; i < 2; i++) priorities.touch("back")
    expect(priorities.victim([idle("back", 9), idle("other", 1)])?.key).toBe("other")
  })

  it("takes the cost of a start from the latest ones, not from one that was an exception", () => {
    const priorities = used({ a: { ...alike, costMillis: 400 }, b: { ...alike, costMillis: 600 } })
    priorities.started("a", 700, alike.megabytes)
    expect(priorities.victim([idle("a"), idle("b")])?.key).toBe("a")
    for (let i = 0; i < 10; i++) priorities.started("a", 700, alike.megabytes)
    expect(priorities.victim([idle("a"), idle("b")])?.key).toBe("b")
  })

  it("keeps a dear small function that is used often before a cheap big one that is not", () => {
    const property = fc.property(functionArbitrary, functionArbitrary, (one, other) => {
      const better: Function = {
        uses: Math.max(one.uses, other.uses) + 1,
        costMillis: Math.max(one.costMillis, other.costMillis),
        megabytes: Math.min(one.megabytes, other.megabytes)
      }
      const worse: Function = {
        uses: Math.min(one.uses, other.uses),
        costMillis: Math.min(one.costMillis, other.costMillis),
        megabytes: Math.max(one.megabytes, other.megabytes)
      }
      // Idle for longer, which must not count.
      expect(used({ better, worse }).victim([idle("better", 0), idle("worse", 9)])?.key).toBe("worse")
    })
    fc.assert(property, { numRuns: 500 })
  })

  it("always takes the least of uses times cost over size, above the clock of the last use", () => {
    const step = fc.oneof(
      fc.record({ touch: fc.nat(4) }),
      fc.record({ gone: fc.nat(4) }),
      fc.record({ remove: fc.uniqueArray(fc.nat(4), { minLength: 1, maxLength: 5 }) })
    )
    fc.assert(
      fc.property(
        fc.array(functionArbitrary, { minLength: 5, maxLength: 5 }),
        fc.array(step, { maxLength: 60 }),
        (functions, steps) => {
          const priorities = used(Object.fromEntries(functions.map((each, index) => [`f${index}`, each])))
          const model: Array<{ uses: number; costMillis: number; megabytes: number; usedAt: number }> = functions.map(
            (each) => ({
              ...each,
              usedAt: 0
            })
          )
          const priority = (index: number) => {
            const { costMillis, megabytes, usedAt, uses } = model[index]!
            return usedAt + (uses * costMillis) / megabytes
          }
          let clock = 0
          for (const each of steps) {
            if ("touch" in each) {
              priorities.touch(`f${each.touch}`)
              const known = model[each.touch]!
              known.usedAt = clock
              known.uses++
            } else if ("gone" in each) {
              priorities.gone(`f${each.gone}`)
              model[each.gone]!.uses = 0
            } else {
              const victim = priorities.victim(each.remove.map((index) => idle(`f${index}`, index)))
              const least = Math.min(...each.remove.map(priority))
              expect(priority(Number(victim?.key.slice(1)))).toBe(least)
              clock = Math.max(clock, least)
            }
          }
        }
      ),
      { numRuns: 500 }
    )
  })
})
