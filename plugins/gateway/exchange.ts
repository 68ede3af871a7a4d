/**
 * One request and its answer: the ids by which both are found again, on the way in and on the way out, and the line
 * in the access log. What is asked and what is answered is the routes' business.
 */
import { randomBytes, randomUUID } from "node:crypto"
import { Effect, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import { functionArn, type Owner } from "../../src/domain/FunctionName.ts"
import { keepLast } from "../../src/domain/keepLast.ts"
import { formatTraceId, newTraceId, nextInvocationHop, parseTraceId, type TraceId } from "../../src/domain/TraceId.ts"
import { clientAddressOf } from "../../src/http/HttpServer.ts"
import { type AccessEntry, AccessLog, messageOf } from "../../src/log/AccessLog.ts"

export interface Exchange {
  /** `x-amzn-RequestId`, and the id of the invocation if it becomes one. */
  readonly requestId: string
  readonly trace: TraceId
  /** Of the connection, which may be a proxy's; empty where the server does not tell. */
  readonly clientIp: string
  /** Of `performance.now()`. */
  readonly startedMillis: number
}

const exchanges = new WeakMap<Request, Exchange>()

/** `traceHeader` is what the client sent as `X-Amzn-Trace-Id`, if it did. */
export const newExchange = (
  traceHeader: string | undefined,
  clientIp: string,
  startedMillis = performance.now()
): Exchange => ({
  requestId: randomUUID(),
  trace: (traceHeader === undefined ? undefined : parseTraceId(traceHeader)) ?? newTraceId(Date.now(), randomHex(12)),
  clientIp,
  startedMillis
})

/** The same one for the same request, whoever asks first. */
export const exchangeOf = (request: Request, clientIp = ""): Exchange => {
  const known = exchanges.get(request)
  if (known !== undefined) return known
  const exchange = newExchange(request.headers.get("x-amzn-trace-id") ?? undefined, clientIp)
  exchanges.set(request, exchange)
  return exchange
}

/** `X-Amzn-Trace-Id` as a function sees it that is invoked in this exchange. */
export const traceTo = ({ trace }: Exchange, owner: Owner, name: string): string =>
  formatTraceId(nextInvocationHop(trace, randomHex(8), arnOf(owner, name)))

const arnOf = keepLast((owner: Owner, name: string): string => functionArn(owner, name))

export const invocationTrace = (request: Request, owner: Owner, name: string): string =>
  traceTo(exchangeOf(request), owner, name)

/** Digits are drawn many at a time: asking the kernel takes longer than all else that is done with them. */
const drawn = { digits: "", used: 0 }
const drawnBytes = 4096

/** Two hexadecimal digits for each of `bytes`. */
export const randomHex = (bytes: number): string => {
  const length = 2 * bytes
  if (drawn.used + length > drawn.digits.length) {
    drawn.digits = randomBytes(Math.max(drawnBytes, bytes)).toString("hex")
    drawn.used = 0
  }
  drawn.used += length
  return drawn.digits.slice(drawn.used - length, drawn.used)
}

/** Every route of the application that this is used in has the ids in its headers and a line in the log. */
export const exchange = (runtime: ManagedRuntime.ManagedRuntime<never, never>) => {
  const log = accessLog(runtime)
  return new Elysia({ name: "exchange" })
    .onRequest(({ request, set, server }) => {
      // Once the answer is sent, the server has forgotten the address.
      const { requestId, trace } = exchangeOf(request, server?.requestIP(request)?.address ?? clientAddressOf(request))
      set.headers["x-amzn-RequestId"] = requestId
      set.headers["X-Amzn-Trace-Id"] = formatTraceId(trace)
    })
    .onAfterResponse({ as: "global" }, ({ request, path, set, responseValue }) => {
      const status = responseValue instanceof Response ? responseValue.status : (set.status ?? 200)
      const userAgent = request.headers.get("user-agent") ?? undefined
      log(exchangeOf(request), { method: request.method, path, userAgent }, status)
    })
}

/** What the access log says of a request beside its exchange. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly userAgent: string | undefined
}

/** Writes the access log's line of one request. */
export type AccessRecord = (exchange: Exchange, asked: Asked, status: number | string) => void

export const accessLog = (runtime: ManagedRuntime.ManagedRuntime<never, never>): AccessRecord => {
  const write = entryLog(runtime)
  return ({ clientIp, requestId, startedMillis, trace }, { method, path, userAgent }, status) =>
    write({
      trace_id: trace.root,
      aws_request_id: requestId,
      method,
      path,
      status,
      latency_ms: Math.round((performance.now() - startedMillis) * 100) / 100,
      user_agent: userAgent ?? "",
      client_ip: clientIp
    })
}

/** The log's own way for entries, looked up with the first one: the runtime may not be ready before. */
const entryLog = (runtime: ManagedRuntime.ManagedRuntime<never, never>): ((entry: AccessEntry) => void) => {
  const throughLogger = (entry: AccessEntry) => {
    runtime.runFork(Effect.logInfo(messageOf(entry)).pipe(Effect.annotateLogs({ ...entry })))
  }
  let write: ((entry: AccessEntry) => void) | undefined
  return (entry) => {
    if (write !== undefined) return write(entry)
    runtime.runFork(
      Effect.map(AccessLog, (direct) => {
        write = direct ?? throughLogger
        write(entry)
      })
    )
  }
}
