/** What becomes of an invocation at an API: the answer for the client, and what the log has to say of it. */
import { Effect, Result } from "effect"
import type { Invocation, InvocationResult } from "../../src/domain/Invocation.ts"
import type { HttpAnswer } from "../../src/events/HttpResponseV2.ts"
import type { RestAnswer } from "../../src/events/RestResponse.ts"
import type { InvokeError } from "../../src/invoke/InvokeError.ts"
import type { Routed } from "../../src/routing/ApiIndex.ts"
import { answerOf, failedAnswer, failureOf } from "./proxyAnswers.ts"
import type { Incoming } from "./proxyEvent.ts"

export interface Outcome {
  readonly answer: HttpAnswer
  /** Writes it. Absent where nothing is to be said. */
  readonly said?: Effect.Effect<void>
}

/** The API waits no longer. */
export type ApiTimedOut = "ApiTimedOut"

export const outcomeOf = (
  { headers, method }: Incoming,
  { api, route }: Routed,
  invocation: Invocation,
  ended: Result.Result<InvocationResult, InvokeError | ApiTimedOut>
): Outcome => {
  const saying = (said: Effect.Effect<void>) => ({ said: Effect.annotateLogs(said, aboutOf(invocation)) })
  if (Result.isFailure(ended)) {
    const error = ended.failure
    if (error === "ApiTimedOut") {
      const line = `Function '${route.functionName}' took longer than its API waits`
      return { answer: failedAnswer(api, error), ...saying(Effect.logWarning(line)) }
    }
    const line = `${method} ${route.path} failed: ${error.message || error._tag}`
    return { answer: failedAnswer(api, failureOf(error)), ...saying(Effect.logInfo(line)) }
  }
  const { errorType, functionError, payload } = ended.success
  if (functionError !== undefined) {
    const details = { target_url: "", error_type: errorType ?? "", error_detail: beginning(payload) }
    const line = `Lambda invocation failed for function '${invocation.functionName}'`
    const said = Effect.annotateLogs(Effect.logError(line), details)
    return { answer: failedAnswer(api, "FunctionError"), ...saying(said) }
  }
  const made = answerOf(api, route.payloadFormat, payload, headers.get("accept") ?? undefined)
  if (Result.isFailure(made)) {
    const line = `The response of function '${invocation.functionName}' is malformed: ${made.failure}`
    return { answer: failedAnswer(api, "ResultMalformed"), ...saying(Effect.logError(line)) }
  }
  const doubt = doubtAbout(made.success, payload)
  return { answer: made.success, ...(doubt === undefined ? {} : saying(doubt)) }
}

/** Says that the answer may not be what was meant. */
const doubtAbout = (
  { isUnparsed, status, textInPlaceOfJson }: RestAnswer,
  payload: Uint8Array
): Effect.Effect<void> | undefined => {
  if (isUnparsed !== true && textInPlaceOfJson === undefined) return undefined
  return Effect.logWarning("Failed to parse Lambda response body as JSON. Returning as string.").pipe(
    Effect.annotateLogs({ snippet: textInPlaceOfJson?.slice(0, 200) ?? beginning(payload), status_code: status })
  )
}

const aboutOf = ({ functionName, requestId, traceId }: Invocation) => ({
  function_name: functionName,
  aws_request_id: requestId,
  trace_id: traceId
})

/** A character has four bytes at most. */
const beginning = (bytes: Uint8Array): string => new TextDecoder().decode(bytes.subarray(0, 800)).slice(0, 200)
