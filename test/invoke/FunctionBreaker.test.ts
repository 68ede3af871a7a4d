import { it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { describe, expect } from "vitest"
import { Circuit, type Verdict } from "../../src/invoke/Circuit.ts"
import { type CircuitOpen, FunctionBreaker } from "../../src/invoke/FunctionBreaker.ts"
import { functionConfig } from "../support/functions.ts"

const threshold = 3
const recovery = Duration.seconds(30)
const hello = functionConfig()

/** A breaker and what it logged. `fails` counts as a failure of workers, `tells nothing` does not. */
const breaking = Effect.gen(function* () {
  const logged: Array<{ level: string; message: unknown; fields: Record<string, unknown> }> = []
  const logger = Logger.make(({ fiber, logLevel, message }) => {
    logged.push({ level: logLevel, message, fields: { ...fiber.getRef(References.CurrentLogAnnotations) } })
  })
  const layer = Layer.provideMerge(
    FunctionBreaker.layer({ threshold, recoveryTimeout: recovery }),
    Logger.layer([logger])
  )
  const context = yield* Layer.build(layer)
  const breaker = yield* Effect.provide(FunctionBreaker, context)
  const run = (attempt: Effect.Effect<string, string>, config = hello) =>
    breaker
      .protect(config, attempt, (error) =>
        error === "fails" || error === "engine away"
          ? { detail: `it ${error}`, engineAway: error === "engine away" }
          : undefined
      )
      .pipe(
        Effect.match({
          onSuccess: (answer) => answer,
          onFailure: (error) => (typeof error === "string" ? error : error._tag)
        }),
        Effect.provide(context)
      )
  const start = (attempt: Effect.Effect<string, string>) => Effect.forkChild(run(attempt), { startImmediately: true })
  const open = Effect.replicateEffect(run(Effect.fail("fails")), threshold, { discard: true })
  return { breaker, logged, open, run, start }
})

const answers = Effect.succeed("answer")
const fails = Effect.fail("fails")

describe("FunctionBreaker", () => {
  it.effect("refuses callers once as many failures as the threshold came in a row, and not before", () =>
    Effect.gen(function* () {
      const { run } = yield* breaking
      for (let nth = 0; nth < threshold; nth++) expect(yield* run(fails)).toBe("fails")
      expect(yield* run(answers)).toBe("CircuitOpen")
    })
  )

  it.effect("begins to count anew after any answer", () =>
    Effect.gen(function* () {
      const { run } = yield* breaking
      for (let nth = 0; nth < 4 * threshold; nth++) yield* run(nth % threshold === 0 ? answers : fails)
      expect(yield* run(answers)).toBe("answer")
    })
  )

  it.effect("neither counts nor forgives what tells nothing about the workers", () =>
    Effect.gen(function* () {
      const { run } = yield* breaking
      yield* run(fails)
      yield* run(fails)
      for (let nth = 0; nth < threshold; nth++) expect(yield* run(Effect.fail("tells nothing"))).toBe("tells nothing")
      yield* run(fails)
      expect(yield* run(answers)).toBe("CircuitOpen")
    })
  )

  it.effect("does not run what it refuses, and says when to come again", () =>
    Effect.gen(function* () {
      const { breaker, open } = yield* breaking
      yield* open
      yield* TestClock.adjust("12 seconds")
      const refused = yield* Effect.flip(breaker.protect(hello, Effect.die("ran"), () => undefined))
      expect(refused).toMatchObject({ _tag: "CircuitOpen", functionName: "hello", failures: 3 })
      expect(Duration.toMillis((refused as CircuitOpen).retryAfter)).toBeCloseTo(18_000)
      expect((refused as CircuitOpen).message).toBe(
        "'hello' is not run at the moment: its workers failed 3 times in a row; it is tried again in 18 s."
      )
    })
  )

  it.effect("lets exactly one through when the recovery time is over, not a millisecond before", () =>
    Effect.gen(function* () {
      const { open, run, start } = yield* breaking
      yield* open
      yield* TestClock.adjust("29999 millis")
      expect(yield* run(answers)).toBe("CircuitOpen")
      yield* TestClock.adjust("1 millis")
      const trial = yield* Deferred.make<string, string>()
      const running = yield* start(Deferred.await(trial))
      expect(yield* run(answers)).toBe("CircuitOpen")
      yield* Deferred.succeed(trial, "answer")
      expect(yield* Fiber.join(running)).toBe("answer")
      expect(yield* run(answers)).toBe("answer")
    })
  )

  it.effect("lets one through every second while the engine is away, and says so once", () =>
    Effect.gen(function* () {
      const { logged, run } = yield* breaking
      const away = Effect.fail("engine away")
      for (let nth = 0; nth < threshold; nth++) yield* run(away)
      for (let second = 0; second < 5; second++) {
        yield* TestClock.adjust("999 millis")
        expect(yield* run(away)).toBe("CircuitOpen")
        yield* TestClock.adjust("1 millis")
        expect(yield* run(away)).toBe("engine away")
        expect(yield* run(away)).toBe("CircuitOpen")
      }
      yield* TestClock.adjust("1 second")
      expect(yield* run(answers)).toBe("answer")
      expect(yield* run(answers)).toBe("answer")
      expect(logged.flatMap(({ message }) => message)).toEqual([
        "The workers of 'hello' keep failing: its callers are refused for 1s",
        "The workers of 'hello' run again: its callers are let through"
      ])
    })
  )

  it.effect("refuses for the whole recovery time when the engine is back and workers fail all the same", () =>
    Effect.gen(function* () {
      const { run } = yield* breaking
      for (let nth = 0; nth < threshold; nth++) yield* run(Effect.fail("engine away"))
      yield* TestClock.adjust("1 second")
      expect(yield* run(fails)).toBe("fails")
      yield* TestClock.adjust("29999 millis")
      expect(yield* run(answers)).toBe("CircuitOpen")
      yield* TestClock.adjust("1 millis")
      expect(yield* run(answers)).toBe("answer")
    })
  )

  it.effect("opens again for the whole recovery time when the trial fails", () =>
    Effect.gen(function* () {
      const { open, run } = yield* breaking
      yield* open
      yield* TestClock.adjust(recovery)
      expect(yield* run(fails)).toBe("fails")
      yield* TestClock.adjust("29999 millis")
      expect(yield* run(answers)).toBe("CircuitOpen")
      yield* TestClock.adjust("1 millis")
      expect(yield* run(answers)).toBe("answer")
    })
  )

  it.effect.each<
    readonly [string, (trial: Fiber.Fiber<unknown>, gate: Deferred.Deferred<string, string>) => Effect.Effect<unknown>]
  >([
    ["leaves", (trial) => Fiber.interrupt(trial)],
    ["finds out nothing", (_, gate) => Deferred.fail(gate, "tells nothing")]
  ])("gives the trial to the next caller when the one on trial %s", ([, end]) =>
    Effect.gen(function* () {
      const { open, run, start } = yield* breaking
      yield* open
      yield* TestClock.adjust(recovery)
      const gate = yield* Deferred.make<string, string>()
      const trial = yield* start(Deferred.await(gate))
      expect(yield* run(answers)).toBe("CircuitOpen")
      yield* end(trial, gate)
      yield* Fiber.await(trial)
      expect(yield* run(fails)).toBe("fails")
      expect(yield* run(answers)).toBe("CircuitOpen")
    })
  )

  it.effect("is not closed by an answer, nor kept open by a failure, of those who ran before it opened", () =>
    Effect.gen(function* () {
      const { logged, open, run, start } = yield* breaking
      const gates = yield* Effect.replicateEffect(Deferred.make<string, string>(), 3)
      const [first, second, third] = gates as [(typeof gates)[0], (typeof gates)[0], (typeof gates)[0]]
      const running = yield* Effect.forEach(gates, (gate) => start(Deferred.await(gate)))
      yield* open
      yield* Deferred.succeed(first, "late answer")
      expect(yield* Fiber.join(running[0]!)).toBe("late answer")
      expect(yield* run(answers)).toBe("CircuitOpen")
      yield* TestClock.adjust("29 seconds")
      yield* Deferred.fail(second, "fails")
      yield* Fiber.join(running[1]!)
      yield* TestClock.adjust("1 second")
      expect(yield* run(answers)).toBe("answer")
      yield* Deferred.fail(third, "fails")
      yield* Fiber.join(running[2]!)
      expect(logged.map(({ level }) => level)).toEqual(["Warn", "Info", "Info"])
    })
  )

  it.effect("says each change once, with what failed last", () =>
    Effect.gen(function* () {
      const { logged, open, run } = yield* breaking
      yield* open
      yield* Effect.replicateEffect(run(answers), 3, { discard: true })
      yield* TestClock.adjust(recovery)
      yield* run(Effect.fail("tells nothing"))
      yield* run(answers)
      yield* run(answers)
      const fields = (failures: number) => expect.objectContaining({ function_name: "hello", failures })
      expect(logged).toEqual([
        {
          level: "Warn",
          message: ["The workers of 'hello' keep failing: its callers are refused for 30s"],
          fields: { function_name: "hello", failures: 3, error_detail: "it fails" }
        },
        {
          level: "Info",
          message: ["One caller of 'hello' is let through, to see whether its workers run again"],
          fields: fields(3)
        },
        {
          level: "Info",
          message: ["The workers of 'hello' run again: its callers are let through"],
          fields: fields(0)
        }
      ])
    })
  )

  it.effect("keeps functions, versions and configurations apart", () =>
    Effect.gen(function* () {
      const { breaker, open, run } = yield* breaking
      yield* open
      expect(yield* run(answers, functionConfig({ version: "2" }))).toBe("answer")
      const changed = functionConfig()
      expect(yield* run(answers)).toBe("CircuitOpen")
      expect(yield* breaker.circuits).toEqual([
        { functionName: "hello", version: "$LATEST", state: "open" },
        { functionName: "hello", version: "2", state: "closed" }
      ])
      expect(yield* run(answers, changed)).toBe("answer")
      expect((yield* breaker.circuits)[0]).toMatchObject({ version: "$LATEST", state: "closed" })
    })
  )

  it.effect("tells of a circuit that waits for its trial as half open", () =>
    Effect.gen(function* () {
      const { breaker, open } = yield* breaking
      yield* open
      yield* TestClock.adjust(recovery)
      expect(yield* breaker.circuits).toMatchObject([{ state: "half-open" }])
    })
  )
})

type Step =
  | { readonly does: "call" }
  | { readonly does: "end"; readonly which: number; readonly verdict: Verdict }
  | { readonly does: "wait"; readonly millis: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ does: "call" } as const) },
  {
    weight: 5,
    arbitrary: fc.record({
      does: fc.constant("end" as const),
      which: fc.nat(),
      verdict: fc.constantFrom<Verdict>("failed", "failed", "answered", "undecided")
    })
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("wait" as const), millis: fc.integer({ min: 1, max: 150 }) }) }
)

/**
 * What a circuit has to do, told from the whole history each time: the calls that were let through, in the order in
 * which they began, and what ended when. Nothing of the circuit's own bookkeeping is in it.
 */
class Model {
  #now = 0
  /** Of the last change to closed or open; `closed` at the beginning. */
  #since: { readonly what: "closed" | "open"; readonly at: number; readonly call: number } = {
    what: "closed",
    at: 0,
    call: 0
  }
  #calls = 0
  /** Of calls that began after the last change, in the order of their ends. */
  #ends: Array<Verdict> = []
  readonly running: Array<{ readonly nth: number; readonly permit: number }> = []

  wait(millis: number): number {
    this.#now += millis
    return this.#now
  }

  get now() {
    return this.#now
  }

  /** Of those that run, who began after the last change. */
  #current() {
    return this.running.filter(({ nth }) => nth >= this.#since.call)
  }

  admits(recoveryMillis: number): boolean {
    if (this.#since.what === "closed") return true
    return this.#now >= this.#since.at + recoveryMillis && this.#current().length === 0
  }

  begins(permit: number): void {
    this.running.push({ nth: this.#calls++, permit })
  }

  /** Gives the state that has to follow from it, if it changes. */
  ends(index: number, verdict: Verdict, limit: number): "opened" | "closed" | undefined {
    const [call] = this.running.splice(index, 1)
    if (call!.nth < this.#since.call) return undefined
    this.#ends.push(verdict)
    const decided = this.#ends.filter((verdict) => verdict !== "undecided")
    const change = (what: "closed" | "open") => {
      this.#since = { what, at: this.#now, call: this.#calls }
      this.#ends = []
      return what === "open" ? "opened" : what
    }
    if (this.#since.what === "open") {
      if (verdict === "undecided") return undefined
      return change(verdict === "failed" ? "open" : "closed")
    }
    const last = decided.slice(-limit)
    return last.length === limit && last.every((verdict) => verdict === "failed") ? change("open") : undefined
  }
}

describe("Circuit", () => {
  it("lets through, refuses, opens and closes as the history of calls says, whatever it is", () => {
    const recoveryMillis = 100
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 80 }), (limit, steps) => {
        const circuit = new Circuit({ threshold: limit, recoveryMillis })
        const model = new Model()
        for (const step of steps) {
          if (step.does === "wait") model.wait(step.millis)
          else if (step.does === "call") {
            const expected = model.admits(recoveryMillis)
            const admission = circuit.admit(model.now)
            expect(admission.admitted).toBe(expected)
            if (admission.admitted) model.begins(admission.permit)
            else expect(admission.retryAfterMillis).toBeLessThanOrEqual(recoveryMillis)
          } else if (model.running.length > 0) {
            const index = step.which % model.running.length
            const { permit } = model.running[index]!
            const transition = circuit.settle(permit, step.verdict, model.now)
            expect(transition).toBe(model.ends(index, step.verdict, limit))
          }
        }
      }),
      { numRuns: 10_000 }
    )
  })
})
