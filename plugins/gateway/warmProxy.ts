/**
 * The short way of routed paths, as `warmInvoke` is that of Invoke: a plain request to an API becomes its event, and the
 * function's result the answer, without `Request`, `Response`, router, hooks and a fiber. What is plain: a route that
 * asks nobody who the caller is, an API that answers no browsers itself, a head and a body within their limits. All else
 * goes the way of the routes (`proxy.ts`), and so does a plain request that turns out to need more. Event and outcome are
 * made by the same code for both.
 */
import { Cause, Duration, Exit, Option, Result } from "effect"
import type { InvocationResult } from "../../src/domain/Invocation.ts"
import type { HttpAnswer } from "../../src/events/HttpResponseV2.ts"
import type { Direct, PlainAnswer, PlainRequest } from "../../src/http/HttpServer.ts"
import { headerValues, type RequestHead } from "../../src/http/requestHead.ts"
import type { Limit } from "../../src/invoke/Deadlines.ts"
import type { InvokeError } from "../../src/invoke/InvokeError.ts"
import type { Routed } from "../../src/routing/ApiIndex.ts"
import type { RouteTable } from "../../src/routing/RouteTable.ts"
import { DirectCall, type DirectServices } from "./DirectCall.ts"
import type { GatewayOptions } from "./index.ts"
import { isReadable } from "./paths.ts"
import { failedAnswer } from "./proxyAnswers.ts"
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
import { type ApiTimedOut, outcomeOf } from "./proxyOutcome.ts"
import { logFault } from "./respond.ts"

/** For the server that the gateway is behind. `isOwn`: paths that another of its routes has, or may have. */
export const warmProxy = (
  services: DirectServices,
  table: RouteTable["Service"],
  isOwn: (path: string) => boolean,
  options: GatewayOptions
): Direct => {
  const { deadlines, runtime, start } = services

  const begin = (call: DirectCall, incoming: Incoming, found: Routed, body: Uint8Array): (() => void) => {
    const { api } = found
    const { exchange } = call
    let limit: Limit | undefined

    const answer = (made: HttpAnswer) => {
      limit?.clear()
      call.answer(plainAnswer(made))
    }
    const orFault = <A>(step: () => A): A | undefined => {
      try {
        return step()
      } catch (fault) {
        logFault(runtime, exchange, fault)
        answer(failedAnswer(api, "Fault"))
        return undefined
      }
    }
    const end = (ended: Result.Result<InvocationResult, InvokeError | ApiTimedOut>) => {
      if (call.isOver) return
      orFault(() => {
        const outcome = outcomeOf(incoming, found, invocation, ended)
        if (outcome.said !== undefined) runtime.runFork(outcome.said)
        answer(outcome.answer)
      })
    }
    const failed = (exit: Exit.Exit<InvocationResult, InvokeError>) => {
      if (Exit.isSuccess(exit)) return end(Result.succeed(exit.value))
      const failure = Cause.findErrorOption(exit.cause)
      if (Option.isSome(failure)) return end(Result.fail(failure.value))
      if (call.isOver) return
      limit?.clear()
      if (Cause.hasInterruptsOnly(exit.cause)) return call.respond(new Response(null, { status: 499 }))
      logFault(runtime, exchange, exit.cause)
      answer(failedAnswer(api, "Fault"))
    }

    const payload = orFault(() =>
      eventOf(callOf(incoming, exchange, found, options, Date.now()), found, body, {}, options)
    )
    if (payload === undefined) return nothing
    const invocation = invocationOf(found, exchange, payload, options)
    const abandon =
      payload.length > options.maxPayloadBytes
        ? undefined
        : start(invocation, { succeeded: (result) => end(Result.succeed(result)), failed })
    if (abandon === undefined) {
      call.pass()
      return nothing
    }
    if (!call.isOver && Duration.isFinite(api.timeout)) {
      limit = deadlines.set(Duration.toMillis(api.timeout), () => {
        end(Result.fail("ApiTimedOut"))
        abandon()
      })
    }
    return () => {
      limit?.clear()
      call.leave(abandon)
    }
  }

  return (head) => {
    const target = splitTarget(head.target)
    const found = isPlain(head, target.path) && !isOwn(target.path) ? plainRoute(head, target.path, table) : undefined
    if (found === undefined) return undefined
    const startedMillis = performance.now()
    return (request, reply) => {
      const call = new DirectCall(request, reply, services, startedMillis)
      return begin(call, incomingOf(request, target), found, request.body)
    }
  }
}

const nothing = () => {}

/** Whether a path is read alike by everybody: one with dots is another path where it is normalised. */
const isPlain = ({ fields, framing, method }: RequestHead, path: string): boolean =>
  method !== "HEAD" &&
  method !== "OPTIONS" &&
  framing !== "chunked" &&
  framing <= maxBodyBytes &&
  headerBytes(fields) <= maxHeaderBytes &&
  !oddPath.test(path) &&
  isReadable(path)

const oddPath = /\/\.|\/%2e|\\/i

/** A route that nobody needs to be asked about. */
const plainRoute = ({ host, method }: RequestHead, path: string, table: RouteTable["Service"]): Routed | undefined => {
  const found = match(table, { host, method, path })
  if (found?._tag !== "Routed") return undefined
  const { api, route } = found
  const asks = api.gatekeeper !== undefined || route.authorizer !== undefined || route.needsApiKey === true
  return asks || api.cors !== undefined ? undefined : found
}

const incomingOf = (
  { head, isEncrypted }: PlainRequest,
  { path, query }: { readonly path: string; readonly query: string }
): Incoming => ({
  method: head.method,
  host: head.host,
  path,
  sentPath: path,
  query,
  fields: head.fields,
  headers: headerValues(head),
  scheme: isEncrypted ? "https" : "http"
})

const plainAnswer = ({ body, headers, status }: HttpAnswer): PlainAnswer => {
  let fields = ""
  // The date is the server's to say.
  for (const [name, value] of headers) if (name !== "date") fields += `${name}: ${value}\r\n`
  return { status, fields, body }
}
