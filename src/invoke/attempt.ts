/**
 * What one attempt to run an event came to: its limits of time, what its end says of the function's workers, and what
 * its caller is told. Pure, but for the limits.
 */
import { Duration, Effect } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Invocation, InvocationResult } from "../domain/Invocation.ts"
import type { Worker } from "../domain/Worker.ts"
import type { Verdict } from "./Circuit.ts"
import { errorDocument, exitDocument, timeoutDocument } from "./errorDocuments.ts"
import type { WorkerFailure } from "./FunctionBreaker.ts"
import type { NoCapacity, WorkerStartFailed } from "./InvocationBackend.ts"
import { InvocationTimedOut, LambdaExecutionError } from "./InvokeError.ts"
import type { WarmOutcome } from "./WarmInvocation.ts"
import { type WorkerAnswer, WorkerLost } from "./WorkerClient.ts"

/** What an answer of a worker is to who invoked the function. */
export const resultOf = ({ version }: FunctionConfig, { errorType, log, payload }: WorkerAnswer): InvocationResult => {
  if (errorType === undefined && log === undefined) return { payload, executedVersion: version }
  return {
    payload,
    executedVersion: version,
    ...(errorType === undefined ? {} : { functionError: "Unhandled", errorType }),
    ...(log === undefined ? {} : { log })
  }
}

/** What telling a log may take, beyond the function's timeout. */
const tailGrace = Duration.seconds(5)

export type AttemptError = NoCapacity | WorkerStartFailed | WorkerLost | InvocationTimedOut

/** What the circuit is told. An event that did not reach its worker is tried again elsewhere, where it counts. */
export const verdictOn = (outcome: WarmOutcome): readonly [Verdict, WorkerFailure?] => {
  if (typeof outcome === "string") return [outcome === "cancelled" ? "undecided" : "answered"]
  const ofWorkers = outcome._tag === "RanOutOfTime" || isUnreached(outcome) ? undefined : workerFailure(outcome)
  return ofWorkers === undefined ? ["undecided"] : ["failed", ofWorkers]
}

/** What a failure says of the function's workers. One that ran out of time did run; a full pool has workers. */
export const workerFailure = (error: AttemptError): WorkerFailure | undefined => {
  if (error._tag !== "WorkerStartFailed" && error._tag !== "WorkerLost") return undefined
  const engineAway = error._tag === "WorkerStartFailed" && error.failure.reason === "EngineUnavailable"
  return { detail: error.message, engineAway }
}

export const isUnreached = (error: { readonly _tag: string }): error is WorkerLost =>
  error instanceof WorkerLost && !error.began

export const timedOut = (config: FunctionConfig, worker: Worker, log?: string) =>
  new InvocationTimedOut({
    functionName: config.name,
    timeout: config.timeout,
    target: `http://${worker.host}:${worker.port}`,
    ...(log === undefined ? {} : { log })
  })

export const limit = (config: FunctionConfig, worker: Worker) =>
  Effect.timeoutOrElse({ duration: config.timeout, orElse: () => Effect.fail(timedOut(config, worker)) })

/** Whoever tells the log sees to the timeout, and takes a little longer. One that does not answer even then is cut off. */
export const tailedLimit =
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

export const executionError = (
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
