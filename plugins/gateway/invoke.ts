/** Lambda's Invoke: HTTP to an `Invocation` and its outcome to HTTP. */
import { Effect, type ManagedRuntime, Schema } from "effect"
import { Elysia } from "elysia"
import { parseFunctionReference } from "../../src/domain/FunctionReference.ts"
import type { Invocation } from "../../src/domain/Invocation.ts"
import { ParametersInvalid } from "../../src/domain/ParametersInvalid.ts"
import { formatTraceId, nextHop } from "../../src/domain/TraceId.ts"
import { AsyncInvoker } from "../../src/invoke/AsyncInvoker.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { parseClientContext } from "./clientContext.ts"
import { exchangeOf, randomHex } from "./exchange.ts"
import type { GatewayOptions } from "./index.ts"
import { InvocationType, invokeOperation, LogType } from "./invokeOperation.ts"
import { refuseMethod } from "./methods.ts"
import { EventTooLarge, PayloadTooLarge, readPayload } from "./payload.ts"
import { respond } from "./respond.ts"

const path = "/2015-03-31/functions/:FunctionName/invocations"

export const invoke = (
  runtime: ManagedRuntime.ManagedRuntime<LambdaInvoker | AsyncInvoker | FunctionRegistry, never>,
  options: GatewayOptions
) =>
  new Elysia({ name: "invoke" })
    .post(
      path,
      ({ request, params, query }) =>
        respond(runtime, request, options.owner, answer(request, params.FunctionName, query.Qualifier, options)),
      { parse: "none", detail: invokeOperation }
    )
    .all(path, refuseMethod(options.owner, "POST"), { parse: "none", detail: { hide: true } })

/** Refuses in this order: the parameters, the function, the size, the JSON. */
const answer = Effect.fnUntraced(function* (
  request: Request,
  functionName: string,
  qualifierParameter: string | undefined,
  options: GatewayOptions
) {
  const reference = yield* Effect.fromResult(parseFunctionReference(functionName, qualifierParameter, options.owner))
  const type = yield* oneOf(
    InvocationType,
    "invocationType",
    request.headers.get("x-amz-invocation-type"),
    "RequestResponse",
    "[DryRun, RequestResponse, Event]"
  )
  yield* oneOf(LogType, "logType", request.headers.get("x-amz-log-type"), "None", "[None, Tail]")
  const contextHeader = request.headers.get("x-amz-client-context")
  const clientContext = contextHeader === null ? undefined : yield* Effect.fromResult(parseClientContext(contextHeader))

  const registry = yield* FunctionRegistry
  const config = yield* registry.get(reference.name, reference.qualifier)

  const payload = yield* type === "Event"
    ? readPayload(
        request,
        options.maxEventBytes,
        (bytes) => new EventTooLarge({ bytes, limitBytes: options.maxEventBytes })
      )
    : readPayload(request, options.maxPayloadBytes, () => new PayloadTooLarge({ limitBytes: options.maxPayloadBytes }))
  if (type === "DryRun") return new Response(null, { status: 204 })

  const { requestId, trace } = exchangeOf(request)
  const invocation: Invocation = {
    requestId,
    functionName: config.name,
    payload,
    traceId: formatTraceId(nextHop(trace, randomHex(8))),
    ...(reference.qualifier === undefined ? {} : { qualifier: reference.qualifier }),
    ...(clientContext === undefined ? {} : { clientContext })
  }
  if (type === "Event") {
    const async = yield* AsyncInvoker
    yield* async.enqueue(invocation)
    return new Response(null, { status: 202 })
  }
  const invoker = yield* LambdaInvoker
  const result = yield* invoker.invoke(invocation)
  return new Response(new Uint8Array(result.payload), {
    headers: {
      "Content-Type": "application/json",
      "X-Amz-Executed-Version": result.executedVersion,
      ...(result.functionError === undefined ? {} : { "X-Amz-Function-Error": result.functionError })
    }
  })
})

export type InvokeFailure = Effect.Error<ReturnType<typeof answer>>

/** `names` is the list as Lambda prints it, which is not in the order of its documentation. */
const oneOf = <A extends string>(
  schema: Schema.Codec<A, A>,
  field: string,
  value: string | null,
  otherwise: A,
  names: string
): Effect.Effect<A, ParametersInvalid> => {
  if (value === null || value === "") return Effect.succeed(otherwise)
  return Schema.is(schema)(value)
    ? Effect.succeed(value)
    : Effect.fail(
        new ParametersInvalid({
          violations: [{ value, field, constraint: `Member must satisfy enum value set: ${names}` }]
        })
      )
}
