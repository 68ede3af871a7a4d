import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { SignJWT } from "jose"
import { beforeAll, describe } from "vitest"
import type { JwtAuthorizer } from "../../src/domain/Route.ts"
import { authorize, authorizers, httpCall, refusal, restCall } from "./calls.ts"
import { issuer, type Key, newKey, publisher } from "./issuer.ts"

const authorizer: JwtAuthorizer = {
  type: "jwt",
  issuer,
  audience: ["client"],
  identitySource: "$request.header.Authorization"
}
const pool: JwtAuthorizer = { ...authorizer, audience: [], identitySource: "method.request.header.Authorization" }

let key: Key
let other: Key
let elliptic: Key
beforeAll(async () => {
  key = await newKey("one")
  other = await newKey("one")
  elliptic = await newKey("elliptic", "ES256")
})

/** The keys are made after this is called. */
const layer = () => authorizers({ fetchJson: (url, signal) => publisher([key, elliptic]).fetchJson(url, signal) })

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })
const ask = (token: string, settings: Parameters<typeof httpCall>[0] = {}) =>
  authorize(authorizer, httpCall({ headers: bearer(token), ...settings }))

describe("the JWT authorizer of an HTTP API", () => {
  it.effect("gives the function the claims, as texts", () =>
    Effect.gen(function* () {
      const claims = { "cognito:groups": ["a", "b"], admin: true, nested: { a: 1 }, none: null, count: 3 }
      const token = yield* Effect.promise(() => key.sign(claims))
      const { context } = yield* ask(token)
      expect(context).toEqual({
        jwt: {
          claims: {
            iss: issuer,
            aud: "client",
            exp: "3600",
            iat: "0",
            sub: "me",
            "cognito:groups": "[a b]",
            admin: "true",
            nested: '{"a":1}',
            count: "3"
          },
          scopes: null
        }
      })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("takes the token with or without Bearer, and from wherever the source is", () =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(() => key.sign())
      yield* authorize(authorizer, httpCall({ headers: { authorization: token } }))
      yield* authorize(
        { ...authorizer, identitySource: "$request.querystring.token" },
        httpCall({ path: `/pets/7?token=${token}` })
      )
    }).pipe(Effect.provide(layer()))
  )

  it.effect("asks for no signature of a caller without a token", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(authorize(authorizer, httpCall()))
      expect(refused).toMatchObject({
        status: 401,
        body: { message: "Unauthorized" },
        headers: { "www-authenticate": "Bearer" }
      })
    }).pipe(Effect.provide(layer()))
  )

  it.effect.each<readonly [string, string, () => Promise<string>]>([
    ["is no token", "the token is malformed", async () => "abc"],
    ["has no key id", "the token is malformed", () => key.sign({}, { kid: null })],
    ["has an unknown key id", "no key of the issuer signed the token", () => key.sign({}, { kid: "two" })],
    ["another key has signed", "the signature does not hold", () => other.sign()],
    ["has an elliptic signature", "the signing method is not supported", () => elliptic.sign()],
    [
      "has a signature by a secret",
      "the signing method is not supported",
      () =>
        new SignJWT({ iss: issuer, aud: "client", exp: 3600 })
          .setProtectedHeader({ alg: "HS256", kid: "one" })
          .sign(new TextEncoder().encode(JSON.stringify(key.jwk)))
    ],
    ["is of another issuer", "the token is of another issuer", () => key.sign({ iss: `${issuer}/` })],
    ["has expired", "the token has expired", () => key.sign({ exp: 0 })],
    ["lasts for ever", "the claim exp is missing or malformed", () => key.sign({ exp: undefined })],
    ["is not valid yet", "the token is not valid yet", () => key.sign({ nbf: 1 })],
    ["is of the future", "the token is of the future", () => key.sign({ iat: 1 })],
    ["is for others", "the token is for another audience", () => key.sign({ aud: ["a", "b"] })],
    [
      "is for others, whatever its client",
      "the token is for another audience",
      () => key.sign({ aud: "a", client_id: "client" })
    ],
    ["is for nobody", "the token is for another audience", () => key.sign({ aud: undefined })]
  ])("refuses a token that %s", ([, description, make]) =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(make)
      const refused = yield* Effect.flip(ask(token))
      expect(refused).toMatchObject({
        status: 401,
        body: { message: "Unauthorized" },
        headers: {
          "www-authenticate": `Bearer scope="" error="invalid_token" error_description="${description}"`
        }
      })
      expect(refused.reason).not.toContain(token)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("takes a token to the last moment of its time", () =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(() => key.sign({ exp: 100, nbf: 10, iat: 10 }))
      expect((yield* Effect.flip(ask(token))).status).toBe(401)
      yield* TestClock.adjust("10 seconds")
      yield* ask(token)
      yield* TestClock.adjust("89 seconds")
      yield* ask(token)
      yield* TestClock.adjust("1 second")
      expect((yield* Effect.flip(ask(token))).status).toBe(401)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("takes the client's id for the audience of an access token", () =>
    Effect.gen(function* () {
      yield* ask(yield* Effect.promise(() => key.sign({ aud: undefined, client_id: "client" })))
      yield* ask(yield* Effect.promise(() => key.sign({ aud: ["other", "client"] })))
    }).pipe(Effect.provide(layer()))
  )

  it.effect("wants one of the route's scopes, in scope or scp", () =>
    Effect.gen(function* () {
      const route = { scopes: ["pets.read", "pets.write"] }
      for (const claims of [{ scope: "email pets.read" }, { scp: ["pets.read"] }, { scp: "email pets.read" }]) {
        const { context } = yield* ask(yield* Effect.promise(() => key.sign(claims)), { route })
        expect(context).toMatchObject({ jwt: { scopes: ["pets.read"] } })
      }
      const refused = yield* Effect.flip(ask(yield* Effect.promise(() => key.sign({ scope: "pets" })), { route }))
      expect(refused).toMatchObject({ status: 403, body: { message: "Forbidden" } })
      expect(refused.headers["www-authenticate"]).toContain('scope="pets.read pets.write" error="insufficient_scope"')
    }).pipe(Effect.provide(layer()))
  )

  it.effect("has its claims beside its scopes in an event of format 1.0", () =>
    Effect.gen(function* () {
      const { context } = yield* ask(yield* Effect.promise(() => key.sign()), { route: { payloadFormat: "1.0" } })
      expect(context).toMatchObject({ claims: { sub: "me" }, scopes: null })
    }).pipe(Effect.provide(layer()))
  )
})

describe("the user pool of a REST API", () => {
  it.effect("gives the function the claims", () =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(() => key.sign({ "cognito:username": "me", "cognito:groups": ["a", "b"] }))
      const { context } = yield* authorize(pool, restCall({ headers: bearer(token) }))
      expect(context).toMatchObject({ claims: { "cognito:username": "me", "cognito:groups": "a,b", exp: "3600" } })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("refuses in the words of a REST API", () =>
    Effect.gen(function* () {
      const headers = (token: string) => ({ headers: bearer(token) })
      expect(yield* refusal(pool, restCall())).toEqual([401, { message: "Unauthorized" }])
      const expired = yield* Effect.promise(() => key.sign({ exp: 0 }))
      expect(yield* refusal(pool, restCall(headers(expired)))).toEqual([
        401,
        { message: "The incoming token has expired" }
      ])
      const plain = yield* Effect.promise(() => key.sign())
      const scoped = yield* Effect.flip(authorize(pool, restCall({ ...headers(plain), route: { scopes: ["a"] } })))
      expect(scoped).toMatchObject({ status: 401, headers: { "x-amzn-errortype": "UnauthorizedException" } })
      expect(scoped.headers).not.toHaveProperty("www-authenticate")
    }).pipe(Effect.provide(layer()))
  )
})
