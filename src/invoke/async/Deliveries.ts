/**
 * Tells destinations what became of events: to a URL by POST, to a file by a line. What is to be told is in the store,
 * and stays there until it is told or has failed too often; so some may hear of an event twice.
 */
import { type FileHandle, mkdir, open } from "node:fs/promises"
import { dirname } from "node:path"
import { Clock, Duration, Effect, Metric, Schema } from "effect"
import { asyncDeliveries } from "../../metrics/metrics.ts"
import { HttpClient } from "../HttpClient.ts"
import * as Alarm from "./Alarm.ts"
import { type Destination, type DestinationOptions, readDestination } from "./Destination.ts"
import { deadLetterAttributes, deadLetterMessage, destinationRecord, eventBridgeEvent } from "./destinationRecord.ts"
import type { EventQueue } from "./EventQueue.ts"
import type { Delivery, EventStore, Outcome } from "./EventStore.ts"

/** It was not taken. */
export class DeliveryFailed extends Schema.TaggedError<DeliveryFailed>()("DeliveryFailed", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export interface Deliveries {
  /** There is something to be told. */
  readonly wake: () => void
  /** Tells what is due, for ever. */
  readonly run: Effect.Effect<never>
}

/** About an hour, with the pauses between them. */
const maxTries = 20
const firstBackoffMillis = 1000
const maxBackoffMillis = 5 * 60_000
const httpTimeout = Duration.seconds(10)
/** Looked at together; of one target one after the other. */
const batch = 64

export const make = Effect.fnUntraced(function* (store: EventStore, queue: EventQueue, options: DestinationOptions) {
  const http = yield* HttpClient.make
  const clock = yield* Clock.Clock
  const alarm = yield* Alarm.make
  const now = () => clock.currentTimeMillisUnsafe()

  const send = (destination: Destination, delivery: Delivery, outcome: Outcome) => {
    if (destination._tag === "File") return append(destination.path, line(delivery, outcome, options))
    if (destination._tag === "Http") return post(http, destination, delivery, outcome, options)
    return Effect.fail(new DeliveryFailed({ detail: "It is a function, which is invoked and not told." }))
  }

  const written = (apply: (store: EventStore) => void) =>
    Effect.callback<void>((resume) => queue.write(apply, () => resume(Effect.void)))

  const ended = Effect.fnUntraced(function* (delivery: Delivery, isDelivered: boolean) {
    let result: "forgotten" | "kept" | undefined
    yield* written((store) => {
      result = store.endDelivery(delivery, isDelivered)
    })
    if (result !== undefined) queue.told(result)
    yield* Metric.update(asyncDeliveries(isDelivered ? "delivered" : "given_up"), 1)
  })

  /** False where its target takes nothing at the moment. */
  const deliver = Effect.fnUntraced(function* (delivery: Delivery) {
    const outcome = store.outcome(delivery.outcomeId)
    if (outcome === undefined) {
      yield* ended(delivery, true)
      return true
    }
    const destination = readDestination(delivery.target, options)
    const sending =
      destination === undefined
        ? Effect.fail(new DeliveryFailed({ detail: "It leads nowhere any more." }))
        : send(destination, delivery, outcome)
    const failure = yield* Effect.match(sending, { onSuccess: () => undefined, onFailure: (error) => error })
    if (failure === undefined) {
      yield* ended(delivery, true)
      return true
    }
    const about = Effect.annotateLogs({
      function_name: outcome.invocation.functionName,
      aws_request_id: outcome.invocation.requestId,
      target: delivery.target,
      tries: delivery.tries + 1
    })
    if (destination === undefined || delivery.tries + 1 >= maxTries) {
      yield* Effect.logError(`Gave up telling a destination what became of an event: ${failure.message}`).pipe(about)
      yield* ended(delivery, false)
      return true
    }
    yield* Effect.logWarning(`A destination did not take what became of an event: ${failure.message}`).pipe(about)
    const pause = Math.min(firstBackoffMillis * 2 ** Math.min(delivery.tries, 10), maxBackoffMillis)
    yield* written((store) => store.postponeDelivery(delivery, now() + pause))
    yield* Metric.update(asyncDeliveries("retried"), 1)
    return false
  })

  const tellDue = Effect.suspend(() => {
    const byTarget = Map.groupBy(store.dueDeliveries(now(), batch), ({ target }) => target)
    return Effect.forEach(
      byTarget.values(),
      Effect.fnUntraced(function* (deliveries: ReadonlyArray<Delivery>) {
        for (const delivery of deliveries) if (!(yield* deliver(delivery))) return
      }),
      { concurrency: "unbounded", discard: true }
    )
  })

  const deliveries: Deliveries = {
    wake: () => alarm.set(now()),
    run: alarm.run(() => store.nextDeliveryMillis(), tellDue)
  }
  return deliveries
})

const body = (
  destination: { readonly arn?: string },
  { kind }: Delivery,
  outcome: Outcome,
  { owner }: DestinationOptions
) => {
  if (kind === "event") return new TextDecoder().decode(outcome.invocation.payload)
  const isBus = destination.arn?.split(":")[2] === "events"
  return isBus ? eventBridgeEvent(outcome, owner, destination.arn ?? "") : destinationRecord(outcome, owner)
}

const line = (delivery: Delivery, outcome: Outcome, options: DestinationOptions): string =>
  delivery.kind === "event" ? deadLetterMessage(outcome) : destinationRecord(outcome, options.owner)

const post = (
  http: HttpClient,
  destination: Extract<Destination, { readonly _tag: "Http" }>,
  delivery: Delivery,
  outcome: Outcome,
  options: DestinationOptions
) => {
  const { url } = destination
  const secure = url.protocol === "https:"
  const address = {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
    secure
  }
  // A header has no room for what is not ASCII.
  const attributes: ReadonlyArray<readonly [string, string]> =
    delivery.kind === "event"
      ? Object.entries(deadLetterAttributes(outcome)).map(([name, value]) => [name, encodeURIComponent(value)] as const)
      : []
  const request = {
    method: "POST" as const,
    path: `${url.pathname}${url.search}`,
    headers: [["Content-Type", "application/json"] as const, ...attributes],
    body: new TextEncoder().encode(body(destination, delivery, outcome, options))
  }
  return http.send(address, request).pipe(
    Effect.mapError((error) => new DeliveryFailed({ detail: String(error.cause) })),
    Effect.timeoutOrElse({
      duration: httpTimeout,
      orElse: () => Effect.fail(new DeliveryFailed({ detail: `no answer within ${Duration.format(httpTimeout)}` }))
    }),
    Effect.flatMap(({ status }) =>
      status >= 200 && status < 300
        ? Effect.void
        : Effect.fail(new DeliveryFailed({ detail: `it answered with status ${status}` }))
    )
  )
}

/** The line is on the disk when this succeeds. What a write that was cut short has left gets a line of its own. */
const append = (path: string, text: string) =>
  Effect.tryPromise({
    try: async () => {
      await mkdir(dirname(path), { recursive: true })
      const file = await open(path, "a+")
      try {
        await file.appendFile(`${(await endsInLine(file)) ? "" : "\n"}${text}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
    },
    catch: (cause) => new DeliveryFailed({ detail: cause instanceof Error ? cause.message : String(cause) })
  })

const endsInLine = async (file: FileHandle): Promise<boolean> => {
  const { size } = await file.stat()
  if (size === 0) return true
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer[0] === 0x0a
}
