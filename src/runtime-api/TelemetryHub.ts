/**
 * The Telemetry API of one worker, and its predecessor the Logs API: who has subscribed to what, and the batches on
 * their way to them. What the records say is `TelemetryRecords`', how they gather `TelemetryBuffer`'s.
 */
import { Effect, type Fiber, Schema } from "effect"
import type { HttpClient } from "../invoke/HttpClient.ts"
import type { ExtensionRefusal } from "./ExtensionSession.ts"
import { type Buffering, defaultBuffering, TelemetryBuffer } from "./TelemetryBuffer.ts"
import {
  type Happening,
  lineRecord,
  logsSchemas,
  recordsOf,
  type TelemetryRecord,
  type TelemetrySchema,
  type TelemetrySubject,
  type TelemetryType,
  telemetrySchemas
} from "./TelemetryRecords.ts"
import type { OutputLine } from "./WorkerOutput.ts"

export const telemetryPaths: ReadonlyMap<string, ReadonlyArray<TelemetrySchema>> = new Map<
  string,
  ReadonlyArray<TelemetrySchema>
>([
  ["/2022-07-01/telemetry", telemetrySchemas],
  ["/2020-08-15/logs", logsSchemas]
])

const Positive = Schema.Int.check(Schema.isGreaterThan(0))

const SubscribeRequest = Schema.Struct({
  schemaVersion: Schema.optionalKey(Schema.Literals([...telemetrySchemas, ...logsSchemas])),
  types: Schema.Array(Schema.Literals(["platform", "function", "extension"])).check(Schema.isMinLength(1)),
  buffering: Schema.optionalKey(
    Schema.Struct({
      maxItems: Schema.optionalKey(Positive),
      maxBytes: Schema.optionalKey(Positive),
      timeoutMs: Schema.optionalKey(Positive)
    })
  ),
  destination: Schema.Struct({ protocol: Schema.Literal("HTTP"), URI: Schema.String })
})

const decodeRequest = Schema.decodeUnknownOption(Schema.fromJsonString(SubscribeRequest))

/** How long a destination may take for one batch. */
const sendTimeout = "3 seconds"
/** The names that a worker has for itself. */
const ownNames: ReadonlySet<string> = new Set(["sandbox", "sandbox.localdomain", "sandbox.local"])

interface Subscription {
  readonly name: string
  readonly schema: TelemetrySchema
  readonly types: ReadonlySet<TelemetryType>
  readonly buffering: Buffering
  readonly buffer: TelemetryBuffer
  readonly port: number
  readonly path: string
  waiting: boolean
  sending: Fiber.Fiber<void> | undefined
}

export interface TelemetrySurroundings {
  readonly nowMillis: () => number
  readonly run: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  readonly client: HttpClient
  /** Has the listener get what the worker prints from now on. */
  readonly listen: (listener: (line: OutputLine) => void) => void
}

export class TelemetryHub {
  readonly #around: TelemetrySurroundings
  readonly #openedAtMillis: number
  #subscriptions: ReadonlyArray<Subscription> = []
  #subject: TelemetrySubject | undefined
  #jsonLines = false
  #address = "127.0.0.1"
  #listens = false

  constructor(around: TelemetrySurroundings) {
    this.#around = around
    this.#openedAtMillis = around.nowMillis()
  }

  /** What there is to know of the worker before it starts. */
  about(subject: TelemetrySubject, jsonLines: boolean): void {
    this.#subject = subject
    this.#jsonLines = jsonLines
  }

  /** Says where the worker is. */
  admit(address: string): void {
    this.#address = address
  }

  /** `PUT /2022-07-01/telemetry` and `PUT /2020-08-15/logs`. An extension's later subscription takes the earlier one's place. */
  subscribe(name: string, schemas: ReadonlyArray<TelemetrySchema>, body: string): ExtensionRefusal | undefined {
    const request = decodeRequest(body)
    if (request._tag === "None") return invalid("Expected a subscription with types and an HTTP destination")
    const { buffering, destination, schemaVersion = schemas[0]!, types } = request.value
    if (!schemas.includes(schemaVersion)) return invalid(`schemaVersion ${schemaVersion} is not of this API`)
    const target = URL.canParse(destination.URI) ? new URL(destination.URI) : undefined
    if (target === undefined || target.protocol !== "http:" || !ownNames.has(target.hostname)) {
      return invalid(`The destination is not http://sandbox.localdomain:port: ${destination.URI}`)
    }
    const limits = { ...defaultBuffering, ...buffering }
    const subscription: Subscription = {
      name,
      schema: schemaVersion,
      types: new Set(types),
      buffering: limits,
      buffer: new TelemetryBuffer(limits),
      port: Number(target.port || 80),
      path: `${target.pathname}${target.search}`,
      waiting: false,
      sending: undefined
    }
    this.#subscriptions = [...this.#subscriptions.filter((other) => other.name !== name), subscription]
    if (!this.#listens) this.#around.listen((line) => this.#printed(line))
    this.#listens = true
    this.#tell(subscription, { is: "initStart" }, this.#openedAtMillis)
    this.happened({ is: "subscribed", name, types })
    return undefined
  }

  happened(happening: Happening): void {
    for (const subscription of this.#subscriptions) this.#tell(subscription, happening, this.#around.nowMillis())
  }

  #printed({ extension, text }: OutputLine): void {
    const type = extension === undefined ? "function" : "extension"
    for (const subscription of this.#subscriptions) {
      if (!subscription.types.has(type)) continue
      this.#put(subscription, lineRecord(type, text, this.#jsonLines), this.#around.nowMillis())
    }
  }

  /** Sends what there is, however little. */
  flush(): void {
    for (const subscription of this.#subscriptions) {
      subscription.buffer.close()
      this.#send(subscription)
    }
  }

  #tell(subscription: Subscription, happening: Happening, nowMillis: number): void {
    if (this.#subject === undefined || !subscription.types.has("platform")) return
    for (const record of recordsOf(subscription.schema, this.#subject, happening)) {
      this.#put(subscription, record, nowMillis)
    }
  }

  #put(subscription: Subscription, record: TelemetryRecord, nowMillis: number): void {
    const { buffer, buffering } = subscription
    // Told with the next record: by itself it would only be dropped in its turn.
    const dropped = buffer.takeDropped()
    if (dropped !== undefined) this.#tell(subscription, { is: "dropped", ...dropped }, nowMillis)
    if (buffer.add(JSON.stringify({ time: new Date(nowMillis).toISOString(), ...record }))) this.#send(subscription)
    if (!buffer.isOpen || subscription.waiting) return
    subscription.waiting = true
    this.#around.run(
      Effect.andThen(
        Effect.sleep(buffering.timeoutMs),
        Effect.sync(() => {
          subscription.waiting = false
          buffer.close()
          this.#send(subscription)
        })
      )
    )
  }

  /** One batch after the other, so that records arrive in their order. */
  #send(subscription: Subscription): void {
    if (subscription.sending !== undefined) return
    const batch = subscription.buffer.take()
    if (batch === undefined) return
    const post = Effect.suspend(() =>
      this.#around.client.send(
        { host: this.#address, port: subscription.port, secure: false },
        {
          method: "POST",
          path: subscription.path,
          headers: [["Content-Type", "application/json"]],
          body: Buffer.from(batch.body)
        }
      )
    )
    subscription.sending = this.#around.run(
      post.pipe(
        Effect.timeout(sendTimeout),
        Effect.match({
          onSuccess: () => {},
          onFailure: () => subscription.buffer.drop(batch)
        }),
        Effect.andThen(
          Effect.sync(() => {
            subscription.sending = undefined
            this.#send(subscription)
          })
        )
      )
    )
  }
}

const invalid = (errorMessage: string): ExtensionRefusal => ({
  status: 400,
  errorType: "ValidationError",
  errorMessage
})
