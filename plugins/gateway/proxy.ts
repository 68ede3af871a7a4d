/**
 * Routed paths: a request to an HTTP API becomes an event, and the function's result the response. Takes whatever the
 * routes of the process itself leave, and leaves to them what no API has.
 */
import { Clock, Duration, Effect, type ManagedRuntime, Result } from "effect"
import { Elysia, NotFoundError } from "elysia"
import type { Invocation } from "../../src/domain/Invocation.ts"
import type { Api, Route } from "../../src/domain/Route.ts"
import { formatTraceId } from "../../src/domain/TraceId.ts"
import { type CorsPolicy, isPreflight, preflightHeaders, withCors } from "../../src/events/Cors.ts"
import { decodedPath, httpEventV2 } from "../../src/events/HttpEventV2.ts"
import { type HttpAnswer, hasNoBody } from "../../src/events/HttpResponseV2.ts"
import { restEvent } from "../../src/events/RestEvent.ts"
import type { RestAnswer } from "../../src/events/RestResponse.ts"
import { tlsOf, withBytes } from "../../src/http/HttpServer.ts"
import { type RawFields, rawOf } from "../../src/http/RawRequest.ts"
import type { TrustedProxies } from "../../src/http/TrustedProxies.ts"
import { invokeWarm } from "../../src/invoke/invokeWarm.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import type { Routed, Unrouted } from "../../src/routing/ApiIndex.ts"
import { eventContext } from "../../src/routing/eventContext.ts"
import {
  type Authorized,
  type CallRefused,
  RouteAuthorizer,
  type RouteCall,
  unusable
} from "../../src/routing/RouteAuthorizer.ts"
import { RouteTable } from "../../src/routing/RouteTable.ts"
import { connectionFields } from "./connectionFields.ts"
import { exchangeOf, invocationTrace } from "./exchange.ts"
import type { GatewayOptions } from "./index.ts"
import { readBody } from "./payload.ts"
import { answerOf, failedAnswer, failureOf, type ProxyFailure } from "./proxyAnswers.ts"
import { logFault, respond } from "./respond.ts"

export interface ProxyOptions extends Pick<GatewayOptions, "owner" | "maxPayloadBytes" | "proxies"> {
  /** Paths that are this process's own though no route of it has them. */
  readonly isOwn: (path: string) => boolean
}

export type ProxyServices = LambdaInvoker | RouteTable | RouteAuthorizer

type Runtime = ManagedRuntime.ManagedRuntime<ProxyServices, never>

/** API Gateway's limits (`LAMBDA-CONTRACT.md` section 13.2). */
const maxBodyBytes = 10 * 1024 * 1024
const maxHeaderBytes = 10_240

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

interface Incoming {
  readonly method: string
  /** As in the header; may have a port. */
  readonly host: string
  readonly path: string
  /** With the root that was taken off it. */
  readonly sentPath: string
  readonly query: string
  readonly fields: RawFields
}

const incomingOf = (request: Request): Incoming => {
  const { fields, sentTarget, target } = rawOf(request)
  const mark = target.indexOf("?")
  const path = mark === -1 ? target : target.slice(0, mark)
  return {
    method: request.method,
    host: request.headers.get("host") ?? "",
    path,
    sentPath: sentTarget?.split("?", 1)[0] ?? path,
    query: mark === -1 ? "" : target.slice(mark + 1),
    fields
  }
}

const match = (table: RouteTable["Service"], { host, method, path }: Incoming) =>
  table.match(host === "" ? undefined : host, method, path)

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
  const timeMillis = yield* Clock.currentTimeMillis
  const call = callOf(request, incoming, found, options, timeMillis)

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
  const event = eventOf(call, found, body, { ...admitted, ...authorized, ...counted }, options)
  const payload = new TextEncoder().encode(JSON.stringify(event))
  // The limit is for the event as it is, and a body grows by being put into one.
  if (payload.length > options.maxPayloadBytes) return fail("BodyTooLarge")
  return yield* run(request, found, payload, options)
})

const bodyOf = (request: Request): Effect.Effect<Uint8Array | "BodyTooLarge" | "BodyCutShort"> =>
  readBody(request, maxBodyBytes, () => "BodyTooLarge" as const).pipe(
    Effect.catch((error) => Effect.succeed(error === "BodyTooLarge" ? error : ("BodyCutShort" as const)))
  )

/** Without the headers that say how the connection is, and with those that say where the request came from. */
const fieldsOf = (request: Request, incoming: Incoming, { proxies = nobody }: ProxyOptions) => {
  const { clientIp, trace } = exchangeOf(request)
  const from = proxies(request.headers, clientIp, tlsOf(request) === undefined ? "http" : "https")
  const port = /:(\d+)$/.exec(incoming.host)?.[1]
  const added: RawFields = [
    ["X-Forwarded-For", from.chain],
    ["X-Forwarded-Port", from.port ?? port ?? (from.scheme === "https" ? "443" : "80")],
    ["X-Forwarded-Proto", from.scheme],
    ["X-Amzn-Trace-Id", formatTraceId(trace)]
  ]
  const replaced = new Set(added.map(([name]) => name.toLowerCase()))
  return {
    sourceIp: from.sourceIp,
    fields: [
      ...incoming.fields.filter(
        ([name]) => !connectionFields.has(name.toLowerCase()) && !replaced.has(name.toLowerCase())
      ),
      ...added
    ]
  }
}

/** Who is connected is the client. */
const nobody: TrustedProxies = (_, peer, scheme = "http") => ({ sourceIp: peer, chain: peer, scheme })

const callOf = (
  request: Request,
  incoming: Incoming,
  found: Routed | Unrouted,
  options: ProxyOptions,
  timeMillis: number
): RouteCall => {
  const { fields, sourceIp } = fieldsOf(request, incoming, options)
  return {
    api: found.api,
    parameters: found._tag === "Routed" ? found.parameters : {},
    request: {
      method: request.method,
      rawPath: found.path,
      rawQuery: incoming.query,
      headers: fields,
      body: new Uint8Array()
    },
    sent: { method: request.method, path: incoming.sentPath, query: incoming.query, headers: request.headers },
    stagePath: stagePathOf(incoming, found),
    domainName: incoming.host.replace(/:\d+$/, ""),
    requestId: exchangeOf(request).requestId,
    sourceIp,
    timeMillis
  }
}

/** The path as it is behind API Gateway's own host, also where this was called without the stage. */
const stagePathOf = (incoming: Incoming, { api, path }: Routed | Unrouted): string => {
  if (api.isLenient || api.stage === "$default") return path
  const prefix = `/${api.stage}`
  // What the client wrote, where it wrote the stage: `//a` is only one slash in the path after it.
  return path !== incoming.path && incoming.path.startsWith(`${prefix}/`) ? incoming.path : `${prefix}${path}`
}

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

const eventOf = (
  call: RouteCall,
  { route }: Routed,
  body: Uint8Array,
  authorized: Authorized,
  options: ProxyOptions
) => {
  const { api, domainName, stagePath } = call
  const common = {
    ...eventContext(call, options.owner),
    ...(authorized.context === undefined ? {} : { authorizer: authorized.context })
  }
  if (route.payloadFormat === "2.0") {
    return httpEventV2(
      { ...call.request, rawPath: decodedPath(stagePath), body },
      { ...common, domainPrefix: domainName.split(".", 1)[0]!, routeKey: routeKeyOf(route) }
    )
  }
  return restEvent(
    { ...call.request, body },
    {
      ...common,
      resource: route.path,
      stagePath,
      binaryMediaTypes: api.binaryMediaTypes,
      style: api.isLenient ? "lenient" : api.kind,
      ...(authorized.caller === undefined ? {} : { caller: authorized.caller }),
      ...(authorized.counted === undefined ? {} : { apiKey: authorized.counted })
    }
  )
}

const routeKeyOf = ({ method, path }: Route) => (path === "$default" ? path : `${method} ${path}`)

const headerBytes = (fields: RawFields): number =>
  // Each has a colon, a blank and a line's end.
  fields.reduce((bytes, [name, value]) => bytes + name.length + value.length + 4, 0)

const run = Effect.fnUntraced(function* (
  request: Request,
  { api, route }: Routed,
  payload: Uint8Array,
  { owner }: ProxyOptions
) {
  const invocation: Invocation = {
    requestId: exchangeOf(request).requestId,
    // What is no name of a function is one that no function has: the invoker finds that out.
    functionName: route.functionName as Invocation["functionName"],
    payload,
    traceId: invocationTrace(request, owner, route.functionName),
    ...(route.qualifier === undefined ? {} : { qualifier: route.qualifier })
  }
  const invoker = yield* LambdaInvoker
  const invoked = invokeWarm(invoker, invocation)
  const limited = Duration.isFinite(api.timeout)
    ? Effect.timeoutOrElse(invoked, { duration: api.timeout, orElse: () => Effect.fail("ApiTimedOut" as const) })
    : invoked
  const result = yield* limited.pipe(
    Effect.catch((error) =>
      error === "ApiTimedOut"
        ? Effect.as(Effect.logWarning(`Function '${route.functionName}' took longer than its API waits`), error)
        : Effect.as(Effect.logInfo(`${request.method} ${route.path} failed: ${reasonOf(error)}`), failureOf(error))
    ),
    Effect.annotateLogs(aboutOf(invocation))
  )
  if (typeof result === "string") return failedAnswer(api, result)
  const made =
    result.functionError === undefined
      ? answerOf(api, route.payloadFormat, result.payload, request.headers.get("accept") ?? undefined)
      : undefined
  yield* explain(invocation, made, result.errorType, result.payload).pipe(Effect.annotateLogs(aboutOf(invocation)))
  if (made === undefined) return failedAnswer(api, "FunctionError")
  return Result.isFailure(made) ? failedAnswer(api, "ResultMalformed") : made.success
})

const aboutOf = ({ functionName, requestId, traceId }: Invocation) => ({
  function_name: functionName,
  aws_request_id: requestId,
  trace_id: traceId
})

const reasonOf = (error: { readonly _tag: string; readonly message: string }) => error.message || error._tag

/** Says in the log why a client does not get what the function gave, or that it may not be what was meant. */
const explain = (
  { functionName }: Invocation,
  made: Result.Result<RestAnswer, string> | undefined,
  errorType: string | undefined,
  payload: Uint8Array
): Effect.Effect<void> => {
  if (made === undefined) {
    return Effect.logError(`Lambda invocation failed for function '${functionName}'`).pipe(
      Effect.annotateLogs({ target_url: "", error_type: errorType ?? "", error_detail: beginning(payload) })
    )
  }
  if (Result.isFailure(made)) {
    return Effect.logError(`The response of function '${functionName}' is malformed: ${made.failure}`)
  }
  const { isUnparsed, status, textInPlaceOfJson } = made.success
  if (isUnparsed !== true && textInPlaceOfJson === undefined) return Effect.void
  return Effect.logWarning("Failed to parse Lambda response body as JSON. Returning as string.").pipe(
    Effect.annotateLogs({ snippet: textInPlaceOfJson?.slice(0, 200) ?? beginning(payload), status_code: status })
  )
}

/** A character has four bytes at most. */
const beginning = (bytes: Uint8Array): string => new TextDecoder().decode(bytes.subarray(0, 800)).slice(0, 200)

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
