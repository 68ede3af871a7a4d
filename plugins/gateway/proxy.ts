/**
 * Routed paths: a request to an HTTP API becomes an event, and the function's result the response. Takes whatever the
 * routes of the process itself leave, and leaves to them what no API has.
 */
import { Clock, Duration, Effect, type ManagedRuntime } from "effect"
import { Elysia, NotFoundError } from "elysia"
import type { Invocation } from "../../src/domain/Invocation.ts"
import type { Api } from "../../src/domain/Route.ts"
import { type CorsPolicy, isPreflight, preflightHeaders, withCors } from "../../src/events/Cors.ts"
import { type HttpAnswer, hasNoBody } from "../../src/events/HttpResponseV2.ts"
import { tlsOf, withBytes } from "../../src/http/HttpServer.ts"
import { rawOf } from "../../src/http/RawRequest.ts"
import { invokeWarm } from "../../src/invoke/invokeWarm.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import type { Routed, Unrouted } from "../../src/routing/ApiIndex.ts"
import {
  type Authorized,
  type CallRefused,
  RouteAuthorizer,
  type RouteCall,
  unusable
} from "../../src/routing/RouteAuthorizer.ts"
import { RouteTable } from "../../src/routing/RouteTable.ts"
import { exchangeOf } from "./exchange.ts"
import type { GatewayOptions } from "./index.ts"
import { readBody } from "./payload.ts"
import { failedAnswer, type ProxyFailure } from "./proxyAnswers.ts"
import {
  callOf,
  eventOf,
  headerBytes,
  type Incoming,
  invocationOf,
  match,
  maxBodyBytes,
  maxHeaderBytes,
  splitTarget
} from "./proxyEvent.ts"
import { outcomeOf } from "./proxyOutcome.ts"
import { logFault, respond } from "./respond.ts"

export interface ProxyOptions extends Pick<GatewayOptions, "owner" | "maxPayloadBytes" | "proxies"> {
  /** Paths that are this process's own though no route of it has them. */
  readonly isOwn: (path: string) => boolean
}

export type ProxyServices = LambdaInvoker | RouteTable | RouteAuthorizer

type Runtime = ManagedRuntime.ManagedRuntime<ProxyServices, never>

/** To be used beside the routes of the process itself, in any order: it has only what they have not. */
export const proxy = (runtime: Runtime, options: ProxyOptions) => {
  let table: RouteTable["Service"] | undefined
  return new Elysia({ name: "proxy" }).all(
    "/*",
    async ({ request }) => {
      const incoming = incomingOf(request)
      if (options.isOwn(incoming.path)) throw new NotFoundError()
      // Looked up with the first request: the runtime may not be ready before.
      table ??= await runtime.runPromise(RouteTable)
      const found = match(table, incoming)
      if (found === undefined) throw new NotFoundError()
      return serve(runtime, request, incoming, found, options)
    },
    { parse: "none", detail: { hide: true } }
  )
}

/** Whether an API has the request, and knows itself who may call it. */
export const isRouted = (runtime: Runtime, request: Request, isOwn: ProxyOptions["isOwn"]): boolean => {
  const incoming = incomingOf(request)
  // The router goes by the path without its dots, the APIs by what the client wrote.
  return (
    !isOwn(routerPathOf(request)) &&
    !isOwn(incoming.path) &&
    runtime.runSync(RouteTable.useSync((table) => match(table, incoming))) !== undefined
  )
}

const routerPathOf = (request: Request): string => new URL(request.url).pathname

const incomingOf = (request: Request): Incoming => {
  const { fields, sentTarget, target } = rawOf(request)
  const { path, query } = splitTarget(target)
  return {
    method: request.method,
    host: request.headers.get("host") ?? "",
    path,
    sentPath: sentTarget?.split("?", 1)[0] ?? path,
    query,
    fields,
    headers: request.headers,
    scheme: tlsOf(request) === undefined ? "http" : "https"
  }
}

const serve = async (
  runtime: Runtime,
  request: Request,
  incoming: Incoming,
  found: Routed | Unrouted,
  options: ProxyOptions
): Promise<Response> => {
  const { api } = found
  const policy = corsOf(api)
  const preflight = preflightOf(request, found)
  const program =
    preflight !== undefined
      ? Effect.succeed(preflight)
      : answer(request, incoming, found, options).pipe(
          Effect.map((made) => withApiCors(policy, request, made)),
          Effect.catchDefect((defect) =>
            Effect.sync(() => {
              logFault(runtime, exchangeOf(request), defect)
              return failedAnswer(api, "Fault")
            })
          )
        )
  return respond(runtime, request, options.owner, Effect.map(program, responseOf))
}

/** Refuses in this order: the stranger, the unknown path, the size of the head, the caller, the size of the body. */
const answer = Effect.fnUntraced(function* (
  request: Request,
  incoming: Incoming,
  found: Routed | Unrouted,
  options: ProxyOptions
) {
  const { api } = found
  const fail = (failure: ProxyFailure) => failedAnswer(api, failure)
  const exchange = exchangeOf(request)
  const { method, query, sentPath } = incoming
  const call: RouteCall = {
    ...callOf(incoming, exchange, found, options, yield* Clock.currentTimeMillis),
    sent: { method, path: sentPath, query, headers: request.headers }
  }

  const admitted = yield* authorize(api.gatekeeper, call)
  if (isAnswer(admitted)) return admitted
  if (found._tag === "Unrouted") return fail("Unrouted")
  if (headerBytes(incoming.fields) > maxHeaderBytes) return fail("HeadersTooLarge")
  const { route } = found
  // A signature is for the body too.
  const isSigned = route.authorizer !== undefined && api.authorizers[route.authorizer]?.type === "iam"
  const signed = isSigned ? yield* bodyOf(request) : new Uint8Array()
  if (typeof signed === "string") return fail(signed)
  const routed: RouteCall = { ...call, route, request: { ...call.request, body: signed } }
  const authorized = yield* authorize(route.authorizer, routed)
  if (isAnswer(authorized)) return authorized
  const counted = route.needsApiKey === true ? yield* count(routed, authorized) : {}
  if (isAnswer(counted)) return counted

  const body = isSigned ? signed : yield* bodyOf(request)
  if (typeof body === "string") return fail(body)
  const payload = eventOf(call, found, body, { ...admitted, ...authorized, ...counted }, options)
  // The limit is for the event as it is, and a body grows by being put into one.
  if (payload.length > options.maxPayloadBytes) return fail("BodyTooLarge")
  return yield* run(incoming, found, invocationOf(found, exchange, payload, options))
})

const bodyOf = (request: Request): Effect.Effect<Uint8Array | "BodyTooLarge" | "BodyCutShort"> =>
  readBody(request, maxBodyBytes, () => "BodyTooLarge" as const).pipe(
    Effect.catch((error) => Effect.succeed(error === "BodyTooLarge" ? error : ("BodyCutShort" as const)))
  )

const authorize = Effect.fnUntraced(function* (name: string | undefined, call: RouteCall) {
  if (name === undefined) return {}
  const authorizers = yield* RouteAuthorizer
  const authorizer = call.api.authorizers[name]
  const asked =
    authorizer === undefined
      ? Effect.fail(unusable(`the API has no authorizer ${name}`))
      : authorizers.authorize(name, authorizer, call)
  return yield* orRefusal(call, asked)
})

const count = Effect.fnUntraced(function* (call: RouteCall, authorized: Authorized) {
  const authorizers = yield* RouteAuthorizer
  return yield* orRefusal(call, authorizers.count(call, authorized))
})

const orRefusal = (
  { api }: RouteCall,
  asked: Effect.Effect<Authorized, CallRefused>
): Effect.Effect<Authorized | HttpAnswer> =>
  Effect.catch(asked, ({ body, headers, reason, status }) => {
    const answer: HttpAnswer = {
      status,
      headers: [["content-type", "application/json"], ...Object.entries(headers)],
      body: new TextEncoder().encode(JSON.stringify(body))
    }
    const line = `A request to ${api.id} was refused: ${reason}`
    return Effect.as(status >= 500 ? Effect.logWarning(line) : Effect.logInfo(line), answer)
  })

const isAnswer = (outcome: Authorized | HttpAnswer): outcome is HttpAnswer => "status" in outcome

const run = Effect.fnUntraced(function* (incoming: Incoming, found: Routed, invocation: Invocation) {
  const { api } = found
  const invoked = invokeWarm(yield* LambdaInvoker, invocation)
  const limited = Duration.isFinite(api.timeout)
    ? Effect.timeoutOrElse(invoked, { duration: api.timeout, orElse: () => Effect.fail("ApiTimedOut" as const) })
    : invoked
  const { answer, said } = outcomeOf(incoming, found, invocation, yield* Effect.result(limited))
  if (said !== undefined) yield* said
  return answer
})

const corsOf = ({ cors }: Api): CorsPolicy | undefined =>
  cors === undefined
    ? undefined
    : {
        AllowCredentials: cors.allowCredentials,
        AllowHeaders: cors.allowHeaders,
        AllowMethods: cors.allowMethods,
        AllowOrigins: cors.allowOrigins,
        ExposeHeaders: cors.exposeHeaders,
        MaxAge: cors.maxAgeSeconds
      }

/** The answer to a browser that asks beforehand, where the API gives it itself. */
const preflightOf = (request: Request, found: Routed | Unrouted): HttpAnswer | undefined => {
  const { api } = found
  const policy = corsOf(api)
  if (policy !== undefined && isPreflight(request.method, request.headers)) {
    return { status: 204, headers: preflightHeaders(policy, request.headers), body: new Uint8Array() }
  }
  if (api.preflightHeaders === undefined || request.method !== "OPTIONS") return undefined
  // A route of that very method is what the API's author wants in place of it.
  if (found._tag === "Routed" && found.route.method === "OPTIONS") return undefined
  return { status: 200, headers: Object.entries(api.preflightHeaders), body: new Uint8Array() }
}

const withApiCors = (policy: CorsPolicy | undefined, request: Request, answer: HttpAnswer): HttpAnswer =>
  policy === undefined
    ? answer
    : { ...answer, headers: withCors(policy, request.headers.get("origin"), answer.headers) }

const responseOf = ({ body, headers, status }: HttpAnswer): Response => {
  const init = { status, headers: headers.map(([name, value]): [string, string] => [name, value]) }
  if (hasNoBody(status) || body.length === 0) return new Response(null, init)
  return withBytes(new Response(body as Uint8Array<ArrayBuffer>, init), body)
}
