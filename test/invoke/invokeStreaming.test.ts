import { it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { type AnswerSink, noFlow } from "../../src/domain/AnswerSink.ts"
import type { InvocationHead } from "../../src/domain/Invocation.ts"
import { FunctionBreaker } from "../../src/invoke/FunctionBreaker.ts"
import { InvocationBackend, WorkerStartFailed } from "../../src/invoke/InvocationBackend.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { WorkerClient, WorkerLost } from "../../src/invoke/WorkerClient.ts"
import { invocations } from "../../src/metrics/metrics.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { concurrencyGate } from "../support/concurrency.ts"
import { functionConfig, hello, invocation, worker } from "../support/functions.ts"
import { KeptAnswer } from "../support/KeptAnswer.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const textOf = (payload: Uint8Array) => new TextDecoder().decode(payload)

type Send = (sink: AnswerSink) => ReturnType<WorkerClient["Service"]["send"]>

interface Doubles {
  readonly send: Send
  readonly acquire?: InvocationBackend["Service"]["acquireWorker"]
}

/** An invoker over doubles, and who was asked for what. */
const invoking = ({ acquire, send }: Doubles) => {
  const calls: Array<string> = []
  let lent = 0
  const layer = LambdaInvoker.layer.pipe(
    Layer.provide([
      Layer.succeed(InvocationBackend, {
        acquireWorker: (config) =>
          acquire?.(config) ??
          Effect.sync(() => {
            calls.push("acquire")
            return worker(`w${++lent}`)
          }),
        releaseWorker: () => Effect.sync(() => void calls.push("release")),
        evictWorker: () => Effect.sync(() => void calls.push("evict"))
      }),
      Layer.succeed(WorkerClient, {
        send: (_worker, _config, _invocation, sink) =>
          sink === undefined ? Effect.die(new Error("no sink")) : send(sink)
      }),
      FunctionRegistry.layerMemory([functionConfig()]),
      FunctionBreaker.layer({ threshold: 2, recoveryTimeout: Duration.seconds(30) }),
      concurrencyGate()
    ])
  )
  const sink = new KeptAnswer<InvocationHead>()
  const call = LambdaInvoker.use((invoker) => invoker.invokeStreaming(invocation(), sink)).pipe(Effect.provide(layer))
  return { call, calls, layer, sink }
}

const stream = (sink: AnswerSink, ...words: ReadonlyArray<string>) => {
  sink.begin({ contentType: "text/plain", flow: noFlow })
  for (const word of words) sink.piece(bytes(word))
}

const lost = (began: boolean) => new WorkerLost({ workerId: worker("w1").id, began, target: "http://w", cause: "gone" })

describe("LambdaInvoker.invokeStreaming", () => {
  it.effect("hands over what is streamed, with the version that answers, and releases the worker at its end", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<void>()
      const { call, calls, sink } = invoking({
        send: (to) =>
          Effect.sync(() => stream(to, "one", "two")).pipe(
            Effect.andThen(Deferred.await(ended)),
            Effect.as({ payload: new Uint8Array() })
          )
      })
      const running = yield* Effect.forkChild(call, { startImmediately: true })
      yield* Effect.promise(() => sink.until(() => sink.text === "onetwo"))
      expect(sink.head).toMatchObject({ executedVersion: "$LATEST", contentType: "text/plain" })
      expect(calls).toEqual(["acquire"])
      yield* Deferred.succeed(ended, undefined)
      expect(yield* Fiber.join(running)).toEqual({ payload: new Uint8Array(), executedVersion: "$LATEST" })
      expect(calls).toEqual(["acquire", "release"])
    })
  )

  it.effect("hands over the whole of a plain result as one piece", () =>
    Effect.gen(function* () {
      const { call, sink } = invoking({ send: () => Effect.succeed({ payload: bytes('{"a":1}') }) })
      expect((yield* call).payload).toEqual(new Uint8Array())
      expect(sink.pieces).toEqual(['{"a":1}'])
      expect(sink.head).toMatchObject({ contentType: "application/json", executedVersion: "$LATEST" })
    })
  )

  it.effect.each<readonly [string, ReadonlyArray<string>]>([
    ["before the stream", []],
    ["on the way", ["half"]]
  ])("keeps an error document out of the stream, and releases the worker: %s", ([, words]) =>
    Effect.gen(function* () {
      const { call, calls, sink } = invoking({
        send: (to) =>
          Effect.sync(() => {
            if (words.length > 0) stream(to, ...words)
            return { payload: bytes('{"errorType":"E"}'), errorType: "E" }
          })
      })
      const result = yield* call
      expect(result).toMatchObject({ functionError: "Unhandled", errorType: "E" })
      expect(textOf(result.payload)).toBe('{"errorType":"E"}')
      expect(sink.pieces).toEqual(words)
      expect(calls).toEqual(["acquire", "release"])
    })
  )

  it.effect("is an answer with the error's type where the initialisation failed", () =>
    Effect.gen(function* () {
      const failure = { reason: "InitError", errorType: "Runtime.Mine", document: "{}", detail: "" } as const
      const { call, sink } = invoking({
        send: () => Effect.never,
        acquire: () => Effect.fail(new WorkerStartFailed({ functionName: hello, failure }))
      })
      expect(yield* call).toMatchObject({ functionError: "Unhandled", errorType: "Runtime.Mine" })
      expect(sink.head).toBeUndefined()
    })
  )

  it.effect(
    "cuts the stream off when the function's time is over, evicts the worker, and hands over nothing more",
    () =>
      Effect.gen(function* () {
        let late: AnswerSink | undefined
        const { call, calls, sink } = invoking({
          send: (to) =>
            Effect.andThen(
              Effect.sync(() => {
                late = to
                stream(to, "half")
              }),
              Effect.never
            )
        })
        const running = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
        yield* TestClock.adjust("2999 millis")
        expect(running.pollUnsafe()).toBeUndefined()
        yield* TestClock.adjust("1 millis")
        expect(yield* Fiber.join(running)).toMatchObject({ errorType: "Sandbox.Timedout" })
        late?.piece(bytes("late"))
        expect(sink.pieces).toEqual(["half"])
        expect(calls).toEqual(["acquire", "evict"])
      })
  )

  it.effect("evicts the worker when its caller leaves in the middle", () =>
    Effect.gen(function* () {
      const { call, calls } = invoking({
        send: (to) =>
          Effect.andThen(
            Effect.sync(() => stream(to, "half")),
            Effect.never
          )
      })
      const running = yield* Effect.forkChild(call, { startImmediately: true })
      yield* Fiber.interrupt(running)
      expect(calls).toEqual(["acquire", "evict"])
    })
  )

  it.effect("gives an event that never reached its worker to another, and begins once", () =>
    Effect.gen(function* () {
      let sends = 0
      const { call, calls, sink } = invoking({
        send: (to) =>
          Effect.suspend(() => {
            if (++sends === 1) return Effect.fail(lost(false))
            stream(to, "one")
            return Effect.succeed({ payload: new Uint8Array() })
          })
      })
      yield* call
      expect(sink.pieces).toEqual(["one"])
      expect(calls).toEqual(["acquire", "evict", "acquire", "release"])
    })
  )

  it.effect("gives an event to no other worker once the answer has begun", () =>
    Effect.gen(function* () {
      const { call, calls, sink } = invoking({
        send: (to) =>
          Effect.suspend(() => {
            stream(to, "half")
            return Effect.fail(lost(true))
          })
      })
      expect(yield* Effect.flip(call)).toMatchObject({ _tag: "LambdaExecutionError", errorType: "Runtime.ExitError" })
      expect(sink.pieces).toEqual(["half"])
      expect(calls).toEqual(["acquire", "evict"])
    })
  )

  it.effect("is behind the function's breaker, and is counted as an invocation", () =>
    Effect.gen(function* () {
      const { layer, sink } = invoking({ send: () => Effect.fail(lost(true)) })
      const count = (outcome: "worker_lost" | "circuit_open") =>
        Effect.map(Metric.value(invocations(hello, outcome)), ({ count }) => Number(count))
      const before = [yield* count("worker_lost"), yield* count("circuit_open")]
      const tags: Array<string> = []
      yield* Effect.gen(function* () {
        const invoker = yield* LambdaInvoker
        for (let nth = 0; nth < 3; nth++) {
          tags.push((yield* Effect.flip(invoker.invokeStreaming(invocation(), sink)))._tag)
        }
      }).pipe(Effect.provide(layer))
      expect(tags).toEqual(["LambdaExecutionError", "LambdaExecutionError", "CircuitOpen"])
      const after = [yield* count("worker_lost"), yield* count("circuit_open")]
      expect(after).toEqual([before[0]! + 2, before[1]! + 1])
    })
  )
})
