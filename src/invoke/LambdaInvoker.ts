/**
 * Runs one invocation: finds the function, borrows a worker, sends the event, gives the worker back. Keeps no state:
 * whether the function is to be run at all is the gate's and the breaker's to decide; which worker, and how long to wait for one, the
 * backend's; what the wire looks like is the client's.
 */
import { Clock, Context, Duration, Effect, Exit, type Fiber, FiberSet, Layer, Option, Schema } from "effect"
import { ConcurrencyGate } from "../control/ConcurrencyGate.ts"
import { RecursionConfigs } from "../control/RecursionConfigs.ts"
import { type AnswerSink, noFlow } from "../domain/AnswerSink.ts"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { FunctionName } from "../domain/FunctionName.ts"
import type { Invocation, InvocationResult, InvocationSink } from "../domain/Invocation.ts"
import { chainedInvocations, maxChainedInvocations } from "../domain/Lineage.ts"
import { isInitFailure, type Worker } from "../domain/Worker.ts"
import * as InvocationMetrics from "../metrics/InvocationMetrics.ts"
import { outcomeOf } from "../metrics/InvocationMetrics.ts"
import { FunctionNotFound, FunctionRegistry, FunctionUnusable } from "../registry/FunctionRegistry.ts"
import type { Verdict } from "./Circuit.ts"
import { makeDeadlines } from "./Deadlines.ts"
import { errorDocument, exitDocument, timeoutDocument } from "./errorDocuments.ts"
import { CircuitOpen, FunctionBreaker, type WorkerFailure } from "./FunctionBreaker.ts"
import { InvocationBackend, NoCapacity, WorkerStartFailed } from "./InvocationBackend.ts"
import { type Caller, WarmInvocation, type WarmOutcome, type WarmServices } from "./WarmInvocation.ts"
import { type Abandon, type WorkerAnswer, WorkerClient, WorkerLost } from "./WorkerClient.ts"

/** The function ran past its `timeout` and was cut off. */
export class InvocationTimedOut extends Schema.TaggedError<InvocationTimedOut>()("InvocationTimedOut", {
  functionName: FunctionName,
  timeout: Schema.Duration,
  /** The end of the invocation's log, where that asked for it. */
  log: Schema.optionalKey(Schema.String),
  /** Where the event was sent, for the log. */
  target: Schema.String
}) {
  override get message() {
    return `Task timed out after ${Duration.toSeconds(this.timeout).toFixed(2)} seconds`
  }
}

/** A chain of calls has come to this function so often that it looks to be without end. */
export class RecursiveInvocation extends Schema.TaggedError<RecursiveInvocation>()("RecursiveInvocation", {
  functionName: FunctionName
}) {
  override get message() {
    return (
      `Lambda stopped this invocation: '${this.functionName}' has been invoked ${maxChainedInvocations} times in one ` +
      "chain of calls already, which looks like a recursive loop. A function whose RecursiveLoop is Allow is not stopped."
    )
  }
}

/** The event was given to a worker, and no answer came of it. The function may have run, and may have had effects. */
export class LambdaExecutionError extends Schema.TaggedError<LambdaExecutionError>()("LambdaExecutionError", {
  functionName: FunctionName,
  executedVersion: Schema.String,
  /** Lambda's name for it: `Sandbox.Timedout`, `Runtime.ExitError`, `Runtime.OutOfMemory`; an emulator has more. */
  errorType: Schema.String,
  /** The error document that Lambda answers with. */
  document: Schema.Uint8Array,
  /** The end of the invocation's log, where that asked for it. */
  log: Schema.optionalKey(Schema.String),
  cause: Schema.Union([InvocationTimedOut, WorkerLost, WorkerStartFailed])
}) {
  override get message() {
    return this.cause.message
  }
}

/** All but `LambdaExecutionError`: nothing ran, so a retry is safe. */
export const InvokeError = Schema.Union([
  FunctionNotFound,
  FunctionUnusable,
  RecursiveInvocation,
  CircuitOpen,
  NoCapacity,
  WorkerStartFailed,
  LambdaExecutionError
])
export type InvokeError = typeof InvokeError.Type

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
          Effect.map(
            (answer): InvocationResult => ({
              payload: answer.payload,
              executedVersion: config.version,
              ...(answer.errorType === undefined
                ? {}
                : { functionError: "Unhandled" as const, errorType: answer.errorType }),
              ...(answer.log === undefined ? {} : { log: answer.log })
            })
          ),
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
              releaseAfter: (free, worker) => fork(Effect.ensuring(free, backend.releaseWorker(worker)))
            }

      /** Those that run without a fiber, until they are settled: nobody else would tell their callers of the end. */
      const unsettled = new Map<WarmInvocation, Caller<Exit.Exit<InvocationResult, InvokeError>>>()
      let isClosed = false
      // Before what they were made with is closed.
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          isClosed = true
          for (const [attempted, caller] of [...unsettled]) {
            attempted.cancel()
            caller.failed(Exit.interrupt())
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
        const begunNanos = begin()
        const settle = (outcome: WarmOutcome): void => {
          unsettled.delete(attempted)
          leaveGate()
          const [verdict, failure] = verdictOn(outcome)
          const told = breaker.leave(config, permit, verdict, failure)
          if (told !== undefined) fork(told)
          // What became of a failure is known when it has been explained.
          if (typeof outcome === "string") record(config, begunNanos, outcome)
        }
        let explaining: Fiber.Fiber<unknown, unknown> | undefined
        let hasLeft = false
        let hasSaidToWait = caller.waits === undefined
        const waits = () => {
          if (!hasSaidToWait) caller.waits?.()
          hasSaidToWait = true
        }
        const attempted = new WarmInvocation(warm, config, invocation, settle, {
          succeeded: (result) => caller.succeeded(result),
          ...(caller.waits === undefined ? {} : { waits }),
          failed: (failure) => {
            const error = failure._tag === "RanOutOfTime" ? timedOut(config, failure.worker) : failure
            // An event that never reached its worker may be given to another.
            const outcome = isUnreached(error)
              ? Effect.andThen(
                  Effect.sync(waits),
                  measure(config, gate.admit(config, protect(config, invocation, attemptAgain(config, invocation))))
                )
              : Effect.onExit(explain(config, invocation, error), (exit) =>
                  Effect.sync(() => record(config, begunNanos, outcomeOf(exit)))
                )
            explaining = fork(
              Effect.onExit(outcome, (exit) => (hasLeft ? Effect.void : Effect.sync(() => caller.failed(exit))))
            )
          }
        })
        unsettled.set(attempted, caller)
        if (!attempted.begin()) {
          unsettled.delete(attempted)
          leaveGate()
          return undefined
        }
        return () => {
          hasLeft = true
          attempted.cancel()
          explaining?.interruptUnsafe()
        }
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

/** Between a worker's answer and who takes it: says which version answers, and ends with the invocation. */
class Relay implements AnswerSink {
  readonly #sink: InvocationSink
  readonly #executedVersion: string
  #isOpen = true
  #hasBegun = false

  constructor(sink: InvocationSink, executedVersion: string) {
    this.#sink = sink
    this.#executedVersion = executedVersion
  }

  readonly begin: AnswerSink["begin"] = (head) => {
    if (!this.#isOpen) return
    this.#hasBegun = true
    this.#sink.begin({ ...head, executedVersion: this.#executedVersion })
  }

  readonly piece: AnswerSink["piece"] = (bytes) => {
    if (this.#isOpen) this.#sink.piece(bytes)
  }

  /** Hands over a result that was not streamed. */
  complete(result: InvocationResult): InvocationResult {
    if (this.#hasBegun || result.functionError !== undefined) return result
    this.begin({ contentType: "application/json", flow: noFlow })
    this.piece(result.payload)
    return { ...result, payload: new Uint8Array() }
  }

  close(): void {
    this.#isOpen = false
  }
}

/** What telling a log may take, beyond the function's timeout. */
const tailGrace = Duration.seconds(5)

type AttemptError = NoCapacity | WorkerStartFailed | WorkerLost | InvocationTimedOut

/** What the circuit is told. An event that did not reach its worker is tried again elsewhere, where it counts. */
const verdictOn = (outcome: WarmOutcome): readonly [Verdict, WorkerFailure?] => {
  if (typeof outcome === "string") return [outcome === "cancelled" ? "undecided" : "answered"]
  const ofWorkers = outcome._tag === "RanOutOfTime" || isUnreached(outcome) ? undefined : workerFailure(outcome)
  return ofWorkers === undefined ? ["undecided"] : ["failed", ofWorkers]
}

/** What a failure says of the function's workers. One that ran out of time did run; a full pool has workers. */
const workerFailure = (error: AttemptError): WorkerFailure | undefined => {
  if (error._tag !== "WorkerStartFailed" && error._tag !== "WorkerLost") return undefined
  const engineAway = error._tag === "WorkerStartFailed" && error.failure.reason === "EngineUnavailable"
  return { detail: error.message, engineAway }
}

const isUnreached = (error: { readonly _tag: string }): error is WorkerLost =>
  error instanceof WorkerLost && !error.began

const timedOut = (config: FunctionConfig, worker: Worker, log?: string) =>
  new InvocationTimedOut({
    functionName: config.name,
    timeout: config.timeout,
    target: `http://${worker.host}:${worker.port}`,
    ...(log === undefined ? {} : { log })
  })

const limit = (config: FunctionConfig, worker: Worker) =>
  Effect.timeoutOrElse({ duration: config.timeout, orElse: () => Effect.fail(timedOut(config, worker)) })

/** Whoever tells the log sees to the timeout, and takes a little longer. One that does not answer even then is cut off. */
const tailedLimit =
  (config: FunctionConfig, worker: Worker) =>
  (sent: Effect.Effect<WorkerAnswer, WorkerLost>): Effect.Effect<WorkerAnswer, WorkerLost | InvocationTimedOut> =>
    sent.pipe(
      Effect.catchIf(
        (lost) => lost.timedOut === true,
        (lost) => Effect.fail(timedOut(config, worker, lost.log))
      ),
      Effect.timeoutOrElse({
        duration: Duration.sum(config.timeout, tailGrace),
        orElse: () => Effect.fail(timedOut(config, worker))
      })
    )

const executionError = (
  config: FunctionConfig,
  invocation: Invocation,
  cause: WorkerStartFailed | WorkerLost | InvocationTimedOut
): LambdaExecutionError => {
  const log = "log" in cause ? cause.log : undefined
  const about = {
    functionName: config.name,
    executedVersion: config.version,
    cause,
    ...(log === undefined ? {} : { log })
  }
  if (cause._tag === "WorkerLost" && cause.lastWords !== undefined) {
    return new LambdaExecutionError({ ...about, ...cause.lastWords })
  }
  const document =
    cause._tag === "InvocationTimedOut" ||
    (cause._tag === "WorkerStartFailed" && cause.failure.reason === "InitTimedOut")
      ? timeoutDocument(invocation.requestId, config.timeout)
      : exitDocument(invocation.requestId, cause._tag === "WorkerLost" ? cause.exit : cause.failure.exit)
  return new LambdaExecutionError({ ...about, errorType: document.errorType, document: errorDocument(document) })
}
