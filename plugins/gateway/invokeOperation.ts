/** Invoke as the API document tells of it. */
import { Schema } from "effect"
import type { DocumentDecoration } from "elysia"
import { maxFunctionNameLength, maxQualifierLength } from "../../src/domain/FunctionReference.ts"
import { inlineSchema } from "../docs/jsonSchema.ts"
import { maxClientContextBytes } from "./clientContext.ts"
import { answerHeaders, errorResponses, everyAnswer, exampleAnswers, valueOf } from "./errorResponses.ts"
import type { InvokeFailure } from "./invoke.ts"

export const InvocationType = Schema.Literals(["RequestResponse", "Event", "DryRun"])
export const LogType = Schema.Literals(["None", "Tail"])

/** Every failure that Invoke can end in. */
const failures = {
  PathUnreadable: true,
  ParametersInvalid: true,
  QualifierMismatch: true,
  ClientContextInvalid: true,
  PayloadNotJson: true,
  PayloadCutShort: true,
  AccountDenied: true,
  FunctionNotFound: true,
  RegionUnreachable: true,
  PayloadTooLarge: true,
  EventTooLarge: true,
  NoCapacity: true,
  Fault: true,
  FunctionUnusable: true,
  CircuitOpen: true,
  WorkerStartFailed: true,
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
  parameters: [
    {
      in: "path",
      name: "FunctionName",
      required: true,
      description: "A name, a partial ARN or an ARN, each with `:qualifier` at its end if wanted.",
      schema: { type: "string", minLength: 1, maxLength: maxFunctionNameLength },
      example: "my-function"
    },
    {
      in: "query",
      name: "Qualifier",
      description: "A version or an alias; `$LATEST` without it.",
      schema: { type: "string", minLength: 1, maxLength: maxQualifierLength }
    },
    {
      in: "header",
      name: "X-Amz-Invocation-Type",
      description:
        "`RequestResponse`, which is the default, waits for the answer, `Event` queues the event and answers at once, `DryRun` checks the request and runs nothing.",
      schema: inlineSchema(InvocationType)
    },
    {
      in: "header",
      name: "X-Amz-Log-Type",
      schema: inlineSchema(LogType)
    },
    {
      in: "header",
      name: "X-Amz-Client-Context",
      description: `Base64 of a JSON object, up to ${maxClientContextBytes} bytes; the function has it as its context's \`clientContext\`.`,
      schema: { type: "string", maxLength: maxClientContextBytes }
    },
    {
      in: "header",
      name: "X-Amzn-Trace-Id",
      description: "The trace that this request belongs to; without one, a trace begins here.",
      schema: { type: "string" }
    }
  ],
  requestBody: {
    description: "The event: any JSON. No body is the event `{}`.",
    required: false,
    content: {
      "application/json": {
        schema: {},
        examples: {
          object: { summary: "An object", value: { greeting: "Hello", name: "Irori" } },
          empty: { summary: "The empty event", value: {} }
        }
      }
    }
  },
  responses: {
    200: {
      description: "What the function returned, or its error document.",
      headers: {
        ...everyAnswer,
        "X-Amz-Executed-Version": answerHeaders["X-Amz-Executed-Version"],
        "X-Amz-Function-Error": answerHeaders["X-Amz-Function-Error"]
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
    202: { description: "The event is queued.", headers: everyAnswer },
    204: { description: "The function exists and the request is in order. Nothing ran.", headers: everyAnswer },
    ...errorResponses(Object.keys(failures) as ReadonlyArray<keyof typeof failures>)
  }
} as DocumentDecoration
