/**
 * Invocations without a fiber over the real pool, gate and breaker: whatever is done in whatever order, each caller is
 * told once or has left, no worker has two events or is lost to the pool, and what was taken of a limit is given back.
 */
import { type Context, Deferred, Duration, Effect, Exit, Layer, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ConcurrencyGate } from "../../src/control/ConcurrencyGate.ts"
import type { Worker } from "../../src/domain/Worker.ts"
import { FunctionBreaker } from "../../src/invoke/FunctionBreaker.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import {
  type Abandon,
  type AnswerTaker,
  type WorkerAnswer,
  WorkerClient,
  WorkerLost
} from "../../src/invoke/WorkerClient.ts"
import { PoolManager } from "../../src/pool/PoolManager.ts"
import { ProvisionClient, ProvisionFailed } from "../../src/provision/ProvisionClient.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { concurrencyGate } from "../support/concurrency.ts"
import { functionConfig, hello, invocation, worker } from "../support/functions.ts"

const accountConcurrency = 6
const config = functionConfig({ maxCapacity: 3, maxQueued: 2, idleTimeout: Duration.seconds(20) })

type Step =
  | { readonly do: "call" | "callAnsweredAtOnce" | "callLostAtOnce" }
  /** `at` picks one of those that there are. */
  | { readonly do: "cancel" | "answer" | "answerFirst" | "free" | "lose" | "loseUnreached"; readonly at: number }
  | { readonly do: "start" | "failStart"; readonly at: number }
  | { readonly do: "wait"; readonly millis: number }
  | { readonly do: "prune" }

const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("call", "callAnsweredAtOnce", "callLostAtOnce") }) },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constantFrom("cancel", "answer", "answerFirst", "free", "lose", "loseUnreached"),
        at: fc.nat(5)
      })
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("start", "start", "failStart"), at: fc.nat(3) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("wait"), millis: fc.constantFrom(1, 20, 1000, 2999, 3020, 5020, 21_000) })
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("prune") }) }
  ) as fc.Arbitrary<Step>,
  { minLength: 5, maxLength: 60 }
)

/** An event that a worker has, as far as the client knows. */
interface Sent {
  readonly worker: Worker
  readonly taker: AnswerTaker
}

interface Call {
  readonly told: Array<string>
  abandon: Abandon | undefined
  hasLeft: boolean
}

const payload = new TextEncoder().encode("1")

const world = () => {
  const sent: Array<Sent> = []
  const starts: Array<Deferred.Deferred<Worker, ProvisionFailed>> = []
  const frees: Array<Deferred.Deferred<void>> = []
  const alive = new Set<string>()
  const faults: Array<string> = []
  let atOnce: "no" | "answered" | "lost" = "no"
  let count = 0

  const lost = (lostWorker: Worker, began: boolean) =>
    new WorkerLost({ workerId: lostWorker.id, began, target: "http://worker", cause: "gone" })

  const give = (lent: Worker, taker: AnswerTaker): Abandon => {
    if (!alive.has(lent.id)) faults.push(`${lent.id} was lent after it was removed`)
    if (sent.some((other) => other.worker === lent)) faults.push(`${lent.id} has two events`)
    if (atOnce === "answered") taker.answered({ payload })
    else if (atOnce === "lost") taker.lost(lost(lent, true))
    if (atOnce !== "no") return () => faults.push("an invocation was abandoned after its end")
    const event = { worker: lent, taker }
    sent.push(event)
    return () => {
      const index = sent.indexOf(event)
      if (index >= 0) sent.splice(index, 1)
    }
  }

  const layer = LambdaInvoker.layer.pipe(
    Layer.provideMerge(
      PoolManager.layer({
        budget: { workers: 4, megabytes: 4096 },
        leaveRunning: false,
        refusesOverload: true,
        pauseAfter: Duration.seconds(10)
      })
    ),
    Layer.provideMerge(concurrencyGate(accountConcurrency)),
    Layer.provide([
      Layer.succeed(WorkerClient, {
        send: (lent) =>
          Effect.callback<WorkerAnswer, WorkerLost>((resume) => {
            const abandon = give(lent, {
              answered: (answer) => resume(Effect.succeed(answer)),
              lost: (failure) => resume(Effect.fail(failure))
            })
            return Effect.sync(abandon)
          }),
        direct: { takes: () => true, start: (lent, _, __, taker) => give(lent, taker) }
      }),
      Layer.succeed(ProvisionClient, {
        provision: () =>
          Effect.suspend(() => {
            const started = Deferred.makeUnsafe<Worker, ProvisionFailed>()
            starts.push(started)
            return Deferred.await(started)
          }),
        remove: (id) =>
          Effect.sync(() => {
            if (!alive.delete(id)) faults.push(`${id} was removed twice`)
          }),
        pause: () => Effect.void,
        resume: () => Effect.void,
        sync: Effect.succeed([])
      }),
      FunctionRegistry.layerMemory([config]),
      FunctionBreaker.layer({ threshold: 1000, recoveryTimeout: Duration.seconds(1) })
    ]),
    Layer.provideMerge(Logger.layer([]))
  )
  const pick = <A>(list: Array<A>, at: number): A | undefined =>
    list.length === 0 ? undefined : list.splice(at % list.length, 1)[0]

  return {
    alive,
    faults,
    layer,
    sent,
    starts,
    frees,
    atOnce: (how: typeof atOnce) => {
      atOnce = how
    },
    startOne: (at: number, isGood: boolean) => {
      const started = pick(starts, at)
      if (started === undefined) return
      if (!isGood) {
        const failure = { reason: "Refused" as const, detail: "no" }
        Deferred.doneUnsafe(started, Effect.fail(new ProvisionFailed({ functionName: hello, failure })))
        return
      }
      const made = worker(`w${++count}`)
      alive.add(made.id)
      Deferred.doneUnsafe(started, Effect.succeed(made))
    },
    answer: (at: number, isLast: boolean) => {
      const event = pick(sent, at)
      if (event === undefined) return
      if (isLast) return event.taker.answered({ payload })
      const free = Deferred.makeUnsafe<void>()
      frees.push(free)
      event.taker.answered({ payload, free: Deferred.await(free) })
    },
    lose: (at: number, began: boolean) => {
      const event = pick(sent, at)
      event?.taker.lost(lost(event.worker, began))
    },
    free: (at: number) => {
      const free = pick(frees, at)
      if (free !== undefined) Deferred.doneUnsafe(free, Effect.void)
    }
  }
}

type World = ReturnType<typeof world>

/** As the gateway calls: by a fiber where plain calls cannot do it. */
const call = (invoker: LambdaInvoker["Service"], context: Context.Context<never>): Call => {
  const made: Call = { told: [], abandon: undefined, hasLeft: false }
  made.abandon = invoker.start!(invocation(), {
    succeeded: () => void made.told.push("succeeded"),
    failed: (exit) => void made.told.push(Exit.isSuccess(exit) ? "succeeded" : "failed")
  })
  if (made.abandon === undefined) {
    const fiber = Effect.runForkWith(context)(
      Effect.onExit(invoker.invoke(invocation()), (exit) =>
        // That it was interrupted is what it wanted.
        Effect.sync(() => void (made.hasLeft || made.told.push(exit._tag)))
      )
    )
    made.abandon = () => fiber.interruptUnsafe()
  }
  return made
}

const take = Effect.fnUntraced(function* (step: Step, at: World, calls: Array<Call>) {
  const invoker = yield* LambdaInvoker
  const context = yield* Effect.context<never>()
  switch (step.do) {
    case "call":
    case "callAnsweredAtOnce":
    case "callLostAtOnce":
      at.atOnce(step.do === "call" ? "no" : step.do === "callLostAtOnce" ? "lost" : "answered")
      calls.push(call(invoker, context))
      at.atOnce("no")
      break
    case "cancel": {
      const present = calls.filter(({ told }) => told.length === 0)
      const leaving = present[step.at % Math.max(1, present.length)]
      if (leaving === undefined || leaving.hasLeft) break
      leaving.hasLeft = true
      leaving.abandon?.()
      break
    }
    case "answer":
      at.answer(step.at, true)
      break
    case "answerFirst":
      at.answer(step.at, false)
      break
    case "free":
      at.free(step.at)
      break
    case "lose":
      at.lose(step.at, true)
      break
    case "loseUnreached":
      at.lose(step.at, false)
      break
    case "start":
    case "failStart":
      at.startOne(step.at, step.do === "start")
      break
    case "wait":
      yield* TestClock.adjust(step.millis)
      break
    case "prune":
      yield* (yield* PoolManager).pruneIdle
  }
  yield* settled
})

/** Fibers that were woken have run. */
const settled = Effect.promise(async () => {
  for (let turn = 0; turn < 3; turn++) await new Promise((next) => setImmediate(next))
})

const check = Effect.fnUntraced(function* (at: World, calls: ReadonlyArray<Call>) {
  for (const { hasLeft, told } of calls) {
    if (told.length > (hasLeft ? 0 : 1)) at.faults.push(`a caller was told ${told.join(" and ")}`)
  }
  for (const { lent } of yield* (yield* PoolManager).stats) {
    if (lent > config.maxCapacity) at.faults.push(`${lent} workers are lent`)
  }
  expect(at.faults).toEqual([])
})

/** Whatever is under way comes to its end. */
const finish = Effect.fnUntraced(function* (at: World) {
  for (let round = 0; round < 100 && at.sent.length + at.starts.length + at.frees.length > 0; round++) {
    at.startOne(0, true)
    at.answer(0, true)
    at.free(0)
    yield* settled
  }
  yield* TestClock.adjust("6 seconds")
  yield* settled
})

const history = (chosen: ReadonlyArray<Step>) => {
  const at = world()
  const calls: Array<Call> = []
  return Effect.gen(function* () {
    for (const step of chosen) {
      yield* take(step, at, calls)
      yield* check(at, calls)
    }
    yield* finish(at)
    yield* check(at, calls)
    expect(calls.filter(({ hasLeft, told }) => !hasLeft && told.length !== 1)).toEqual([])
    const [stats] = yield* (yield* PoolManager).stats
    expect(stats ?? { lent: 0, waiting: 0, starting: 0, idle: 0 }).toMatchObject({ lent: 0, waiting: 0, starting: 0 })
    // Every worker that there still is can be lent again.
    expect(stats?.idle ?? 0).toBe(at.alive.size)
    const { enter } = yield* ConcurrencyGate
    // A function without room takes no more of the account than it may have workers.
    const leaves = Array.from({ length: accountConcurrency }, () => enter(functionConfig({ maxCapacity: 100 })))
    expect(leaves).not.toContain(undefined)
    expect(enter(functionConfig({ maxCapacity: 100 }))).toBeUndefined()
  }).pipe(Effect.provide(at.layer), Effect.provide(TestClock.layer()))
}

describe("invocations without a fiber", () => {
  it("keep every promise to callers, workers and limits, whatever happens in whatever order", async () => {
    await fc.assert(
      fc.asyncProperty(steps, (chosen) => Effect.runPromise(history(chosen))),
      { numRuns: 150 }
    )
  }, 120_000)

  it.each<readonly [string, ReadonlyArray<Step>]>([
    ["while they wait for a worker", [{ do: "call" }]],
    ["while a worker has their event", [{ do: "call" }, { do: "start", at: 0 }]],
    ["while another worker is looked for", [{ do: "call" }, { do: "start", at: 0 }, { do: "loseUnreached", at: 0 }]]
  ])("are told when the invoker closes %s", async (_, chosen) => {
    const at = world()
    const calls: Array<Call> = []
    await Effect.runPromise(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(at.layer, scope)
        for (const step of chosen) yield* Effect.provideContext(take(step, at, calls), context)
        expect(calls.map(({ told }) => told)).toEqual([[]])
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
        yield* settled
        yield* TestClock.adjust("10 seconds")
        yield* settled
        expect(calls.map(({ told }) => told)).toEqual([["failed"]])
        closing.interruptUnsafe()
      }).pipe(Effect.provide(TestClock.layer()))
    )
  })
})
