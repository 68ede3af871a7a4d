/**
 * What a function says of its asynchronous events, for each qualifier they are sent to: how often and how long they are
 * tried, and who is told what became of them (`LAMBDA-CONTRACT.md` sections 9 and 10.8).
 */
import { Clock, Context, Effect, Layer } from "effect"
import { functionArn, type Qualifier } from "../domain/FunctionName.ts"
import type { FunctionReference } from "../domain/FunctionReference.ts"
import { type DestinationOptions, readDestination } from "../invoke/async/Destination.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { ControlDatabase, type Row, type Tables } from "./Database.ts"
import { InvalidParameterValue, ResourceNotFound } from "./refusals.ts"

/** What is not set is Lambda's default. */
export interface EventInvokeSettings {
  readonly maxRetries?: number
  readonly maxAgeSeconds?: number
  /** ARNs or URLs. */
  readonly onSuccess?: string
  readonly onFailure?: string
}

export interface EventInvokeChange {
  readonly MaximumRetryAttempts?: number | undefined
  readonly MaximumEventAgeInSeconds?: number | undefined
  readonly DestinationConfig?: DestinationConfig | undefined
}

interface DestinationConfig {
  readonly OnSuccess?: { readonly Destination?: string | undefined } | undefined
  readonly OnFailure?: { readonly Destination?: string | undefined } | undefined
}

/** As the API answers with it. */
export interface FunctionEventInvokeConfig {
  /** Always with a qualifier. */
  readonly FunctionArn: string
  /** Unix seconds, with a fraction. */
  readonly LastModified: number
  readonly DestinationConfig: DestinationConfig
  readonly MaximumRetryAttempts?: number
  readonly MaximumEventAgeInSeconds?: number
}

export interface EventInvokeConfigPage {
  readonly FunctionEventInvokeConfigs: ReadonlyArray<FunctionEventInvokeConfig>
  readonly NextMarker?: string
}

export class EventInvokeConfigs extends Context.Service<
  EventInvokeConfigs,
  {
    /** Of events that are sent to this qualifier; without one, to `$LATEST`. */
    readonly settingsOf: (name: string, qualifier?: Qualifier) => EventInvokeSettings
    /** Takes the place of all that was set. */
    readonly put: (
      reference: FunctionReference,
      change: EventInvokeChange
    ) => Effect.Effect<FunctionEventInvokeConfig, InvalidParameterValue | ResourceNotFound>
    /** What `change` leaves out stays. */
    readonly update: (
      reference: FunctionReference,
      change: EventInvokeChange
    ) => Effect.Effect<FunctionEventInvokeConfig, InvalidParameterValue | ResourceNotFound>
    readonly get: (reference: FunctionReference) => Effect.Effect<FunctionEventInvokeConfig, ResourceNotFound>
    readonly remove: (reference: FunctionReference) => Effect.Effect<void, ResourceNotFound>
    /** By qualifier, from after the one that `marker` says. */
    readonly list: (
      name: string,
      page: { readonly marker?: string | undefined; readonly maxItems?: number | undefined }
    ) => Effect.Effect<EventInvokeConfigPage, ResourceNotFound>
  }
>()("irori/control/EventInvokeConfigs") {
  static readonly layer = (options: DestinationOptions) => Layer.effect(EventInvokeConfigs, make(options))
}

const tables: Tables = {
  name: "event invoke configurations",
  steps: [
    `CREATE TABLE event_invoke_configs (
       function TEXT NOT NULL,
       qualifier TEXT NOT NULL,
       modified_millis INTEGER NOT NULL,
       max_retries INTEGER,
       max_age_seconds INTEGER,
       on_success TEXT,
       on_failure TEXT,
       PRIMARY KEY (function, qualifier)
     ) STRICT`
  ]
}

const maxPage = 50

const make = Effect.fnUntraced(function* (options: DestinationOptions) {
  const database = yield* ControlDatabase
  const registry = yield* FunctionRegistry
  yield* database.prepare(tables)

  const rowOf = (name: string, qualifier: Qualifier = "$LATEST") =>
    database.get("SELECT * FROM event_invoke_configs WHERE function = ? AND qualifier = ?", name, qualifier)

  const answer = (row: Row): FunctionEventInvokeConfig => {
    const { maxAgeSeconds, maxRetries, onFailure, onSuccess } = settings(row)
    return {
      FunctionArn: functionArn(options.owner, String(row.function), String(row.qualifier)),
      LastModified: Number(row.modified_millis) / 1000,
      DestinationConfig: {
        OnSuccess: onSuccess === undefined ? {} : { Destination: onSuccess },
        OnFailure: onFailure === undefined ? {} : { Destination: onFailure }
      },
      ...(maxRetries === undefined ? {} : { MaximumRetryAttempts: maxRetries }),
      ...(maxAgeSeconds === undefined ? {} : { MaximumEventAgeInSeconds: maxAgeSeconds })
    }
  }

  /** One that cannot run is there all the same. */
  const exists = (name: string, qualifier?: Qualifier) =>
    registry.get(name, qualifier).pipe(
      Effect.as(true),
      Effect.catchTag("FunctionUnusable", () => Effect.succeed(true)),
      Effect.catchTag("FunctionNotFound", () => Effect.succeed(false))
    )

  const demandFunction = Effect.fnUntraced(function* (name: string, qualifier?: Qualifier) {
    if (!(yield* exists(name, qualifier))) {
      return yield* new ResourceNotFound({ detail: "The function doesn't exist." })
    }
  })

  const notConfigured = ({ name, qualifier }: FunctionReference) =>
    new ResourceNotFound({
      detail: `The function ${functionArn(options.owner, name, qualifier ?? "$LATEST")} doesn't have an EventInvokeConfig`
    })

  const demandDestinations = Effect.fnUntraced(function* (name: string, wanted: EventInvokeSettings) {
    for (const target of [wanted.onFailure, wanted.onSuccess]) {
      if (target === undefined) continue
      const destination = readDestination(target, options)
      if (destination?._tag === "Function" || isFunctionArn(target)) {
        if (destination?._tag !== "Function" || !(yield* exists(destination.name, destination.qualifier))) {
          return yield* new InvalidParameterValue({ detail: `The destination ARN ${target} is invalid.` })
        }
        if (destination.name === name) {
          return yield* new InvalidParameterValue({
            detail: "You can't specify the function as a destination for itself."
          })
        }
      } else if (destination === undefined) {
        return yield* new InvalidParameterValue({
          detail: `The provided destination config DestinationConfig(onSuccess=${printed("OnSuccess", wanted.onSuccess)}, onFailure=${printed("OnFailure", wanted.onFailure)}) is invalid.`
        })
      }
    }
  })

  const demandSomething = (change: EventInvokeChange) =>
    change.MaximumRetryAttempts === undefined &&
    change.MaximumEventAgeInSeconds === undefined &&
    change.DestinationConfig === undefined
      ? Effect.fail(
          new InvalidParameterValue({
            detail: "You must specify at least one of error handling or destination setting."
          })
        )
      : Effect.void

  const write = Effect.fnUntraced(function* (
    { name, qualifier = "$LATEST" }: FunctionReference,
    wanted: EventInvokeSettings
  ) {
    const modifiedMillis = yield* Clock.currentTimeMillis
    database.transaction(() =>
      database.run(
        "INSERT OR REPLACE INTO event_invoke_configs VALUES (?, ?, ?, ?, ?, ?, ?)",
        name,
        qualifier,
        modifiedMillis,
        wanted.maxRetries ?? null,
        wanted.maxAgeSeconds ?? null,
        wanted.onSuccess ?? null,
        wanted.onFailure ?? null
      )
    )
    return answer(rowOf(name, qualifier)!)
  })

  return EventInvokeConfigs.of({
    settingsOf: (name, qualifier) => {
      const row = rowOf(name, qualifier)
      return row === undefined ? {} : settings(row)
    },
    put: Effect.fnUntraced(function* (reference, change) {
      yield* demandSomething(change)
      yield* demandFunction(reference.name, reference.qualifier)
      const wanted = changed({}, change)
      yield* demandDestinations(reference.name, wanted)
      return yield* write(reference, wanted)
    }),
    update: Effect.fnUntraced(function* (reference, change) {
      yield* demandSomething(change)
      yield* demandFunction(reference.name, reference.qualifier)
      const row = rowOf(reference.name, reference.qualifier)
      if (row === undefined) return yield* notConfigured(reference)
      const wanted = changed(settings(row), change)
      if (change.DestinationConfig !== undefined) yield* demandDestinations(reference.name, wanted)
      return yield* write(reference, wanted)
    }),
    get: Effect.fnUntraced(function* (reference) {
      const row = rowOf(reference.name, reference.qualifier)
      return row === undefined ? yield* notConfigured(reference) : answer(row)
    }),
    remove: Effect.fnUntraced(function* (reference) {
      const { name, qualifier = "$LATEST" } = reference
      const count = database.transaction(() =>
        database.run("DELETE FROM event_invoke_configs WHERE function = ? AND qualifier = ?", name, qualifier)
      )
      if (count === 0) return yield* notConfigured(reference)
    }),
    list: Effect.fnUntraced(function* (name, { marker = "", maxItems = maxPage }) {
      yield* demandFunction(name)
      const rows = database.all(
        "SELECT * FROM event_invoke_configs WHERE function = ? AND qualifier > ? ORDER BY qualifier LIMIT ?",
        name,
        marker,
        maxItems + 1
      )
      const last = rows.length > maxItems ? rows[maxItems - 1] : undefined
      return {
        FunctionEventInvokeConfigs: rows.slice(0, maxItems).map(answer),
        ...(last === undefined ? {} : { NextMarker: String(last.qualifier) })
      }
    })
  })
})

const isFunctionArn = (target: string): boolean => target.startsWith("arn:") && target.split(":")[2] === "lambda"

const printed = (name: string, target: string | undefined): string =>
  target === undefined ? "null" : `${name}(destination=${target})`

const settings = (row: Row): EventInvokeSettings => ({
  ...(row.max_retries === null ? {} : { maxRetries: Number(row.max_retries) }),
  ...(row.max_age_seconds === null ? {} : { maxAgeSeconds: Number(row.max_age_seconds) }),
  ...(row.on_success === null ? {} : { onSuccess: String(row.on_success) }),
  ...(row.on_failure === null ? {} : { onFailure: String(row.on_failure) })
})

/** Destinations are changed together. An empty one is none. */
const changed = (before: EventInvokeSettings, change: EventInvokeChange): EventInvokeSettings => {
  const maxRetries = change.MaximumRetryAttempts ?? before.maxRetries
  const maxAgeSeconds = change.MaximumEventAgeInSeconds ?? before.maxAgeSeconds
  const destinations = change.DestinationConfig
  const onSuccess = destinations === undefined ? before.onSuccess : destinations.OnSuccess?.Destination
  const onFailure = destinations === undefined ? before.onFailure : destinations.OnFailure?.Destination
  return {
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
    ...(onSuccess === undefined || onSuccess === "" ? {} : { onSuccess }),
    ...(onFailure === undefined || onFailure === "" ? {} : { onFailure })
  }
}
