import { it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { AsyncInvoker, lambdaRetries } from "../../src/invoke/AsyncInvoker.ts"
import { NoCapacity } from "../../src/invoke/InvocationBackend.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { hello, invocation } from "../support/functions.ts"

type Invoke = LambdaInvoker["Service"]["invoke"]

const payload = new Uint8Array()
const ok = Effect.succeed({ payload, executedVersion: "$LATEST" })
const failed = Effect.succeed({ payload, executedVersion: "$LATEST", functionError: "Unhandled" as const })
const throttled = Effect.fail(new NoCapacity({ functionName: hello, reason: "TimedOut" }))

/** The request ids of all attempts, in order. */
const accepting = (invoke: (attempt: number) => ReturnType<Invoke>, maxEvents = 10) => {
  const attempts: Array<string> = []
  const invoker = Layer.mock(LambdaInvoker, {
    invoke: ({ requestId }) =>
      Effect.suspend(() => {
        attempts.push(requestId)
        return invoke(attempts.length)
      })
  })
  return { attempts, layer: AsyncInvoker.layerMemory({ ...lambdaRetries, maxEvents }).pipe(Layer.provide(invoker)) }
}

const enqueue = (requestId = "id-1") => AsyncInvoker.use((async) => async.enqueue(invocation({ requestId })))

describe("AsyncInvoker", () => {
  it.effect("returns before the event has run", () => {
    const { attempts, layer } = accepting(() => Effect.never)
    return Effect.gen(function* () {
      yield* enqueue()
      yield* Effect.yieldNow
      expect(attempts).toEqual(["id-1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "tries a failed event again after one minute and after two more, under the same id, and then no more",
    () => {
      const { attempts, layer } = accepting(() => failed)
      return Effect.gen(function* () {
        yield* enqueue()
        yield* TestClock.adjust("59 seconds")
        expect(attempts).toHaveLength(1)
        yield* TestClock.adjust("1 second")
        expect(attempts).toHaveLength(2)
        yield* TestClock.adjust("119 seconds")
        expect(attempts).toHaveLength(2)
        yield* TestClock.adjust("1 second")
        expect(attempts).toEqual(["id-1", "id-1", "id-1"])
        yield* TestClock.adjust("6 hours")
        expect(attempts).toHaveLength(3)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("takes being throttled for no attempt: it tries after 1 s, 2 s, 4 s, up to every 5 minutes", () => {
    const { attempts, layer } = accepting((attempt) => (attempt <= 3 ? throttled : ok))
    return Effect.gen(function* () {
      yield* enqueue()
      for (const [seconds, count] of [
        [1, 2],
        [2, 3],
        [4, 4]
      ] as const) {
        yield* TestClock.adjust(Duration.millis(seconds * 1000 - 1))
        expect(attempts).toHaveLength(count - 1)
        yield* TestClock.adjust("1 millis")
        expect(attempts).toHaveLength(count)
      }
      yield* TestClock.adjust("6 hours")
      expect(attempts).toHaveLength(4)
    }).pipe(Effect.provide(layer))
  })

  it.effect("gives an event up that would be too old at its next attempt", () => {
    const { attempts, layer } = accepting(() => throttled)
    return Effect.gen(function* () {
      yield* enqueue()
      yield* TestClock.adjust("6 hours")
      const count = attempts.length
      expect(count).toBeGreaterThan(70)
      yield* TestClock.adjust("6 hours")
      expect(attempts).toHaveLength(count)
    }).pipe(Effect.provide(layer))
  })

  it.effect("takes no more events than it may have, until one is done", () => {
    const { layer } = accepting((attempt) => (attempt === 1 ? Effect.delay(ok, "1 second") : ok), 1)
    return Effect.gen(function* () {
      yield* enqueue("id-1")
      expect(yield* Effect.flip(enqueue("id-2"))).toMatchObject({ _tag: "NoCapacity", reason: "QueueFull" })
      yield* TestClock.adjust("1 second")
      yield* enqueue("id-3")
    }).pipe(Effect.provide(layer))
  })
})
