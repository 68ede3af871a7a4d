/**
 * AsyncInvoker and FailedEvents over a file of SQLite's: wires the queue to whoever runs functions, and decides after
 * each run what is next for the event. An event that was accepted runs at least once, whatever happens to the process;
 * one that was running when it ended runs again.
 */
import { Cause, Clock, Context, Duration, Effect, Exit, FiberSet, Layer, Metric } from "effect"
import { ConcurrencyLimits } from "../../control/ConcurrencyLimits.ts"
import { openDatabase } from "../../control/Database.ts"
import { EventInvokeConfigs, type EventInvokeSettings } from "../../control/EventInvokeConfigs.ts"
import type { FunctionConfig } from "../../domain/FunctionConfig.ts"
import type { Invocation } from "../../domain/Invocation.ts"
import { type AsyncEventStep, asyncEventSteps, asyncEvents, failedEvents } from "../../metrics/metrics.ts"
import { FunctionRegistry } from "../../registry/FunctionRegistry.ts"
import { AsyncInvoker, type EventNotStored, type EventQueueFull, type Occasion } from "../AsyncInvoker.ts"
import { LambdaInvoker } from "../LambdaInvoker.ts"
import * as Alarm from "./Alarm.ts"
import * as Deliveries from "./Deliveries.ts"
import type { DestinationOptions } from "./Destination.ts"
import { type Accepted, EventQueue, type Pace } from "./EventQueue.ts"
import {
  type Answer,
  type Condition,
  EventStore,
  functionOfLane,
  laneOf,
  type QueuedEvent,
  qualifierOfLane
} from "./EventStore.ts"
import { FailedEvents } from "./FailedEvents.ts"
import { afterFailure, afterThrottle, isTooOld, type RetryPolicy, type Verdict } from "./retryPolicy.ts"
import { tellingOf } from "./telling.ts"

export interface SqliteAsyncOptions {
  /** Of the database; `:memory:` is one that nobody keeps. */
  readonly path: string
  /** Events that may wait, run or have something to be told of them, all functions together. */
  readonly maxEvents: number
  /** Events that may run at once, all functions together. */
  readonly maxRunning: number
  /** The pauses before the attempts that follow a failed one; by default their number is that of the retries. */
  readonly retryDelays: ReadonlyArray<Duration.Duration>
  /** An event older than this is given up, unless its function says otherwise. */
  readonly maxAge: Duration.Duration
  /** Failed events that nobody was told of: so many are kept, for so long. */
  readonly maxFailed: number
  readonly failedRetention: Duration.Duration
  readonly destinations: DestinationOptions
}

export const lambdaRetries = {
  retryDelays: [Duration.minutes(1), Duration.minutes(2)],
  maxAge: Duration.hours(6)
} satisfies Partial<SqliteAsyncOptions>

export const layer = (options: SqliteAsyncOptions) => Layer.effectContext(make(options))

/** What came of one try to run an event. */
type Try =
  | { readonly _tag: "Ran"; readonly answer: Answer }
  | { readonly _tag: "NotRun" }
  /** There is no such function. */
  | { readonly _tag: "Missing" }
  | { readonly _tag: "GiveUp"; readonly condition: Exclude<Condition, "Success"> }

/** How soon what could not be written is written again, and how often old failures are looked for. */
const writeAgain = Duration.seconds(1)
const expiryInterval = Duration.hours(1)
const maxExpired = 500
/** A function that is gone for longer than it takes to replace one was deleted, and its events with it. */
const maxMissingMillis = 60_000

const make = Effect.fnUntraced(function* (options: SqliteAsyncOptions) {
  const invoker = yield* LambdaInvoker
  const registry = yield* FunctionRegistry
  const configs = yield* EventInvokeConfigs
  const limits = yield* ConcurrencyLimits
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const database = yield* openDatabase(options.path)
  const store = yield* EventStore.make(database)
  const alarm = yield* Alarm.make
  const count = yield* counter

  // Last to first: what runs ends, what is to be written is written, the file is closed.
  let closing = () => {}
  yield* Effect.addFinalizer(() => Effect.sync(() => closing()))
  const background = yield* FiberSet.make<void>()
  const aside = yield* FiberSet.runtime(background)()
  const running = yield* FiberSet.make<void>()
  const run = yield* FiberSet.runtime(running)()
  let tell = () => {}

  const queue: EventQueue = new EventQueue(database, store, {
    maxEvents: options.maxEvents,
    maxRunning: options.maxRunning,
    maxFailed: options.maxFailed,
    now,
    begin: (event) => run(runOnce(event)),
    appeared: (lane) => aside(learnLimit(lane)),
    due: alarm.set,
    tell: () => tell(),
    stuck: (cause) => {
      const report = Effect.logError("What became of asynchronous events cannot be written; it is tried again", cause)
      aside(
        Effect.andThen(
          report,
          Effect.delay(
            Effect.sync(() => queue.retry()),
            writeAgain
          )
        )
      )
    }
  })
  closing = () => queue.close()

  const learnLimit = (lane: string) =>
    registry.get(functionOfLane(lane), qualifierOfLane(lane)).pipe(
      Effect.map((config) => queue.resize(lane, config.maxCapacity)),
      Effect.ignore
    )

  /** What was set through the API, over what the function's file says. */
  const settingsOf = ({ invocation }: QueuedEvent, config: FunctionConfig | undefined): EventInvokeSettings => ({
    ...config?.eventInvoke,
    ...configs.settingsOf(invocation.functionName, invocation.qualifier)
  })

  const policyOf = (event: QueuedEvent, config: FunctionConfig | undefined): RetryPolicy => {
    const { maxAgeSeconds, maxRetries } = settingsOf(event, config)
    return {
      maxRetries: maxRetries ?? options.retryDelays.length,
      maxAgeMillis: maxAgeSeconds === undefined ? Duration.toMillis(options.maxAge) : maxAgeSeconds * 1000,
      retryDelaysMillis: options.retryDelays.map(Duration.toMillis)
    }
  }

  /** Since when there is no function for the events of a lane. */
  const missingSince = new Map<string, number>()

  const attempt = (event: QueuedEvent, config: FunctionConfig | undefined): Effect.Effect<Try> =>
    Effect.suspend(() => {
      if (limits.reservedOf(event.invocation.functionName) === 0) {
        return Effect.succeed<Try>({ _tag: "GiveUp", condition: "ZeroReservedConcurrency" })
      }
      if (isTooOld(policyOf(event, config), event, now())) {
        return Effect.succeed<Try>({ _tag: "GiveUp", condition: "EventAgeExceeded" })
      }
      return invoker.invoke(event.invocation).pipe(
        Effect.match({
          onSuccess: (answer): Try => ({ _tag: "Ran", answer }),
          onFailure: (error): Try =>
            error._tag === "LambdaExecutionError"
              ? {
                  _tag: "Ran",
                  answer: {
                    payload: error.document,
                    executedVersion: error.executedVersion,
                    functionError: "Unhandled"
                  }
                }
              : error._tag === "RecursiveInvocation"
                ? // Trying it again would only go on with the loop.
                  { _tag: "GiveUp", condition: "RetriesExhausted" }
                : { _tag: error._tag === "FunctionNotFound" ? "Missing" : "NotRun" }
        })
      )
    })

  const runOnce = (event: QueuedEvent) => {
    const { functionName, qualifier } = event.invocation
    return Effect.flatMap(Effect.option(registry.get(functionName, qualifier)), (found) => {
      const config = found._tag === "Some" ? found.value : undefined
      if (config !== undefined) queue.resize(`${functionName}:${qualifier ?? ""}`, config.maxCapacity)
      return Effect.onExit(attempt(event, config), (exit) => {
        if (Exit.isSuccess(exit)) return conclude(event, exit.value, config)
        // Cut off by the end of the process.
        if (Cause.hasInterruptsOnly(exit.cause)) return Effect.sync(() => queue.leave(event))
        return Effect.andThen(
          Effect.logError("Running an asynchronous event failed unexpectedly", exit.cause),
          conclude(event, { _tag: "NotRun" }, config)
        )
      })
    }).pipe(
      Effect.asVoid,
      Effect.catchCause(() => Effect.void)
    )
  }

  const conclude = (event: QueuedEvent, result: Try, config: FunctionConfig | undefined): Effect.Effect<void> => {
    const lane = laneOf(event.invocation)
    if (result._tag !== "Missing") missingSince.delete(lane)
    switch (result._tag) {
      case "GiveUp":
        return finish(event, result.condition, "neither", config)
      case "Missing": {
        const since = missingSince.get(lane) ?? now()
        missingSince.set(lane, since)
        return now() - since < maxMissingMillis
          ? postpone(event, config)
          : finish(event, "RetriesExhausted", "neither", config)
      }
      case "NotRun":
        return postpone(event, config)
      case "Ran": {
        const next = { ...event, attempts: event.attempts + 1, throttles: 0, answer: result.answer }
        if (result.answer.functionError === undefined) return finish(next, "Success", "ran", config)
        return proceed(next, afterFailure(policyOf(event, config), next, now()), "ran", config)
      }
    }
  }

  const postpone = (event: QueuedEvent, config: FunctionConfig | undefined) => {
    const next = { ...event, throttles: event.throttles + 1 }
    return proceed(next, afterThrottle(policyOf(event, config), next, now()), "throttled", config)
  }

  const proceed = (event: QueuedEvent, verdict: Verdict, pace: Pace, config: FunctionConfig | undefined) => {
    if (verdict._tag === "GiveUp") return finish(event, verdict.condition, pace, config)
    return Effect.sync(() => {
      queue.putBack(event, verdict.dueMillis, pace)
      count(event.invocation.functionName, pace === "throttled" ? "throttled" : "retried")
    })
  }

  const finish = (event: QueuedEvent, condition: Condition, pace: Pace, config: FunctionConfig | undefined) =>
    Effect.suspend(() => {
      const { invocation } = event
      const outcome = {
        invocation,
        acceptedMillis: event.acceptedMillis,
        endedMillis: now(),
        condition,
        attempts: event.attempts,
        ...(event.answer === undefined ? {} : { answer: event.answer })
      }
      const settings = settingsOf(event, config)
      const telling = tellingOf(outcome, { ...settings, deadLetter: config?.deadLetterTarget }, options.destinations)
      queue.end(event, pace, telling === undefined ? undefined : { value: outcome, telling })
      count(invocation.functionName, condition === "Success" ? "succeeded" : "failed")
      const lost = telling?.lost.map((target) =>
        Effect.logError(`The destination ${target} leads nowhere: nobody was told what became of an event`)
      )
      const gaveUp = Effect.logWarning(`Gave up an asynchronous event of function '${invocation.functionName}'`)
      return Effect.all([...(lost ?? []), ...(condition === "Success" ? [] : [gaveUp])], { discard: true }).pipe(
        Effect.annotateLogs({
          function_name: invocation.functionName,
          aws_request_id: invocation.requestId,
          condition,
          attempts: event.attempts
        })
      )
    })

  const deliveries = yield* Deliveries.make(store, queue, options.destinations)
  tell = deliveries.wake

  const repeated = queue.recover()
  if (repeated.length > 0) {
    const sum = repeated.reduce((total, { count }) => total + count, 0)
    for (const { count: times, lane } of repeated) count(functionOfLane(lane), "repeated", times)
    yield* Effect.logWarning(
      sum === 1
        ? "1 event was running when Irori stopped; it runs again"
        : `${sum} events were running when Irori stopped; they run again`
    )
  }
  yield* gauge(asyncEvents, () => queue.events)
  yield* gauge(failedEvents, () => queue.kept)

  yield* Effect.forkScoped(deliveries.run)
  yield* Effect.forkScoped(
    alarm.run(
      () => queue.nextMillis(),
      Effect.sync(() => queue.start())
    )
  )
  const expire = Effect.sync(() => {
    const before = now() - Duration.toMillis(options.failedRetention)
    queue.discard(
      (store) => store.expire(before, maxExpired),
      () => {}
    )
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(expire, Effect.sleep(expiryInterval))))

  /** One step after the other until one does nothing. */
  const steps = (step: (settle: (count: number, error?: EventNotStored) => void) => void) =>
    Effect.gen(function* () {
      let sum = 0
      for (;;) {
        const done = yield* Effect.callback<number, EventNotStored>((resume) =>
          step((count, error) => resume(error === undefined ? Effect.succeed(count) : Effect.fail(error)))
        )
        if (done === 0) return sum
        sum += done
      }
    })

  const accept = (invocation: Invocation, settle: Accepted, occasion?: Occasion): void =>
    queue.accept(
      invocation,
      (error, isTaken) => {
        if (isTaken || error !== undefined) count(invocation.functionName, isTaken ? "accepted" : "refused")
        settle(error, isTaken)
      },
      occasion
    )

  const enqueue = (invocation: Invocation, occasion?: Occasion) =>
    Effect.callback<boolean, EventQueueFull | EventNotStored>((resume) =>
      accept(
        invocation,
        (error, isTaken) => resume(error === undefined ? Effect.succeed(isTaken) : Effect.fail(error)),
        occasion
      )
    )

  return Context.make(AsyncInvoker, {
    enqueue: (invocation) => Effect.asVoid(enqueue(invocation)),
    accept,
    enqueueOnce: (occasion, invocation) => enqueue(invocation, occasion),
    drain: Effect.andThen(
      Effect.sync(() => queue.stop()),
      FiberSet.awaitEmpty(running)
    )
  }).pipe(
    Context.add(FailedEvents, {
      list: (selection, after, limit) =>
        Effect.sync(() => {
          const events = store.kept(selection, after, limit)
          const last = events.length < limit ? undefined : events.at(-1)
          return { events, ...(last === undefined ? {} : { next: last.id }) }
        }),
      redrive: (selection) =>
        Effect.map(
          steps((settle) => queue.redrive(selection, settle)),
          (redriven) => ({ redriven, left: store.count(selection) })
        ),
      discard: (selection) => steps((settle) => queue.discard((store) => store.discard(selection, maxExpired), settle))
    })
  )
})

/** Counts steps. A function's series are made once and kept. */
const counter = Effect.map(Effect.context<never>(), (context) => {
  const series = new Map<string, Map<AsyncEventStep, ReturnType<typeof asyncEventSteps>>>()
  return (functionName: string, step: AsyncEventStep, times = 1): void => {
    let steps = series.get(functionName)
    if (steps === undefined) {
      steps = new Map()
      series.set(functionName, steps)
    }
    let counted = steps.get(step)
    if (counted === undefined) {
      counted = asyncEventSteps(functionName, step)
      steps.set(step, counted)
    }
    counted.updateUnsafe(times, context)
  }
})

const gauge = (metric: typeof asyncEvents, value: () => number) =>
  Effect.flatMap(Effect.context<never>(), (context) =>
    Effect.acquireRelease(
      Effect.sync(() =>
        Metric.registerUnsafe(metric, context, { get: () => ({ value: value() }), update() {}, modify() {} })
      ),
      (registered) => Effect.sync(() => registered.remove())
    )
  )
