/** The calls of the Runtime API over HTTP: from a request to `RuntimeSession`, and from there to its answer. */

import { type BodyReceiver, type Exchange, type Fields, gather, headerLine } from "./HttpConnection.ts"
import type { Refusal, RuntimeEvent, RuntimeSession } from "./RuntimeSession.ts"
import { maxResponseBytes, StreamedAnswer, type StreamFailure } from "./StreamedAnswer.ts"

const json = headerLine("Content-Type", "application/json")
const accepted = new TextEncoder().encode('{"status":"OK"}\n')
const invocationPath = /^\/2018-06-01\/runtime\/invocation\/([^/]+)\/(response|error)$/

const refuse = (exchange: Exchange, refusal: { status: number; errorType: string; errorMessage: string }) =>
  exchange.reply(
    refusal.status,
    json,
    Buffer.from(JSON.stringify({ errorMessage: refusal.errorMessage, errorType: refusal.errorType }))
  )

const settle = (exchange: Exchange, refusal: Refusal | undefined) =>
  refusal === undefined ? exchange.reply(202, json, accepted) : refuse(exchange, refusal)

/** The error's type is in a header; older runtimes put it into the document alone. */
const errorTypeOf = (headers: Fields, fallback: string, body: Uint8Array | undefined): string => {
  const given = headers.get("lambda-runtime-function-error-type")
  if (given !== undefined) return /^(Runtime|Function)\.[A-Z][a-zA-Z]+$/.test(given) ? given : fallback
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(body))
    const type = typeof parsed === "object" && parsed !== null && "errorType" in parsed ? parsed.errorType : undefined
    return typeof type === "string" ? type : fallback
  } catch {
    return fallback
  }
}

const eventHeaders = (event: RuntimeEvent, nowMillis: number): string => {
  let text = `${json}Lambda-Runtime-Aws-Request-Id: ${event.requestId}\r\nLambda-Runtime-Deadline-Ms: ${nowMillis + event.timeoutMillis}\r\nLambda-Runtime-Invoked-Function-Arn: ${event.invokedFunctionArn}\r\n`
  if (event.traceId !== "") text += headerLine("Lambda-Runtime-Trace-Id", event.traceId)
  // Client context may hold any JSON; a header may not hold a line break or a letter outside Latin-1.
  if (event.clientContext !== undefined) {
    text += headerLine("Lambda-Runtime-Client-Context", asciiJson(event.clientContext))
  }
  return text
}

/** JSON with everything outside printable ASCII escaped: the same value, fit for a header. */
const asciiJson = (text: string): string =>
  text
    .replace(/[\r\n\t]+/g, " ")
    .replace(/[^ -~]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`)

const ignore = (): void => {}
const nothing: BodyReceiver = { data: ignore, end: ignore, abort: ignore }

const unknownMode = {
  status: 400,
  errorType: "InvalidFunctionResponseMode",
  errorMessage: "Invalid function response mode"
}
const truncated = { status: 400, errorType: "TruncatedHTTPRequest", errorMessage: "HTTP request body was truncated" }

/** The error of a streamed response; its document is base64. */
const failureOf = (trailers: Fields): StreamFailure | undefined => {
  const type = trailers.get("lambda-runtime-function-error-type")
  const body = trailers.get("lambda-runtime-function-error-body")
  if (type === undefined && body === undefined) return undefined
  const document = Buffer.from(body ?? "", "base64")
  const errorType = type ?? errorTypeOf(trailers, "Function.Unknown", document)
  return { errorType, document: document.length > 0 ? document : Buffer.from(JSON.stringify({ errorType })) }
}

/** AWS's client for Go names no mode: it announces the trailers of a failure with everything that it sends. */
const mayFailMidway = ({ headers }: Exchange): boolean =>
  headers.get("lambda-runtime-function-response-mode") === undefined &&
  headers.get("trailer")?.toLowerCase().includes("lambda-runtime-function-error-type") === true

/** Takes a response as it comes. */
const receiveStream = (
  session: RuntimeSession,
  exchange: Exchange,
  requestId: string,
  cutOff: () => void
): BodyReceiver => {
  const contentType = exchange.headers.get("content-type")
  const streamed = session.stream(requestId, {
    flow: exchange.flow,
    ...(contentType === undefined ? {} : { contentType })
  })
  if (!(streamed instanceof StreamedAnswer)) {
    refuse(exchange, streamed)
    return nothing
  }
  return {
    data: (piece) => streamed.piece(piece),
    end: (trailers) => settle(exchange, session.endStream(streamed, failureOf(trailers))),
    abort: cutOff
  }
}

export interface RuntimeSurroundings {
  /** Unix milliseconds. */
  readonly wallMillis: () => number
  /** The answer to an event broke off. */
  readonly cutOff: (requestId: string) => void
}

/** What an idle worker waits in, so that this has of its request no more than is needed to answer it. */
const awaitEvent = (
  session: RuntimeSession,
  around: RuntimeSurroundings,
  reply: Exchange["reply"]
): BodyReceiver | Refusal => {
  const poll = (event: RuntimeEvent) => reply(200, eventHeaders(event, around.wallMillis()), event.payload)
  return session.next(poll) ?? { data: ignore, end: ignore, abort: () => session.unpoll(poll) }
}

/** `isResponse`: of the function's; else its error. */
const takeAnswer = (
  exchange: Exchange,
  session: RuntimeSession,
  around: RuntimeSurroundings,
  requestId: string,
  isResponse: boolean
): BodyReceiver => {
  const { headers } = exchange
  const abort = () => {
    refuse(exchange, truncated)
    if (session.isAt(requestId)) around.cutOff(requestId)
  }
  const mode = headers.get("lambda-runtime-function-response-mode")
  if (isResponse && (mode?.toLowerCase() === "streaming" || mayFailMidway(exchange))) {
    return receiveStream(session, exchange, requestId, abort)
  }
  if (isResponse && mode !== undefined) {
    refuse(exchange, unknownMode)
    return nothing
  }
  const settled = isResponse
    ? (body: Buffer | undefined) => session.respond(requestId, body)
    : (body: Buffer | undefined) => session.fail(requestId, errorTypeOf(headers, "Function.Unknown", body), body)
  return gather(exchange, maxResponseBytes, (body) => settle(exchange, settled(body)), abort)
}

/** Serves one request of a worker whose side of it is `session`. */
export const serveRuntime = (
  exchange: Exchange,
  session: RuntimeSession,
  around: RuntimeSurroundings
): BodyReceiver => {
  const { method, path } = exchange
  if (method === "GET" && path === "/2018-06-01/runtime/invocation/next") {
    const waiting = awaitEvent(session, around, exchange.reply)
    if (!("status" in waiting)) return waiting
    refuse(exchange, waiting)
    return nothing
  }
  const [, requestId, verb] = (method === "POST" && invocationPath.exec(path)) || []
  if (requestId !== undefined) return takeAnswer(exchange, session, around, requestId, verb === "response")
  if (method === "POST" && path === "/2018-06-01/runtime/init/error") {
    return gather(exchange, maxResponseBytes, (body) =>
      settle(
        exchange,
        session.failInit(errorTypeOf(exchange.headers, "Runtime.Unknown", body), new TextDecoder().decode(body))
      )
    )
  }
  if (method === "GET" && path === "/2018-06-01/ping") {
    exchange.reply(200, headerLine("Content-Type", "text/plain"), Buffer.from("pong"))
    return nothing
  }
  refuse(exchange, { status: 404, errorType: "NotFound", errorMessage: `No such call: ${method} ${path}` })
  return nothing
}
