/** Lambda's Invoke: HTTP to an `Invocation` and its outcome to HTTP. */
import { Effect, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import { AsyncInvoker } from "../../src/invoke/AsyncInvoker.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import type { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import type { GatewayOptions } from "./index.ts"
import { InvocationType, invokeOperation } from "./invokeOperation.ts"
import { invokeResponse } from "./invokeResponse.ts"
import { refuseMethod } from "./methods.ts"
import { readInvocation } from "./readInvocation.ts"
import { respond } from "./respond.ts"

const path = "/2015-03-31/functions/:FunctionName/invocations"
const invocationTypes = { schema: InvocationType, names: "[DryRun, RequestResponse, Event]" }

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

const answer = Effect.fnUntraced(function* (
  request: Request,
  functionName: string,
  qualifierParameter: string | undefined,
  options: GatewayOptions
) {
  const { invocation, type } = yield* readInvocation(
    request,
    functionName,
    qualifierParameter,
    invocationTypes,
    options
  )
  if (type === "DryRun") return new Response(null, { status: 204 })
  if (type === "Event") {
    const async = yield* AsyncInvoker
    yield* async.enqueue(invocation)
    return new Response(null, { status: 202 })
  }
  const invoker = yield* LambdaInvoker
  const result = yield* invoker.invoke(invocation)
  return invokeResponse(result)
})

export type InvokeFailure = Effect.Error<ReturnType<typeof answer>>
