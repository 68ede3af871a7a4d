import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { ConcurrencyGate } from "../../src/control/ConcurrencyGate.ts"
import { ConcurrencyLimits } from "../../src/control/ConcurrencyLimits.ts"
import { ControlDatabase } from "../../src/control/Database.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import type { FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import { functionConfig, hello } from "../support/functions.ts"

const layer = (accountConcurrency: number) =>
  ConcurrencyGate.layer.pipe(
    Layer.provideMerge(ConcurrencyLimits.layer({ accountConcurrency })),
    Layer.provide(FunctionStore.layer),
    Layer.provide(ControlDatabase.layerMemory)
  )

const other = FunctionName.make("other")
const latest = functionConfig({ maxCapacity: 100 })
const first = functionConfig({ version: "1", maxCapacity: 100 })
const another = functionConfig({ name: other, maxCapacity: 100 })

/** An invocation that runs until it is told to end; fails with why it was refused. */
const begin = Effect.fnUntraced(function* (config: FunctionConfig) {
  const gate = yield* ConcurrencyGate
  const end = yield* Deferred.make<void>()
  const begun = yield* Deferred.make<"begun">()
  const fiber = yield* Effect.forkChild(
    gate.admit(config, Effect.andThen(Deferred.succeed(begun, "begun"), Deferred.await(end))),
    { startImmediately: true }
  )
  // Only one that was refused has ended.
  const exit = fiber.pollUnsafe()
  if (exit !== undefined) yield* exit
  yield* Deferred.await(begun)
  return { fiber, end: Effect.andThen(Deferred.succeed(end, undefined), Fiber.await(fiber)) }
})

const refusal = (config: FunctionConfig) => Effect.map(Effect.flip(begin(config)), ({ reason }) => reason)

const provision = (version: string, requested: number, functionName = "hello") =>
  Effect.map(ConcurrencyLimits, (limits) =>
    limits.provision({ functionName, qualifier: version, version, requested, modifiedMillis: 0 })
  )

const reserve = (name: string, executions: number | undefined) =>
  Effect.map(ConcurrencyLimits, (limits) => limits.reserve(name, executions))

describe("ConcurrencyGate", () => {
  it.effect("refuses at once what runs over a reservation, counting every version", () =>
    Effect.gen(function* () {
      yield* reserve("hello", 2)
      const one = yield* begin(latest)
      yield* begin(first)
      expect(yield* refusal(latest)).toBe("ReservedLimit")
      yield* one.end
      yield* begin(first)
      expect(yield* refusal(first)).toBe("ReservedLimit")
    }).pipe(Effect.provide(layer(1000)))
  )

  it.effect("runs nothing of a function for which nothing is reserved but the reservation", () =>
    Effect.gen(function* () {
      yield* reserve("hello", 0)
      expect(yield* refusal(latest)).toBe("ReservedLimit")
      yield* begin(another)
    }).pipe(Effect.provide(layer(1000)))
  )

  it.effect("has a place free after a failure and after an interrupt", () =>
    Effect.gen(function* () {
      yield* reserve("hello", 1)
      const gate = yield* ConcurrencyGate
      expect(yield* Effect.flip(gate.admit(latest, Effect.fail("broken")))).toBe("broken")
      const { fiber } = yield* begin(latest)
      expect(yield* refusal(latest)).toBe("ReservedLimit")
      yield* Fiber.interrupt(fiber)
      yield* begin(latest)
    }).pipe(Effect.provide(layer(1000)))
  )

  it.effect("shares among functions without a reservation what is unreserved", () =>
    Effect.gen(function* () {
      yield* reserve("other", 3)
      yield* begin(latest)
      yield* begin(latest)
      expect(yield* refusal(latest)).toBe("AccountLimit")
      expect(yield* refusal(functionConfig({ name: FunctionName.make("third") }))).toBe("AccountLimit")
      // What is reserved for another function is there for it.
      yield* begin(another)
    }).pipe(Effect.provide(layer(5)))
  )

  it.effect("does not count against others who only waits in a function's own queue", () =>
    Effect.gen(function* () {
      const small = functionConfig({ maxCapacity: 1 })
      const held = [yield* begin(small), yield* begin(small), yield* begin(small)]
      const last = yield* begin(another)
      expect(yield* refusal(another)).toBe("AccountLimit")
      yield* last.end
      for (const { end } of held) yield* end
      yield* begin(another)
      yield* begin(another)
      expect(yield* refusal(another)).toBe("AccountLimit")
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("leaves nothing for other versions where all that is reserved is provisioned", () =>
    Effect.gen(function* () {
      yield* reserve("hello", 2)
      yield* provision("1", 2)
      expect(yield* refusal(latest)).toBe("ReservedLimit")
      yield* begin(first)
      yield* begin(first)
      expect(yield* refusal(first)).toBe("ReservedLimit")
    }).pipe(Effect.provide(layer(1000)))
  )

  it.effect("lets a version run on demand beyond what is provisioned for it", () =>
    Effect.gen(function* () {
      yield* reserve("hello", 3)
      yield* provision("1", 2)
      for (let run = 0; run < 3; run++) yield* begin(first)
      expect(yield* refusal(first)).toBe("ReservedLimit")
      expect(yield* refusal(latest)).toBe("ReservedLimit")
    }).pipe(Effect.provide(layer(1000)))
  )

  it.effect("sets aside in the account what is provisioned", () =>
    Effect.gen(function* () {
      yield* provision("1", 2)
      yield* begin(another)
      expect(yield* refusal(another)).toBe("AccountLimit")
      yield* begin(first)
    }).pipe(Effect.provide(layer(3)))
  )

  it.effect("goes by a limit that is changed while invocations run, and counts those", () =>
    Effect.gen(function* () {
      const one = yield* begin(latest)
      yield* begin(latest)
      yield* reserve("hello", 1)
      expect(yield* refusal(latest)).toBe("ReservedLimit")
      yield* one.end
      expect(yield* refusal(latest)).toBe("ReservedLimit")
      yield* reserve("hello", undefined)
      yield* begin(latest)
      yield* begin(another)
      expect(yield* refusal(latest)).toBe("AccountLimit")
    }).pipe(Effect.provide(layer(3)))
  )

  it.effect("counts on when a function's settings change while it runs", () =>
    Effect.gen(function* () {
      yield* reserve("hello", 1)
      const { end } = yield* begin(latest)
      const changed = functionConfig({ name: hello, maxCapacity: 7 })
      expect(yield* refusal(changed)).toBe("ReservedLimit")
      yield* end
      yield* begin(changed)
    }).pipe(Effect.provide(layer(1000)))
  )
})
