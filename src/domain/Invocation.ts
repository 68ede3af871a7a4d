/** One event given to one function, and its answer. Payloads are bytes that nothing on the way through parses. */
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
}

export interface InvocationResult {
  /** What the runtime posted, unchanged; the error document when `functionError` is set. */
  readonly payload: Uint8Array
  /** Set when the function failed; Lambda has said `Unhandled` in every recorded answer. */
  readonly functionError?: "Unhandled"
  /** `$LATEST` or a number, also for an alias. */
  readonly executedVersion: string
}
