/** InvokeWithResponseStream as the API document tells of it. */
import { Schema } from "effect"
import type { DocumentDecoration } from "elysia"
import { answerHeaders, errorResponses, everyAnswer } from "./errorResponses.ts"
import { eventStreamType } from "./eventStream.ts"
import { invokeFailures } from "./invokeFailures.ts"
import { eventBody, invokeParameters } from "./invokeParameters.ts"
import type { InvokeWithResponseStreamFailure } from "./invokeWithResponseStream.ts"

export const ResponseStreamingInvocationType = Schema.Literals(["RequestResponse", "DryRun"])

/** Every failure that it can end in. One of the function's own is told at the end of the stream. */
const failures: Record<
  Exclude<
    InvokeWithResponseStreamFailure["_tag"] | "PathUnreadable" | "Fault",
    "LambdaExecutionError" | "EventTooLarge"
  >,
  true
> = invokeFailures

// Elysia types operations by OpenAPI 3.0; the schemas in this one are those of 3.1.
export const invokeWithResponseStreamOperation = {
  operationId: "InvokeWithResponseStream",
  tags: ["Invocation"],
  summary: "Invoke a function and read its answer while it is made",
  description:
    "Gives one event to a function and passes on what it writes as it writes it. Any function can be invoked so: one that does not stream answers in one piece. What goes wrong once the answer has begun is told at its end.",
  parameters: invokeParameters({
    schema: ResponseStreamingInvocationType,
    description:
      "`RequestResponse`, which is the default, runs the function, `DryRun` checks the request and runs nothing."
  }),
  requestBody: eventBody,
  responses: {
    200: {
      description:
        "A stream of events: `PayloadChunk` with the bytes of one write each, and last `InvokeComplete` with a JSON object, which has `ErrorCode` and `ErrorDetails` if the function failed, and `LogResult` (base64 of the last 4 KB of the log) with `X-Amz-Log-Type: Tail`.",
      headers: { ...everyAnswer, "X-Amz-Executed-Version": answerHeaders["X-Amz-Executed-Version"] },
      content: { [eventStreamType]: { schema: { type: "string", format: "binary" } } }
    },
    204: { description: "The function exists and the request is in order. Nothing ran.", headers: everyAnswer },
    ...errorResponses(Object.keys(failures) as ReadonlyArray<keyof typeof failures>)
  }
} as DocumentDecoration
