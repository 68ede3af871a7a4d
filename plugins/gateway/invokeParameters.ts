/** The parameters that both kinds of Invoke have, as the API document tells of them. */
import type { Schema } from "effect"
import { maxFunctionNameLength, maxQualifierLength } from "../../src/domain/FunctionReference.ts"
import { laterSchema } from "../docs/jsonSchema.ts"
import { maxClientContextBytes } from "./clientContext.ts"
import { LogType } from "./readInvocation.ts"

export const invokeParameters = (invocationType: {
  readonly schema: Schema.Constraint
  readonly description: string
}) => [
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
    description: invocationType.description,
    schema: laterSchema(invocationType.schema)
  },
  {
    in: "header",
    name: "X-Amz-Log-Type",
    description: "`Tail` asks for the end of the invocation's log. An `Event` has none to tell.",
    schema: laterSchema(LogType)
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
]

export const eventBody = {
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
}
