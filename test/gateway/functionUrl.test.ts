import { Deferred, Duration, Effect, Option } from "effect"
import { describe, expect, it } from "vitest"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { FunctionUrls } from "../../src/control/FunctionUrls.ts"
import { noFlow } from "../../src/domain/AnswerSink.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import type { InvocationSink } from "../../src/domain/Invocation.ts"
import { withoutRoot } from "../../src/http/rootPath.ts"
import { CircuitOpen } from "../../src/invoke/FunctionBreaker.ts"
import { NoCapacity, WorkerStartFailed } from "../../src/invoke/InvocationBackend.ts"
import { InvocationTimedOut, LambdaExecutionError } from "../../src/invoke/InvokeError.ts"
import { FunctionNotFound, FunctionUnusable } from "../../src/registry/FunctionRegistry.ts"
import { encodeQuery, type Plain, sign } from "../support/sigv4.ts"
import { functionUrlApp, hello, hostOf, live } from "./functionUrlApp.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const functionName = FunctionName.make("hello")
const forbidden =
  '{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}'

/** A function that answers with `result`. */
const answering = async (result: unknown, settings = {}) => {
  const urls = await functionUrlApp({
    invoke: () => Effect.succeed({ payload: bytes(JSON.stringify(result)), executedVersion: "$LATEST" })
  })
  const id = await urls.create(settings)
  return { ...urls, id, ask: (init?: RequestInit) => urls.request(id, "/", init) }
}

describe("a request to a function URL", () => {
  it("becomes an event", async () => {
    const { create, event, invoked, request } = await functionUrlApp()
    const id = await create()
    const response = await request(id, "/a%2Fb/c?x=1&x=2&y=%20", {
      method: "POST",
      headers: { "Content-Type": "application/json", "User-Agent": "me", Cookie: "a=1; b=2", Connection: "close" },
      body: '{"é":1}'
    })
    expect(response.status).toBe(200)
    const requestId = response.headers.get("x-amzn-requestid")
    const trace = response.headers.get("x-amzn-trace-id")
    expect(event()).toEqual({
      version: "2.0",
      routeKey: "$default",
      rawPath: "/a%2Fb/c",
      rawQueryString: "x=1&x=2&y=%20",
      cookies: ["a=1", "b=2"],
      headers: {
        "content-type": "application/json",
        cookie: "a=1; b=2",
        "user-agent": "me",
        "x-amzn-trace-id": trace,
        "x-forwarded-for": "",
        "x-forwarded-port": "3000",
        "x-forwarded-proto": "http"
      },
      queryStringParameters: { x: "1,2", y: " " },
      requestContext: {
        accountId: "anonymous",
        apiId: id,
        domainName: `${id}.lambda-url.us-east-1.localhost`,
        domainPrefix: id,
        http: { method: "POST", path: "/a%2Fb/c", protocol: "HTTP/1.1", sourceIp: "", userAgent: "me" },
        requestId,
        routeKey: "$default",
        stage: "$default",
        time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
        timeEpoch: expect.any(Number)
      },
      body: '{"é":1}',
      isBase64Encoded: false
    })
    const traceId = expect.stringMatching(/;Parent=[0-9a-f]{16};.*;Lineage=1:[0-9a-f]{8}:0$/)
    expect(invoked).toMatchObject([{ requestId, functionName: "hello", traceId }])
    expect(invoked[0]).not.toHaveProperty("qualifier")
  })

  it("goes to the alias that the URL is of", async () => {
    const { create, invoked, request } = await functionUrlApp()
    expect((await request(await create({}, live))).status).toBe(200)
    expect(invoked).toMatchObject([{ functionName: "hello", qualifier: "live" }])
  })

  it.each(["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])("may be %s", async (method) => {
    const { create, event, request } = await functionUrlApp()
    expect((await request(await create(), "/", { method })).status).toBe(200)
    expect(event().requestContext.http.method).toBe(method)
  })

  it.each([
    ["/", "/", ""],
    ["/%F", "/%F", ""],
    ["//a//b/", "//a//b/", ""],
    ["/other", "/other", ""],
    ["/2015-03-31/functions/hello/invocations", "/2015-03-31/functions/hello/invocations", ""],
    ["/health", "/health", ""],
    ["/x?", "/x", ""],
    ["/x?a=%F&b", "/x", "a=%F&b"],
    ["/lambda-url/x", "/lambda-url/x", ""]
  ])("may be for %s", async (target, rawPath, rawQueryString) => {
    const { create, event, request } = await functionUrlApp()
    expect((await request(await create(), target)).status).toBe(200)
    expect(event()).toMatchObject({ rawPath, rawQueryString })
  })

  it("may come by a path that needs no name, and is the same event", async () => {
    const { app, create, event } = await functionUrlApp()
    const id = await create()
    const ask = (path: string) => app.handle(new Request(`http://localhost:3000/lambda-url/${id}${path}`))
    for (const [path, rawPath, rawQueryString] of [
      ["", "/", ""],
      ["/", "/", ""],
      ["/a%2Fb/%F?q=1", "/a%2Fb/%F", "q=1"],
      ["?q=1", "/", "q=1"]
    ]) {
      expect((await ask(path!)).status).toBe(200)
      expect(event()).toMatchObject({
        rawPath,
        rawQueryString,
        requestContext: { domainName: `${id}.lambda-url.us-east-1.localhost`, http: { path: rawPath } }
      })
    }
  })

  it.each(["x.Lambda-URL.anything.example", "x.lambda-url"])("may be for any host that begins as %s", async (host) => {
    const { app, create, event } = await functionUrlApp()
    const id = await create()
    expect((await app.handle(new Request(`http://${host.replace("x", id)}/`))).status).toBe(200)
    expect(event().requestContext.domainName).toBe(host.replace("x", id).toLowerCase())
  })

  it("is left to the routes if it is for no URL", async () => {
    const { app } = await functionUrlApp()
    const routed = await app.handle(new Request("http://localhost/other?lambda-url"))
    expect(await routed.text()).toBe("a route")
  })

  it("is refused if it, or its event, is too large", async () => {
    const { create, invoked, request } = await functionUrlApp({ maxPayloadBytes: 2000 })
    const id = await create()
    for (const size of [2001, 1990]) {
      const response = await request(id, "/", { method: "POST", body: "x".repeat(size) })
      expect(response.status).toBe(413)
      expect(response.headers.get("x-amzn-errortype")).toBe("RequestEntityTooLargeException")
    }
    expect(invoked).toEqual([])
  })

  it("takes nobody's word for where it comes from, unless it is told to", async () => {
    const { app, create, event } = await functionUrlApp()
    const id = await create()
    const headers = { "x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https" }
    await app.handle(new Request(`http://${hostOf(id)}/`, { headers }))
    expect(event().headers["x-forwarded-proto"]).toBe("http")
    expect(event().headers["x-forwarded-for"]).toBe("")
  })

  it("has a line in the access log", async () => {
    const { create, log, request } = await functionUrlApp()
    const response = await request(await create(), "/a%2Fb?c=d")
    expect(log).toMatchObject([
      {
        message: "GET /a%2Fb 200",
        annotations: { status: 200, aws_request_id: response.headers.get("x-amzn-requestid") }
      }
    ])
  })
})

describe("the answer of a function URL", () => {
  it.each<readonly [unknown, string]>([
    [{ hello: "world" }, '{"hello":"world"}'],
    [["hello", 3, true], '["hello",3,true]'],
    [3, "3"],
    [3.1, "3.1"],
    [true, "true"],
    ["hello", "hello"]
  ])("to %j is JSON with status 200", async (result, body) => {
    const response = await (await answering(result)).ask()
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe("application/json")
    expect(await response.text()).toBe(body)
  })

  it("to an object with statusCode is what that says", async () => {
    const { ask } = await answering({
      statusCode: "418",
      headers: { "X-A": "b", "Content-Type": "text/plain", Connection: "close" },
      cookies: ["a=1", "b=2; Secure"],
      body: "aGk=",
      isBase64Encoded: true
    })
    const response = await ask()
    expect(response.status).toBe(418)
    expect(response.headers.get("x-a")).toBe("b")
    expect(response.headers.get("content-type")).toBe("text/plain")
    expect(response.headers.has("connection")).toBe(false)
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2; Secure"])
    expect(await response.text()).toBe("hi")
  })

  it("to a malformed one is 502, and the log says why", async () => {
    const { ask, id, invoked, log } = await answering({ statusCode: 200, headers: ["a"] })
    const response = await ask()
    expect(response.status).toBe(502)
    expect(await response.text()).toBe("Internal Server Error")
    expect(id).toHaveLength(32)
    expect(log).toContainEqual(
      expect.objectContaining({
        level: "Warn",
        message: "The response of function 'hello' is malformed: headers is no object",
        annotations: expect.objectContaining({ function_name: "hello", aws_request_id: invoked[0]!.requestId })
      })
    )
  })

  it("to what is no JSON is that, and the log says so", async () => {
    const { create, log, request } = await functionUrlApp({
      invoke: () => Effect.succeed({ payload: bytes("plain text"), executedVersion: "$LATEST" })
    })
    const response = await request(await create())
    expect(response.status).toBe(200)
    expect(await response.text()).toBe("plain text")
    expect(log).toContainEqual(
      expect.objectContaining({
        level: "Warn",
        message: "Failed to parse Lambda response body as JSON. Returning as string.",
        annotations: expect.objectContaining({ snippet: "plain text", status_code: 200 })
      })
    )
  })

  it("to a stream that was gathered is what its prelude says", async () => {
    const payload = bytes(
      `{"statusCode":201,"cookies":["a=1"],"headers":{"content-type":"text/html"}}${"\0".repeat(8)}<p>`
    )
    const { create, request } = await functionUrlApp({
      invoke: () => Effect.succeed({ payload, executedVersion: "$LATEST" })
    })
    const response = await request(await create())
    expect(response.status).toBe(201)
    expect(response.headers.get("content-type")).toBe("text/html")
    expect(response.headers.getSetCookie()).toEqual(["a=1"])
    expect(await response.text()).toBe("<p>")
  })

  const timedOut = new LambdaExecutionError({
    functionName,
    executedVersion: "$LATEST",
    errorType: "Sandbox.Timedout",
    document: bytes("{}"),
    cause: new InvocationTimedOut({ functionName, timeout: Duration.seconds(1), target: "" })
  })
  it.each([
    ["has timed out", timedOut, 502],
    [
      "cannot be started",
      new WorkerStartFailed({ functionName, failure: { reason: "ImageNotFound", detail: "no image" } }),
      502
    ],
    ["keeps failing", new CircuitOpen({ functionName, failures: 5, retryAfter: Duration.seconds(3) }), 502],
    ["cannot run", new FunctionUnusable({ functionName, detail: "no handler" }), 502],
    ["is throttled", new NoCapacity({ functionName, reason: "TimedOut" }), 429],
    ["is being stopped", new NoCapacity({ functionName, reason: "Closed" }), 503],
    ["is gone", new FunctionNotFound({ functionName }), 403]
  ])("of a function that %s", async (_, failure, status) => {
    const { create, request } = await functionUrlApp({ invoke: () => Effect.fail(failure) })
    const response = await request(await create())
    expect(response.status).toBe(status)
    expect(response.headers.get("x-amzn-requestid")).toMatch(/^[0-9a-f-]{36}$/)
    if (status === 502) {
      expect(response.headers.get("content-type")).toMatch(/^text\/plain/)
      expect(await response.text()).toBe("Internal Server Error")
    }
    if (status === 403) expect(await response.text()).toBe(forbidden)
  })

  it("of a function that has thrown is 502", async () => {
    const { create, request } = await functionUrlApp({
      invoke: () =>
        Effect.succeed({ payload: bytes('{"errorType":"E"}'), executedVersion: "1", functionError: "Unhandled" })
    })
    const response = await request(await create())
    expect(response.status).toBe(502)
    expect(await response.text()).toBe("Internal Server Error")
  })

  it("after a bug is 502, and the log has it", async () => {
    const { create, log, request } = await functionUrlApp({ invoke: () => Effect.die(new Error("a bug")) })
    expect((await request(await create())).status).toBe(502)
    expect(log.find(({ level }) => level === "Error")?.message).toMatch(/a bug/)
  })
})

describe("access to a function URL", () => {
  it("is refused where there is none", async () => {
    const { invoked, request } = await functionUrlApp()
    for (const id of ["x".repeat(32), "short"]) {
      const response = await request(id)
      expect(response.status).toBe(403)
      expect(response.headers.get("x-amzn-errortype")).toBe("AccessDeniedException")
      expect(response.headers.get("content-type")).toBe("application/json")
      expect(response.headers.get("x-amzn-requestid")).toMatch(/^[0-9a-f-]{36}$/)
      expect(await response.text()).toBe('{"Message":null}')
    }
    expect(invoked).toEqual([])
  })

  it.each([
    ["an account", { Principal: "123456789012", FunctionUrlAuthType: "NONE" }],
    ["signed requests", { Principal: "*", FunctionUrlAuthType: "AWS_IAM" }]
  ])("is refused where only %s may", async (_, permission) => {
    const { create, invoked, log, request } = await functionUrlApp()
    const response = await request(await create({}, hello, permission))
    expect(response.status).toBe(403)
    expect(response.headers.get("x-amzn-errortype")).toBe("AccessDeniedException")
    expect(await response.text()).toBe(forbidden)
    expect(log.map(({ message }) => message)).toContain(
      "A request to a function URL was refused: no permission allows lambda:InvokeFunctionUrl to * with FunctionUrlAuthType NONE"
    )
    expect(invoked).toEqual([])
  })

  it("is refused without any permission, or with that of the function for its alias", async () => {
    const { create, request, runtime } = await functionUrlApp()
    await create()
    const alias = await runtime.runPromise(FunctionUrls.use((urls) => urls.create(live, { authType: "NONE" })))
    expect((await request(alias.id)).status).toBe(403)
  })

  it("is refused when the alias is gone", async () => {
    const { create, request, runtime } = await functionUrlApp()
    const id = await create({}, live)
    expect((await request(id)).status).toBe(200)
    await runtime.runPromise(FunctionStore.useSync((store) => store.removeAlias("hello", "live")))
    const response = await request(id)
    expect(response.status).toBe(403)
    expect(await response.text()).toBe(forbidden)
  })

  const key = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" }
  const credentials =
    "AKIDEXAMPLE:secret:arn:aws:iam::123456789012:user/me,AKIDOTHER:other:arn:aws:iam::210987654321:user/you"
  const iamOnly = { Principal: "210987654321", FunctionUrlAuthType: "AWS_IAM" }

  const signedUrl = async (settings: { credentials?: string; permission?: typeof iamOnly } = {}) => {
    const urls = await functionUrlApp({ credentials: settings.credentials ?? credentials })
    const permission = settings.permission ?? { Principal: "*", FunctionUrlAuthType: "NONE" }
    const id = await urls.create({ authType: "AWS_IAM" }, hello, permission)
    const plain: Plain = {
      method: "POST",
      path: "/a%20b",
      query: { c: "d e" },
      headers: { host: hostOf(id) },
      body: "body"
    }
    const send = ({ body, headers, method, path, query }: Plain) =>
      urls.request(id, `${path}?${encodeQuery(query)}`, { method, headers, body: method === "GET" ? null : body })
    return { ...urls, id, plain, send }
  }

  it("is for those who sign, where the URL asks for it, and the function is told who", async () => {
    const { event, plain, send } = await signedUrl()
    const response = await send(await sign(plain, { ...key, date: new Date() }))
    expect(response.status).toBe(200)
    expect(event().requestContext).toMatchObject({
      accountId: "123456789012",
      authorizer: {
        iam: {
          accessKey: "AKIDEXAMPLE",
          accountId: "123456789012",
          callerId: "AKIDEXAMPLE",
          cognitoIdentity: null,
          principalOrgId: null,
          userArn: "arn:aws:iam::123456789012:user/me",
          userId: "AKIDEXAMPLE"
        }
      }
    })
  })

  it("is for who has a presigned URL", async () => {
    const { plain, send } = await signedUrl()
    const get = { ...plain, method: "GET", body: "" }
    expect((await send(await sign(get, { ...key, date: new Date(), expires: 60 }))).status).toBe(200)
  })

  it("is for another account only by a permission", async () => {
    const other = { accessKeyId: "AKIDOTHER", secretAccessKey: "other", date: new Date() }
    const refused = await signedUrl()
    expect((await refused.send(await sign(refused.plain, other))).status).toBe(403)
    const allowed = await signedUrl({ permission: iamOnly })
    expect((await allowed.send(await sign(allowed.plain, other))).status).toBe(200)
  })

  it("is refused without a signature, with another's, for another body, and with one that is old", async () => {
    const { invoked, log, plain, send } = await signedUrl()
    const signed = await sign(plain, { ...key, date: new Date() })
    for (const request of [
      plain,
      await sign(plain, { ...key, secretAccessKey: "guessed", date: new Date() }),
      await sign(plain, { ...key, accessKeyId: "AKIDNOBODY", date: new Date() }),
      { ...signed, body: "other" },
      { ...signed, path: "/other" },
      await sign(plain, { ...key, date: new Date(Date.now() - 360_000) })
    ]) {
      const response = await send(request)
      expect(response.status).toBe(403)
      expect(await response.text()).toBe(forbidden)
    }
    expect(invoked).toEqual([])
    expect(log.map(({ message }) => message)).toContain(
      "A request to a function URL was refused: the signature does not match the request"
    )
  })

  it("is for those who sign the path behind which a proxy serves everything, and the function does not see that", async () => {
    const { app, event, id, plain } = await signedUrl()
    const served = withoutRoot("/irori", app.handle)
    const send = ({ body, headers, method, path, query }: Plain) =>
      served(new Request(`http://${hostOf(id)}${path}?${encodeQuery(query)}`, { method, headers, body }))
    const signed = await sign({ ...plain, path: "/irori/a%20b" }, { ...key, date: new Date() })
    expect((await send(signed)).status).toBe(200)
    expect(event().rawPath).toBe("/a%20b")
    expect((await send({ ...signed, path: "/other/a%20b" })).status).toBe(403)
    expect((await send({ ...signed, path: "/a%20b" })).status).toBe(403)
  })

  it("is refused to everybody without any credential", async () => {
    const { plain, send } = await signedUrl({ credentials: "" })
    expect((await send(await sign(plain, { ...key, date: new Date() }))).status).toBe(403)
  })

  it("is refused to a streamed signature, and says so", async () => {
    const { plain, send } = await signedUrl()
    const streamed = {
      ...plain,
      headers: { ...plain.headers, "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" }
    }
    const response = await send(await sign(streamed, { ...key, date: new Date() }))
    expect(response.status).toBe(403)
    expect(await response.json()).toEqual({
      Message:
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD is not supported: sign the payload's SHA-256, or send UNSIGNED-PAYLOAD"
    })
  })
})

describe("CORS of a function URL", () => {
  const cors = { AllowOrigins: ["https://a.example"], AllowMethods: ["GET"], MaxAge: 60 }
  const preflight = {
    method: "OPTIONS",
    headers: { Origin: "https://a.example", "Access-Control-Request-Method": "GET" }
  }

  it("is answered without the function, also where only those who sign may call", async () => {
    const { create, invoked, request } = await functionUrlApp()
    const response = await request(await create({ authType: "AWS_IAM", cors }), "/", preflight)
    expect(response.status).toBe(200)
    expect(response.headers.get("access-control-allow-origin")).toBe("https://a.example")
    expect(response.headers.get("access-control-allow-methods")).toBe("GET")
    expect(response.headers.get("access-control-max-age")).toBe("60")
    expect(response.headers.get("x-amzn-requestid")).toMatch(/^[0-9a-f-]{36}$/)
    expect(invoked).toEqual([])
  })

  it("is the function's own business where none is configured", async () => {
    const { create, invoked, request } = await functionUrlApp()
    await request(await create(), "/", preflight)
    expect(invoked).toHaveLength(1)
  })

  it("has the configured headers in place of the function's", async () => {
    const result = { statusCode: 200, headers: { "Access-Control-Allow-Origin": "*", "X-A": "b" } }
    const { ask } = await answering(result, { cors })
    const allowed = await ask({ headers: { Origin: "https://a.example" } })
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://a.example")
    expect(allowed.headers.get("x-a")).toBe("b")
    const other = await ask({ headers: { Origin: "https://b.example" } })
    expect(other.headers.has("access-control-allow-origin")).toBe(false)
  })
})

describe("a function URL that streams", () => {
  const nuls = "\0".repeat(8)
  const integration = "application/vnd.awslambda.http-integration-response"
  const done = { payload: new Uint8Array(), executedVersion: "$LATEST" }

  /** Streams `pieces` of this type. */
  const streaming = async (contentType: string | undefined, pieces: ReadonlyArray<string>, settings = {}) => {
    const urls = await functionUrlApp({
      stream: (_, sink) =>
        Effect.sync(() => {
          sink.begin({ executedVersion: "1", flow: noFlow, ...(contentType === undefined ? {} : { contentType }) })
          for (const piece of pieces) sink.piece(bytes(piece))
          return done
        })
    })
    const id = await urls.create({ invokeMode: "RESPONSE_STREAM", ...settings })
    return { ...urls, ask: (init?: RequestInit) => urls.request(id, "/", init) }
  }

  it("has the status, headers and cookies of the prelude, in whatever pieces it comes", async () => {
    const whole = `{"statusCode":201,"headers":{"X-A":"b","content-type":"text/html"},"cookies":["a=1","b=2"]}${nuls}<p>`
    for (const pieces of [[whole], [...whole], [whole.slice(0, 20), whole.slice(20, -5), whole.slice(-5)]]) {
      const { ask } = await streaming(integration, pieces)
      const response = await ask()
      expect(response.status).toBe(201)
      expect(response.headers.get("x-a")).toBe("b")
      expect(response.headers.get("content-type")).toBe("text/html")
      expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"])
      expect(await response.text()).toBe("<p>")
    }
  })

  it.each([
    ["text/plain", "text/plain"],
    [undefined, "application/octet-stream"]
  ])("without a prelude is 200 with the runtime's type %s", async (contentType, expected) => {
    const { ask } = await streaming(contentType, ["a", "b"])
    const response = await ask()
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe(expected)
    expect(await response.text()).toBe("ab")
  })

  it("passes on a plain result whole: a statusCode in it is not applied", async () => {
    const { ask } = await streaming("application/json", ['{"statusCode":418,"body":"x"}'])
    const response = await ask()
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('{"statusCode":418,"body":"x"}')
  })

  it("sends the first byte before the function has ended", async () => {
    const sinks = Deferred.makeUnsafe<InvocationSink>()
    const end = Deferred.makeUnsafe<void>()
    const { create, request } = await functionUrlApp({
      stream: (_, sink) => Deferred.succeed(sinks, sink).pipe(Effect.andThen(Deferred.await(end)), Effect.as(done))
    })
    const asked = request(await create({ invokeMode: "RESPONSE_STREAM" }))
    const sink = await Effect.runPromise(Deferred.await(sinks))
    sink.begin({ executedVersion: "1", contentType: integration, flow: noFlow })
    sink.piece(bytes(`{}${nuls}`))
    const response = await asked
    const reader = response.body!.getReader()
    sink.piece(bytes("first"))
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("first")
    sink.piece(bytes("second"))
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("second")
    await Effect.runPromise(Deferred.succeed(end, undefined))
    expect((await reader.read()).done).toBe(true)
  })

  it.each<readonly [string, string, ReadonlyArray<string>]>([
    ["malformed", 'statusCode "x" is no HTTP status', [`{"statusCode":"x"}${nuls}body`, "more"]],
    ["no JSON", "its prelude is not JSON", [`nonsense${nuls}`]],
    ["cut short", "it ended before its prelude did", ['{"statusCode":200}']]
  ])("with a prelude that is %s answers 502, and the log says why", async (_, reason, pieces) => {
    const { ask, log } = await streaming(integration, pieces)
    const response = await ask()
    expect(response.status).toBe(502)
    expect(await response.text()).toBe("Internal Server Error")
    expect(log.map(({ message }) => message)).toContain(`The response of function 'hello' is malformed: ${reason}`)
  })

  it("answers 502 when the function fails before it has begun", async () => {
    const { create, request } = await functionUrlApp({
      stream: () => Effect.succeed({ ...done, payload: bytes("{}"), functionError: "Unhandled" as const })
    })
    expect((await request(await create({ invokeMode: "RESPONSE_STREAM" }))).status).toBe(502)
  })

  it("breaks off when the function fails after it has begun", async () => {
    const { create, request } = await functionUrlApp({
      stream: (_, sink) =>
        Effect.sync(() => {
          sink.begin({ executedVersion: "1", flow: noFlow })
          sink.piece(bytes("half"))
          return { ...done, payload: bytes("{}"), functionError: "Unhandled" as const }
        })
    })
    const response = await request(await create({ invokeMode: "RESPONSE_STREAM" }))
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  })

  it.each([
    ["HEAD", {}, 200],
    ["GET", { statusCode: 204 }, 204],
    ["GET", { statusCode: 304 }, 304]
  ])("to %s with %j has no body", async (method, prelude, status) => {
    const { ask } = await streaming(integration, [`${JSON.stringify(prelude)}${nuls}`, "body"])
    const response = await ask({ method })
    expect(response.status).toBe(status)
    expect(await response.text()).toBe("")
  })

  it("ends the invocation when the client leaves, before the answer and in it", async () => {
    for (const begins of [false, true]) {
      const started = Deferred.makeUnsafe<void>()
      const ended = Deferred.makeUnsafe<void>()
      const { create, log, request } = await functionUrlApp({
        stream: (_, sink) =>
          Effect.sync(() => {
            if (begins) sink.begin({ executedVersion: "1", flow: noFlow })
          }).pipe(
            Effect.andThen(Deferred.succeed(started, undefined)),
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
          )
      })
      const leaving = new AbortController()
      const asked = request(await create({ invokeMode: "RESPONSE_STREAM" }), "/", { signal: leaving.signal })
      await Effect.runPromise(Deferred.await(started))
      if (begins) await (await asked).body!.cancel()
      else leaving.abort()
      const over = await Effect.runPromise(Deferred.await(ended).pipe(Effect.timeoutOption("5 seconds")))
      expect(Option.isSome(over)).toBe(true)
      expect(log.filter(({ level }) => level === "Error")).toEqual([])
    }
  })
})
