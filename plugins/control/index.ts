/**
 * The control plane: Lambda's operations about functions, as opposed to those that run them. Reads each request by the
 * API's model, hands it to the operation of that name, and answers with what that answers. Used beside the gateway,
 * whose hooks it shares: who may call, ids, the access log, and what becomes of unknown paths.
 */
import { Effect, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import { type Operation, operations, readInput } from "../../src/control/model/LambdaApi.ts"
import { RequestTooLarge } from "../../src/control/refusals.ts"
import type { Owner } from "../../src/domain/FunctionName.ts"
import { parseFunctionReference } from "../../src/domain/FunctionReference.ts"
import { BodyNotJson, type GatewayFailure, OperationUnknown } from "../gateway/errors.ts"
import { readBody } from "../gateway/payload.ts"
import { respond } from "../gateway/respond.ts"
import { type ControlServices, handlers } from "./handlers.ts"
import type { Call } from "./Operation.ts"
import { describe } from "./operationDescription.ts"

export interface ControlOptions {
  readonly owner: Owner
}

/** Of a whole request, as the service says it. */
const maxRequestBytes = 70_167_211

export const control = (runtime: ManagedRuntime.ManagedRuntime<ControlServices, never>, options: ControlOptions) => {
  const app = new Elysia({ name: "control" })
  for (const [route, known] of routes()) {
    const [method = "", path = ""] = route.split(" ")
    app.route(
      method,
      path,
      ({ request, params }) => respond(runtime, request, options.owner, answer(known, request, params, options.owner)),
      { parse: "none", detail: describe(known) }
    )
  }
  return app
}

/** The operations there are, by method and path; those that only the query tells apart together. */
const routes = (): ReadonlyMap<string, ReadonlyArray<Operation>> => {
  const found = new Map<string, Array<Operation>>()
  for (const name of Object.keys(handlers)) {
    const operation = operations.get(name)
    if (operation === undefined) throw new Error(`The API has no operation ${name}`)
    const path = operation.uri.split("?", 1)[0]!.replaceAll(/\{(\w+)\}/g, ":$1")
    const key = `${operation.method} ${path}`
    const operations_ = found.get(key) ?? []
    // One that demands something of the query is asked before one that does not.
    if (operation.uri.includes("?")) operations_.unshift(operation)
    else operations_.push(operation)
    found.set(key, operations_)
  }
  return found
}

const answer = Effect.fnUntraced(function* (
  known: ReadonlyArray<Operation>,
  request: Request,
  params: Readonly<Record<string, string>>,
  owner: Owner
) {
  const url = new URL(request.url)
  const operation = known.find(({ uri }) => isAsked(uri, url.searchParams))
  if (operation === undefined) return yield* new OperationUnknown({ method: request.method, path: url.pathname })
  const body = yield* readJson(request, operation.name)
  const input = yield* Effect.fromResult(
    readInput(operation, { path: params, query: url.searchParams, headers: request.headers, body })
  )
  const call: Call = { origin: url.origin }
  const named = input as { readonly FunctionName?: string; readonly Qualifier?: string }
  const reference =
    named.FunctionName === undefined
      ? undefined
      : yield* Effect.fromResult(parseFunctionReference(named.FunctionName, named.Qualifier, owner))
  const result = yield* handlerOf(operation.name)(input, { ...call, reference })
  if (result === undefined || operation.status === 204) return new Response(null, { status: operation.status })
  return new Response(JSON.stringify(result), {
    status: operation.status,
    headers: { "Content-Type": "application/json" }
  })
})

type AnyHandler = (input: object, call: object) => Effect.Effect<object | undefined, GatewayFailure, ControlServices>

/** What the model has checked is what the handler's type says: the compiler cannot follow the name. */
const handlerOf = (name: string) => (handlers as Readonly<Record<string, unknown>>)[name] as AnyHandler

const isAsked = (uri: string, query: URLSearchParams): boolean =>
  [...new URLSearchParams(uri.split("?", 2)[1] ?? "")].every(([name, value]) => query.get(name) === value)

const readJson = Effect.fnUntraced(function* (request: Request, operation: string) {
  if (request.method === "GET" || request.method === "DELETE") return undefined
  const bytes = yield* readBody(
    request,
    maxRequestBytes,
    () =>
      new RequestTooLarge({
        detail: `Request must be smaller than ${maxRequestBytes} bytes for the ${operation} operation`
      })
  )
  if (bytes.length === 0) return undefined
  return yield* Effect.try({
    try: (): unknown => JSON.parse(utf8.decode(bytes)),
    catch: (cause) => new BodyNotJson({ detail: cause instanceof Error ? cause.message : String(cause) })
  })
})

const utf8 = new TextDecoder("utf-8", { fatal: true })
