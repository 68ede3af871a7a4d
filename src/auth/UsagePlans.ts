/**
 * API keys and how much each may be used: out of a file that is read again when it changes, with the calls of a day, week
 * or month kept in the state folder.
 */
import { readFileSync } from "node:fs"
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { openDatabase } from "../control/Database.ts"
import { watchFile } from "../registry/watchFolder.ts"
import { addFileSource } from "../reload/FileSources.ts"
import { type ApiKey, type ApiKeys, digestOf, readApiKeys, type UsagePlan } from "./apiKeysFile.ts"
import { QuotaCounter, type StoredUsage, TokenBucket } from "./usage.ts"

/** The file of API keys cannot be used. */
export class ApiKeysUnusable extends Schema.TaggedError<ApiKeysUnusable>()("ApiKeysUnusable", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** The call may not be made. */
export class UsageRefused extends Schema.TaggedError<UsageRefused>()("UsageRefused", {
  /** `unknown`: the key is none, or none for this stage; `throttled`: too fast; `exhausted`: too many. */
  kind: Schema.Literals(["unknown", "throttled", "exhausted"]),
  /** One line for the log, without the key. */
  reason: Schema.String
}) {}

export interface UsagePlansOptions {
  /** Where the keys are. */
  readonly file: string
  /** Where calls are counted: a database of its own. */
  readonly database: string
  readonly watch?: boolean
}

export class UsagePlans extends Context.Service<
  UsagePlans,
  {
    /** Counts one call of the stage of an API, by the key whose value is `value`. What is refused is not counted. */
    readonly count: (value: string, apiId: string, stage: string) => Effect.Effect<ApiKey, UsageRefused>
  }
>()("irori/auth/UsagePlans") {
  static readonly layer = (options: UsagePlansOptions) =>
    Layer.effect(
      UsagePlans,
      Effect.gen(function* () {
        const keys = yield* watchedKeys(options)
        const quotas = yield* openQuotas(options.database)
        const buckets = new Map<string, TokenBucket>()

        const isThrottled = ({ id }: ApiKey, { name, throttle }: UsagePlan, now: number): boolean => {
          if (throttle === undefined) return false
          const place = JSON.stringify([id, name])
          const bucket = buckets.get(place) ?? new TokenBucket(throttle.burst, now)
          buckets.set(place, bucket)
          return !bucket.take(throttle, now)
        }

        return UsagePlans.of({
          count: Effect.fnUntraced(function* (value, apiId, stage) {
            const key = keys().get(digestOf(value))
            if (key === undefined) return yield* refuse("unknown", "its API key is not known")
            if (key.plans === undefined) return key
            const plan = key.plans.find(({ stages }) => isFor(stages, apiId, stage))
            if (plan === undefined) return yield* refuse("unknown", `the API key ${key.name} has no plan for it`)
            const now = yield* Clock.currentTimeMillis
            if (isThrottled(key, plan, now))
              return yield* refuse("throttled", `the API key ${key.name} is used too fast`)
            if (!quotas.take(key, plan, now)) {
              return yield* refuse("exhausted", `the API key ${key.name} has used all that ${plan.name} allows`)
            }
            return key
          })
        })
      })
    )

  /** No key is known. */
  static readonly layerNone = Layer.succeed(UsagePlans, {
    count: () => refuse("unknown", "there are no API keys: IRORI_API_KEYS_FILE names none")
  })
}

const refuse = (kind: UsageRefused["kind"], reason: string) => Effect.fail(new UsageRefused({ kind, reason }))

const isFor = (stages: UsagePlan["stages"], apiId: string, stage: string): boolean =>
  stages === undefined || stages.includes(stage) || stages.includes(`${apiId}/${stage}`)

/** The file must be good at the start; after that, one that breaks leaves the keys as they were. */
const watchedKeys = Effect.fnUntraced(function* ({ file, watch }: UsagePlansOptions) {
  const read = Effect.suspend(() => {
    const found = load(file)
    return typeof found === "string" ? Effect.fail(new ApiKeysUnusable({ detail: found })) : Effect.succeed(found)
  })
  let keys = yield* read
  let broken: string | undefined
  const reload = read.pipe(
    Effect.matchEffect({
      onSuccess: (found) => {
        keys = found
        broken = undefined
        return Effect.logInfo(`API keys: ${file} was read again`)
      },
      onFailure: ({ detail }) => {
        broken = detail
        return Effect.logWarning(`The API keys stay as they were. ${detail}`)
      }
    })
  )
  if (watch === true) yield* watchFile(file, reload)
  yield* addFileSource({ path: file, reload, problems: () => (broken === undefined ? [] : [{ detail: broken }]) })
  return () => keys
})

const load = (file: string): ApiKeys | string => {
  let text: string
  try {
    text = readFileSync(file, "utf8")
  } catch (cause) {
    return `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`
  }
  return readApiKeys(text, file)
}

const tables = {
  name: "usage",
  steps: [
    `CREATE TABLE usage (
      key TEXT NOT NULL, plan TEXT NOT NULL, period_millis INTEGER NOT NULL, calls INTEGER NOT NULL,
      PRIMARY KEY (key, plan)
    ) STRICT`
  ]
}

/** Quotas of keys in plans: counted here, kept in a database. */
const openQuotas = Effect.fnUntraced(function* (path: string) {
  const database = yield* openDatabase(path)
  yield* database.prepare(tables)
  const counters = new Map<string, { readonly counter: QuotaCounter; readonly write: (usage: StoredUsage) => void }>()

  const open = (keyId: string, plan: string) => {
    const row = database.get("SELECT period_millis, calls FROM usage WHERE key = ? AND plan = ?", keyId, plan)
    const stored = { periodMillis: Number(row?.period_millis ?? 0), calls: Number(row?.calls ?? 0) }
    const write = ({ calls, periodMillis }: StoredUsage) => {
      database.run(
        `INSERT INTO usage VALUES (?, ?, ?, ?)
         ON CONFLICT (key, plan) DO UPDATE SET period_millis = excluded.period_millis, calls = excluded.calls`,
        keyId,
        plan,
        periodMillis,
        calls
      )
    }
    return { counter: new QuotaCounter(stored), write }
  }

  // What was written ahead and not used is given back.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      database.transaction(() => {
        for (const { counter, write } of counters.values()) write(counter.usage)
      })
    })
  )

  return {
    take: ({ id }: ApiKey, { name, quota }: UsagePlan, nowMillis: number): boolean => {
      if (quota === undefined) return true
      const place = JSON.stringify([id, name])
      const { counter, write } = counters.get(place) ?? open(id, name)
      counters.set(place, { counter, write })
      return counter.take(quota, nowMillis, write)
    }
  }
})
