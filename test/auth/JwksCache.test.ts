import { expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { beforeAll } from "vitest"
import { JwksCache } from "../../src/auth/JwksCache.ts"
import { issuer, type Key, newKey, publisher } from "./issuer.ts"

let one: Key
let two: Key
beforeAll(async () => {
  one = await newKey("one")
  two = await newKey("two")
})

const keyOf = (keyId: string, from = issuer) => JwksCache.use((cache) => cache.keyOf(from, "RS256", keyId))
const failureOf = (keyId: string) => Effect.map(Effect.flip(keyOf(keyId)), ({ _tag }) => _tag)

it.effect("reads the keys from where the issuer says, once", () => {
  const { fetchJson, state } = publisher([one])
  return Effect.gen(function* () {
    yield* Effect.all([keyOf("one"), keyOf("one"), keyOf("one")], { concurrency: "unbounded" })
    yield* keyOf("one")
    expect(state.asked).toEqual([`${issuer}/.well-known/openid-configuration`, `${issuer}/keys`])
  }).pipe(Effect.provide(JwksCache.layer(fetchJson)))
})

it.effect("reads them from the place that Cognito has, where the issuer does not say", () => {
  const asked: Array<string> = []
  const fetchJson = async (url: string) => {
    asked.push(url)
    if (url.endsWith("openid-configuration")) throw new Error("404")
    return { keys: [one.jwk] }
  }
  return Effect.gen(function* () {
    yield* keyOf("one", "http://localhost:9999/")
    expect(asked[1]).toBe("http://localhost:9999/.well-known/jwks.json")
  }).pipe(Effect.provide(JwksCache.layer(fetchJson)))
})

it.effect("asks again for a key that it does not know, but not as often as strangers like", () => {
  const keys = [one]
  const { fetchJson, state } = publisher(keys)
  return Effect.gen(function* () {
    yield* keyOf("one")
    keys.push(two)
    yield* keyOf("two")
    expect(state.asked).toHaveLength(4)
    for (const stranger of ["a", "b", "c"]) expect(yield* failureOf(stranger)).toBe("KeyUnknown")
    expect(state.asked).toHaveLength(4)
    yield* TestClock.adjust("29999 millis")
    expect(yield* failureOf("d")).toBe("KeyUnknown")
    expect(state.asked).toHaveLength(4)
    yield* TestClock.adjust("1 millis")
    expect(yield* failureOf("e")).toBe("KeyUnknown")
    expect(state.asked).toHaveLength(6)
  }).pipe(Effect.provide(JwksCache.layer(fetchJson)))
})

it.effect("gives up a key that the issuer has taken back", () => {
  const keys = [one, two]
  const { fetchJson } = publisher(keys)
  return Effect.gen(function* () {
    yield* keyOf("two")
    keys.pop()
    yield* TestClock.adjust("14 minutes")
    yield* keyOf("two")
    yield* TestClock.adjust("1 minute")
    expect(yield* failureOf("two")).toBe("KeyUnknown")
  }).pipe(Effect.provide(JwksCache.layer(fetchJson)))
})

it.effect("keeps the keys of an issuer that is down, and asks it now and then", () => {
  const { fetchJson, state } = publisher([one])
  return Effect.gen(function* () {
    yield* keyOf("one")
    state.failing = "connection refused"
    yield* TestClock.adjust("1 day")
    yield* keyOf("one")
    const asked = state.asked.length
    yield* keyOf("one")
    expect(state.asked).toHaveLength(asked)
    yield* TestClock.adjust("5 seconds")
    yield* keyOf("one")
    expect(state.asked.length).toBeGreaterThan(asked)
  }).pipe(Effect.provide(JwksCache.layer(fetchJson)))
})

it.effect("has no keys of an issuer that was never reached, until it is", () => {
  const { fetchJson, state } = publisher([one])
  state.failing = "connection refused"
  return Effect.gen(function* () {
    expect(yield* failureOf("one")).toBe("IssuerUnreachable")
    state.failing = undefined
    expect(yield* failureOf("one")).toBe("IssuerUnreachable")
    yield* TestClock.adjust("5 seconds")
    yield* keyOf("one")
  }).pipe(Effect.provide(JwksCache.layer(fetchJson)))
})

it.effect("waits three seconds for an issuer that hangs, and goes on when the first who asked has left", () => {
  const { fetchJson, state } = publisher([one])
  return Effect.gen(function* () {
    yield* keyOf("one")
    state.hanging = true
    yield* TestClock.adjust("1 hour")
    const first = yield* Effect.forkChild(keyOf("one"), { startImmediately: true })
    const second = yield* Effect.forkChild(keyOf("one"), { startImmediately: true })
    yield* Fiber.interrupt(first)
    yield* TestClock.adjust("2999 millis")
    expect(second.pollUnsafe()).toBeUndefined()
    yield* TestClock.adjust("1 millis")
    yield* Fiber.join(second)
  }).pipe(Effect.provide(JwksCache.layer(fetchJson)))
})

it.effect("takes no key that is for another algorithm, and no set that is none", () => {
  const fetchJson = async () => ({ keys: [{ ...one.jwk, alg: "RS512" }] })
  return Effect.gen(function* () {
    expect(yield* failureOf("one")).toBe("KeyUnknown")
  }).pipe(
    Effect.provide(JwksCache.layer(fetchJson)),
    Effect.andThen(
      Effect.gen(function* () {
        expect(yield* failureOf("one")).toBe("IssuerUnreachable")
      }).pipe(Effect.provide(JwksCache.layer(async () => ({ keys: "none" }))))
    )
  )
})
