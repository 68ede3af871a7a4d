import { createHmac } from "node:crypto"
import { Duration, Effect, Layer, ManagedRuntime } from "effect"
import { describe, expect, it } from "vitest"
import * as Authorizers from "../../src/auth/Authorizers.ts"
import { JwksCache } from "../../src/auth/JwksCache.ts"
import { SignIn } from "../../src/auth/SignIn.ts"
import { UsagePlans } from "../../src/auth/UsagePlans.ts"
import type { Api } from "../../src/domain/Route.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { RouteAuthorizer, type RouteCall } from "../../src/routing/RouteAuthorizer.ts"
import { lenientApi } from "../routing/apis.ts"
import { gatewayApp, owner } from "./gatewayApp.ts"

const secret = "a secret of at least thirty-two characters"
const settings = {
  apiKey: "the-api-key",
  user: "test-admin",
  password: "the password",
  secret,
  life: Duration.seconds(3000)
}

const protectedApi: Api = lenientApi(["GET /api/{id}"], {
  authorizers: { "sign-in": { type: "sign-in" } },
  gatekeeper: "sign-in"
})

/** The real authorizers, over the same settings as the route's. */
const authorizers = ManagedRuntime.make(
  Authorizers.layer({ owner, credentials: new Map() }).pipe(
    Layer.provide(
      Layer.mergeAll(SignIn.layer(settings), JwksCache.layer(), UsagePlans.layerNone, Layer.mock(LambdaInvoker, {}))
    )
  )
)

const signInApp = (doubles: Parameters<typeof gatewayApp>[0] = {}) =>
  gatewayApp({
    apis: [protectedApi],
    signIn: settings,
    authorize: (name, authorizer, call: RouteCall) =>
      Effect.gen(function* () {
        const context = yield* Effect.promise(() => authorizers.context())
        return yield* RouteAuthorizer.use((real) => real.authorize(name, authorizer, call)).pipe(
          Effect.provideContext(context)
        )
      }),
    ...doubles
  })

const body = (user: string, password: string) =>
  JSON.stringify({ AuthParameters: { USERNAME: user, PASSWORD: password } })

interface Asked {
  readonly body?: string
  readonly key?: string | undefined
  readonly type?: string
}

const ask = async (asked: Asked = {}, app = signInApp()) => {
  const key = "key" in asked ? asked.key : settings.apiKey
  const response = await app.request("/user/auth/v1", {
    method: "POST",
    body: asked.body ?? body("test-admin", "the password"),
    headers: { "content-type": asked.type ?? "application/json", ...(key === undefined ? {} : { "x-api-key": key }) }
  })
  return {
    status: response.status,
    marked: response.headers.get("PADMA_USER_AUTHORIZED"),
    answer: (await response.json()) as { readonly AuthenticationResult: { readonly IdToken: string } },
    log: app.log
  }
}

const tokenOf = async (): Promise<string> => (await ask()).answer.AuthenticationResult.IdToken

/** A token as another program makes one that knows the secret. */
const made = (claims: unknown, { key = secret, alg = "HS256" } = {}) => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const signed = `${encode({ alg, typ: "JWT" })}.${encode(claims)}`
  const hash = alg === "HS512" ? "sha512" : "sha256"
  return `${signed}.${alg === "none" ? "" : createHmac(hash, key).update(signed).digest("base64url")}`
}

const now = () => Math.floor(Date.now() / 1000)

describe("the sign-in", () => {
  it("gives a token to the user with the password", async () => {
    const { answer, marked, status } = await ask()
    expect([status, marked]).toEqual([200, "true"])
    const [head = "", claims = ""] = answer.AuthenticationResult.IdToken.split(".")
    const decode = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString())
    expect(decode(head)).toEqual({ alg: "HS256", typ: "JWT" })
    const { exp, iat, ...rest } = decode(claims)
    expect(rest).toEqual({ sub: "test-admin" })
    expect(exp - iat).toBe(3000)
    expect(Math.abs(now() - iat)).toBeLessThan(60)
  })

  it.each<readonly [string, Asked, number, string | null]>([
    ["no API key", { key: undefined }, 401, null],
    ["another API key", { key: "the-api-kex" }, 401, null],
    ["another password", { body: body("test-admin", "the passwore") }, 401, "true"],
    ["another user", { body: body("somebody", "the password") }, 401, "true"]
  ])("refuses whoever has %s", async (_, asked, status, marked) => {
    const refused = await ask(asked)
    expect(refused).toMatchObject({ status, marked, answer: { message: "Unauthorized" } })
  })

  it.each<readonly [string, Asked, string]>([
    ["no JSON", { body: "{" }, "the body is not JSON"],
    ["nothing", { body: "" }, "the body is not JSON"],
    ["a list", { body: "[]" }, "AuthParameters: Expected an object"],
    ["no password", { body: '{"AuthParameters":{"USERNAME":"a"}}' }, "AuthParameters.PASSWORD: Expected a text"],
    [
      "a number",
      { body: '{"AuthParameters":{"USERNAME":1,"PASSWORD":"b"}}' },
      "AuthParameters.USERNAME: Expected a text"
    ],
    ["a form", { type: "application/x-www-form-urlencoded" }, "the content type is not application/json"],
    ["far too much", { body: JSON.stringify("x".repeat(70_000)) }, "the body is too large"]
  ])("cannot read %s", async (_, asked, detail) => {
    expect(await ask(asked)).toMatchObject({
      status: 422,
      marked: null,
      answer: { message: "Validation Error", detail }
    })
  })

  it("looks at the API key before it looks at the body", async () => {
    expect(await ask({ body: "{", key: "wrong" })).toMatchObject({ status: 401, marked: null })
  })

  it("writes no secret into the log", async () => {
    const app = signInApp()
    await ask({}, app)
    await ask({ body: body("test-admin", "a mistyped password") }, app)
    await ask({ key: "a mistyped key" }, app)
    const lines = JSON.stringify(app.log)
    expect(lines).toContain("wrong user or password")
    for (const secretText of ["mistyped", secret, settings.password, settings.apiKey, "eyJ"]) {
      expect(lines).not.toContain(secretText)
    }
  })

  it("asks for its own key and not for that of the Lambda API", async () => {
    const app = signInApp({ apiKey: "key-of-the-lambda-api" })
    expect((await ask({}, app)).status).toBe(200)
  })

  it("is not there where it is not set up", async () => {
    const response = await gatewayApp().request("/user/auth/v1", { method: "POST", body: body("a", "b") })
    expect(response.status).toBe(404)
  })

  it("leaves other methods to the routes", async () => {
    const { request } = signInApp()
    expect((await request("/user/auth/v1")).status).toBe(401)
    const authorization = await tokenOf()
    expect((await request("/user/auth/v1", { headers: { authorization } })).status).toBe(404)
  })
})

describe("a route that is for those who have signed in", () => {
  const call = (authorization: string | undefined, path = "/api/7", app = signInApp()) =>
    app.request(path, { headers: authorization === undefined ? {} : { authorization } })

  it("takes the token with Bearer before it, in any case, and without", async () => {
    const token = await tokenOf()
    for (const authorization of [`Bearer ${token}`, `bearer ${token}`, token]) {
      expect((await call(authorization)).status, authorization.slice(0, 7)).toBe(200)
    }
  })

  it("takes tokens that another program has made with the same secret", async () => {
    expect((await call(made({ sub: "other", exp: now() + 60, iat: now() }))).status).toBe(200)
  })

  it.each<readonly [string, () => string | undefined]>([
    ["nothing", () => undefined],
    ["an empty token", () => "Bearer "],
    ["no token at all", () => "Bearer not-a-token"],
    ["another scheme", () => `Basic ${made({ sub: "a", exp: now() + 60 })}`],
    ["two tokens", () => `${made({ sub: "a", exp: now() + 60 })}, ${made({ sub: "b", exp: now() + 60 })}`],
    ["a token of the past", () => made({ sub: "a", exp: now() - 1 })],
    ["a token of the future", () => made({ sub: "a", exp: now() + 9000, iat: now() + 3600 })],
    ["a token that lasts for ever", () => made({ sub: "a" })],
    ["a token of nobody", () => made({ exp: now() + 60 })],
    ["a token of an empty name", () => made({ sub: "", exp: now() + 60 })],
    ["a token with another secret", () => made({ sub: "a", exp: now() + 60 }, { key: "x".repeat(40) })],
    ["a token with another algorithm", () => made({ sub: "a", exp: now() + 60 }, { alg: "HS512" })],
    ["a token without a signature", () => made({ sub: "a", exp: now() + 60 }, { alg: "none" })]
  ])("refuses %s", async (_, authorization) => {
    const app = signInApp()
    const response = await call(authorization(), "/api/7", app)
    expect([response.status, await response.json()]).toEqual([401, { message: "Unauthorized" }])
    expect(app.invoked).toEqual([])
    expect(JSON.stringify(app.log)).not.toContain("eyJ")
  })

  it("tells strangers nothing of what there is", async () => {
    expect((await call(undefined, "/nowhere")).status).toBe(401)
    const response = await call(await tokenOf(), "/nowhere")
    expect([response.status, await response.json()]).toEqual([404, { message: "Not Found" }])
  })

  it("tells its function who has signed in, as Cognito would", async () => {
    const app = signInApp()
    await call(await tokenOf(), "/api/7", app)
    const event = JSON.parse(new TextDecoder().decode(app.invoked[0]!.payload))
    expect(event.requestContext.authorizer).toEqual({
      claims: { "cognito:username": "test-admin", username: "test-admin" },
      "cognito:username": "test-admin"
    })
  })
})
