import { Deferred, Duration, Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { Api } from "../../src/domain/Route.ts"
import { withoutRoot } from "../../src/http/rootPath.ts"
import { CircuitOpen } from "../../src/invoke/FunctionBreaker.ts"
import { NoCapacity, WorkerStartFailed } from "../../src/invoke/InvocationBackend.ts"
import { InvocationTimedOut, type InvokeError, LambdaExecutionError } from "../../src/invoke/InvokeError.ts"
import { FunctionNotFound, FunctionUnusable } from "../../src/registry/FunctionRegistry.ts"
import { CallRefused } from "../../src/routing/RouteAuthorizer.ts"
import { httpApi, lenientApi, restApi, route } from "../routing/apis.ts"
import { hello } from "../support/functions.ts"
import { gatewayApp } from "./gatewayApp.ts"

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const decode = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes))

const rest = restApi(["ANY /{proxy+}"])
const http = httpApi(["ANY $default"])
const lenient = lenientApi(["ANY /{proxy+}"])

/** A gateway with one API, whose function answers with `result`. */
const answering = (result: unknown, api: Api = rest, settings: Parameters<typeof gatewayApp>[0] = {}) =>
  gatewayApp({
    apis: [api],
    invoke: () => Effect.succeed({ payload: encode(result), executedVersion: "$LATEST" }),
    ...settings
  })

const failing = (error: InvokeError, api: Api) => gatewayApp({ apis: [api], invoke: () => Effect.fail(error) })

/** The event that a request becomes. */
const eventOf = async (api: Api, path: string, init?: RequestInit) => {
  const { invoked, request } = gatewayApp({ apis: [api] })
  await request(path, init)
  return decode(invoked[0]!.payload)
}

describe("a request to a REST API", () => {
  it("becomes an event, and the result the response", async () => {
    const { invoked, request } = answering({ statusCode: 201, headers: { "X-A": "b" }, body: '{"a": 1}' })
    const response = await request("/pets/7?a=1&a=2", { method: "PUT", body: "{}", headers: { "User-Agent": "agent" } })
    expect(response.status).toBe(201)
    expect(response.headers.get("x-a")).toBe("b")
    expect(response.headers.get("content-type")).toBe("application/json")
    expect(await response.text()).toBe('{"a": 1}')
    expect(invoked[0]!.traceId).toMatch(/;Parent=[0-9a-f]{16};.*;Lineage=1:[0-9a-f]{8}:0$/)
    const event = decode(invoked[0]!.payload)
    expect(event).toMatchObject({
      resource: "/{proxy+}",
      path: "/pets/7",
      httpMethod: "PUT",
      queryStringParameters: { a: "2" },
      multiValueQueryStringParameters: { a: ["1", "2"] },
      pathParameters: { proxy: "pets/7" },
      stageVariables: null,
      requestContext: {
        accountId: "123456789012",
        apiId: "abc123",
        path: "/prod/pets/7",
        stage: "prod",
        resourcePath: "/{proxy+}",
        identity: { userAgent: "agent" }
      },
      body: "{}",
      isBase64Encoded: false
    })
    expect(invoked[0]).toMatchObject({ functionName: "hello" })
    expect(event.requestContext.requestId).toBe(response.headers.get("x-amzn-requestid"))
    expect(event.requestContext.requestId).toBe(invoked[0]!.requestId)
    expect(event.headers["X-Amzn-Trace-Id"]).toBe(response.headers.get("x-amzn-trace-id"))
  })

  it("may have its stage in the path, or its id in the host", async () => {
    expect((await eventOf(rest, "/prod/a")).requestContext.path).toBe("/prod/a")
    const { invoked, app } = gatewayApp({ apis: [rest] })
    const url = "http://abc123.execute-api.us-east-1.amazonaws.com/prod//a"
    await app.handle(new Request(url, { headers: { host: "abc123.execute-api.us-east-1.amazonaws.com:80" } }))
    expect(decode(invoked[0]!.payload)).toMatchObject({
      path: "/a",
      requestContext: {
        path: "/prod//a",
        domainName: "abc123.execute-api.us-east-1.amazonaws.com",
        domainPrefix: "abc123"
      }
    })
  })

  it("runs the version or alias of its route", async () => {
    const api = restApi([route("GET /a", { qualifier: "live" })])
    const { invoked, request } = gatewayApp({ apis: [api] })
    await request("/a")
    expect(invoked[0]).toMatchObject({ functionName: "hello", qualifier: "live" })
  })

  it("sets every cookie of several, and decodes what is binary", async () => {
    const result = {
      multiValueHeaders: { "Set-Cookie": ["a=1", "b=2"] },
      headers: { "content-type": "image/png" },
      body: "iVBORw==",
      isBase64Encoded: true
    }
    const { request } = answering(result, { ...rest, binaryMediaTypes: ["image/png"] })
    const response = await request("/a", { headers: { accept: "image/png, text/html" } })
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"])
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([0x89, 0x50, 0x4e, 0x47])
    expect(await (await request("/a", { headers: { accept: "text/html" } })).text()).toBe("iVBORw==")
  })

  it.each(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])("may be a %s", async (method) => {
    const { invoked, request } = answering({ statusCode: 200, body: '"hi"' })
    const response = await request("/a", { method })
    expect(response.status).toBe(200)
    expect(decode(invoked[0]!.payload).httpMethod).toBe(method)
  })
})

describe("a request to an HTTP API", () => {
  it("becomes an event of format 2.0", async () => {
    const api = httpApi(["GET /pets/{id}"], { stage: "v1", mounts: ["stage"], stageVariables: { a: "b" } })
    const event = await eventOf(api, "/v1/pets/a%2Fb?x=1&x=2", { headers: { cookie: "c=1; d=2" } })
    expect(event).toMatchObject({
      version: "2.0",
      routeKey: "GET /pets/{id}",
      rawPath: "/v1/pets/a/b",
      rawQueryString: "x=1&x=2",
      cookies: ["c=1", "d=2"],
      pathParameters: { id: "a/b" },
      stageVariables: { a: "b" },
      requestContext: { stage: "v1", http: { method: "GET", path: "/v1/pets/a/b" }, routeKey: "GET /pets/{id}" },
      isBase64Encoded: false
    })
  })

  it("knows $default by that name, and no stage in its path", async () => {
    expect(await eventOf(http, "/a/b")).toMatchObject({ routeKey: "$default", rawPath: "/a/b" })
  })

  it("becomes one of format 1.0 where its route says so", async () => {
    const api = httpApi([route("ANY /{proxy+}", { payloadFormat: "1.0" })])
    const event = await eventOf(api, "/a")
    expect(event).toMatchObject({
      version: "1.0",
      path: "/a",
      requestContext: { authorizer: { claims: null, scopes: null }, resourceId: null, path: "/a" }
    })
    const { request } = answering({ statusCode: 200, cookies: [], body: "aGk=", isBase64Encoded: true }, api)
    expect(await (await request("/a")).text()).toBe("hi")
  })

  it("is answered with what the function returns, whatever that is", async () => {
    const { request } = answering("just text", http)
    const response = await request("/a")
    expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
      200,
      "application/json",
      "just text"
    ])
  })
})

describe("the CORS of an HTTP API", () => {
  const cors = { allowOrigins: ["https://a.example"], allowMethods: ["GET"], allowHeaders: ["x-a"], maxAgeSeconds: 60 }
  const api = httpApi(["GET /a"], { cors })
  const origin = { origin: "https://a.example" }

  it("answers a preflight without the function and without a route", async () => {
    const { invoked, request } = gatewayApp({ apis: [api] })
    const headers = { ...origin, "access-control-request-method": "GET" }
    const response = await request("/nowhere", { method: "OPTIONS", headers })
    expect(response.status).toBe(204)
    expect(response.headers.get("access-control-allow-origin")).toBe("https://a.example")
    expect(response.headers.get("access-control-max-age")).toBe("60")
    expect(invoked).toEqual([])
  })

  it("stands in place of what the function says, also where it fails", async () => {
    const own = { "Access-Control-Allow-Origin": "*", "access-control-expose-headers": "x", "x-b": "c" }
    const { request } = answering({ statusCode: 200, headers: own }, api)
    const response = await request("/a", { headers: origin })
    expect(response.headers.get("access-control-allow-origin")).toBe("https://a.example")
    expect(response.headers.get("access-control-expose-headers")).toBeNull()
    expect(response.headers.get("x-b")).toBe("c")
    const unknown = await request("/nowhere", { headers: origin })
    expect(unknown.headers.get("access-control-allow-origin")).toBe("https://a.example")
  })

  it("leaves an OPTIONS request that is no preflight to the routes", async () => {
    const { request } = gatewayApp({ apis: [api] })
    expect((await request("/a", { method: "OPTIONS", headers: origin })).status).toBe(404)
  })
})

describe("a request to a route in routing.yml", () => {
  it("becomes an event of stage prod, as of a REST API", async () => {
    const event = await eventOf(lenientApi(["GET /users/{user_id}"]), "/users/%C3%A4?a=1")
    expect(event).toMatchObject({
      resource: "/users/{user_id}",
      path: "/users/ä",
      pathParameters: { user_id: "ä" },
      stageVariables: null,
      body: null,
      requestContext: { stage: "prod", path: "/users/ä", apiId: "routing", resourcePath: "/users/{user_id}" }
    })
  })

  it("is answered with any JSON, and with text byte for byte, which is said in the log", async () => {
    const plain = answering({ any: "json" }, lenient)
    expect(await (await plain.request("/a")).text()).toBe('{"any":"json"}')
    expect(plain.log.filter(({ level }) => level === "Warn")).toEqual([])
    const text = `<p>${"ü".repeat(300)}`
    const html = answering({ statusCode: 202, headers: { "content-type": "text/html" }, body: text }, lenient)
    const response = await html.request("/a")
    expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
      202,
      "text/html",
      text
    ])
    expect(html.log.find(({ level }) => level === "Warn")).toMatchObject({
      message: "Failed to parse Lambda response body as JSON. Returning as string.",
      annotations: { snippet: text.slice(0, 200), status_code: 202, function_name: "hello" }
    })
  })

  it("is answered with what an image says that is no JSON", async () => {
    const { log, request } = gatewayApp({
      apis: [lenient],
      invoke: () => Effect.succeed({ payload: new TextEncoder().encode("<html>"), executedVersion: "$LATEST" })
    })
    expect(await (await request("/a")).text()).toBe("<html>")
    expect(log.find(({ level }) => level === "Warn")?.annotations).toMatchObject({
      snippet: "<html>",
      status_code: 200
    })
  })
})

describe("failures", () => {
  const functionName = hello
  const execution = (errorType: string) =>
    new LambdaExecutionError({
      functionName,
      executedVersion: "$LATEST",
      errorType,
      document: encode({ errorType }),
      cause: new InvocationTimedOut({ functionName, timeout: Duration.seconds(3), target: "" })
    })
  const starting = new WorkerStartFailed({ functionName, failure: { reason: "ImageNotFound", detail: "secret" } })

  it.each<readonly [string, InvokeError, number, number, number]>([
    ["no such function", new FunctionNotFound({ functionName }), 500, 500, 502],
    ["a function that cannot run", new FunctionUnusable({ functionName, detail: "secret" }), 502, 500, 502],
    ["an open circuit", new CircuitOpen({ functionName, failures: 5, retryAfter: Duration.seconds(9) }), 502, 502, 502],
    ["a full pool", new NoCapacity({ functionName, reason: "TimedOut" }), 429, 429, 429],
    ["a full queue", new NoCapacity({ functionName, reason: "QueueFull" }), 429, 429, 429],
    ["a shutdown", new NoCapacity({ functionName, reason: "Closed" }), 503, 503, 503],
    ["a start that fails", starting, 503, 503, 503],
    ["a function out of time", execution("Sandbox.Timedout"), 504, 500, 504],
    ["a crash", execution("Runtime.ExitError"), 502, 500, 502]
  ])(
    "of %s have each API's own status, and tell nothing of the inside",
    async (_, error, ofRest, ofHttp, ofLenient) => {
      for (const [api, status] of [
        [rest, ofRest],
        [http, ofHttp],
        [lenient, ofLenient]
      ] as const) {
        const response = await failing(error, api).request("/a")
        const text = await response.text()
        expect([response.status, Object.keys(JSON.parse(text))]).toEqual([status, ["message"]])
        expect(text).not.toContain("secret")
        expect(response.headers.has("x-amzn-requestid")).toBe(true)
        if (status === 429) expect(response.headers.get("retry-after")).toBe("1")
      }
    }
  )

  it.each([
    [rest, 502, "Internal server error"],
    [http, 500, "Internal Server Error"],
    [lenient, 502, "Internal server error"]
  ])("of a function have its error in the log, and none of it in the answer", async (api, status, message) => {
    const { log, request } = gatewayApp({
      apis: [api],
      invoke: () =>
        Effect.succeed({
          payload: encode({ errorType: "MyError", errorMessage: "secret" }),
          functionError: "Unhandled",
          errorType: "MyError",
          executedVersion: "$LATEST"
        })
    })
    const response = await request("/a")
    expect([response.status, await response.json()]).toEqual([status, { message }])
    expect(log.find(({ level }) => level === "Error")).toMatchObject({
      message: "Lambda invocation failed for function 'hello'",
      annotations: { function_name: "hello", error_type: "MyError", error_detail: expect.stringContaining("secret") }
    })
  })

  it.each([
    [rest, { nonsense: 1 }, 502, "the result has the key nonsense"],
    [rest, "text", 502, "the result is no object"],
    [http, { statusCode: 99 }, 500, "statusCode 99 is no HTTP status"],
    [lenient, { statusCode: "test" }, 502, 'statusCode "test" is no HTTP status']
  ])("of a response that is none have their reason in the log", async (api, result, status, why) => {
    const { log, request } = answering(result, api)
    const response = await request("/a")
    expect(response.status).toBe(status)
    expect(log.find(({ level }) => level === "Error")?.message).toBe(
      `The response of function 'hello' is malformed: ${why}`
    )
  })

  it.each([
    [{ ...rest, timeout: Duration.millis(20) }, 504, "Endpoint request timed out"],
    [{ ...http, timeout: Duration.millis(20) }, 503, "Service Unavailable"]
  ])("of a function that its API does not wait for free its worker", async (api, status, message) => {
    const ended: Array<string> = []
    const { request } = gatewayApp({
      apis: [api],
      invoke: () => Effect.never.pipe(Effect.onInterrupt(() => Effect.sync(() => ended.push("freed"))))
    })
    const response = await request("/a")
    expect([response.status, await response.json()]).toEqual([status, { message }])
    expect(ended).toEqual(["freed"])
  })

  it("of the platform itself are 500, and in the log", async () => {
    const { log, request } = gatewayApp({ apis: [rest], invoke: () => Effect.die(new Error("a bug")) })
    const response = await request("/a")
    expect([response.status, await response.json()]).toEqual([500, { message: "Internal server error" }])
    expect(log.find(({ level }) => level === "Error")?.message).toContain("a bug")
  })

  it("of a client that leaves are none, and free the worker", async () => {
    const started = Deferred.makeUnsafe<void>()
    const interrupted = Deferred.makeUnsafe<void>()
    const { log, request } = gatewayApp({
      apis: [rest],
      invoke: () =>
        Deferred.succeed(started, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
    })
    const client = new AbortController()
    const response = request("/a", { signal: client.signal })
    await Effect.runPromise(Deferred.await(started))
    client.abort()
    expect((await response).status).toBe(499)
    await Effect.runPromise(Deferred.await(interrupted))
    expect(log.filter(({ level }) => level === "Error" || level === "Warn")).toEqual([])
  })
})

describe("limits", () => {
  it.each([
    [rest, 413, "Request Too Long"],
    [http, 413, "Request Entity Too Large"]
  ])("refuse a body above ten megabytes before it is read", async (api, status, message) => {
    const { invoked, request } = gatewayApp({ apis: [api] })
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("was read")) })
    const headers = { "content-length": String(10 * 1024 * 1024 + 1) }
    const response = await request("/a", { method: "POST", body, headers })
    expect([response.status, await response.json()]).toEqual([status, { message }])
    expect(invoked).toEqual([])
  })

  it("refuse an event above Lambda's limit, however small its body was", async () => {
    const { invoked, request } = answering({}, rest, { maxPayloadBytes: 6000 })
    expect((await request("/a", { method: "POST", body: '"'.repeat(1000) })).status).toBe(200)
    expect((await request("/a", { method: "POST", body: '"'.repeat(3000) })).status).toBe(413)
    expect(invoked).toHaveLength(1)
  })

  it("refuse more than 10240 bytes of headers, and take as many", async () => {
    const { request } = answering({})
    const withBytes = (bytes: number) => request("/a", { headers: { x: "y".repeat(bytes - 5) } })
    expect((await withBytes(10_240)).status).toBe(200)
    const refused = await withBytes(10_241)
    expect([refused.status, await refused.json()]).toEqual([431, { message: "Request Header Fields Too Large" }])
  })

  it("leave a request whose body breaks off without an invocation", async () => {
    const { invoked, log, request } = gatewayApp({ apis: [rest] })
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) })
    expect((await request("/a", { method: "POST", body })).status).toBe(400)
    expect(invoked).toEqual([])
    expect(log.filter(({ level }) => level === "Error")).toEqual([])
  })
})

describe("paths", () => {
  it.each([
    [restApi(["GET /a"]), "/b", 403, { message: "Missing Authentication Token" }],
    [restApi(["GET /a"]), "/prod/b", 403, { message: "Missing Authentication Token" }],
    [httpApi(["GET /a"]), "/b", 404, { message: "Not Found" }],
    [lenientApi(["GET /a"]), "/b", 404, { message: "Not Found" }]
  ])("that no route has are answered as each API does", async (api, path, status, body) => {
    const { request } = gatewayApp({ apis: [api] })
    const response = await request(path)
    expect([response.status, await response.json()]).toEqual([status, body])
  })

  it("that no API has are unknown, as without any", async () => {
    const { request } = gatewayApp({ apis: [restApi(["GET /a"], { mounts: ["stage"] })] })
    const response = await request("/b")
    expect([response.status, await response.json()]).toEqual([404, { message: "Not Found" }])
  })

  it.each([
    ["GET", "/health", 200],
    ["POST", "/health", 405],
    ["GET", "/health/ready", 200],
    ["GET", "/metrics", 200],
    ["POST", "/2015-03-31/functions/hello/invocations", 200],
    ["GET", "/2015-03-31/functions/hello/invocations", 405],
    ["GET", "/2015-03-31/nothing", 404],
    ["GET", "/irori/nothing", 404]
  ])("of the process itself stay its own: %s %s", async (method, path, status) => {
    const { request } = gatewayApp({
      apis: [rest],
      invoke: () => Effect.succeed({ payload: encode({ statusCode: 299 }), executedVersion: "$LATEST" })
    })
    expect((await request(path, { method })).status).toBe(status)
  })

  it("of the process itself ask for the key, and those of an API do not", async () => {
    const gateway = answering({}, rest, { apiKey: "0123456789abcdef" })
    expect((await gateway.request("/a")).status).toBe(200)
    const open = new Set(["/health", "/health/ready"])
    for (const { method, path } of gateway.app.routes) {
      if (path === "/*" || open.has(path)) continue
      const response = await gateway.request(path.replaceAll(/:\w+/g, "x"), {
        method: method === "ALL" ? "GET" : method
      })
      expect([path, response.status]).toEqual([path, 403])
    }
    for (const path of ["/b/../metrics", "/metrics/", "/./metrics", "/x/%2e%2e/metrics"]) {
      expect([path, (await gateway.request(path)).status]).toEqual([path, 403])
    }
    const without = gatewayApp({ apis: [], apiKey: "0123456789abcdef" })
    expect((await without.request("/a")).status).toBe(403)
  })
})

describe("authorizers", () => {
  const guarded = restApi([route("GET /a", { authorizer: "mine" })], {
    authorizers: { mine: { type: "sign-in" } }
  })
  const refusal = new CallRefused({
    status: 401,
    body: { message: "Unauthorized" },
    headers: { "www-authenticate": "Bearer" },
    reason: "no token"
  })

  it("are asked before the function, which learns what they say", async () => {
    const asked: Array<unknown> = []
    const { invoked, request } = gatewayApp({
      apis: [guarded],
      authorize: (name, { type }, call) => {
        asked.push([name, type, call.route?.path, call.stagePath])
        return Effect.succeed({ context: { principalId: "me" } })
      }
    })
    await request("/a")
    expect(asked).toEqual([["mine", "sign-in", "/a", "/prod/a"]])
    expect(decode(invoked[0]!.payload).requestContext.authorizer).toEqual({ principalId: "me" })
  })

  it("learn what the client sent, also where the server has a root that APIs do not see", async () => {
    const sent: Array<string> = []
    const { app, invoked } = gatewayApp({
      apis: [guarded],
      authorize: (_, __, call) => {
        sent.push(`${call.sent.path}?${call.sent.query}`)
        return Effect.succeed({})
      }
    })
    await withoutRoot("/irori", app.handle)(new Request("http://localhost/irori/prod/a?b=c"))
    expect(sent).toEqual(["/irori/prod/a?b=c"])
    expect(decode(invoked[0]!.payload)).toMatchObject({ path: "/a", requestContext: { path: "/prod/a" } })
  })

  it("refuse in their own words, and nothing runs", async () => {
    const { invoked, request } = gatewayApp({ apis: [guarded], authorize: () => Effect.fail(refusal) })
    const response = await request("/a")
    expect([response.status, await response.json()]).toEqual([401, { message: "Unauthorized" }])
    expect(response.headers.get("www-authenticate")).toBe("Bearer")
    expect(invoked).toEqual([])
  })

  it("that nobody knows let nobody in", async () => {
    const { invoked, request } = gatewayApp({
      apis: [guarded, restApi([route("GET /b", { authorizer: "missing" })], { id: "b" })]
    })
    expect([(await request("/a")).status, (await request("/b")).status]).toEqual([500, 500])
    expect(invoked).toEqual([])
  })

  it("that keep the gate are asked before a path is looked for", async () => {
    const api = lenientApi(["GET /a"], {
      gatekeeper: "sign-in",
      authorizers: { "sign-in": { type: "sign-in" } }
    })
    const closed = gatewayApp({ apis: [api], authorize: () => Effect.fail(refusal) })
    expect([(await closed.request("/a")).status, (await closed.request("/nowhere")).status]).toEqual([401, 401])
    const open = gatewayApp({ apis: [api], authorize: () => Effect.succeed({ context: { claims: { sub: "me" } } }) })
    expect((await open.request("/nowhere")).status).toBe(404)
    await open.request("/a")
    expect(decode(open.invoked[0]!.payload).requestContext.authorizer).toEqual({ claims: { sub: "me" } })
  })
})

describe("a REST API with headers for preflights", () => {
  const api = restApi(["GET /a", "OPTIONS /own", "ANY /any"], {
    preflightHeaders: { "access-control-allow-origin": "https://example.com", "access-control-max-age": "600" }
  })

  it.each(["/a", "/prod/any"])("answers OPTIONS of %s with them, without the function", async (path) => {
    const { invoked, request } = answering({ statusCode: 200 }, api)
    const response = await request(path, { method: "OPTIONS" })
    expect(response.status).toBe(200)
    expect(response.headers.get("access-control-allow-origin")).toBe("https://example.com")
    expect(response.headers.get("access-control-max-age")).toBe("600")
    expect(invoked).toEqual([])
  })

  it("leaves OPTIONS to a route of that method, and every other request as it is", async () => {
    const { invoked, request } = answering({ statusCode: 200 }, api)
    expect((await request("/own", { method: "OPTIONS" })).headers.has("access-control-allow-origin")).toBe(false)
    expect((await request("/a")).headers.has("access-control-allow-origin")).toBe(false)
    expect(invoked).toHaveLength(2)
  })
})
