import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { failToStart, type Irori, startIrori } from "../support/irori.ts"
import { encodeQuery, sign } from "../support/sigv4.ts"

const scratch = mkdtempSync(join(tmpdir(), "irori-authorizers-"))
afterAll(() => rmSync(scratch, { recursive: true }))

const shopKey = "the-key-of-the-shop-0123456789"

const template = (issuer: string) => `
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: { Runtime: nodejs22.x, Handler: index.handler, Timeout: 10 }
Resources:
  Rest:
    Type: AWS::Serverless::Api
    Properties:
      StageName: Prod
      Auth:
        Authorizers:
          Guard: { FunctionArn: !GetAtt TokenGuard.Arn }
  Http:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: { AllowOrigins: ["https://shop.example.com"], AllowMethods: [GET] }
      Auth:
        Authorizers:
          Issuer:
            IdentitySource: $request.header.Authorization
            JwtConfiguration: { issuer: "${issuer}", audience: [shop] }
          Simple:
            FunctionArn: !GetAtt SimpleGuard.Arn
            AuthorizerPayloadFormatVersion: "2.0"
            EnableSimpleResponses: true
            Identity: { Headers: [X-Tenant], ReauthorizeEvery: 60 }
  App:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: app
      InlineCode: |
        exports.handler = async ({ requestContext: { authorizer, identity } }) =>
          ({ statusCode: 200, body: JSON.stringify({ authorizer, identity }) })
      Events:
        Open: { Type: Api, Properties: { Path: /open, Method: get, RestApiId: !Ref Rest } }
        Token: { Type: Api, Properties: { Path: /token, Method: get, RestApiId: !Ref Rest, Auth: { Authorizer: Guard } } }
        Signed: { Type: Api, Properties: { Path: /signed, Method: post, RestApiId: !Ref Rest, Auth: { Authorizer: AWS_IAM } } }
        Key: { Type: Api, Properties: { Path: /key, Method: get, RestApiId: !Ref Rest, Auth: { ApiKeyRequired: true } } }
        Jwt: { Type: HttpApi, Properties: { Path: /jwt, Method: get, ApiId: !Ref Http, Auth: { Authorizer: Issuer } } }
        Scoped: { Type: HttpApi, Properties: { Path: /scoped, Method: get, ApiId: !Ref Http, Auth: { Authorizer: Issuer, AuthorizationScopes: [buy] } } }
        Tenant: { Type: HttpApi, Properties: { Path: /tenant, Method: get, ApiId: !Ref Http, Auth: { Authorizer: Simple } } }
  TokenGuard:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: token-guard
      InlineCode: |
        exports.handler = async ({ authorizationToken, methodArn }) => {
          if (authorizationToken === "stranger") throw new Error("Unauthorized")
          if (authorizationToken === "broken") throw new Error("no database")
          return {
            principalId: authorizationToken,
            policyDocument: { Version: "2012-10-17", Statement: [{
              Action: "execute-api:Invoke", Effect: authorizationToken === "banned" ? "Deny" : "Allow", Resource: methodArn
            }] },
            context: { level: 3 }
          }
        }
  SimpleGuard:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: simple-guard
      InlineCode: |
        let calls = 0
        exports.handler = async ({ identitySource: [tenant] }) =>
          ({ isAuthorized: tenant !== "nobody", context: { tenant, calls: ++calls, roles: ["a", "b"] } })
`

const keysFile = `
keys:
  - { id: shop-1, name: shop, value: ${shopKey}, plans: [few] }
plans:
  few: { quota: { limit: 2, period: MONTH } }
`

let issuer: Server
let issuerUrl: string
let signToken: (claims?: Record<string, unknown>) => Promise<string>
let irori: Irori

const environment = () => ({
  IRORI_TEMPLATE: join(scratch, "template.yaml"),
  IRORI_API_KEYS_FILE: join(scratch, "keys.yml"),
  IRORI_CREDENTIALS: "AKIDSHOP:shop-secret",
  AWS_REGION: "us-east-1"
})

beforeAll(async () => {
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: "one", use: "sig", alg: "RS256" }
  issuer = createServer((request, response) => {
    const isKeys = request.url === "/pool/.well-known/jwks.json"
    response.writeHead(isKeys ? 200 : 404, { "content-type": "application/json" })
    response.end(JSON.stringify(isKeys ? { keys: [jwk] } : {}))
  })
  issuer.listen(0, "127.0.0.1")
  await once(issuer, "listening")
  const address = issuer.address()
  issuerUrl = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/pool`
  signToken = (claims = {}) =>
    new SignJWT({ sub: "me", ...claims })
      .setProtectedHeader({ alg: "RS256", kid: "one" })
      .setIssuer(issuerUrl)
      .setAudience("shop")
      .setIssuedAt()
      .setExpirationTime("5m")
      .sign(privateKey)
  writeFileSync(join(scratch, "template.yaml"), template(issuerUrl))
  writeFileSync(join(scratch, "keys.yml"), keysFile)
  irori = await startIrori({ environment: environment(), stateDir: join(scratch, "state") })
}, 60_000)

afterAll(async () => {
  await irori?.stop()
  issuer?.close()
})

/** What an API refuses with, or what its function has seen. */
interface Told {
  readonly message?: string | null
  readonly authorizer?: {
    readonly lambda?: { readonly calls: number }
    readonly jwt?: { readonly scopes: ReadonlyArray<string> | null }
  }
  readonly identity?: Readonly<Record<string, unknown>>
}

const get = async (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) => {
  const response = await fetch(`${irori.url}${path}`, { headers, ...init })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text === "" ? {} : JSON.parse(text)) as Told
  }
}

describe("a REST API of a template", () => {
  it("lets everybody have a route that asks for nothing", async () => {
    expect((await get("/Prod/open")).status).toBe(200)
  })

  it("asks a function about tokens", async () => {
    const me = await get("/Prod/token", { Authorization: "me" })
    expect(me.body.authorizer).toEqual({ principalId: "me", level: "3", integrationLatency: expect.any(Number) })
    const told = async (token?: string) => {
      const { body, status } = await get("/Prod/token", token === undefined ? {} : { Authorization: token })
      return [status, body]
    }
    expect(await told()).toEqual([401, { message: "Unauthorized" }])
    expect(await told("stranger")).toEqual([401, { message: "Unauthorized" }])
    expect(await told("banned")).toEqual([
      403,
      { Message: "User is not authorized to access this resource with an explicit deny" }
    ])
    expect(await told("broken")).toEqual([500, { message: null }])
  }, 60_000)

  it("takes AWS's signatures, of the body as well", async () => {
    const signed = await sign(
      {
        method: "POST",
        path: "/Prod/signed",
        query: { a: "1 2" },
        headers: { host: new URL(irori.url).host, "content-type": "application/json" },
        body: '{"a":1}'
      },
      { accessKeyId: "AKIDSHOP", secretAccessKey: "shop-secret", date: new Date(), service: "execute-api" }
    )
    const path = `${signed.path}?${encodeQuery(signed.query)}`
    const taken = await get(path, signed.headers, { method: "POST", body: signed.body })
    expect(taken.body.identity).toMatchObject({
      accessKey: "AKIDSHOP",
      accountId: "000000000000",
      userArn: "arn:aws:iam::000000000000:root"
    })
    expect((await get(path, signed.headers, { method: "POST", body: '{"a":2}' })).status).toBe(403)
    const bare = await get("/Prod/signed", {}, { method: "POST" })
    expect([bare.status, bare.body]).toEqual([403, { message: "Missing Authentication Token" }])
  })

  it("counts calls by API key, also across a restart", async () => {
    const key = { "x-api-key": shopKey }
    expect((await get("/Prod/key")).body).toEqual({ message: "Forbidden" })
    expect((await get("/Prod/key", key)).body.identity).toMatchObject({ apiKey: shopKey, apiKeyId: "shop-1" })
    expect(await irori.stop()).toBe(0)
    irori = await startIrori({ environment: environment(), stateDir: join(scratch, "state") })
    expect((await get("/Prod/key", key)).status).toBe(200)
    const over = await get("/Prod/key", key)
    expect([over.status, over.body]).toEqual([429, { message: "Limit Exceeded" }])
  }, 60_000)
})

describe("an HTTP API of a template", () => {
  it("takes the tokens of an issuer", async () => {
    const authorization = `Bearer ${await signToken({ scope: "look" })}`
    const taken = await get("/jwt", { authorization })
    expect(taken.body.authorizer?.jwt).toMatchObject({ claims: { sub: "me", iss: issuerUrl }, scopes: null })
    const missing = await get("/jwt")
    expect([missing.status, missing.body, missing.headers.get("www-authenticate")]).toEqual([
      401,
      { message: "Unauthorized" },
      "Bearer"
    ])
    const tampered = await get("/jwt", { authorization: authorization.slice(0, -8) })
    expect(tampered.headers.get("www-authenticate")).toContain('error="invalid_token"')
    expect((await get("/scoped", { authorization })).status).toBe(403)
    const buyer = await get("/scoped", { authorization: `Bearer ${await signToken({ scope: "look buy" })}` })
    expect(buyer.body.authorizer?.jwt?.scopes).toEqual(["buy"])
  }, 60_000)

  it("asks a function once for the same caller, and tells the route's function what it said", async () => {
    const first = await get("/tenant", { "x-tenant": "shop" })
    expect(first.body.authorizer).toEqual({ lambda: { tenant: "shop", calls: 1, roles: ["a", "b"] } })
    expect((await get("/tenant", { "x-tenant": "shop" })).body.authorizer?.lambda?.calls).toBe(1)
    const refused = await get("/tenant", { "x-tenant": "nobody" })
    expect([refused.status, refused.body]).toEqual([403, { message: "Forbidden" }])
    expect((await get("/tenant")).status).toBe(401)
  }, 60_000)

  it("asks no browser for anything that asks beforehand, and tells it why it was refused", async () => {
    const origin = "https://shop.example.com"
    const asked = await get(
      "/jwt",
      { origin, "access-control-request-method": "GET", "access-control-request-headers": "authorization" },
      { method: "OPTIONS" }
    )
    expect([asked.status, asked.headers.get("access-control-allow-origin")]).toEqual([204, origin])
    const refused = await get("/jwt", { origin })
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, origin])
  })

  it("writes no token, key or secret into the log", () => {
    for (const secret of [shopKey, "shop-secret", "eyJ"]) expect(irori.output()).not.toContain(secret)
  })
})

describe("the sign-in", () => {
  const signInSettings = {
    JWT_SECRET_KEY: "0123456789abcdef0123456789abcdef",
    X_API_KEY: "the-api-key",
    AUTH_USER: "admin",
    AUTH_PASS: "the password",
    AUTH_ENDPOINT_PATH: "/login"
  }

  it("protects every path of routing.yml", async () => {
    const protectedOne = await startIrori({ environment: signInSettings })
    try {
      const call = (path: string, authorization?: string) =>
        fetch(`${protectedOne.url}${path}`, authorization === undefined ? {} : { headers: { authorization } })
      expect([(await call("/echo")).status, (await call("/nowhere")).status]).toEqual([401, 401])
      const answer = await fetch(`${protectedOne.url}/login`, {
        method: "POST",
        headers: { "x-api-key": "the-api-key", "content-type": "application/json" },
        body: JSON.stringify({ AuthParameters: { USERNAME: "admin", PASSWORD: "the password" } })
      })
      const { AuthenticationResult } = (await answer.json()) as { AuthenticationResult: { IdToken: string } }
      expect((await call("/nowhere", AuthenticationResult.IdToken)).status).toBe(404)
      expect((await fetch(`${protectedOne.url}/health`)).status).toBe(200)
    } finally {
      await protectedOne.stop()
    }
  }, 60_000)

  it.each<readonly [string, Record<string, string>, RegExp]>([
    [
      "half of it",
      { JWT_SECRET_KEY: signInSettings.JWT_SECRET_KEY, AUTH_USER: "admin" },
      /set X_API_KEY, AUTH_PASS as well/
    ],
    [
      "a short secret",
      { ...signInSettings, JWT_SECRET_KEY: "too-short" },
      /JWT_SECRET_KEY is too short: it needs at least 32/
    ],
    [
      "a path that is none",
      { ...signInSettings, AUTH_ENDPOINT_PATH: "login" },
      /AUTH_ENDPOINT_PATH=login cannot be used/
    ],
    ["a file of keys that is not there", { IRORI_API_KEYS_FILE: "nowhere.yml" }, /nowhere\.yml cannot be read/]
  ])(
    "does not start with %s",
    async (_, environment, reason) => {
      const { code, output } = await failToStart({ environment })
      expect([code, output.trim().split("\n").length]).toEqual([1, 1])
      expect(output).toMatch(reason)
      expect(output).not.toContain("too-short ")
    },
    60_000
  )
})
