/** The files that users of the earlier system come with, served as they are and called as their clients do. */
import { createHmac } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { hasProgram } from "../support/docker.ts"
import { start } from "../support/household.ts"
import { type Irori, root } from "../support/irori.ts"

const secret = "a-secret-of-at-least-thirty-two-characters"

const signIn = {
  JWT_SECRET_KEY: secret,
  X_API_KEY: "the-key-of-programs",
  AUTH_USER: "test-admin",
  AUTH_PASS: "the-password",
  AUTH_ENDPOINT_PATH: "/user/auth/ver1.0",
  JWT_EXPIRES_DELTA: "120"
}

const enter = (irori: Irori, password: string, key = "the-key-of-programs") =>
  fetch(`${irori.url}/user/auth/ver1.0`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: JSON.stringify({ AuthParameters: { USERNAME: "test-admin", PASSWORD: password } })
  })

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** As the earlier system made them. */
const tokenMade = (claims: object) => {
  const signed = `${base64url({ alg: "HS256", typ: "JWT" })}.${base64url(claims)}`
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
}

describe("functions.yml and routing.yml of the earlier system", () => {
  let irori: Irori
  let token = ""
  beforeAll(async () => {
    irori = await start({
      ...signIn,
      IRORI_FUNCTIONS_DIR: "examples/migrate/functions",
      DEFAULT_MAX_CAPACITY: "1",
      POOL_ACQUIRE_TIMEOUT: "5.0",
      HEARTBEAT_INTERVAL: "30",
      CIRCUIT_BREAKER_THRESHOLD: "5",
      // Settings of its that mean nothing here.
      ORCHESTRATOR_URL: "http://orchestrator:8081",
      VERIFY_SSL: "false",
      GATEWAY_INTERNAL_URL: "https://gateway",
      STAGE: "factory"
    })
    const response = await enter(irori, "the-password")
    expect([response.status, response.headers.get("padma_user_authorized")]).toEqual([200, "true"])
    const body = (await response.json()) as { readonly AuthenticationResult: { readonly IdToken: string } }
    token = body.AuthenticationResult.IdToken
  })

  const call = (path: string, init: RequestInit = {}) =>
    fetch(irori.url + path, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })

  it("give tokens with the claims and the life that are set", () => {
    const claims = JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()) as Record<string, number>
    expect(claims).toEqual({ sub: "test-admin", iat: expect.any(Number), exp: claims.iat! + 120 })
  })

  it("refuse a wrong key and a wrong password as clients tell them apart", async () => {
    const stranger = await enter(irori, "the-password", "another-key")
    expect([stranger.status, stranger.headers.get("padma_user_authorized")]).toEqual([401, null])
    const mistyped = await enter(irori, "wrong")
    expect([mistyped.status, mistyped.headers.get("padma_user_authorized")]).toEqual([401, "true"])
    expect(await mistyped.json()).toEqual({ message: "Unauthorized" })
  })

  it("let nobody in without a token, and tell who has one what is not there", async () => {
    for (const path of ["/api/users/7/orders/1", "/nowhere"]) {
      const response = await fetch(irori.url + path)
      expect([path, response.status, await response.json()]).toEqual([path, 401, { message: "Unauthorized" }])
    }
    const missing = await call("/nowhere")
    expect([missing.status, await missing.json()]).toEqual([404, { message: "Not Found" }])
  })

  it("take the tokens that clients still have, with Bearer and without", async () => {
    const now = Math.floor(Date.now() / 1000)
    const old = tokenMade({ sub: "test-admin", iat: now - 60, exp: now + 60 })
    for (const authorization of [old, `Bearer ${old}`]) {
      expect((await call("/api/users/7/orders/1", { headers: { authorization } })).status).toBe(200)
    }
    const expired = tokenMade({ sub: "test-admin", iat: now - 120, exp: now - 60 })
    expect((await call("/api/users/7/orders/1", { headers: { authorization: expired } })).status).toBe(401)
  })

  it("give functions the event that they read, by either form of a route", async () => {
    const response = await call("/api/users/7/orders/a%20b?a=1&a=2", { headers: { "x-dup": "one" } })
    const { event, user } = (await response.json()) as { readonly user: string; readonly event: object }
    expect([response.status, user]).toEqual([200, "test-admin"])
    expect(event).toMatchObject({
      resource: "/api/users/{user_id}/orders/{order_id}",
      path: "/api/users/7/orders/a b",
      httpMethod: "GET",
      headers: { "x-dup": "one" },
      multiValueHeaders: { "x-dup": ["one"] },
      queryStringParameters: { a: "2" },
      multiValueQueryStringParameters: { a: ["1", "2"] },
      pathParameters: { user_id: "7", order_id: "a b" },
      stageVariables: null,
      requestContext: {
        identity: { sourceIp: "127.0.0.1" },
        authorizer: {
          claims: { "cognito:username": "test-admin", username: "test-admin" },
          "cognito:username": "test-admin"
        },
        requestId: response.headers.get("x-amzn-requestid"),
        stage: "prod",
        protocol: "HTTP/1.1"
      },
      body: null,
      isBase64Encoded: false
    })
    const created = await call("/api/orders", { method: "POST", body: '{"price": 1.0}' })
    expect(created.status).toBe(201)
    expect(await created.json()).toMatchObject({ event: { body: '{"price": 1.0}', pathParameters: null } })
  })

  it("give functions their variables: the defaults under their own, out of the environment", async () => {
    const answer = (await (await call("/api/orders", { method: "POST" })).json()) as object
    expect(answer).toMatchObject({
      table: "factory-orders",
      level: "DEBUG",
      price: "5 $",
      gateway: "https://gateway"
    })
  })

  it("are the settings that the functions have", async () => {
    const response = await fetch(`${irori.url}/2015-03-31/functions/lambda-orders/configuration`)
    expect(await response.json()).toMatchObject({ Timeout: 30, MemorySize: 256 })
  })

  it.skipIf(!hasProgram("python3"))("run functions in Python that have nothing but a name", async () => {
    const response = await call("/api/report")
    expect(await response.json()).toEqual({ user: "test-admin", resource: "/api/report", level: "INFO" })
  })

  it("are invoked directly without a token, as before", async () => {
    const response = await fetch(`${irori.url}/2015-03-31/functions/lambda-orders/invocations`, {
      method: "POST",
      body: '{"httpMethod":"GET","requestContext":{}}'
    })
    expect([response.status, ((await response.json()) as { readonly statusCode: number }).statusCode]).toEqual([
      200, 200
    ])
  })

  it("have one warning, of the variable that Lambda reserves", () => {
    const warnings = irori.output().match(/WARN.*/g) ?? []
    expect(warnings).toEqual([expect.stringMatching(/defaults\.environment\.AWS_DEFAULT_REGION: reserved/)])
  })
})

describe("a template of the earlier system", () => {
  const serve = (environment: Record<string, string>) =>
    start({ IRORI_TEMPLATE: "examples/migrate/template.yaml", ...environment })

  it("is served itself: its layer, its table's name, its capacities", async () => {
    const irori = await serve({ IRORI_TEMPLATE_PARAMETERS: "Prefix=shop" })
    const response = await fetch(`${irori.url}/api/prices/7`)
    expect(await response.json()).toEqual({ id: "7", table: "shop-prices", tax: 0.1, authorizer: null })
    const reserved = await fetch(`${irori.url}/2019-09-30/functions/shop-prices/concurrency`)
    expect(await reserved.json()).toEqual({ ReservedConcurrentExecutions: 3 })
    expect(irori.output()).toMatch(
      /generator\.yml is not used: a template is served as it is, and nothing is generated\.\s/
    )
  })

  it("has its generator's file named once, with the setting in place of its parameters, and its open routes", async () => {
    const irori = await serve(signIn)
    expect(irori.output().match(/generator\.yml is not used/g)).toHaveLength(1)
    expect(irori.output()).toContain('set IRORI_TEMPLATE_PARAMETERS="Prefix=dev"')
    expect(irori.output()).toMatch(/those of examples\/migrate\/template\.yaml are guarded as its Auth says, else open/)
  })
})

it("the settings that the example says keep their names are there", () => {
  const readme = readFileSync(join(root, "examples/migrate/README.md"), "utf8")
  const kept = /Settings keep their names: ([\s\S]*?)\. These/.exec(readme)![1]!.match(/[A-Z_]{2,}/g)!
  const config = readFileSync(join(root, "src/Config.ts"), "utf8")
  expect(kept.filter((name) => !config.includes(`"${name}"`))).toEqual([])
  expect(kept.length).toBeGreaterThan(20)
})
