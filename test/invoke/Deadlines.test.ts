import { describe, expect, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { makeDeadlines } from "../../src/invoke/Deadlines.ts"

describe("Deadlines", () => {
  it.effect("tells that a time is up, not before and at most a tick after", () =>
    Effect.gen(function* () {
      const deadlines = yield* makeDeadlines
      const reached: Array<string> = []
      yield* TestClock.adjust("7 millis")
      deadlines.set(100, () => reached.push("first"))
      deadlines.set(1000, () => reached.push("second"))
      yield* TestClock.adjust("99 millis")
      expect(reached).toEqual([])
      yield* TestClock.adjust("41 millis")
      expect(reached).toEqual(["first"])
      yield* TestClock.adjust("859 millis")
      expect(reached).toEqual(["first"])
      yield* TestClock.adjust("41 millis")
      expect(reached).toEqual(["first", "second"])
    })
  )

  it.effect("says nothing of what was cleared, however often it is", () =>
    Effect.gen(function* () {
      const deadlines = yield* makeDeadlines
      const reached: Array<string> = []
      const limit = deadlines.set(50, () => reached.push("cleared"))
      deadlines.set(50, () => reached.push("kept"))
      limit.clear()
      limit.clear()
      yield* TestClock.adjust("1 second")
      expect(reached).toEqual(["kept"])
      limit.clear()
    })
  )

  it.effect("goes on when what is told throws, with all that is due then and later", () => {
    const logged: Array<unknown> = []
    return Effect.gen(function* () {
      const deadlines = yield* makeDeadlines
      const reached: Array<string> = []
      const fault = new Error("a bug")
      deadlines.set(50, () => {
        throw fault
      })
      deadlines.set(50, () => reached.push("beside it"))
      deadlines.set(500, () => reached.push("after it"))
      yield* TestClock.adjust("1 second")
      expect(reached).toEqual(["beside it", "after it"])
      deadlines.set(50, () => reached.push("anew"))
      yield* TestClock.adjust("1 second")
      expect(reached).toEqual(["beside it", "after it", "anew"])
      expect(logged).toEqual([["What a limit of time was for failed unexpectedly", fault]])
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(message))])))
  })

  it.effect("begins anew after nothing was left to watch", () =>
    Effect.gen(function* () {
      const deadlines = yield* makeDeadlines
      let reached = 0
      deadlines.set(10, () => reached++)
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 minute")
      deadlines.set(10, () => reached++)
      yield* TestClock.adjust("1 second")
      expect(reached).toBe(2)
    })
  )

  it.effect("can be set from within one that is reached", () =>
    Effect.gen(function* () {
      const deadlines = yield* makeDeadlines
      const reached: Array<number> = []
      const again = (times: number): void => {
        reached.push(times)
        if (times > 0) deadlines.set(10, () => again(times - 1))
      }
      deadlines.set(10, () => again(2))
      yield* TestClock.adjust("1 second")
      expect(reached).toEqual([2, 1, 0])
    })
  )
})
