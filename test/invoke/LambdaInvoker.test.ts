import { it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { RecursionConfigs } from "../../src/control/RecursionConfigs.ts"
import type { FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import type { Invocation } from "../../src/domain/Invocation.ts"
import type { StartFailure } from "../../src/domain/Worker.ts"
import { FunctionBreaker } from "../../src/invoke/FunctionBreaker.ts"
import { type Borrower, InvocationBackend, NoCapacity, WorkerStartFailed } from "../../src/invoke/InvocationBackend.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { type WorkerAnswer, WorkerClient, WorkerLost } from "../../src/invoke/WorkerClient.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { concurrencyGate } from "../support/concurrency.ts"
import { functionConfig, hello, invocation, worker } from "../support/functions.ts"

const w1 = worker("w1")
const answer: WorkerAnswer = { payload: new TextEncoder().encode('"yes"') }
const lost = (began: boolean, exit?: WorkerLost["exit"]) =>
  new WorkerLost({ workerId: w1.id, began, target: "http://worker", cause: "gone", ...(exit ? { exit } : {}) })

interface Doubles {
  readonly send?: WorkerClient["Service"]["send"]
  readonly acquire?: InvocationBackend["Service"]["acquireWorker"]
  /** Of all functions together. */
  readonly maxRunning?: number
}

/** Forks effects of a test from plain calls; what it gives interrupts them. */
const forker = Effect.map(Effect.context(), (context) => (effect: Effect.Effect<unknown>) => {
  const fiber = Effect.runForkWith(context)(effect)
  return () => fiber.interruptUnsafe()
})

type Ask = (invoker: LambdaInvoker["Service"], request: Invocation) => ReturnType<LambdaInvoker["Service"]["invoke"]>

const byFiber: Ask = (invoker, request) => invoker.invoke(request)

/** As the gateway does: by plain calls where that can be, else by a fiber. */
const byPlainCalls: Ask = (invoker, request) =>
  Effect.callback((resume) => {
    const abandon = invoker.start?.(request, {
      succeeded: (result) => resume(Effect.succeed(result)),
      failed: (exit) => resume(exit)
    })
    if (abandon === undefined) resume(invoker.invoke(request))
    else return Effect.sync(abandon)
  })

describe.each([
  ["by a fiber", byFiber],
  ["by plain calls", byPlainCalls]
])("%s", (_, ask) => {
  /** An invoker over doubles, what they were asked, and what was logged. */
  const invoking = ({ acquire, maxRunning, send }: Doubles) => {
    const calls: Array<string> = []
    const logged: Array<{ level: string; message: unknown; fields: Record<string, unknown> }> = []
    const layer = LambdaInvoker.layer.pipe(
      Layer.provide([
        Layer.effect(
          InvocationBackend,
          Effect.map(forker, (fork) => {
            const lending = (config: FunctionConfig) =>
              Effect.andThen(
                Effect.sync(() => void calls.push("acquire")),
                acquire?.(config) ?? Effect.succeed(w1)
              )
            return {
              acquireWorker: lending,
              releaseWorker: () => Effect.sync(() => void calls.push("release")),
              evictWorker: () => Effect.sync(() => void calls.push("evict")),
              warm: {
                lend: (config: FunctionConfig, borrower: Borrower) => ({
                  leave: fork(
                    Effect.match(lending(config), {
                      onSuccess: (worker) => borrower.lent(worker),
                      onFailure: (failure) => borrower.refused(failure)
                    })
                  )
                }),
                release: () => void calls.push("release"),
                evict: () => void calls.push("evict")
              }
            }
          })
        ),
        Layer.effect(
          WorkerClient,
          Effect.map(forker, (fork) => {
            const sending = send ?? (() => Effect.succeed(answer))
            return {
              send: sending,
              direct: {
                takes: (_, invocation) => invocation.logTail !== true,
                start: (worker, config, invocation, taker) =>
                  fork(
                    Effect.match(sending(worker, config, invocation), {
                      onSuccess: (given) => taker.answered(given),
                      onFailure: (failure) => taker.lost(failure)
                    })
                  )
              }
            }
          })
        ),
        FunctionRegistry.layerMemory([functionConfig()]),
        FunctionBreaker.layer({ threshold: 3, recoveryTimeout: Duration.seconds(30) }),
        concurrencyGate(maxRunning)
      ]),
      Layer.provideMerge(
        Logger.layer([
          Logger.make(({ fiber, logLevel, message }) => {
            const fields = Object.fromEntries(Object.entries(fiber.getRef(References.CurrentLogAnnotations)))
            logged.push({ level: logLevel, message, fields })
          })
        ])
      )
    )
    const call = (request = invocation()) =>
      LambdaInvoker.use((invoker) => ask(invoker, request)).pipe(Effect.provide(layer))
    return { calls, logged, call, layer }
  }

  const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

  describe("LambdaInvoker.invoke", () => {
    it.effect("answers with what the worker answered, and releases it", () =>
      Effect.gen(function* () {
        const { call, calls } = invoking({})
        expect(yield* call()).toEqual({ payload: answer.payload, executedVersion: "$LATEST" })
        expect(calls).toEqual(["acquire", "release"])
      })
    )

    it.effect("refuses what runs over the account's concurrency, without a worker asked for", () =>
      Effect.gen(function* () {
        const { calls, layer } = invoking({ send: () => Effect.never, maxRunning: 0 })
        const call = LambdaInvoker.use((invoker) => ask(invoker, invocation()))
        expect(yield* Effect.flip(call).pipe(Effect.provide(layer))).toMatchObject({
          _tag: "NoCapacity",
          reason: "AccountLimit"
        })
        expect(calls).toEqual([])
      })
    )

    const looping = (before: number) => invocation({ traceId: `${invocation().traceId};Lineage=1:0123abcd:${before}` })

    it.effect("runs the sixteenth invocation of a function in one chain of calls, and refuses the next", () =>
      Effect.gen(function* () {
        const { call, calls } = invoking({})
        yield* call(looping(15))
        expect(calls).toEqual(["acquire", "release"])
        expect(yield* Effect.flip(call(looping(16)))).toMatchObject({
          _tag: "RecursiveInvocation",
          functionName: hello
        })
        expect(calls).toEqual(["acquire", "release"])
      })
    )

    it.effect("runs every one of a function that may loop, and asks whether it may only then", () =>
      Effect.gen(function* () {
        const asked: Array<string> = []
        const { call } = invoking({})
        const recursion = Layer.mock(RecursionConfigs, {
          recursiveLoopOf: (name) => {
            asked.push(name)
            return "Allow"
          }
        })
        yield* call(looping(15)).pipe(Effect.provide(recursion))
        expect(asked).toEqual([])
        expect(yield* call(looping(400)).pipe(Effect.provide(recursion))).toMatchObject({ payload: answer.payload })
        expect(asked).toEqual(["hello"])
      })
    )

    it.effect("gives an invocation that asks for its log the time to tell it, and tells it with the error", () =>
      Effect.gen(function* () {
        const late = new WorkerLost({
          workerId: w1.id,
          began: true,
          timedOut: true,
          log: "START …",
          target: "http://worker",
          cause: "late"
        })
        const { call, calls } = invoking({ send: () => Effect.delay(Effect.fail(late), "4 seconds") })
        const running = yield* Effect.forkChild(Effect.flip(call(invocation({ logTail: true }))), {
          startImmediately: true
        })
        yield* TestClock.adjust("4 seconds")
        expect(yield* Fiber.join(running)).toMatchObject({
          _tag: "LambdaExecutionError",
          errorType: "Sandbox.Timedout",
          log: "START …",
          cause: { _tag: "InvocationTimedOut" }
        })
        expect(calls).toEqual(["acquire", "evict"])
      })
    )

    it.effect("does not wait for what a worker does after its answer, but releases it only then", () =>
      Effect.gen(function* () {
        const done = yield* Deferred.make<void>()
        const { calls, layer } = invoking({ send: () => Effect.succeed({ ...answer, free: Deferred.await(done) }) })
        yield* Effect.gen(function* () {
          yield* (yield* LambdaInvoker).invoke(invocation())
          yield* TestClock.adjust("1 hour")
          expect(calls).toEqual(["acquire"])
          yield* Deferred.succeed(done, undefined)
          yield* Effect.yieldNow
          expect(calls).toEqual(["acquire", "release"])
        }).pipe(Effect.provide(layer))
      })
    )

    it.effect("takes an error thrown by the function for an answer, and releases the worker", () =>
      Effect.gen(function* () {
        const { call, calls } = invoking({ send: () => Effect.succeed({ ...answer, errorType: "Error" }) })
        expect(yield* call()).toMatchObject({ functionError: "Unhandled" })
        expect(calls).toEqual(["acquire", "release"])
      })
    )

    it.effect("cuts an invocation off at the function's timeout, not before, and evicts the worker", () =>
      Effect.gen(function* () {
        const { call, calls } = invoking({ send: () => Effect.never })
        const running = yield* Effect.forkChild(Effect.flip(call()), { startImmediately: true })
        yield* TestClock.adjust("2999 millis")
        expect(running.pollUnsafe()).toBeUndefined()
        yield* TestClock.adjust("1 millis")
        const error = yield* Fiber.join(running)
        expect(error).toMatchObject({ _tag: "LambdaExecutionError", cause: { _tag: "InvocationTimedOut" } })
        expect(error._tag === "LambdaExecutionError" && JSON.parse(textOf(error.document))).toEqual({
          errorType: "Sandbox.Timedout",
          errorMessage: `RequestId: ${invocation().requestId} Error: Task timed out after 3.00 seconds`
        })
        expect(calls).toEqual(["acquire", "evict"])
      })
    )

    it.effect.each<readonly [NonNullable<WorkerLost["exit"]>, string, string]>([
      [{ code: 3 }, "Runtime.ExitError", "Runtime exited with error: exit status 3"],
      [{ code: 0 }, "Runtime.ExitError", "Runtime exited without providing a reason"],
      [{ signal: "killed" }, "Runtime.ExitError", "Runtime exited with error: signal: killed"],
      [{ signal: "killed", outOfMemory: true }, "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"]
    ])("evicts a worker that died with %o and says %s", ([exit, errorType, text]) =>
      Effect.gen(function* () {
        const { call, calls } = invoking({ send: () => Effect.fail(lost(true, exit)) })
        const error = yield* Effect.flip(call())
        expect(error._tag === "LambdaExecutionError" && JSON.parse(textOf(error.document))).toEqual({
          errorType,
          errorMessage: `RequestId: ${invocation().requestId} Error: ${text}`
        })
        expect(calls).toEqual(["acquire", "evict"])
      })
    )

    it.effect("gives an event that never reached its worker to another one", () =>
      Effect.gen(function* () {
        let sends = 0
        const { call, calls } = invoking({
          send: () => (++sends === 1 ? Effect.fail(lost(false)) : Effect.succeed(answer))
        })
        expect(yield* call()).toMatchObject({ payload: answer.payload })
        expect(calls).toEqual(["acquire", "evict", "acquire", "release"])
      })
    )

    it.effect("tries every worker that was there before, when all of them are gone, and then one that is started", () =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        const gone = functionConfig().maxCapacity
        let acquired = 0
        const { call, calls } = invoking({
          acquire: () => Effect.succeed(worker("w1", { createdAtMillis: ++acquired <= gone ? 999 : 1000 })),
          send: ({ createdAtMillis }) => (createdAtMillis < 1000 ? Effect.fail(lost(false)) : Effect.succeed(answer))
        })
        expect(yield* call()).toMatchObject({ payload: answer.payload })
        expect(calls.filter((what) => what === "evict").length).toBe(gone)
        expect(calls.at(-1)).toBe("release")
      })
    )

    it.effect("gives up when a worker is gone too that was started for the event", () =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        const { call, calls } = invoking({
          acquire: () => Effect.succeed(worker("w1", { createdAtMillis: 1000 })),
          send: () => Effect.fail(lost(false))
        })
        expect(yield* Effect.flip(call())).toMatchObject({ _tag: "LambdaExecutionError" })
        expect(calls).toEqual(["acquire", "evict", "acquire", "evict"])
      })
    )

    it.effect("tries no more workers than the function may have", () =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        const { call, calls } = invoking({
          acquire: () => Effect.succeed(worker("w1", { createdAtMillis: 0 })),
          send: () => Effect.fail(lost(false))
        })
        yield* Effect.flip(call())
        expect(calls.filter((what) => what === "evict").length).toBe(functionConfig().maxCapacity + 2)
      })
    )

    it.effect("does not send an event again that a worker may have begun", () =>
      Effect.gen(function* () {
        const { call, calls } = invoking({ send: () => Effect.fail(lost(true)) })
        yield* Effect.flip(call())
        expect(calls).toEqual(["acquire", "evict"])
      })
    )

    it.effect("evicts the worker of a caller who leaves in the middle", () =>
      Effect.gen(function* () {
        const { call, calls } = invoking({ send: () => Effect.never })
        const running = yield* Effect.forkChild(call(), { startImmediately: true })
        yield* Fiber.interrupt(running)
        expect(calls).toEqual(["acquire", "evict"])
      })
    )

    it.effect("keeps the worker of a caller who left before the event was sent", () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const { call, calls } = invoking({ acquire: () => Effect.as(Deferred.await(gate), w1) })
        const running = yield* Effect.forkChild(call(), { startImmediately: true })
        const leaving = yield* Effect.forkChild(Fiber.interrupt(running), { startImmediately: true })
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(leaving)
        // Without a fiber, who leaves before is lent none.
        expect(calls).toEqual(ask === byFiber ? ["acquire", "release"] : ["acquire"])
      })
    )

    it.effect("acquires nothing for an unknown function", () =>
      Effect.gen(function* () {
        const { call, calls } = invoking({})
        const error = yield* Effect.flip(call({ ...invocation(), qualifier: "7" }))
        expect(error).toMatchObject({ _tag: "FunctionNotFound", qualifier: "7" })
        expect(calls).toEqual([])
      })
    )

    it.effect("passes on that there is no capacity", () =>
      Effect.gen(function* () {
        const { call } = invoking({
          acquire: () => Effect.fail(new NoCapacity({ functionName: hello, reason: "QueueFull" }))
        })
        expect(yield* Effect.flip(call())).toMatchObject({ _tag: "NoCapacity" })
      })
    )

    const startFailed = (failure: StartFailure) => ({
      acquire: () => Effect.fail(new WorkerStartFailed({ functionName: hello, failure }))
    })

    it.effect("answers with the document that the function's initialisation failed with", () =>
      Effect.gen(function* () {
        const document = '{"errorType":"SyntaxError"}'
        const { call } = invoking(startFailed({ reason: "InitError", detail: "", document }))
        const result = yield* call()
        expect(result.functionError).toBe("Unhandled")
        expect(textOf(result.payload)).toBe(document)
      })
    )

    it.effect("reports a process that ended while it initialised as its exit", () =>
      Effect.gen(function* () {
        const { call } = invoking(startFailed({ reason: "InitExited", detail: "", exit: { code: 1 } }))
        expect(yield* Effect.flip(call())).toMatchObject({ errorType: "Runtime.ExitError" })
      })
    )

    it.effect("fails with what the machine lacks", () =>
      Effect.gen(function* () {
        const { call } = invoking(startFailed({ reason: "ImageNotFound", detail: "no image" }))
        expect(yield* Effect.flip(call())).toMatchObject({ _tag: "WorkerStartFailed", failure: { detail: "no image" } })
      })
    )

    it.effect("logs a failed invocation with its four fields, keeping the cause in the error", () =>
      Effect.gen(function* () {
        const { call, logged } = invoking({ send: () => Effect.fail(lost(true, { code: 3 })) })
        const error = yield* Effect.flip(call())
        expect(error).toMatchObject({ _tag: "LambdaExecutionError", cause: { _tag: "WorkerLost", exit: { code: 3 } } })
        expect(logged).toEqual([
          {
            level: "Error",
            message: ["Lambda invocation failed for function 'hello'"],
            fields: expect.objectContaining({
              function_name: "hello",
              target_url: "http://worker",
              error_type: "Runtime.ExitError",
              error_detail: "gone"
            })
          }
        ])
      })
    )
  })

  describe("LambdaInvoker and the breaker", () => {
    /** So many calls of one invoker, one after the other: what became of each. */
    const callTimes = (times: number, doubles: Doubles) => {
      const { calls, layer } = invoking(doubles)
      const call = LambdaInvoker.use((invoker) => ask(invoker, invocation())).pipe(
        Effect.match({ onSuccess: (): string => "answered", onFailure: ({ _tag }): string => _tag })
      )
      return Effect.map(Effect.provide(Effect.replicateEffect(call, times), layer), (outcomes) => ({ calls, outcomes }))
    }
    const failedStart = (reason: StartFailure["reason"]) => ({
      acquire: () => Effect.fail(new WorkerStartFailed({ functionName: hello, failure: { reason, detail: "" } }))
    })

    it.effect.each<readonly [string, Doubles, before: string]>([
      ["that die", { send: () => Effect.fail(lost(true, { code: 1 })) }, "LambdaExecutionError"],
      ["that break off", { send: () => Effect.fail(lost(true)) }, "LambdaExecutionError"],
      ["that do not start", failedStart("EngineUnavailable"), "WorkerStartFailed"],
      ["that end while they initialise", failedStart("InitExited"), "LambdaExecutionError"],
      ["that never become ready", failedStart("InitTimedOut"), "LambdaExecutionError"],
      ["whose initialisation fails", failedStart("InitError"), "answered"]
    ])("acquires no worker any more after a row of workers %s", ([, doubles, before]) =>
      Effect.gen(function* () {
        const { calls, outcomes } = yield* callTimes(5, doubles)
        expect(outcomes).toEqual([before, before, before, "CircuitOpen", "CircuitOpen"])
        expect(calls.filter((call) => call === "acquire")).toHaveLength(3)
      })
    )

    it.effect.each<readonly [string, Doubles, outcome: string]>([
      ["an error of the function", { send: () => Effect.succeed({ ...answer, errorType: "Error" }) }, "answered"],
      [
        "a pool without room",
        { acquire: () => Effect.fail(new NoCapacity({ functionName: hello, reason: "QueueFull" })) },
        "NoCapacity"
      ]
    ])("is never stopped by %s", ([, doubles, outcome]) =>
      Effect.gen(function* () {
        const { calls, outcomes } = yield* callTimes(20, doubles)
        expect(new Set(outcomes)).toEqual(new Set([outcome]))
        expect(calls.filter((call) => call === "acquire")).toHaveLength(20)
      })
    )

    it.effect("is never stopped by a function that runs out of time, nor by callers who leave", () =>
      Effect.gen(function* () {
        const { calls, layer } = invoking({ send: () => Effect.never })
        yield* Effect.gen(function* () {
          const invoker = yield* LambdaInvoker
          for (let nth = 0; nth < 10; nth++) {
            const running = yield* Effect.forkChild(Effect.exit(ask(invoker, invocation())), {
              startImmediately: true
            })
            yield* nth % 2 === 0 ? TestClock.adjust("3 seconds") : Fiber.interrupt(running)
          }
        }).pipe(Effect.provide(layer))
        expect(calls.filter((call) => call === "acquire")).toHaveLength(10)
      })
    )

    it.effect("counts an event that a second worker answered as answered", () =>
      Effect.gen(function* () {
        let sends = 0
        const { outcomes } = yield* callTimes(10, {
          send: () => (++sends % 2 === 1 ? Effect.fail(lost(false)) : Effect.succeed(answer))
        })
        expect(new Set(outcomes)).toEqual(new Set(["answered"]))
      })
    )
  })
})
