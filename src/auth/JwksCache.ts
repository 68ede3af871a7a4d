/**
 * The keys of issuers of tokens, read from where each publishes them and kept. An issuer that cannot be reached leaves
 * the keys as they were. What a token says is not its business.
 */
import { Clock, Context, Deferred, Effect, Layer, Schema } from "effect"
import type { CryptoKey, JSONWebKeySet, LocalJWKSet } from "jose"
import { isRecord } from "../domain/json.ts"

/** No keys of the issuer were ever read. */
export class IssuerUnreachable extends Schema.TaggedError<IssuerUnreachable>()("IssuerUnreachable", {
  issuer: Schema.String,
  /** One line for the log. */
  detail: Schema.String
}) {}

/** The issuer has no such key, or had none when it was last asked. */
export class KeyUnknown extends Schema.TaggedError<KeyUnknown>()("KeyUnknown", {}) {}

/** Reads the JSON at a URL. */
export type FetchJson = (url: string, signal: AbortSignal) => Promise<unknown>

/** Keys are read again after so long: one that the issuer has taken back is good for no longer. */
const maxAgeMillis = 15 * 60_000
/** After a key that the issuer did not have either: strangers do not decide how often it is asked. */
const unknownPauseMillis = 30_000
/** After the issuer could not be read. */
const failedPauseMillis = 5_000
const fetchTimeout = "3 seconds"
const maxBytes = 1024 * 1024

interface Issuer {
  keys: LocalJWKSet | undefined
  ids: ReadonlySet<string>
  readMillis: number
  /** Not asked before, but for keys that are too old. */
  notBeforeMillis: number
  /** Why it could not be read when it was last asked. */
  failure: string | undefined
  reading: Deferred.Deferred<void> | undefined
}

export class JwksCache extends Context.Service<
  JwksCache,
  {
    /** The key that `issuer` has under `keyId`, for signatures of `algorithm`. Waits while it is asked, for a few seconds. */
    readonly keyOf: (
      issuer: string,
      algorithm: string,
      keyId: string
    ) => Effect.Effect<CryptoKey, IssuerUnreachable | KeyUnknown>
  }
>()("irori/auth/JwksCache") {
  static readonly layer = (fetchJson: FetchJson = fetchPublished) =>
    Layer.effect(
      JwksCache,
      Effect.gen(function* () {
        const scope = yield* Effect.scope
        const issuers = new Map<string, Issuer>()

        const read = Effect.fnUntraced(function* (name: string, issuer: Issuer, done: Deferred.Deferred<void>) {
          const outcome = yield* Effect.tryPromise({
            try: (signal) => readKeys(name, fetchJson, signal),
            catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
          }).pipe(
            Effect.timeoutOrElse({ duration: fetchTimeout, orElse: () => Effect.fail(`no answer in ${fetchTimeout}`) }),
            Effect.result
          )
          const now = yield* Clock.currentTimeMillis
          if (outcome._tag === "Success") {
            Object.assign(issuer, { ...outcome.success, readMillis: now, failure: undefined })
          } else {
            Object.assign(issuer, { failure: outcome.failure, notBeforeMillis: now + failedPauseMillis })
            const kept = issuer.keys === undefined ? "" : ": its keys stay as they were"
            yield* Effect.logWarning(`The keys of ${name} cannot be read${kept}. ${outcome.failure}`)
          }
          issuer.reading = undefined
          yield* Deferred.succeed(done, undefined)
        })

        /** One reading for all who wait, which goes on when they leave. */
        const reread = Effect.fnUntraced(function* (name: string, issuer: Issuer) {
          yield* Deferred.await(issuer.reading ?? (yield* start(name, issuer)))
        })

        const start = (name: string, issuer: Issuer) =>
          Effect.uninterruptible(
            Effect.suspend(() => {
              const done = Deferred.makeUnsafe<void>()
              issuer.reading = done
              return Effect.as(Effect.forkIn(Effect.interruptible(read(name, issuer, done)), scope), done)
            })
          )

        const keyOf = Effect.fnUntraced(function* (name: string, algorithm: string, keyId: string) {
          const issuer = issuers.get(name) ?? newIssuer()
          issuers.set(name, issuer)
          const now = yield* Clock.currentTimeMillis
          const isOld = issuer.keys === undefined || now - issuer.readMillis >= maxAgeMillis
          const mayAsk = issuer.reading !== undefined || now >= issuer.notBeforeMillis
          if (isOld && mayAsk) yield* reread(name, issuer)
          else if (!issuer.ids.has(keyId) && mayAsk) {
            issuer.notBeforeMillis = now + unknownPauseMillis
            yield* reread(name, issuer)
          }
          const { keys } = issuer
          if (keys === undefined) {
            return yield* new IssuerUnreachable({ issuer: name, detail: issuer.failure ?? "it was not asked" })
          }
          if (!issuer.ids.has(keyId)) return yield* new KeyUnknown()
          // A key of another kind, or for another purpose, is as good as none.
          return yield* Effect.tryPromise({
            try: () => keys({ alg: algorithm, kid: keyId }),
            catch: () => new KeyUnknown()
          })
        })

        return JwksCache.of({ keyOf })
      })
    )
}

const newIssuer = (): Issuer => ({
  keys: undefined,
  ids: new Set(),
  readMillis: Number.NEGATIVE_INFINITY,
  notBeforeMillis: Number.NEGATIVE_INFINITY,
  failure: undefined,
  reading: undefined
})

/** From where the issuer's own document says that they are, or, without one, from where Cognito has them. */
const readKeys = async (
  issuer: string,
  fetchJson: FetchJson,
  signal: AbortSignal
): Promise<Pick<Issuer, "keys" | "ids">> => {
  const base = issuer.replace(/\/+$/, "")
  const discovered = await fetchJson(`${base}/.well-known/openid-configuration`, signal).catch(() => undefined)
  const uri = isRecord(discovered) ? discovered.jwks_uri : undefined
  const published = await fetchJson(typeof uri === "string" ? uri : `${base}/.well-known/jwks.json`, signal)
  if (!isKeySet(published)) throw new Error("what is there is no key set")
  // Not in memory where no issuer is asked.
  const { createLocalJWKSet } = await import("jose")
  const ids = published.keys.map(({ kid }) => kid).filter((kid) => typeof kid === "string")
  return { keys: createLocalJWKSet(published), ids: new Set(ids) }
}

const isKeySet = (value: unknown): value is JSONWebKeySet =>
  isRecord(value) && Array.isArray(value.keys) && value.keys.every(isRecord)

const fetchPublished: FetchJson = async (url, signal) => {
  const response = await fetch(url, { signal, headers: { accept: "application/json" } })
  if (!response.ok) {
    await response.body?.cancel()
    throw new Error(`${url} answers ${response.status}`)
  }
  const text = await response.text()
  if (text.length > maxBytes) throw new Error(`${url} has more than ${maxBytes} bytes`)
  return JSON.parse(text)
}
