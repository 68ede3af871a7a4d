/** One event given to one function, and its answer. Payloads are bytes that nothing on the way through parses. */
import type { AnswerHead, AnswerSink } from "./AnswerSink.ts"
import type { FunctionName, Qualifier } from "./FunctionName.ts"

export interface Invocation {
  /** A lower-case UUID: `x-amzn-RequestId`, the function's `awsRequestId`, and the id in its log lines. */
  readonly requestId: string
  readonly functionName: FunctionName
  /** As the caller gave it; the version that runs is the function's to say. */
  readonly qualifier?: Qualifier
  /** JSON. */
  readonly payload: Uint8Array
  /** `X-Amzn-Trace-Id` as the worker sees it. */
  readonly traceId: string
  /** The decoded JSON of `X-Amz-Client-Context`. */
  readonly clientContext?: string
  /** The caller wants the end of the invocation's log, and waits a little longer for it. */
  readonly logTail?: boolean
}

export interface InvocationResult {
  /**
   * What the runtime posted, unchanged; the error document when `functionError` is set. Empty where the whole answer
   * went to a sink.
   */
  readonly payload: Uint8Array
  /** Set when the function failed; Lambda has said `Unhandled` in every recorded answer. */
  readonly functionError?: "Unhandled"
  /** The type of the error, where `functionError` is set. */
  readonly errorType?: string
  /** `$LATEST` or a number, also for an alias. */
  readonly executedVersion: string
  /** The end of the invocation's log, at most 4 KB, where it was asked for and something ran. */
  readonly log?: string
}

/** The beginning of an answer that is handed over as it comes. */
export interface InvocationHead extends AnswerHead {
  readonly executedVersion: string
}

export type InvocationSink = AnswerSink<InvocationHead>
