/** Speaks HTTP to a manager in another process: where it is, the token, the time limit, what a failure looks like. */
import { Data, Duration, Effect, Option, Schedule, Schema } from "effect"
import type { GatewayId } from "../domain/Worker.ts"
import { HttpClient } from "../invoke/HttpClient.ts"
import type { Address, BodyTaker, ConnectFailed, ExchangeBroken, HttpRequest } from "../invoke/HttpExchange.ts"
import { ManagerError } from "./ManagerProtocol.ts"

export interface ManagerClientOptions {
  /** `http://host:port`, or `https`. */
  readonly managerUrl: string
  /** What both sides have and nobody else. */
  readonly token: string
  /** `ORCHESTRATOR_TIMEOUT`: the longest a manager may take for anything but an invocation, the start of a worker included. */
  readonly timeout: Duration.Duration
  /** What this gateway calls itself, so that it has workers of its own. It stays the same when it starts again. */
  readonly gatewayId?: GatewayId
  /** How long a start waits for a manager that is not there, since it may be starting again. Default 10 s. */
  readonly patience?: Duration.Duration
}

/** No answer, or not one that the protocol has. Its message is a line for a person. */
export class ManagerSilent extends Data.TaggedError("ManagerSilent")<{
  readonly message: string
  readonly cause?: unknown
}> {}

/** The manager said no. */
export class ManagerRefused extends Data.TaggedError("ManagerRefused")<{
  readonly status: number
  readonly error: ManagerError
}> {
  override get message() {
    return this.error.detail
  }
}

/**
 * Lets everything happen that has arrived. A manager's end comes before the requests of those who saw it end: they are
 * not to be sent over a connection that ended with it, which would leave open whether they had begun.
 */
const nextTurn = Effect.callback<void>((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})

/** Soon at first, then twice a second. */
const again = (patience: Duration.Duration) =>
  Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("500 millis")]).pipe(
    Schedule.upTo({ duration: patience })
  )

type Call = Pick<HttpRequest, "method" | "path"> & {
  readonly headers?: HttpRequest["headers"]
  readonly body?: unknown
  /** Sent again for a while when the manager is not there or goes away, though it may have begun with it. */
  readonly isPatient?: boolean
}

/** Reads the JSON of an answer. */
type Answer<A> = (text: unknown) => Effect.Effect<A, Schema.SchemaError>

const readError = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.toCodecJson(ManagerError)))

export class ManagerClient {
  /** For messages and logs. */
  readonly url: string
  readonly #http: HttpClient
  readonly #options: ManagerClientOptions
  readonly #address: Address
  readonly #prefix: string
  readonly #headers: HttpRequest["headers"]
  readonly #again: ReturnType<typeof again>

  private constructor(http: HttpClient, options: ManagerClientOptions) {
    const url = new URL(options.managerUrl)
    const secure = url.protocol === "https:"
    this.#http = http
    this.#options = options
    this.#address = {
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port) || (secure ? 443 : 80),
      secure
    }
    this.#prefix = url.pathname.replace(/\/+$/, "")
    this.url = url.origin + this.#prefix
    this.#again = again(options.patience ?? Duration.seconds(10))
    this.#headers = [
      ["Authorization", `Bearer ${options.token}`],
      ...(options.gatewayId === undefined ? [] : [["X-Irori-Gateway", options.gatewayId] as const])
    ]
  }

  /** A client whose connections end with the scope. */
  static readonly make = (options: ManagerClientOptions) =>
    Effect.map(HttpClient.make, (http) => new ManagerClient(http, options))

  /** One request as it is, without a time limit. */
  send(request: HttpRequest, taker?: BodyTaker) {
    const whole = { ...request, path: this.#prefix + request.path, headers: [...request.headers, ...this.#headers] }
    return Effect.andThen(nextTurn, this.#http.send(this.#address, whole, taker))
  }

  /** One call with JSON in and out. */
  call<A>(call: Call, answer: Answer<A>): Effect.Effect<A, ManagerSilent | ManagerRefused> {
    const body = call.body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(call.body))
    const headers = [...(call.headers ?? []), ["Content-Type", "application/json"] as const]
    const sent = this.send({ method: call.method, path: call.path, headers, body })
    return (call.isPatient === true ? Effect.retry(sent, this.#again) : sent).pipe(
      Effect.mapError((error) => this.silent(error)),
      Effect.timeoutOrElse({
        duration: this.#options.timeout,
        orElse: () =>
          Effect.fail(
            new ManagerSilent({
              message: `The manager at ${this.url} did not answer within ${Duration.format(this.#options.timeout)}.`
            })
          )
      }),
      Effect.flatMap(({ body, status }): Effect.Effect<A, ManagerSilent | ManagerRefused> => {
        if (status !== 200) return Effect.fail(new ManagerRefused({ status, error: this.errorOf(status, body) }))
        return Effect.mapError(
          answer(body.toString()),
          (cause) => new ManagerSilent({ message: `The manager at ${this.url} answers in another protocol.`, cause })
        )
      })
    )
  }

  silent(error: ConnectFailed | ExchangeBroken): ManagerSilent {
    const reason = error.cause instanceof Error ? error.cause.message : String(error.cause)
    const what = error._tag === "ConnectFailed" ? "cannot be reached" : "broke off"
    return new ManagerSilent({ message: `The manager at ${this.url} ${what}: ${reason}`, cause: error.cause })
  }

  /** What an answer that is no success says; also one that is not a manager's. */
  errorOf(status: number, body: Buffer): ManagerError {
    if (status === 401)
      return { detail: `The manager at ${this.url} refuses this gateway's token: it has another one.` }
    return Option.getOrElse(readError(body.toString()), () => ({
      detail: `The manager at ${this.url} answered ${status}.`
    }))
  }
}
