/** Calls of routes, and the real authorizers over doubles of what they ask. */
import { Effect, Layer } from "effect"
import * as Authorizers from "../../src/auth/Authorizers.ts"
import { type FetchJson, JwksCache } from "../../src/auth/JwksCache.ts"
import { SignIn } from "../../src/auth/SignIn.ts"
import { UsagePlans } from "../../src/auth/UsagePlans.ts"
import type { Api, Authorizer, Route } from "../../src/domain/Route.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { RouteAuthorizer, type RouteCall } from "../../src/routing/RouteAuthorizer.ts"
import type { Credentials } from "../../src/sigv4/Credentials.ts"
import { httpApi, restApi, route } from "../routing/apis.ts"

export const owner = { region: "us-east-1", accountId: "123456789012" }

interface CallSettings {
  /** With its query. */
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly route?: Partial<Route>
  readonly api?: Partial<Api>
}

const callOf = (api: Api, { headers = {}, path = "/pets/7" }: CallSettings): RouteCall => {
  const [rawPath = "", rawQuery = ""] = path.split("?")
  return {
    api,
    route: api.routes[0]!,
    parameters: { id: "7" },
    request: { method: "GET", rawPath, rawQuery, headers: Object.entries(headers), body: new Uint8Array() },
    sent: { method: "GET", path: rawPath, query: rawQuery, headers: new Headers(headers) },
    stagePath: api.stage === "$default" ? rawPath : `/${api.stage}${rawPath}`,
    domainName: "api.example.com",
    requestId: "0a1b2c3d-0000-4000-8000-000000000000",
    sourceIp: "192.0.2.1",
    timeMillis: 0
  }
}

export const restCall = (settings: CallSettings = {}): RouteCall =>
  callOf(restApi([route("GET /pets/{id}", settings.route)], settings.api), settings)

export const httpCall = (settings: CallSettings = {}): RouteCall =>
  callOf(httpApi([route("GET /pets/{id}", { payloadFormat: "2.0", ...settings.route })], settings.api), settings)

interface Doubles {
  readonly fetchJson?: FetchJson
  readonly invoke?: LambdaInvoker["Service"]["invoke"]
  readonly credentials?: Credentials
}

export const authorizers = ({ credentials = new Map(), fetchJson, invoke }: Doubles) =>
  Authorizers.layer({ owner, credentials }).pipe(
    Layer.provide(
      Layer.mergeAll(
        JwksCache.layer(fetchJson),
        SignIn.layerNone,
        UsagePlans.layerNone,
        Layer.mock(LambdaInvoker, invoke === undefined ? {} : { invoke })
      )
    )
  )

export const authorize = (authorizer: Authorizer, call: RouteCall) =>
  RouteAuthorizer.use((asked) => asked.authorize("mine", authorizer, call))

/** The status and the body of a refusal. */
export const refusal = (authorizer: Authorizer, call: RouteCall) =>
  Effect.map(Effect.flip(authorize(authorizer, call)), ({ body, status }) => [status, body])
