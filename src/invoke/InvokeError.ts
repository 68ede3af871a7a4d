/** How an invocation can fail, whichever way it was run; and which of that is an answer of Lambda's. */
import { Duration, Schema } from "effect"
import { FunctionName } from "../domain/FunctionName.ts"
import { maxChainedInvocations } from "../domain/Lineage.ts"
import { FunctionNotFound, FunctionUnusable } from "../registry/FunctionRegistry.ts"
import { CircuitOpen } from "./FunctionBreaker.ts"
import { NoCapacity, WorkerStartFailed } from "./InvocationBackend.ts"
import { WorkerLost } from "./WorkerClient.ts"

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
