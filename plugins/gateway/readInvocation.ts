/** Reads a request of Lambda's Invoke API, of either kind. Refuses in this order: the parameters, the function, the size, the JSON. */
import { Effect, Schema } from "effect"
import { parseFunctionReference } from "../../src/domain/FunctionReference.ts"
import type { Invocation } from "../../src/domain/Invocation.ts"
import { ParametersInvalid } from "../../src/domain/ParametersInvalid.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { parseClientContext } from "./clientContext.ts"
import { exchangeOf, invocationTrace } from "./exchange.ts"
import type { GatewayOptions } from "./index.ts"
import { EventTooLarge, PayloadTooLarge, readPayload } from "./payload.ts"

export type InvocationType = "RequestResponse" | "Event" | "DryRun"
export const LogType = Schema.Literals(["None", "Tail"])

/** What an operation takes as its invocation type. */
export interface InvocationTypes<Type extends InvocationType> {
  readonly schema: Schema.Codec<Type | "RequestResponse", Type | "RequestResponse">
  /** The list as Lambda prints it, which is not in the order of its documentation. */
  readonly names: string
}

export const readInvocation = Effect.fnUntraced(function* <Type extends InvocationType>(
  request: Request,
  functionName: string,
  qualifierParameter: string | undefined,
  types: InvocationTypes<Type>,
  options: GatewayOptions
) {
  const reference = yield* Effect.fromResult(parseFunctionReference(functionName, qualifierParameter, options.owner))
  const { headers } = request
  const type = yield* oneOf(
    types.schema,
    "invocationType",
    headers.get("x-amz-invocation-type"),
    "RequestResponse",
    types.names
  )
  const logType = yield* oneOf(LogType, "logType", headers.get("x-amz-log-type"), "None", "[None, Tail]")
  const contextHeader = headers.get("x-amz-client-context")
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

  const invocation: Invocation = {
    requestId: exchangeOf(request).requestId,
    functionName: config.name,
    payload,
    traceId: invocationTrace(request, options.owner, config.name),
    ...(reference.qualifier === undefined ? {} : { qualifier: reference.qualifier }),
    ...(clientContext === undefined ? {} : { clientContext }),
    ...(logType === "Tail" ? { logTail: true } : {})
  }
  return { type, invocation }
})

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
