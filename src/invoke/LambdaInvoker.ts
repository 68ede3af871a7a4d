/**
 * Runs one invocation: finds the function, borrows a worker, sends the event, gives the worker back. Keeps no state but
 * of what it runs: whether the function is to be run at all is the gate's and the breaker's to decide; which worker, and
 * how long to wait for one, the backend's; what the wire looks like is the client's. What is plain is run by a
 * `WarmInvocation`, all else by a fiber.
 */
import { Clock, Context, Effect, Exit, type Fiber, FiberSet, Layer, Option } from "effect"
import { ConcurrencyGate } from "../control/ConcurrencyGate.ts"
import { RecursionConfigs } from "../control/RecursionConfigs.ts"
import type { AnswerSink } from "../domain/AnswerSink.ts"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Invocation, InvocationResult, InvocationSink } from "../domain/Invocation.ts"
import { Line } from "../domain/Line.ts"
import { chainedInvocations, maxChainedInvocations } from "../domain/Lineage.ts"
import { isInitFailure, type Worker } from "../domain/Worker.ts"
import * as InvocationMetrics from "../metrics/InvocationMetrics.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import {
  type AttemptError,
  executionError,
  isUnreached,
  limit,
  resultOf,
  tailedLimit,
  timedOut,
  verdictOn,
  workerFailure
} from "./attempt.ts"
import { makeDeadlines } from "./Deadlines.ts"
import { type CircuitOpen, FunctionBreaker } from "./FunctionBreaker.ts"
import { InvocationBackend } from "./InvocationBackend.ts"
import { type InvokeError, RecursiveInvocation } from "./InvokeError.ts"
import { Relay } from "./Relay.ts"
import {
  type AttemptFailure,
  type Caller,
  WarmInvocation,
  type WarmOutcome,
  type WarmServices
} from "./WarmInvocation.ts"
import { type Abandon, WorkerClient, type WorkerLost } from "./WorkerClient.ts"

export class LambdaInvoker extends Context.Service<
  LambdaInvoker,
  {
    /**
     * Runs `invocation` and waits for its answer. Interrupting it frees its worker.
     *
     * An error thrown *by the function*, in its handler or while it initialises, is an answer: it comes back as
     * `functionError`, not as a failure here.
     */
    readonly invoke: (invocation: Invocation) => Effect.Effect<InvocationResult, InvokeError>
    /**
     * The same, with the answer handed to `sink` while the function makes it, and nothing after the effect has ended:
     * all of a stream; the whole of a plain result as one piece. An error document is not handed over, it is the
     * `payload` of the result. Until the answer has begun, a failure here is as one of `invoke`.
     *
     * The function's timeout is for the whole stream, and the sink's pauses count.
     */
    readonly invokeStreaming: (
      invocation: Invocation,
      sink: InvocationSink
    ) => Effect.Effect<InvocationResult, InvokeError>
    /**
     * `invoke` without a fiber, which is several times as fast: `caller` is told, at once or later. Undefined where only
     * `invoke` can do it, or where that would refuse it; then nothing has happened. Absent where there is no such way.
     */
    readonly start?: (
      invocation: Invocation,
      caller: Caller<Exit.Exit<InvocationResult, InvokeError>>
    ) => Abandon | undefined
  }
>()("irori/invoke/LambdaInvoker") {
  static readonly layer = Layer.effect(
    LambdaInvoker,
    Effect.gen(function* () {
      const registry = yield* FunctionRegistry
      const backend = yield* InvocationBackend
      const client = yield* WorkerClient
      const breaker = yield* FunctionBreaker
      const gate = yield* ConcurrencyGate
      // Where nobody keeps what functions have chosen, every loop is stopped.
      const recursion = Option.getOrUndefined(yield* Effect.serviceOption(RecursionConfigs))
      const scope = yield* Effect.scope
      const { begin, measure, record } = yield* InvocationMetrics.make
      const deadlines = yield* makeDeadlines
      const fork = yield* FiberSet.makeRuntime<never>()

      /** One borrowing of one worker. */
      const attempt = (
        config: FunctionConfig,
        invocation: Invocation,
        sink: AnswerSink | undefined,
        onWorker?: (worker: Worker) => void
      ) => {
        let sent = false
        return Effect.acquireUseRelease(
          backend.acquireWorker(config),
          (worker: Worker) =>
            Effect.suspend(() => {
              sent = true
              onWorker?.(worker)
              return client.send(worker, config, invocation, sink)
            }).pipe(invocation.logTail === true ? tailedLimit(config, worker) : limit(config, worker)),
          (worker, exit) => {
            // A worker that was sent the event and did not finish its answer may still be running it.
            if (sent && Exit.isFailure(exit)) return backend.evictWorker(worker)
            const free = Exit.isSuccess(exit) ? exit.value.free : undefined
            if (free === undefined) return backend.releaseWorker(worker)
            // The caller has its answer, and does not wait for what the worker does after it.
            return Effect.asVoid(Effect.forkIn(Effect.ensuring(free, backend.releaseWorker(worker)), scope))
          }
        )
      }

      /**
       * For an event that never reached its worker, so that another may have it. All that were idle may be lost, as
       * when their manager has started again: each try takes one of them out of the pool. One that was started since
       * `sinceMillis` and is lost too is the function's answer.
       */
      const again = (
        config: FunctionConfig,
        invocation: Invocation,
        sink: AnswerSink | undefined,
        sinceMillis: number,
        triesLeft: number
      ): ReturnType<typeof attempt> => {
        let createdAtMillis = 0
        return attempt(config, invocation, sink, (worker) => {
          createdAtMillis = worker.createdAtMillis
        }).pipe(
          Effect.catchIf(
            (error): error is WorkerLost => isUnreached(error) && triesLeft > 0 && createdAtMillis < sinceMillis,
            () => again(config, invocation, sink, sinceMillis, triesLeft - 1)
          )
        )
      }

      const run = (config: FunctionConfig, invocation: Invocation, sink?: AnswerSink) => {
        const attempts = attempt(config, invocation, sink).pipe(
          Effect.catchIf(isUnreached, () => attemptAgain(config, invocation, sink))
        )
        return protect(config, invocation, attempts)
      }

      const attemptAgain = (config: FunctionConfig, invocation: Invocation, sink?: AnswerSink) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => again(config, invocation, sink, now, config.maxCapacity))

      const protect = (config: FunctionConfig, invocation: Invocation, attempts: ReturnType<typeof attempt>) =>
        breaker.protect(config, attempts, workerFailure).pipe(
          Effect.map((answer) => resultOf(config, answer)),
          Effect.catch((error) => explain(config, invocation, error))
        )

      const isLoop = ({ name }: FunctionConfig, { traceId }: Invocation) =>
        chainedInvocations(traceId) >= maxChainedInvocations && recursion?.recursiveLoopOf(name) !== "Allow"

      const stopLoop = ({ name }: FunctionConfig, { requestId, traceId }: Invocation) => {
        const failure = new RecursiveInvocation({ functionName: name })
        return Effect.logWarning(failure.message).pipe(
          Effect.annotateLogs({ function_name: name, aws_request_id: requestId, trace_id: traceId }),
          Effect.andThen(Effect.fail(failure))
        )
      }

      const invoke = (invocation: Invocation) =>
        Effect.flatMap(registry.get(invocation.functionName, invocation.qualifier), (config) =>
          measure(
            config,
            isLoop(config, invocation) ? stopLoop(config, invocation) : gate.admit(config, run(config, invocation))
          )
        )

      const invokeStreaming = (invocation: Invocation, sink: InvocationSink) =>
        Effect.flatMap(registry.get(invocation.functionName, invocation.qualifier), (config) => {
          if (isLoop(config, invocation)) return measure(config, stopLoop(config, invocation))
          const relay = new Relay(sink, config.version)
          return measure(config, gate.admit(config, run(config, invocation, relay))).pipe(
            Effect.map((result) => relay.complete(result)),
            Effect.onExit(() => Effect.sync(() => relay.close()))
          )
        })

      const direct = client.direct
      const warm: WarmServices | undefined =
        backend.warm === undefined || direct === undefined
          ? undefined
          : {
              backend: backend.warm,
              start: direct.start,
              deadlines,
              releaseAfter: (free, worker) => fork(Effect.ensuring(free, backend.releaseWorker(worker))),
              settle: (over, outcome) => settle(over, outcome),
              explain: (over, failure) => tell(over, failure)
            }

      /** Those that run without a fiber, until they are settled: nobody else would tell their callers of the end. */
      const unsettled = new Line<WarmInvocation>()
      let isClosed = false
      // Before what they were made with is closed.
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          isClosed = true
          for (const attempted of [...unsettled]) {
            attempted.cancel()
            attempted.admitted.caller.failed(Exit.interrupt())
          }
        })
      )

      const start = (
        invocation: Invocation,
        caller: Caller<Exit.Exit<InvocationResult, InvokeError>>
      ): Abandon | undefined => {
        const config = registry.peek?.(invocation.functionName, invocation.qualifier)
        if (isClosed || config === undefined || warm === undefined || direct?.takes(config, invocation) !== true)
          return undefined
        if (isLoop(config, invocation)) return undefined
        const permit = breaker.enter(config)
        if (permit === undefined) return undefined
        const leaveGate = gate.enter(config)
        if (leaveGate === undefined) return undefined
        const admitted = { config, invocation, caller, permit, leaveGate, begunSeconds: begin() }
        return startAdmitted(new WarmInvocation(warm, admitted))
      }

      /** On its own, so that what is called when the caller leaves holds nothing else. */
      const startAdmitted = (attempted: WarmInvocation): Abandon | undefined => {
        unsettled.add(attempted)
        if (attempted.begin()) return () => attempted.leave()
        unsettled.delete(attempted)
        attempted.admitted.leaveGate()
        return undefined
      }

      const settle = (over: WarmInvocation, outcome: WarmOutcome): void => {
        const { begunSeconds, config, leaveGate, permit } = over.admitted
        unsettled.delete(over)
        leaveGate()
        const [verdict, failure] = verdictOn(outcome)
        const told = breaker.leave(config, permit, verdict, failure)
        if (told !== undefined) fork(told)
        // What became of a failure is known when it has been explained.
        if (typeof outcome === "string") record(config, begunSeconds, outcome)
      }

      const tell = (over: WarmInvocation, failure: AttemptFailure): Fiber.Fiber<unknown, unknown> | undefined => {
        const { begunSeconds, caller, config, invocation } = over.admitted
        // Where one is refused, many are: there is nothing to explain, and no fiber to be had for it.
        if (failure._tag === "NoCapacity") {
          const refused = Exit.fail(failure)
          record(config, begunSeconds, InvocationMetrics.outcomeOf(refused))
          caller.failed(refused)
          return undefined
        }
        const error = failure._tag === "RanOutOfTime" ? timedOut(config, failure.worker) : failure
        // An event that never reached its worker may be given to another.
        const outcome = isUnreached(error)
          ? measure(config, gate.admit(config, protect(config, invocation, attemptAgain(config, invocation))))
          : Effect.onExit(explain(config, invocation, error), (exit) =>
              Effect.sync(() => record(config, begunSeconds, InvocationMetrics.outcomeOf(exit)))
            )
        return fork(
          Effect.onExit(outcome, (exit) => (over.hasLeft ? Effect.void : Effect.sync(() => caller.failed(exit))))
        )
      }

      /** Turns the failures of an attempt into an answer or into what callers of `invoke` know. */
      const explain = (
        config: FunctionConfig,
        invocation: Invocation,
        error: AttemptError | CircuitOpen
      ): Effect.Effect<InvocationResult, InvokeError> => {
        if (error._tag === "NoCapacity" || error._tag === "CircuitOpen") return Effect.fail(error)
        if (error._tag === "WorkerStartFailed" && error.failure.reason === "InitError") {
          return Effect.succeed({
            payload: new TextEncoder().encode(error.failure.document ?? "null"),
            executedVersion: config.version,
            functionError: "Unhandled",
            errorType: error.failure.errorType ?? "Runtime.Unknown"
          })
        }
        const failure =
          error._tag === "WorkerStartFailed" && !isInitFailure(error.failure)
            ? error
            : executionError(config, invocation, error)
        return Effect.logError(`Lambda invocation failed for function '${config.name}'`).pipe(
          Effect.annotateLogs({
            function_name: config.name,
            target_url: "target" in error ? error.target : "",
            error_type: failure._tag === "LambdaExecutionError" ? failure.errorType : failure.failure.reason,
            error_detail: failure.message,
            aws_request_id: invocation.requestId,
            trace_id: invocation.traceId
          }),
          Effect.andThen(Effect.fail(failure))
        )
      }

      return LambdaInvoker.of({ invoke, invokeStreaming, start })
    })
  )
}
