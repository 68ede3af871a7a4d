/**
 * The Lambda Runtime API (`2018-06-01`) as workers see it: a listener of its own for each worker, so that which worker
 * calls is known from the port, and its event needs no looking up. What the calls mean is `RuntimeSession`'s.
 */
import { Clock, Context, Effect, Layer, type Scope } from "effect"
import type { AnswerSink } from "../domain/AnswerSink.ts"
import type { StartFailure, WorkerExit, WorkerId } from "../domain/Worker.ts"
import { HttpClient } from "../invoke/HttpClient.ts"
import { type ByteStream, type ListenFailed, streams } from "../net/ByteStream.ts"
import * as ExtensionApi from "./ExtensionApi.ts"
import type { ExtensionHost } from "./ExtensionHost.ts"
import { type BodyReceiver, type Exchange, type Fields, gather, HttpConnection, headerLine } from "./HttpConnection.ts"
import { type Outcome, type Refusal, type RuntimeEvent, RuntimeSession } from "./RuntimeSession.ts"
import { maxResponseBytes, StreamedAnswer, type StreamFailure } from "./StreamedAnswer.ts"
import { WorkerOutput } from "./WorkerOutput.ts"
import type { AllVitals } from "./WorkerVitals.ts"

/** A worker that breaks off in the middle of an answer has ended, most often. How, is known a little later. */
const endGrace = "2 seconds"

export interface RuntimeApiListener {
  /** Of `AWS_LAMBDA_RUNTIME_API`, whose host is the address the worker reaches this machine by. */
  readonly port: number
  /** Says which address the worker has. Connections from it are served, others are cut; until then both wait. */
  readonly admit: (address: string) => void
  /** The worker is being started: from here on its initialisation is timed, by default from when this was opened. */
  readonly starting: () => void
  /** Waits for the first `next` of the runtime and of all extensions; fails when one gives up or ends before. */
  readonly initialized: Effect.Effect<void, StartFailure>
  /** Gives the worker an event; `done` is called once. A streamed answer goes to `sink` before that, if there is one. */
  readonly deliver: (event: RuntimeEvent, done: (outcome: Outcome) => void, sink?: AnswerSink) => void
  /** The worker is gone: what it had under way is lost. */
  readonly end: (exit: WorkerExit | undefined, why: string) => void
  /** True while the event given last still waits to be fetched. */
  readonly undelivered: () => boolean
  /** How long the initialisation took, as long as it was for the event that comes next: undefined after the first one. */
  readonly coldStartMillis: () => number | undefined
  /** The worker's extensions: told of before it starts, and given a moment before it is stopped. */
  readonly extensions: ExtensionHost
}

export class RuntimeApi extends Context.Service<
  RuntimeApi,
  {
    /** Opens the API for one worker, before it starts, on an ephemeral port of `host`; closed with the scope. */
    readonly open: (id: WorkerId, host: string) => Effect.Effect<RuntimeApiListener, ListenFailed, Scope.Scope>
    /** The listener of a worker, as long as it is open. */
    readonly find: (id: WorkerId) => RuntimeApiListener | undefined
    /** What workers print, those without a listener included; written by whoever reads it. */
    readonly output: WorkerOutput
    /** How workers are, those without a listener included; told by whoever runs them. */
    readonly vitals: AllVitals
  }
>()("irori/runtime-api/RuntimeApi") {
  static readonly layer = Layer.effect(
    RuntimeApi,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const context = yield* Effect.context()
      const listeners = new Map<WorkerId, RuntimeApiListener>()
      const output = new WorkerOutput()
      const vitals: AllVitals = new Map()
      const nowMillis = () => Number(clock.currentTimeNanosUnsafe()) / 1e6
      const client = yield* HttpClient.make
      const { listen } = yield* streams
      const warn = (message: string, fields: Record<string, unknown>) =>
        Effect.runForkWith(context)(Effect.logWarning(message).pipe(Effect.annotateLogs(fields)))

      const open = Effect.fn("RuntimeApi.open")(function* (id: WorkerId, host: string) {
        const session = new RuntimeSession()
        const scope = yield* Effect.scope
        const giveUp = (requestId: string) =>
          Effect.sync(() => {
            if (session.isAt(requestId)) session.end(undefined, "it broke off in the middle of its answer")
          })
        const extensions = yield* ExtensionApi.open(id, { client, output, session })
        const serveRuntime = route(session, {
          nowMillis: () => clock.currentTimeMillisUnsafe(),
          cutOff: (requestId) =>
            Effect.runForkWith(context)(Effect.forkIn(Effect.delay(giveUp(requestId), endGrace), scope))
        })
        const serve = (exchange: Exchange) =>
          ExtensionApi.isExtensionPath(exchange.path) ? extensions.serve(exchange) : serveRuntime(exchange)
        const gate = new AddressGate(
          (stream, onClosed) => void new HttpConnection(stream, serve, onClosed),
          (address) => warn("Cut a connection to a worker's Runtime API from another address", { worker: id, address })
        )
        let startedMillis = nowMillis()
        let initMillis: number | undefined
        const { port } = yield* listen({ host, port: 0 }, (stream) => gate.arrive(stream))
        const listener: RuntimeApiListener = {
          port,
          admit: (address) => {
            extensions.admit(address)
            gate.admit(address)
          },
          initialized: Effect.callback((resume) => {
            extensions.host.onInitialized((failure) => {
              initMillis ??= nowMillis() - startedMillis
              resume(failure === undefined ? Effect.void : Effect.fail(failure))
            })
          }),
          starting: () => {
            startedMillis = nowMillis()
          },
          coldStartMillis: () => (session.hasHadEvent ? undefined : initMillis),
          deliver: (event, done, sink) => {
            if (!extensions.host.isActive) session.deliver(event, done, sink)
            else extensions.host.deliver(event, done, (done) => session.deliver(event, done, sink))
          },
          end: (exit, why) => extensions.host.end(exit, why),
          undelivered: () => session.undelivered,
          extensions: extensions.host
        }
        return yield* Effect.acquireRelease(
          Effect.sync(() => {
            listeners.set(id, listener)
            return listener
          }),
          () =>
            Effect.sync(() => {
              listeners.delete(id)
              extensions.host.end(undefined, "its Runtime API was closed")
              gate.close()
            })
        )
      })

      return RuntimeApi.of({ open, find: (id) => listeners.get(id), output, vitals })
    })
  )
}

/** Lets one worker's connections in. Those that come before its address is known wait, unread. */
class AddressGate {
  readonly #enter: (stream: ByteStream, onClosed: () => void) => void
  readonly #refuse: (address: string) => void
  readonly #open = new Set<ByteStream>()
  #waiting: Array<ByteStream> = []
  #admitted: string | undefined

  constructor(enter: (stream: ByteStream, onClosed: () => void) => void, refuse: (address: string) => void) {
    this.#enter = enter
    this.#refuse = refuse
  }

  arrive(stream: ByteStream): void {
    const closed = () => void this.#open.delete(stream)
    this.#open.add(stream)
    stream.user = { data: () => {}, ended: () => {}, closed }
    if (this.#admitted !== undefined) this.#check(stream, this.#admitted)
    else {
      stream.pause()
      this.#waiting.push(stream)
    }
  }

  admit(address: string): void {
    this.#admitted = address
    for (const stream of this.#waiting) this.#check(stream, address)
    this.#waiting = []
  }

  close(): void {
    for (const stream of this.#open) stream.destroy()
  }

  #check(stream: ByteStream, admitted: string): void {
    const address = stream.remoteAddress?.replace(/^::ffff:/, "")
    if (address === admitted) {
      this.#enter(stream, () => this.#open.delete(stream))
      stream.resume()
    } else {
      stream.destroy()
      // One that is closed already has no address any more: nothing to report.
      if (address !== undefined) this.#refuse(address)
    }
  }
}

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

const nothing: BodyReceiver = { data: () => {}, end: () => {}, abort: () => {} }

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

interface Surroundings {
  readonly nowMillis: () => number
  /** The answer to an event broke off. */
  readonly cutOff: (requestId: string) => void
}

const route =
  (session: RuntimeSession, { cutOff, nowMillis }: Surroundings) =>
  (exchange: Exchange): BodyReceiver => {
    const { headers, method, path } = exchange
    if (method === "GET" && path === "/2018-06-01/runtime/invocation/next") {
      const poll = (event: RuntimeEvent) => exchange.reply(200, eventHeaders(event, nowMillis()), event.payload)
      const refusal = session.next(poll)
      if (refusal !== undefined) refuse(exchange, refusal)
      return { data: () => {}, end: () => {}, abort: () => session.unpoll(poll) }
    }
    const [, requestId, verb] = (method === "POST" && invocationPath.exec(path)) || []
    if (requestId !== undefined) {
      const abort = () => {
        refuse(exchange, truncated)
        if (session.isAt(requestId)) cutOff(requestId)
      }
      const mode = headers.get("lambda-runtime-function-response-mode")
      if (verb === "response" && (mode?.toLowerCase() === "streaming" || mayFailMidway(exchange))) {
        return receiveStream(session, exchange, requestId, abort)
      }
      if (verb === "response" && mode !== undefined) {
        refuse(exchange, unknownMode)
        return nothing
      }
      const settled =
        verb === "response"
          ? (body: Buffer | undefined) => session.respond(requestId, body)
          : (body: Buffer | undefined) => session.fail(requestId, errorTypeOf(headers, "Function.Unknown", body), body)
      return gather(exchange, maxResponseBytes, (body) => settle(exchange, settled(body)), abort)
    }
    if (method === "POST" && path === "/2018-06-01/runtime/init/error") {
      return gather(exchange, maxResponseBytes, (body) =>
        settle(
          exchange,
          session.failInit(errorTypeOf(headers, "Runtime.Unknown", body), new TextDecoder().decode(body))
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
