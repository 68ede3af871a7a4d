/**
 * Function URLs: any HTTP request to one becomes an event, and the function's result the response. Stands before the
 * routes, since a URL has every path and method of its host, and asks nobody for the API's key: it has an access
 * control of its own.
 */
import { Cause, Clock, Effect, Exit, type ManagedRuntime, Option, Result } from "effect"
import { Elysia } from "elysia"
import { type FunctionUrl, FunctionUrls } from "../../src/control/FunctionUrls.ts"
import { Policies } from "../../src/control/Policies.ts"
import type { AnswerSink } from "../../src/domain/AnswerSink.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import type { Invocation, InvocationResult } from "../../src/domain/Invocation.ts"
import { formatTraceId } from "../../src/domain/TraceId.ts"
import { isPreflight, preflightHeaders, withCors } from "../../src/events/Cors.ts"
import { type HttpEventV2, httpEventV2, type IamAuthorizer } from "../../src/events/HttpEventV2.ts"
import {
  failedUrlAnswer,
  type HttpAnswer,
  type HttpAnswerHead,
  hasNoBody,
  httpAnswerV2
} from "../../src/events/HttpResponseV2.ts"
import { PreludeReader } from "../../src/events/StreamPrelude.ts"
import { clientAddressOf, tlsOf } from "../../src/http/HttpServer.ts"
import { rawOf } from "../../src/http/RawRequest.ts"
import type { TrustedProxies } from "../../src/http/TrustedProxies.ts"
import { invokeWarm } from "../../src/invoke/invokeWarm.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import type { Credentials } from "../../src/sigv4/Credentials.ts"
import { respondStreaming } from "../streamedResponse.ts"
import { connectionFields } from "./connectionFields.ts"
import { answerTo, errorResponse, type GatewayFailure } from "./errors.ts"
import { accessLog, exchangeOf, invocationTrace } from "./exchange.ts"
import { authorize, UrlForbidden, UrlUnknown } from "./functionUrlAccess.ts"
import { type FunctionUrlTarget, functionUrlTarget } from "./functionUrlTarget.ts"
import type { GatewayOptions } from "./index.ts"
import { PayloadTooLarge, readBody } from "./payload.ts"
import { logFault } from "./respond.ts"
import { type UrlHead, UrlSink } from "./UrlSink.ts"

export interface FunctionUrlOptions extends Pick<GatewayOptions, "owner" | "maxPayloadBytes"> {
  /** Who may sign requests. With none, every URL whose type is AWS_IAM refuses everybody. */
  readonly credentials: Credentials
  readonly proxies: TrustedProxies
}

export type FunctionUrlServices = LambdaInvoker | FunctionUrls | Policies

type Runtime = ManagedRuntime.ManagedRuntime<FunctionUrlServices, never>

/** To be used beside the gateway, in the app of all routes. */
export const functionUrl = (runtime: Runtime, options: FunctionUrlOptions) => {
  const log = accessLog(runtime)
  return new Elysia({ name: "function-url" }).wrap((routes, request) => {
    const target = functionUrlTarget(request)
    if (target === undefined) return routes
    return async () => {
      const response = await serve(runtime, request, target, options)
      const userAgent = request.headers.get("user-agent") ?? undefined
      log(exchangeOf(request), { method: request.method, path: target.path, userAgent }, response.status)
      return response
    }
  })
}

const serve = async (
  runtime: Runtime,
  request: Request,
  target: FunctionUrlTarget,
  options: FunctionUrlOptions
): Promise<Response> => {
  // Once the answer is sent, the server has forgotten the address.
  const { requestId, trace } = exchangeOf(request, clientAddressOf(request))
  const prepared = await runtime.runPromiseExit(prepare(request, target, options), { signal: request.signal })
  const response = Exit.isFailure(prepared)
    ? failedResponse(runtime, request, options, undefined, prepared.cause)
    : prepared.value instanceof Response
      ? prepared.value
      : await run(runtime, request, options, prepared.value)
  response.headers.set("x-amzn-RequestId", requestId)
  response.headers.set("X-Amzn-Trace-Id", formatTraceId(trace))
  return response
}

interface Prepared {
  readonly url: FunctionUrl
  readonly invocation: Invocation
}

/** All that comes before the function: who asks, and what. Answers a preflight by itself. */
const prepare = Effect.fnUntraced(function* (request: Request, target: FunctionUrlTarget, options: FunctionUrlOptions) {
  const urls = yield* FunctionUrls
  const url = yield* urls.find(target.id)
  if (url === undefined) return yield* new UrlUnknown()
  if (url.cors !== undefined && isPreflight(request.method, request.headers)) {
    return new Response(null, { headers: pairs(preflightHeaders(url.cors, request.headers)) })
  }
  const limitBytes = options.maxPayloadBytes
  const body = yield* readBody(request, limitBytes, () => new PayloadTooLarge({ limitBytes }))
  const policies = yield* Policies
  const nowMillis = yield* Clock.currentTimeMillis
  const iam = yield* authorize(url, policies.policyOf(url.functionName, url.qualifier), options, nowMillis, {
    method: request.method,
    path: target.sentPath,
    query: target.rawQuery,
    headers: request.headers,
    body
  })
  const domainName = target.host ?? urls.hostOf(url.id)
  const event = eventOf(request, target, options, { body, domainName, iam, nowMillis })
  const payload = new TextEncoder().encode(JSON.stringify(event))
  // The limit is for the event as it is, and a body may grow by being put into one.
  if (payload.length > limitBytes) return yield* new PayloadTooLarge({ limitBytes })
  const invocation: Invocation = {
    requestId: exchangeOf(request).requestId,
    functionName: FunctionName.make(url.functionName),
    payload,
    traceId: invocationTrace(request, options.owner, url.functionName),
    ...(url.qualifier === undefined ? {} : { qualifier: url.qualifier })
  }
  return { url, invocation } satisfies Prepared
})

interface EventParts {
  readonly body: Uint8Array
  readonly domainName: string
  readonly iam: IamAuthorizer | undefined
  readonly nowMillis: number
}

const eventOf = (
  request: Request,
  target: FunctionUrlTarget,
  { proxies }: FunctionUrlOptions,
  { body, domainName, iam, nowMillis }: EventParts
): HttpEventV2 => {
  const { clientIp, requestId, trace } = exchangeOf(request)
  const tls = tlsOf(request)
  const from = proxies(request.headers, clientIp, tls === undefined ? "http" : "https")
  const added = new Map([
    ...(tls === undefined
      ? []
      : ([
          ["x-amzn-tls-version", tls.version],
          ["x-amzn-tls-cipher-suite", tls.cipher]
        ] as const)),
    ["x-forwarded-for", from.chain],
    ["x-forwarded-proto", from.scheme],
    ["x-forwarded-port", from.port ?? target.port ?? (from.scheme === "https" ? "443" : "80")],
    ["x-amzn-trace-id", formatTraceId(trace)]
  ])
  const given = rawOf(request).fields.filter(([field]) => {
    const name = field.toLowerCase()
    return !connectionFields.has(name) && !added.has(name)
  })
  const headers = [...given, ...added]
  const { rawPath, rawQuery } = target
  return httpEventV2(
    { method: request.method, rawPath, rawQuery, headers, body },
    {
      accountId: iam?.accountId ?? "anonymous",
      apiId: target.id,
      domainName,
      domainPrefix: target.id,
      requestId,
      routeKey: "$default",
      stage: "$default",
      sourceIp: from.sourceIp,
      timeMillis: nowMillis,
      ...(iam === undefined ? {} : { authorizer: { iam } })
    }
  )
}

type RunExit = Exit.Exit<InvocationResult, GatewayFailure>

const run = (
  runtime: Runtime,
  request: Request,
  options: FunctionUrlOptions,
  prepared: Prepared
): Promise<Response> => {
  const { invocation, url } = prepared
  if (url.invokeMode === "BUFFERED") {
    const program = LambdaInvoker.use((invoker) => invokeWarm(invoker, invocation))
    return runtime
      .runPromiseExit(program, { signal: request.signal })
      .then((exit) => wholeResponse(runtime, request, options, prepared, exit, bufferedAnswer))
  }
  // The whole of an answer without a body is its head.
  let head: HttpAnswerHead | undefined
  let problem: string | undefined
  return respondStreaming(
    runtime,
    request,
    (sink: AnswerSink<UrlHead>) => {
      const own = new UrlSink(sink, request.method === "HEAD")
      return LambdaInvoker.use((invoker) => invoker.invokeStreaming(invocation, own)).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            head = own.head
            problem = own.problem
          })
        )
      )
    },
    {
      head: (begun) => responseInit(request, url, begun.answer),
      frame: (piece) => piece,
      last: (exit) => (Exit.isSuccess(exit) && exit.value.functionError === undefined ? new Uint8Array() : undefined),
      whole: (exit) =>
        wholeResponse(runtime, request, options, prepared, exit, () =>
          head === undefined
            ? Result.fail(problem ?? "it ended before it began")
            : Result.succeed({ ...head, body: new Uint8Array() })
        )
    }
  )
}

/** A stream that was gathered still has its prelude in front. */
const bufferedAnswer = (payload: Uint8Array): Result.Result<HttpAnswer, string> => {
  const answer = httpAnswerV2(payload)
  if (Result.isFailure(answer) || answer.success.isUnparsed !== true) return answer
  const beginning = new PreludeReader().push(payload)
  if (beginning === undefined || Result.isFailure(beginning)) return answer
  const { head, rest } = beginning.success
  return Result.succeed({ ...head, body: rest })
}

const wholeResponse = (
  runtime: Runtime,
  request: Request,
  options: FunctionUrlOptions,
  { invocation, url }: Prepared,
  exit: RunExit,
  answerOf: (payload: Uint8Array) => Result.Result<HttpAnswer, string>
): Response => {
  if (Exit.isFailure(exit)) return failedResponse(runtime, request, options, url, exit.cause)
  if (exit.value.functionError !== undefined) return response(request, url, failedUrlAnswer)
  const answer = answerOf(exit.value.payload)
  if (Result.isFailure(answer)) {
    warn(runtime, invocation, `The response of function '${invocation.functionName}' is malformed: ${answer.failure}`)
    return response(request, url, failedUrlAnswer)
  }
  if (answer.success.isUnparsed === true) {
    warn(runtime, invocation, "Failed to parse Lambda response body as JSON. Returning as string.", {
      snippet: new TextDecoder().decode(exit.value.payload.subarray(0, 800)).slice(0, 200),
      status_code: answer.success.status
    })
  }
  return response(request, url, answer.success)
}

const warn = (
  runtime: Runtime,
  invocation: Invocation,
  message: string,
  fields: Record<string, unknown> = {}
): void => {
  runtime.runFork(
    Effect.logWarning(message).pipe(
      Effect.annotateLogs({
        ...fields,
        function_name: invocation.functionName,
        aws_request_id: invocation.requestId,
        trace_id: invocation.traceId
      })
    )
  )
}

/** Statuses that a client of a URL sees as a caller of the API would; of all else it learns nothing. */
const told = new Set([400, 413, 429, 503])

const failedResponse = (
  runtime: Runtime,
  request: Request,
  { owner }: FunctionUrlOptions,
  url: FunctionUrl | undefined,
  cause: Cause.Cause<GatewayFailure | UrlForbidden | UrlUnknown>
): Response => {
  const found = Cause.findErrorOption(cause)
  if (Option.isNone(found)) {
    // Nobody reads this; the number is for the access log.
    if (Cause.hasInterruptsOnly(cause)) return new Response(null, { status: 499 })
    logFault(runtime, exchangeOf(request), cause)
    return response(request, url, failedUrlAnswer)
  }
  const failure = found.value
  switch (failure._tag) {
    case "UrlUnknown":
      return denied(null)
    case "FunctionNotFound":
      return denied(new UrlForbidden({ reason: "the function or its alias is gone" }).answer)
    case "UrlForbidden": {
      const { requestId, trace } = exchangeOf(request)
      const line = Effect.logInfo(`A request to a function URL was refused: ${failure.reason}`)
      runtime.runFork(Effect.annotateLogs(line, { aws_request_id: requestId, trace_id: trace.root }))
      return denied(failure.answer)
    }
    case "FunctionUnusable":
      runtime.runFork(Effect.logWarning(`The function of a URL cannot run: ${failure.message}`))
      return response(request, url, failedUrlAnswer)
    default:
      return told.has(answerTo(failure, owner).status)
        ? errorResponse(failure, owner)
        : response(request, url, failedUrlAnswer)
  }
}

const denied = (Message: string | null): Response =>
  new Response(JSON.stringify({ Message }), {
    status: 403,
    headers: { "Content-Type": "application/json", "x-amzn-ErrorType": "AccessDeniedException" }
  })

const response = (request: Request, url: FunctionUrl | undefined, answer: HttpAnswer): Response =>
  new Response(
    hasNoBody(answer.status) || answer.body.length === 0 ? null : (answer.body as Uint8Array<ArrayBuffer>),
    responseInit(request, url, answer)
  )

const responseInit = (request: Request, url: FunctionUrl | undefined, { headers, status }: HttpAnswerHead) => ({
  status,
  headers: pairs(url?.cors === undefined ? headers : withCors(url.cors, request.headers.get("origin"), headers))
})

const pairs = (headers: HttpAnswerHead["headers"]) => headers.map(([name, value]): [string, string] => [name, value])
