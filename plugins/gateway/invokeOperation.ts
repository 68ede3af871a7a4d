/** Invoke as the API document tells of it. */
import { Schema } from "effect"
import type { DocumentDecoration } from "elysia"
import { answerHeaders, errorResponses, everyAnswer, exampleAnswers, valueOf } from "./errorResponses.ts"
import type { InvokeFailure } from "./invoke.ts"
import { invokeFailures } from "./invokeFailures.ts"
import { eventBody, invokeParameters } from "./invokeParameters.ts"

export const InvocationType = Schema.Literals(["RequestResponse", "Event", "DryRun"])

/** Every failure that Invoke can end in. */
const failures = {
  ...invokeFailures,
  EventTooLarge: true,
  EventQueueFull: true,
  EventNotStored: true,
  LambdaExecutionError: true
} satisfies Record<InvokeFailure["_tag"] | "PathUnreadable" | "Fault", true>

const functionErrorExamples = () =>
  Object.fromEntries(
    exampleAnswers(["LambdaExecutionError"]).map(([name, answer]) => [
      name,
      { summary: `The function failed: ${name}`, value: valueOf(answer) }
    ])
  )

// Elysia types operations by OpenAPI 3.0; the schemas in this one are those of 3.1.
export const invokeOperation = {
  operationId: "Invoke",
  tags: ["Invocation"],
  summary: "Invoke a function",
  description:
    "Gives one event to a function and answers with what it returns. An error of the function is an answer too: status 200 with `X-Amz-Function-Error`.",
  parameters: invokeParameters({
    schema: InvocationType,
    description:
      "`RequestResponse`, which is the default, waits for the answer, `Event` queues the event and answers at once, `DryRun` checks the request and runs nothing."
  }),
  requestBody: eventBody,
  responses: {
    200: {
      description: "What the function returned, or its error document.",
      headers: {
        ...everyAnswer,
        "X-Amz-Executed-Version": answerHeaders["X-Amz-Executed-Version"],
        "X-Amz-Function-Error": answerHeaders["X-Amz-Function-Error"],
        "X-Amz-Log-Result": answerHeaders["X-Amz-Log-Result"]
      },
      content: {
        "application/json": {
          schema: {},
          examples: {
            result: { summary: "The function returned", value: { greeting: "Hello, Irori" } },
            ...functionErrorExamples()
          }
        }
      }
    },
    202: { description: "The event is queued, and on the disk: it runs at least once.", headers: everyAnswer },
    204: { description: "The function exists and the request is in order. Nothing ran.", headers: everyAnswer },
    ...errorResponses(Object.keys(failures) as ReadonlyArray<keyof typeof failures>)
  }
} as DocumentDecoration
