/** Lambda's InvokeAsync, which is deprecated: an asynchronous Invoke under another path. */
import { Effect, type ManagedRuntime } from "effect"
import { type DocumentDecoration, Elysia } from "elysia"
import { maxFunctionNameLength, parseFunctionReference } from "../../src/domain/FunctionReference.ts"
import { formatTraceId, nextHop } from "../../src/domain/TraceId.ts"
import { AsyncInvoker } from "../../src/invoke/AsyncInvoker.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { errorResponses, everyAnswer } from "./errorResponses.ts"
import { exchangeOf, randomHex } from "./exchange.ts"
import type { GatewayOptions } from "./index.ts"
import { refuseMethod } from "./methods.ts"
import { EventTooLarge, readPayload } from "./payload.ts"
import { respond } from "./respond.ts"

const path = "/2014-11-13/functions/:FunctionName/invoke-async"

/** It has kept the limit that asynchronous events had in its time. */
const maxBytes = 262_144

const operation: DocumentDecoration = {
  operationId: "InvokeAsync",
  tags: ["Invocation"],
  summary: "Queue an event (deprecated)",
  description: "As Invoke with the invocation type `Event`.",
  deprecated: true,
  parameters: [
    {
      in: "path",
      name: "FunctionName",
      required: true,
      schema: { type: "string", minLength: 1, maxLength: maxFunctionNameLength },
      example: "my-function"
    }
  ],
  requestBody: {
    description: "The event: any JSON.",
    required: false,
    content: { "application/json": { schema: {} } }
  },
  responses: {
    202: {
      description: "The event is queued, and on the disk: it runs at least once.",
      headers: everyAnswer,
      content: {
        "application/json": {
          schema: { type: "object", properties: { Status: { type: "integer" } } },
          example: { Status: 202 }
        }
      }
    },
    ...errorResponses([
      "ParametersInvalid",
      "PayloadNotJson",
      "AccountDenied",
      "FunctionNotFound",
      "RegionUnreachable",
      "EventTooLarge",
      "EventQueueFull",
      "EventNotStored",
      "FunctionUnusable",
      "Fault"
    ])
  }
}

export const invokeAsync = (
  runtime: ManagedRuntime.ManagedRuntime<AsyncInvoker | FunctionRegistry, never>,
  options: GatewayOptions
) =>
  new Elysia({ name: "invokeAsync" })
    .post(
      path,
      ({ request, params }) => respond(runtime, request, options.owner, answer(request, params.FunctionName, options)),
      { parse: "none", detail: operation }
    )
    .all(path, refuseMethod(options.owner, "POST"), { parse: "none", detail: { hide: true } })

const answer = Effect.fnUntraced(function* (request: Request, functionName: string, options: GatewayOptions) {
  const reference = yield* Effect.fromResult(parseFunctionReference(functionName, undefined, options.owner))
  const registry = yield* FunctionRegistry
  const config = yield* registry.get(reference.name, reference.qualifier)
  const limitBytes = Math.min(maxBytes, options.maxEventBytes)
  const payload = yield* readPayload(request, limitBytes, (bytes) => new EventTooLarge({ bytes, limitBytes }))
  const { requestId, trace } = exchangeOf(request)
  const async = yield* AsyncInvoker
  yield* async.enqueue({
    requestId,
    functionName: config.name,
    payload,
    traceId: formatTraceId(nextHop(trace, randomHex(8))),
    ...(reference.qualifier === undefined ? {} : { qualifier: reference.qualifier })
  })
  return new Response('{"Status":202}', { status: 202, headers: { "Content-Type": "application/json" } })
})
