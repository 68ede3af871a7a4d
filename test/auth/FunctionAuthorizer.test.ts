import { expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import type { Invocation, InvocationResult } from "../../src/domain/Invocation.ts"
import type { LambdaAuthorizer } from "../../src/domain/Route.ts"
import { NoCapacity } from "../../src/invoke/InvocationBackend.ts"
import { hello } from "../support/functions.ts"
import { authorize, authorizers, httpCall, refusal, restCall } from "./calls.ts"

const token: LambdaAuthorizer = {
  type: "lambda",
  functionName: "guard",
  kind: "token",
  identitySources: ["method.request.header.Authorization"],
  ttl: Duration.seconds(300),
  payloadFormat: "1.0",
  hasSimpleAnswers: false
}
const request: LambdaAuthorizer = { ...token, kind: "request" }
const simple: LambdaAuthorizer = {
  ...request,
  identitySources: ["$request.header.Authorization"],
  payloadFormat: "2.0",
  hasSimpleAnswers: true
}

const signed = { headers: { Authorization: "secret-token" } }

const statement = (Effect: string, Resource: unknown = "*") => ({ Action: "execute-api:Invoke", Effect, Resource })
const policy = (...Statement: Array<unknown>) => ({
  principalId: "me",
  policyDocument: { Version: "2012-10-17", Statement }
})
const allowed = policy(statement("Allow"))

const result = (answer: unknown): InvocationResult => ({
  payload: new TextEncoder().encode(JSON.stringify(answer)),
  executedVersion: "$LATEST"
})
const thrown = (errorMessage: string): InvocationResult => ({
  ...result({ errorMessage, errorType: "Error" }),
  functionError: "Unhandled",
  errorType: "Error"
})

/** A guard that answers with `answer`, and what it was asked. */
const guard = (answer: InvocationResult | (() => InvocationResult)) => {
  const asked: Array<Invocation> = []
  const layer = authorizers({
    invoke: (invocation) => {
      asked.push(invocation)
      return Effect.sync(() => (typeof answer === "function" ? answer() : answer))
    }
  })
  const events = () => asked.map(({ payload }) => JSON.parse(new TextDecoder().decode(payload)))
  return { asked, events, layer }
}

describe("what the function is asked", () => {
  it.effect("is the token, of the kind TOKEN", () => {
    const { asked, events, layer } = guard(result(allowed))
    return Effect.gen(function* () {
      yield* authorize({ ...token, qualifier: "live" as never }, restCall(signed))
      expect(events()).toEqual([
        {
          type: "TOKEN",
          methodArn: "arn:aws:execute-api:us-east-1:123456789012:abc123/prod/GET/pets/7",
          authorizationToken: "secret-token"
        }
      ])
      expect(asked[0]).toMatchObject({ functionName: "guard", qualifier: "live" })
    }).pipe(Effect.provide(layer))
  })

  it.effect("is the request without its body, of the kind REQUEST", () => {
    const { events, layer } = guard(result(allowed))
    return Effect.gen(function* () {
      yield* authorize(request, restCall({ ...signed, path: "/pets/7?a=1&a=2" }))
      const [event] = events()
      expect(event).toMatchObject({
        type: "REQUEST",
        methodArn: "arn:aws:execute-api:us-east-1:123456789012:abc123/prod/GET/pets/7",
        resource: "/pets/{id}",
        path: "/pets/7",
        httpMethod: "GET",
        headers: { Authorization: "secret-token" },
        multiValueQueryStringParameters: { a: ["1", "2"] },
        pathParameters: { id: "7" },
        stageVariables: null,
        requestContext: { stage: "prod", path: "/prod/pets/7", identity: { sourceIp: "192.0.2.1" } }
      })
      for (const key of ["version", "body", "isBase64Encoded", "identitySource", "authorizationToken"]) {
        expect(event).not.toHaveProperty(key)
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("has the identity beside it in an HTTP API, format 1.0", () => {
    const { events, layer } = guard(result(allowed))
    return Effect.gen(function* () {
      const identitySources = ["$request.header.Authorization", "$context.identity.sourceIp"]
      yield* authorize({ ...request, identitySources }, httpCall(signed))
      expect(events()[0]).toMatchObject({
        version: "1.0",
        type: "REQUEST",
        methodArn: "arn:aws:execute-api:us-east-1:123456789012:def456/$default/GET/pets/7",
        identitySource: "secret-token,192.0.2.1",
        authorizationToken: "secret-token,192.0.2.1"
      })
      expect(events()[0].requestContext).not.toHaveProperty("authorizer")
    }).pipe(Effect.provide(layer))
  })

  it.effect("is an event of format 2.0", () => {
    const { events, layer } = guard(result({ isAuthorized: true }))
    return Effect.gen(function* () {
      yield* authorize(simple, httpCall({ ...signed, path: "/pets/7?a=1", api: { stageVariables: { x: "y" } } }))
      const [event] = events()
      expect(event).toMatchObject({
        version: "2.0",
        type: "REQUEST",
        routeArn: "arn:aws:execute-api:us-east-1:123456789012:def456/$default/GET/pets/7",
        identitySource: ["secret-token"],
        routeKey: "GET /pets/{id}",
        rawPath: "/pets/7",
        rawQueryString: "a=1",
        headers: { authorization: "secret-token" },
        queryStringParameters: { a: "1" },
        requestContext: { http: { method: "GET", path: "/pets/7" }, stage: "$default" },
        pathParameters: { id: "7" },
        stageVariables: { x: "y" }
      })
      expect(event).not.toHaveProperty("isBase64Encoded")
    }).pipe(Effect.provide(layer))
  })
})

describe("a caller without an identity", () => {
  it.effect.each<readonly [string, LambdaAuthorizer, Parameters<typeof restCall>[0]]>([
    ["no token", token, {}],
    ["an empty token", token, { headers: { authorization: " " } }],
    ["a token of another form", { ...token, tokenPattern: "[a-z]+" }, signed],
    ["a token that any text matches in part", { ...token, tokenPattern: "secret" }, signed],
    [
      "one of two",
      { ...request, identitySources: [...token.identitySources, "method.request.querystring.tenant"] },
      { ...signed, path: "/pets/7?tenant=" }
    ],
    ["a source that there is not", { ...request, identitySources: ["method.request.body.x"] }, signed]
  ])("is refused without asking: %s", ([, authorizer, settings]) => {
    const { asked, layer } = guard(result(allowed))
    return Effect.gen(function* () {
      expect(yield* refusal(authorizer, restCall(settings))).toEqual([401, { message: "Unauthorized" }])
      expect(asked).toEqual([])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is asked about where no source is wanted", () => {
    const { asked, layer } = guard(result({ isAuthorized: true }))
    return Effect.gen(function* () {
      yield* authorize({ ...simple, identitySources: [] }, httpCall())
      yield* authorize({ ...simple, identitySources: [] }, httpCall())
      expect(asked).toHaveLength(2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("has whatever the source names", () => {
    const { events, layer } = guard(result({ isAuthorized: true }))
    const identitySources = [
      "$request.header.X-TENANT",
      "$request.querystring.q",
      "$stageVariables.env",
      "$context.routeKey",
      "$context.stage"
    ]
    return Effect.gen(function* () {
      const settings = { headers: { "x-tenant": "t" }, path: "/pets/7?q=1", api: { stageVariables: { env: "e" } } }
      yield* authorize({ ...simple, identitySources }, httpCall(settings))
      expect(events()[0].identitySource).toEqual(["t", "1", "e", "GET /pets/{id}", "$default"])
    }).pipe(Effect.provide(layer))
  })
})

describe("what the function answers", () => {
  it.effect("is the context, as texts, in a REST API", () => {
    const context = { tenant: "t", count: 3, admin: true, none: null }
    const { layer } = guard(result({ ...allowed, context, usageIdentifierKey: "the-key" }))
    return Effect.gen(function* () {
      expect(yield* authorize(token, restCall(signed))).toEqual({
        context: { principalId: "me", tenant: "t", count: "3", admin: "true", integrationLatency: 0 },
        apiKey: "the-key"
      })
    }).pipe(Effect.provide(layer))
  })

  it.effect("is the context as it is in an HTTP API, beneath lambda in format 2.0", () => {
    const context = { list: [1, { a: null }], count: 3 }
    const { layer } = guard(result({ isAuthorized: true, context }))
    return Effect.gen(function* () {
      expect(yield* authorize(simple, httpCall(signed))).toEqual({ context: { lambda: context } })
      const older = yield* authorize(simple, httpCall({ ...signed, route: { payloadFormat: "1.0" } }))
      expect(older).toEqual({ context: { ...context, integrationLatency: 0 } })
    }).pipe(Effect.provide(layer))
  })

  it.effect.each<readonly [string, unknown, number, unknown]>([
    ["denies", policy(statement("Deny")), 403, "User is not authorized to access this resource with an explicit deny"],
    ["allows others", policy(statement("Allow", "arn:other")), 403, "User is not authorized to access this resource"],
    ["allows nothing", policy(), 403, "User is not authorized to access this resource"]
  ])("%s, and the caller of a REST API learns it", ([, answer, status, told]) => {
    const { layer } = guard(result(answer))
    return Effect.gen(function* () {
      expect(yield* refusal(token, restCall(signed))).toEqual([status, { Message: told }])
      expect(yield* refusal({ ...request, identitySources: [] }, httpCall())).toEqual([403, { message: "Forbidden" }])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is no in an HTTP API", () =>
    Effect.gen(function* () {
      expect(yield* refusal(simple, httpCall(signed))).toEqual([403, { message: "Forbidden" }])
    }).pipe(Effect.provide(guard(result({ isAuthorized: false })).layer))
  )

  it.effect.each<readonly [string, InvocationResult]>([
    ["an error", thrown("no database")],
    ["nothing", result(null)],
    ["no policy", result({ principalId: "me" })],
    ["no principal", result({ policyDocument: allowed.policyDocument })],
    ["an object in the context", result({ ...allowed, context: { a: {} } })],
    ["a context that is a list", result({ ...allowed, context: ["a"] })],
    ["a policy of NotResource", result(policy({ Action: "*", Effect: "Allow", NotResource: "x" }))],
    ["no JSON", { payload: new TextEncoder().encode("{"), executedVersion: "$LATEST" }]
  ])("fails the call of a REST API that gets %s", ([, answer]) => {
    const { layer } = guard(answer)
    return Effect.gen(function* () {
      expect(yield* refusal(token, restCall(signed))).toEqual([500, { message: null }])
    }).pipe(Effect.provide(layer))
  })

  it.effect("fails the call of an HTTP API that gets no plain yes or no", () =>
    Effect.gen(function* () {
      expect(yield* refusal(simple, httpCall(signed))).toEqual([500, { message: "Internal Server Error" }])
    }).pipe(Effect.provide(guard(result({ isAuthorized: "true" })).layer))
  )

  it.effect("refuses the caller whom it throws Unauthorized at, to the letter", () => {
    const errors = ["Unauthorized", "unauthorized", "Unauthorized!"]
    const { layer } = guard(() => thrown(errors.shift()!))
    return Effect.gen(function* () {
      const ask = refusal({ ...token, ttl: Duration.zero }, restCall(signed))
      expect(yield* ask).toEqual([401, { message: "Unauthorized" }])
      expect(yield* ask).toEqual([500, { message: null }])
      expect(yield* ask).toEqual([500, { message: null }])
    }).pipe(Effect.provide(layer))
  })

  it.effect("may not take longer than 10 seconds, nor fail to run", () => {
    const started: Array<string> = []
    const layer = authorizers({
      invoke: ({ functionName }) => {
        started.push(functionName)
        return started.length === 1
          ? Effect.never
          : Effect.fail(new NoCapacity({ functionName: hello, reason: "QueueFull" } as never))
      }
    })
    return Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(refusal(token, restCall(signed)), { startImmediately: true })
      yield* TestClock.adjust("9999 millis")
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(yield* Fiber.join(waiting)).toEqual([500, { message: null }])
      expect(yield* refusal(token, restCall(signed))).toEqual([500, { message: null }])
    }).pipe(Effect.provide(layer))
  })
})

describe("an answer", () => {
  it.effect("holds for the time that is set, and a policy for every route", () => {
    const only = policy(statement("Allow", "arn:aws:execute-api:*:*:abc123/prod/GET/pets/7"))
    const { asked, layer } = guard(result(only))
    return Effect.gen(function* () {
      const ask = authorize(token, restCall(signed))
      yield* ask
      yield* TestClock.adjust("299999 millis")
      yield* ask
      expect((yield* refusal(token, restCall({ ...signed, path: "/pets/8" })))[0]).toBe(403)
      expect(asked).toHaveLength(1)
      yield* TestClock.adjust("1 millis")
      yield* ask
      expect(asked).toHaveLength(2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("holds for one identity, one authorizer and one API", () => {
    const { asked, layer } = guard(result(allowed))
    return Effect.gen(function* () {
      yield* authorize(token, restCall(signed))
      yield* authorize(token, restCall({ headers: { Authorization: "another" } }))
      yield* authorize({ ...token }, restCall(signed))
      yield* authorize(token, restCall({ ...signed, api: { id: "other1" } }))
      expect(asked).toHaveLength(4)
    }).pipe(Effect.provide(layer))
  })

  it.effect("tells two values apart from one that has both in it", () => {
    const { asked, layer } = guard(result({ isAuthorized: true }))
    const two = { ...simple, identitySources: ["$request.querystring.a", "$request.querystring.b"] }
    return Effect.gen(function* () {
      yield* authorize(two, httpCall({ path: "/pets/7?a=1%22,%222&b=3" }))
      yield* authorize(two, httpCall({ path: "/pets/7?a=1&b=2%22,%223" }))
      expect(asked).toHaveLength(2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is asked for each time where it holds for no time", () => {
    const { asked, layer } = guard(result(allowed))
    return Effect.gen(function* () {
      const always = { ...token, ttl: Duration.zero }
      yield* authorize(always, restCall(signed))
      yield* authorize(always, restCall(signed))
      expect(asked).toHaveLength(2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("that is none is not kept", () => {
    const answers = [thrown("no database"), result(allowed)]
    const { layer } = guard(() => answers.shift()!)
    return Effect.gen(function* () {
      expect((yield* refusal(token, restCall(signed)))[0]).toBe(500)
      yield* authorize(token, restCall(signed))
    }).pipe(Effect.provide(layer))
  })

  it.effect("is asked for once by all who come at the same time, and goes on when the first one leaves", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let calls = 0
      const layer = authorizers({
        invoke: () => {
          calls++
          return Effect.as(Deferred.await(gate), result(allowed))
        }
      })
      yield* Effect.gen(function* () {
        const ask = authorize(token, restCall(signed))
        const first = yield* Effect.forkChild(ask, { startImmediately: true })
        const others = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(ask, { startImmediately: true }))
        yield* Fiber.interrupt(first)
        yield* Deferred.succeed(gate, undefined)
        for (const other of others) expect(yield* Fiber.join(other)).toHaveProperty("context.principalId", "me")
        yield* ask
        expect(calls).toBe(1)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("says how long it took, once", () => {
    const layer = authorizers({ invoke: () => Effect.delay(Effect.succeed(result(allowed)), "120 millis") })
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(authorize(token, restCall(signed)), { startImmediately: true })
      yield* TestClock.adjust("120 millis")
      expect(yield* Fiber.join(first)).toHaveProperty("context.integrationLatency", 120)
      expect(yield* authorize(token, restCall(signed))).toHaveProperty("context.integrationLatency", 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("of a policy is for the path however it is written", () => {
    const guarded = policy(statement("Allow"), statement("Deny", "*/GET/admin*"))
    const { layer } = guard(result(guarded))
    return Effect.gen(function* () {
      for (const path of ["/admin", "/%61dmin", "/admin%2Fx", "/admin/"]) {
        expect((yield* refusal(token, restCall({ ...signed, path })))[0], path).toBe(403)
      }
      yield* authorize(token, restCall({ ...signed, path: "/users" }))
    }).pipe(Effect.provide(layer))
  })
})
