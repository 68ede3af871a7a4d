/**
 * The Extensions API (`2020-01-01`), the Telemetry API and the Logs API over HTTP, on the listener of one worker. What
 * the calls mean is `ExtensionSession`'s and `TelemetryHub`'s.
 */
import { randomUUID } from "node:crypto"
import { type Clock, type Context, Effect, type Fiber, FiberSet, Scope } from "effect"
import type { WorkerId } from "../domain/Worker.ts"
import type { HttpClient } from "../invoke/HttpClient.ts"
import { ExtensionHost, type ExtensionSurroundings } from "./ExtensionHost.ts"
import type { ExtensionEvent, ExtensionRefusal } from "./ExtensionSession.ts"
import { type BodyReceiver, type Exchange, gather, headerLine } from "./HttpConnection.ts"
import type { RuntimeSession } from "./RuntimeSession.ts"
import { TelemetryHub, type TelemetrySurroundings, telemetryPaths } from "./TelemetryHub.ts"
import type { OutputLine, WorkerOutput } from "./WorkerOutput.ts"

const root = "/2020-01-01/extension/"
/** The documents that extensions send are small; an error may have a long stack. */
const maxBodyBytes = 1024 * 1024

const json = headerLine("Content-Type", "application/json")
const nothing: BodyReceiver = { data: () => {}, end: () => {}, abort: () => {} }

/** True of the paths that `WorkerExtensions` serves. */
export const isExtensionPath = (path: string): boolean => path.startsWith(root) || telemetryPaths.has(path)

/** What all workers' extensions have in common. */
export interface ExtensionServices {
  readonly clock: Clock.Clock
  readonly client: HttpClient
  readonly output: WorkerOutput
  readonly context: Context.Context<never>
}

/** What serves one worker's extensions, until its scope closes. */
export class WorkerExtensions implements TelemetrySurroundings, ExtensionSurroundings {
  readonly runtime: RuntimeSession
  readonly telemetry: TelemetryHub
  readonly host: ExtensionHost
  readonly #id: WorkerId
  readonly #services: ExtensionServices
  readonly #scope: Scope.Scope
  /** Made when there is something to run, which few workers have. */
  #run: ExtensionSurroundings["run"] | undefined
  #leave: (() => void) | undefined

  constructor(id: WorkerId, runtime: RuntimeSession, scope: Scope.Scope, services: ExtensionServices) {
    this.#id = id
    this.#services = services
    this.#scope = scope
    this.runtime = runtime
    this.telemetry = new TelemetryHub(this)
    this.host = new ExtensionHost(this)
  }

  get client(): HttpClient {
    return this.#services.client
  }

  nowMillis(): number {
    return this.#services.clock.currentTimeMillisUnsafe()
  }

  run(effect: Effect.Effect<void>): Fiber.Fiber<void> {
    this.#run ??= Effect.runSyncWith(this.#services.context)(
      Scope.provide(FiberSet.makeRuntime<never, void>(), this.#scope)
    )
    return this.#run(effect)
  }

  listen(listener: (line: OutputLine) => void): void {
    this.#leave = this.#services.output.subscribe(this.#id, listener)
  }

  /** What a worker prints from here on is of no interest. */
  leave(): void {
    this.#leave?.()
  }

  serve(exchange: Exchange): BodyReceiver {
    const { host, telemetry } = this
    const call = `${exchange.method} ${exchange.path.replace(root, "")}`
    if (call === "GET event/next") return next(host, exchange)
    const answer = answers(host, telemetry, exchange)[call]
    if (answer === undefined) {
      const errorMessage = `No such call: ${exchange.method} ${exchange.path}`
      refuse(exchange, { status: 404, errorType: "NotFound", errorMessage })
      return nothing
    }
    return gather(exchange, maxBodyBytes, (body) => answer(body?.toString() ?? ""))
  }
}

const reply = (exchange: Exchange, status: number, body: string, fields = "") =>
  exchange.reply(status, json + fields, Buffer.from(body))

const refuse = (
  exchange: Exchange,
  { errorMessage, errorType, status }: { status: number; errorType: string; errorMessage: string }
) => reply(exchange, status, JSON.stringify({ errorMessage, errorType }))

const settle = (exchange: Exchange, refusal: ExtensionRefusal | undefined, status: number, body: string) =>
  refusal === undefined ? reply(exchange, status, body) : refuse(exchange, refusal)

const idOf = ({ headers }: Exchange) => headers.get("lambda-extension-identifier")

const next = (host: ExtensionHost, exchange: Exchange): BodyReceiver => {
  const poll = (event: ExtensionEvent) =>
    reply(exchange, 200, JSON.stringify(event), headerLine("Lambda-Extension-Event-Identifier", randomUUID()))
  const refusal = host.session.next(idOf(exchange), poll)
  if (refusal !== undefined) refuse(exchange, refusal)
  return { data: () => {}, end: () => {}, abort: () => host.session.unpoll(poll) }
}

/** What is called when a request's body is there. */
const answers = (
  host: ExtensionHost,
  telemetry: TelemetryHub,
  exchange: Exchange
): Readonly<Record<string, (body: string) => void>> => {
  const fail = (when: "init" | "exit") => (body: string) => {
    const errorType = exchange.headers.get("lambda-extension-function-error-type")
    const errorMessage = field(parse(body), "errorMessage")
    const message = typeof errorMessage === "string" ? errorMessage : undefined
    settle(exchange, host.session.fail(idOf(exchange), when, errorType, message), 202, '{"status":"OK"}\n')
  }
  const subscribe = (body: string) => {
    const extension = host.session.find(idOf(exchange))
    if ("status" in extension) return refuse(exchange, extension)
    const schemas = telemetryPaths.get(exchange.path) ?? []
    settle(exchange, telemetry.subscribe(extension.name, schemas, body), 200, '"OK"')
  }
  return {
    "POST register": (body) => register(host, telemetry, exchange, body),
    "POST init/error": fail("init"),
    "POST exit/error": fail("exit"),
    ...Object.fromEntries([...telemetryPaths.keys()].map((path) => [`PUT ${path}`, subscribe]))
  }
}

const register = (host: ExtensionHost, telemetry: TelemetryHub, exchange: Exchange, body: string) => {
  const { setup } = host
  const wanted = parse(body)
  const id = randomUUID()
  const extension =
    typeof wanted !== "object" || wanted === null || setup === undefined
      ? { status: 403 as const, errorType: "InvalidRequestFormat", errorMessage: "Expected a JSON object" }
      : host.session.register(id, exchange.headers.get("lambda-extension-name"), field(wanted, "events"))
  if ("status" in extension) return refuse(exchange, extension)
  const { events, name } = extension
  telemetry.happened({ is: "extension", name, state: "Registered", events: [...events] })
  const features = (exchange.headers.get("lambda-extension-accept-feature") ?? "").split(",").map((part) => part.trim())
  const about = {
    functionName: setup?.functionName,
    functionVersion: setup?.functionVersion,
    handler: setup?.handler,
    ...(features.includes("accountId") ? { accountId: setup?.accountId } : {})
  }
  reply(exchange, 200, JSON.stringify(about), headerLine("Lambda-Extension-Identifier", id))
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined
