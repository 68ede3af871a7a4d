import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import { afterEach, beforeEach, describe } from "vitest"
import * as Authorizers from "../../src/auth/Authorizers.ts"
import { JwksCache } from "../../src/auth/JwksCache.ts"
import { SignIn } from "../../src/auth/SignIn.ts"
import { UsagePlans } from "../../src/auth/UsagePlans.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { type Authorized, RouteAuthorizer, type RouteCall } from "../../src/routing/RouteAuthorizer.ts"
import { authorizers, httpCall, owner, restCall } from "./calls.ts"

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "irori-keys-"))
})
afterEach(() => rmSync(folder, { recursive: true }))

const shop = "shop-key-that-is-long-enough"
const other = "other-key-that-is-long-enough"

const write = (text: string) => writeFileSync(join(folder, "keys.yml"), text)

const plansLayer = () => UsagePlans.layer({ file: join(folder, "keys.yml"), database: join(folder, "usage.db") })

/** One start of the program: what runs in it ends with it. */
const running = <A, E>(work: Effect.Effect<A, E, UsagePlans>) =>
  Effect.scoped(Effect.flatMap(Layer.build(plansLayer()), (context) => Effect.provideContext(work, context)))

const count = (value = shop, stage = "prod", apiId = "abc123") =>
  UsagePlans.use((plans) => plans.count(value, apiId, stage)).pipe(
    Effect.map(({ name }) => name),
    Effect.catch(({ kind }) => Effect.succeed(kind))
  )

const counts = (times: number, value = shop) => Effect.forEach(Array.from({ length: times }), () => count(value))

describe("API keys", () => {
  it.effect("are good everywhere without plans, and for the stages of those they have", () => {
    write(`
      keys:
        - { name: everywhere, value: everywhere-key-long-enough }
        - { name: shop, value: ${shop}, plans: [one, two] }
        - { name: nowhere, value: ${other}, plans: [] }
        - { name: disabled, value: disabled-key-long-enough, enabled: false }
      plans:
        one: { stages: [abc123/prod] }
        two: { stages: [test] }`)
    return running(
      Effect.gen(function* () {
        expect(yield* count("everywhere-key-long-enough", "any", "any")).toBe("everywhere")
        expect(yield* count(shop)).toBe("shop")
        expect(yield* count(shop, "test", "any")).toBe("shop")
        expect(yield* count(shop, "prod", "other1")).toBe("unknown")
        expect(yield* count(other)).toBe("unknown")
        expect(yield* count("disabled-key-long-enough")).toBe("unknown")
        expect(yield* count("a-key-that-nobody-has-ever")).toBe("unknown")
      })
    )
  })

  it.effect("may be used in bursts, and then at their rate", () => {
    write(`
      keys:
        - { name: shop, value: ${shop}, plans: [slow] }
        - { name: other, value: ${other}, plans: [slow] }
      plans: { slow: { rate: 2, burst: 3 } }`)
    return running(
      Effect.gen(function* () {
        expect(yield* counts(4)).toEqual(["shop", "shop", "shop", "throttled"])
        expect(yield* count(other)).toBe("other")
        yield* TestClock.adjust("499 millis")
        expect(yield* count()).toBe("throttled")
        yield* TestClock.adjust("1 millis")
        expect(yield* counts(2)).toEqual(["shop", "throttled"])
        yield* TestClock.adjust("1 hour")
        expect(yield* counts(4)).toEqual(["shop", "shop", "shop", "throttled"])
      })
    )
  })

  it.effect.each<readonly [string, string, string]>([
    ["DAY", "2026-03-04T23:59:59.999Z", "2026-03-05T00:00:00Z"],
    ["WEEK", "2026-03-07T23:59:59.999Z", "2026-03-08T00:00:00Z"],
    ["MONTH", "2026-03-31T23:59:59.999Z", "2026-04-01T00:00:00Z"]
  ])("may be used so often a %s", ([period, last, next]) => {
    write(`
      keys: [{ name: shop, value: ${shop}, plans: [few] }]
      plans: { few: { quota: { limit: 2, period: ${period} } } }`)
    return running(
      Effect.gen(function* () {
        yield* TestClock.setTime(Date.parse("2026-03-04T12:00:00Z"))
        expect(yield* counts(3)).toEqual(["shop", "shop", "exhausted"])
        yield* TestClock.setTime(Date.parse(last))
        expect(yield* count()).toBe("exhausted")
        yield* TestClock.setTime(Date.parse(next))
        expect(yield* counts(3)).toEqual(["shop", "shop", "exhausted"])
      })
    )
  })

  it.effect("that were used too fast have not used their quota", () => {
    write(`
      keys: [{ name: shop, value: ${shop}, plans: [both] }]
      plans: { both: { rate: 1, burst: 1, quota: { limit: 2, period: DAY } } }`)
    return running(
      Effect.gen(function* () {
        expect(yield* counts(3)).toEqual(["shop", "throttled", "throttled"])
        yield* TestClock.adjust("1 second")
        expect(yield* count()).toBe("shop")
        yield* TestClock.adjust("1 second")
        expect(yield* count()).toBe("exhausted")
      })
    )
  })

  it.effect("are counted across a restart, to the call", () => {
    write(`
      keys: [{ name: shop, value: ${shop}, plans: [many] }]
      plans: { many: { quota: { limit: 1000, period: DAY } } }`)
    return Effect.gen(function* () {
      yield* running(counts(3))
      yield* running(counts(994))
      expect(yield* running(counts(4))).toEqual(["shop", "shop", "shop", "exhausted"])
    })
  })

  it.effect("have lost a few calls and won none when the program was killed", () => {
    write(`
      keys: [{ name: shop, value: ${shop}, plans: [many] }]
      plans: { many: { quota: { limit: 1000, period: DAY } } }`)
    return running(
      Effect.gen(function* () {
        yield* counts(995)
        // What another process finds at this moment is what it would find after a crash.
        const left = yield* running(counts(6))
        expect(left.filter((name) => name === "shop").length).toBeLessThanOrEqual(5)
        expect(left.at(-1)).toBe("exhausted")
      })
    )
  })
})

describe("a file of API keys", () => {
  it.effect.each<readonly [string, RegExp]>([
    ["keys: [", /is no YAML that can be read/],
    ["keys: {}", /keys: Expected a list/],
    [`keys: [{ value: ${shop} }]`, /keys\.0\.name: Expected a text/],
    ["keys: [{ name: a, value: short-secret }]", /keys\.0\.value: Expected at least 20 characters/],
    ["keys: [{ name: a, value: 12345678901234567890 }]", /keys\.0\.value: Expected a text; numbers need quotes/],
    [`keys: [{ name: a, value: ${shop}, plans: [none] }]`, /keys\.0\.plans\.0: there is no such plan/],
    [`keys: [{ name: a, value: ${shop} }, { name: b, value: ${shop} }]`, /keys\.1\.value: there is another key/],
    [`keys: [{ name: a, value: ${shop} }, { name: a, value: ${other} }]`, /keys\.1: there is another key of this name/],
    [`keys: [{ name: a, value: ${shop}, limit: 1 }]`, /keys\.0: the key limit is unknown/],
    ["plans: { a: { rate: -1 } }", /plans\.a\.rate: Expected a number from 0 up/],
    ["plans: { a: { burst: 1 } }", /plans\.a\.burst: Expected a rate beside it/],
    ["plans: { a: { quota: { limit: 1, period: YEAR } } }", /plans\.a\.quota\.period: Expected one of DAY, WEEK, MONTH/]
  ])("that is wrong stops the start, and its secrets stay in it: %s", ([text, reason]) => {
    write(text)
    return Effect.gen(function* () {
      const { message } = yield* Effect.flip(running(Effect.void))
      expect(message).toMatch(reason)
      expect(message).not.toMatch(/short-secret|12345678901234567890|long-enough/)
    })
  })

  it.effect("that is not there stops the start", () =>
    Effect.gen(function* () {
      expect(Exit.isFailure(yield* Effect.exit(running(Effect.void)))).toBe(true)
    })
  )
})

describe("a route that asks for an API key", () => {
  const ask = (call: RouteCall, authorized: Authorized = {}) =>
    RouteAuthorizer.use((asked) => asked.count(call, authorized))

  const asking = <A, E>(work: Effect.Effect<A, E, RouteAuthorizer>) => {
    write(`
      keys: [{ id: key-1, name: shop, value: ${shop}, plans: [few] }]
      plans: { few: { rate: 1, burst: 2, quota: { limit: 3, period: DAY } } }`)
    const layer = Authorizers.layer({ owner, credentials: new Map() }).pipe(
      Layer.provide(Layer.mergeAll(JwksCache.layer(), SignIn.layerNone, plansLayer(), Layer.mock(LambdaInvoker, {})))
    )
    return Effect.provide(work, layer)
  }

  it.effect("tells its function which one it was", () =>
    asking(
      Effect.gen(function* () {
        expect(yield* ask(restCall({ headers: { "X-Api-Key": shop } }))).toEqual({
          counted: { id: "key-1", value: shop }
        })
      })
    )
  )

  it.effect("refuses in the words of API Gateway", () =>
    asking(
      Effect.gen(function* () {
        const refusal = (headers: Record<string, string>) =>
          Effect.map(Effect.flip(ask(restCall({ headers }))), ({ body, headers: own, status }) => [status, body, own])
        const forbidden = [403, { message: "Forbidden" }, { "x-amzn-errortype": "ForbiddenException" }]
        expect(yield* refusal({})).toEqual(forbidden)
        expect(yield* refusal({ "x-api-key": "wrong" })).toEqual(forbidden)
        const mine = { "x-api-key": shop }
        yield* ask(restCall({ headers: mine }))
        yield* ask(restCall({ headers: mine }))
        expect((yield* refusal(mine)).slice(0, 2)).toEqual([429, { message: "Too Many Requests" }])
        yield* TestClock.adjust("1 second")
        yield* ask(restCall({ headers: mine }))
        yield* TestClock.adjust("1 second")
        expect((yield* refusal(mine)).slice(0, 2)).toEqual([429, { message: "Limit Exceeded" }])
      })
    )
  )

  it.effect("takes the key that its authorizer says, where the API has it from there", () =>
    asking(
      Effect.gen(function* () {
        const call = restCall({ headers: { "x-api-key": shop }, api: { apiKeySource: "authorizer" } })
        expect((yield* Effect.flip(ask(call))).status).toBe(403)
        expect(yield* ask(call, { apiKey: shop })).toMatchObject({ counted: { id: "key-1" } })
      })
    )
  )

  it.effect("lets nobody in where there are no keys", () =>
    Effect.gen(function* () {
      expect((yield* Effect.flip(ask(httpCall({ headers: { "x-api-key": shop } })))).status).toBe(403)
    }).pipe(Effect.provide(authorizers({})))
  )
})
