import { expect, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { describe } from "vitest"
import type { RouteCall } from "../../src/routing/RouteAuthorizer.ts"
import { parseCredentials } from "../../src/sigv4/Credentials.ts"
import { encodeQuery, type Plain, sign } from "../support/sigv4.ts"
import { authorize, authorizers, httpCall, owner, restCall } from "./calls.ts"

const credentials = Result.getOrThrow(
  parseCredentials(
    "AKIDROOT:root-secret,AKIDUSER:user-secret:arn:aws:iam::123456789012:user/anna," +
      "AKIDOTHER:other-secret:arn:aws:iam::999999999999:user/eve",
    owner
  )
)
const layer = authorizers({ credentials })
const iam = { type: "iam" } as const
const date = new Date("2026-01-02T03:04:05Z")

const plain: Plain = {
  method: "POST",
  path: "/prod/pets/a%20b",
  query: { b: "2", a: "x y" },
  headers: { host: "api.example.com", "content-type": "application/json" },
  body: '{"a":1}'
}

interface Signing {
  readonly key?: readonly [id: string, secret: string]
  readonly service?: string
  readonly expires?: number
}

/** `to` a call that has what the client has sent, and the path after the stage. */
const signedCall = async (to: RouteCall, { expires, key = ["AKIDUSER", "user-secret"], service }: Signing = {}) => {
  const [accessKeyId, secretAccessKey] = key
  const { body, headers, method, path, query } = await sign(plain, {
    accessKeyId,
    secretAccessKey,
    date,
    service: service ?? "execute-api",
    ...(expires === undefined ? {} : { expires })
  })
  const sent = { method, path, query: encodeQuery(query), headers: new Headers(headers) }
  return {
    ...to,
    sent,
    request: { ...to.request, method, body: new TextEncoder().encode(body) },
    timeMillis: date.getTime()
  }
}

const ask = (call: RouteCall) => authorize(iam, call)

describe("a route for those who sign", () => {
  it.effect("of a REST API tells who the caller is", () =>
    Effect.gen(function* () {
      const call = yield* Effect.promise(() => signedCall(restCall()))
      expect(yield* ask(call)).toEqual({
        caller: {
          accessKey: "AKIDUSER",
          accountId: "123456789012",
          caller: "AKIDUSER",
          user: "AKIDUSER",
          userArn: "arn:aws:iam::123456789012:user/anna"
        }
      })
    }).pipe(Effect.provide(layer))
  )

  it.effect("of an HTTP API tells it beneath iam", () =>
    Effect.gen(function* () {
      const call = yield* Effect.promise(() => signedCall(httpCall(), { key: ["AKIDROOT", "root-secret"] }))
      expect(yield* ask(call)).toEqual({
        context: {
          iam: {
            accessKey: "AKIDROOT",
            accountId: "123456789012",
            callerId: "123456789012",
            cognitoIdentity: null,
            principalOrgId: null,
            userArn: "arn:aws:iam::123456789012:root",
            userId: "123456789012"
          }
        }
      })
    }).pipe(Effect.provide(layer))
  )

  it.effect("takes presigned links", () =>
    Effect.gen(function* () {
      const call = yield* Effect.promise(() => signedCall({ ...restCall() }, { expires: 60 }))
      expect((yield* ask({ ...call, request: { ...call.request } })).caller?.accessKey).toBe("AKIDUSER")
      expect((yield* Effect.flip(ask({ ...call, timeMillis: date.getTime() + 61_000 }))).status).toBe(403)
    }).pipe(Effect.provide(layer))
  )

  it.effect("tells callers without a signature that they need one", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(ask(restCall()))).toMatchObject({
        status: 403,
        body: { message: "Missing Authentication Token" },
        headers: { "x-amzn-errortype": "MissingAuthenticationTokenException" }
      })
      expect(yield* Effect.flip(ask(httpCall()))).toMatchObject({ status: 403, body: { message: "Forbidden" } })
    }).pipe(Effect.provide(layer))
  )

  it.effect.each<readonly [string, (call: RouteCall) => RouteCall, Signing, RegExp]>([
    ["another secret", (call) => call, { key: ["AKIDUSER", "wrong"] }, /does not match/],
    ["an unknown key", (call) => call, { key: ["AKIDNONE", "wrong"] }, /AKIDNONE is not known/],
    ["another service", (call) => call, { service: "lambda" }, /lambda, not us-east-1\/execute-api/],
    [
      "another body",
      (call) => ({ ...call, request: { ...call.request, body: new TextEncoder().encode("{}") } }),
      {},
      /payload/
    ],
    ["another path", (call) => ({ ...call, sent: { ...call.sent, path: "/prod/pets/a" } }), {}, /does not match/],
    ["another method", (call) => ({ ...call, sent: { ...call.sent, method: "PUT" } }), {}, /does not match/],
    ["an old date", (call) => ({ ...call, timeMillis: date.getTime() + 301_000 }), {}, /expired/]
  ])("refuses %s", ([, change, signing, reason]) =>
    Effect.gen(function* () {
      const call = yield* Effect.promise(() => signedCall(restCall(), signing))
      const refused = yield* Effect.flip(ask(change(call)))
      expect(refused).toMatchObject({ status: 403, headers: { "x-amzn-errortype": "InvalidSignatureException" } })
      expect(refused.body.message).toMatch(reason)
      expect(refused.reason).toMatch(reason)
    }).pipe(Effect.provide(layer))
  )

  it.effect("takes no bearer tokens", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(ask(restCall({ headers: { authorization: "Bearer abc" } })))
      expect(refused.status).toBe(403)
    }).pipe(Effect.provide(layer))
  )

  it.effect("is for its own account", () =>
    Effect.gen(function* () {
      const call = yield* Effect.promise(() => signedCall(restCall(), { key: ["AKIDOTHER", "other-secret"] }))
      expect(yield* Effect.flip(ask(call))).toMatchObject({
        status: 403,
        body: { Message: "User is not authorized to access this resource" }
      })
    }).pipe(Effect.provide(layer))
  )
})
