/**
 * Takes events now and runs them later: what `X-Amz-Invocation-Type: Event` asks for. Attempts, delays and the maximum
 * age are Lambda's (`LAMBDA-CONTRACT.md` section 9).
 *
 * The queue is in memory: an event that was accepted and has not run is lost with the process, which says how many
 * when it stops in order. A durable store takes this layer's place behind the same contract.
 */
import { Clock, Context, Duration, Effect, FiberSet, Layer, Metric } from "effect"
import type { Invocation } from "../domain/Invocation.ts"
import { asyncEvents } from "../metrics/metrics.ts"
import { NoCapacity } from "./InvocationBackend.ts"
import { LambdaInvoker } from "./LambdaInvoker.ts"

export class AsyncInvoker extends Context.Service<
  AsyncInvoker,
  {
    /** Takes the event and returns at once. Fails when too many wait already. */
    readonly enqueue: (invocation: Invocation) => Effect.Effect<void, NoCapacity>
  }
>()("irori/invoke/AsyncInvoker") {
  static readonly layerMemory = (options: AsyncOptions) => Layer.effect(AsyncInvoker, make(options))
}

export interface AsyncOptions {
  /** Events that may wait or run at once, all functions together. */
  readonly maxEvents: number
  /** The pauses before the attempts that follow a failed one; their number is that of the retries. */
  readonly retryDelays: ReadonlyArray<Duration.Duration>
  /** An event older than this is given up. */
  readonly maxAge: Duration.Duration
}

export const lambdaRetries = {
  retryDelays: [Duration.minutes(1), Duration.minutes(2)],
  maxAge: Duration.hours(6)
} satisfies Partial<AsyncOptions>

type Outcome = "done" | "failed" | "throttled"

/** After a throttle or a fault of the platform, which are no attempts of the function's. */
const firstBackoff = Duration.seconds(1)
const maxBackoff = Duration.minutes(5)

const make = Effect.fnUntraced(function* (options: AsyncOptions) {
  const invoker = yield* LambdaInvoker
  let accepted = 0
  yield* Effect.addFinalizer(() =>
    accepted === 0 ? Effect.void : Effect.logWarning(`${accepted} asynchronous events were lost: they had not finished`)
  )
  const context = yield* Effect.context<never>()
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      Metric.registerUnsafe(asyncEvents, context, { get: () => ({ value: accepted }), update() {}, modify() {} })
    ),
    (series) => Effect.sync(() => series.remove())
  )
  const running = yield* FiberSet.make<void>()

  /** One attempt: what came of it, as far as the next step depends on it. */
  const attempt = (invocation: Invocation) =>
    invoker.invoke(invocation).pipe(
      Effect.match({
        onSuccess: (result): Outcome => (result.functionError === undefined ? "done" : "failed"),
        onFailure: (error): Outcome => (error._tag === "LambdaExecutionError" ? "failed" : "throttled")
      })
    )

  const run = Effect.fnUntraced(function* (invocation: Invocation) {
    const since = yield* Clock.currentTimeMillis
    let retries = 0
    let backoff = firstBackoff
    for (;;) {
      const outcome = yield* attempt(invocation)
      if (outcome === "done") return
      const pause = outcome === "failed" ? options.retryDelays[retries] : backoff
      if (outcome === "failed") retries++
      else backoff = Duration.min(Duration.times(backoff, 2), maxBackoff)
      const age = (yield* Clock.currentTimeMillis) - since
      if (pause === undefined || age + Duration.toMillis(pause) > Duration.toMillis(options.maxAge)) {
        return yield* Effect.logWarning(`Gave up an asynchronous event of function '${invocation.functionName}'`).pipe(
          Effect.annotateLogs({
            function_name: invocation.functionName,
            aws_request_id: invocation.requestId,
            condition: pause === undefined ? "RetriesExhausted" : "EventAgeExceeded"
          })
        )
      }
      yield* Effect.sleep(pause)
    }
  })

  return AsyncInvoker.of({
    enqueue: Effect.fnUntraced(function* (invocation) {
      if (accepted >= options.maxEvents) {
        return yield* new NoCapacity({ functionName: invocation.functionName, reason: "QueueFull" })
      }
      accepted++
      // An event cut short by the end of the process stays counted: it is one of those that are lost.
      yield* FiberSet.run(
        running,
        Effect.andThen(
          run(invocation),
          Effect.sync(() => accepted--)
        )
      )
    })
  })
})
