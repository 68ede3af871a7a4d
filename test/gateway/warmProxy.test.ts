/** The short way of routed paths beside the long one, on real connections: neither client nor function can tell them apart. */
import { connect } from "node:net"
import { Deferred, Duration, Effect, Exit, Scope } from "effect"
import fc from "fast-check"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import type { Direct, HttpServerOptions } from "../../src/http/HttpServer.ts"
import { listen } from "../../src/http/NetHttpServer.ts"
import { NoCapacity } from "../../src/invoke/InvocationBackend.ts"
import { InvocationTimedOut, LambdaExecutionError } from "../../src/invoke/InvokeError.ts"
import type { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { FunctionNotFound } from "../../src/registry/FunctionRegistry.ts"
import { CallRefused } from "../../src/routing/RouteAuthorizer.ts"
import { httpApi, lenientApi, restApi, route } from "../routing/apis.ts"
import { functionConfig, hello } from "../support/functions.ts"
import { gatewayApp } from "./gatewayApp.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (payload: Uint8Array) => new TextDecoder().decode(payload)

let entered = Deferred.makeUnsafe<void>()
let go = Deferred.makeUnsafe<void>()
let ends: Array<string> = []

interface Event {
  readonly headers?: Readonly<Record<string, string>>
}

const resultIn = (headers: Event["headers"]): string | undefined =>
  Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === "x-result")?.[1]

/** What the next functions answer with, whatever they are asked. */
let result: Uint8Array | undefined

/** What comes of an event is said by a header of its request; by default, the event itself is the body. */
const invoke: LambdaInvoker["Service"]["invoke"] = ({ payload }) => {
  if (result !== undefined) return Effect.succeed({ payload: result, executedVersion: "$LATEST" })
  const event: Event = JSON.parse(text(payload))
  const asked = resultIn(event.headers)
  const about = { functionName: hello, executedVersion: "3" }
  switch (asked) {
    case undefined:
      return Effect.succeed({ payload: bytes(JSON.stringify({ body: text(payload) })), executedVersion: "$LATEST" })
    case "throttle":
      return Effect.fail(new NoCapacity({ functionName: hello, reason: "TimedOut" }))
    case "stopping":
      return Effect.fail(new NoCapacity({ functionName: hello, reason: "Closed" }))
    case "unknown":
      return Effect.fail(new FunctionNotFound({ functionName: hello }))
    case "time out": {
      const cause = new InvocationTimedOut({ functionName: hello, timeout: functionConfig().timeout, target: "w" })
      return Effect.fail(
        new LambdaExecutionError({ ...about, cause, errorType: "Sandbox.Timedout", document: bytes("{}") })
      )
    }
    case "throw":
      return Effect.succeed({
        ...about,
        payload: bytes('{"errorType":"E"}'),
        functionError: "Unhandled",
        errorType: "E"
      })
    case "break":
      return Effect.die(new Error("a bug"))
    case "end":
      return Effect.interrupt
    case "wait":
      return Deferred.succeed(entered, undefined).pipe(
        Effect.andThen(Deferred.await(go)),
        Effect.as({ payload: bytes("{}"), executedVersion: "$LATEST" }),
        Effect.onExit((exit) => Effect.sync(() => ends.push(exit._tag)))
      )
    default:
      return Effect.succeed({ payload: bytes(asked), executedVersion: "$LATEST" })
  }
}

const proxy = ["ANY /{proxy+}", "ANY /"]
const apis = [
  httpApi(["ANY /v2/{id}", route("ANY /v1/{proxy+}", { payloadFormat: "1.0" })], {
    id: "http",
    stage: "h",
    mounts: ["stage"],
    stageVariables: { a: "b" }
  }),
  httpApi(["ANY /{proxy+}"], { id: "guarded", stage: "guarded", mounts: ["stage"], gatekeeper: "nobody" }),
  httpApi(["ANY /{proxy+}"], { id: "browsers", stage: "browsers", mounts: ["stage"], cors: { allowOrigins: ["*"] } }),
  lenientApi(["ANY /lenient/{proxy+}"]),
  restApi(
    [
      route("ANY /qualified", { qualifier: "live" }),
      route("ANY /authorized", { authorizer: "nobody" }),
      route("ANY /counted", { needsApiKey: true }),
      route("ANY /other", { functionName: "other" }),
      route("ANY /patient"),
      "GET /only/get",
      ...proxy
    ],
    { id: "rest", binaryMediaTypes: ["image/png"] }
  ),
  restApi(proxy, { id: "hasty", stage: "hasty", mounts: ["stage"], timeout: Duration.millis(50) })
]

const gateway = gatewayApp({
  invoke,
  isWarm: true,
  apis,
  apiKey: "secret",
  authorize: () => Effect.fail(new CallRefused({ status: 401, body: { message: "no" }, headers: {}, reason: "no" }))
})
const scope = Scope.makeUnsafe()
let short = ""
let long = ""
/** Whether the last request was answered by the short way. */
let isShort = false

const watched =
  (direct: Direct): Direct =>
  (head) => {
    isShort = false
    const begin = direct(head)
    return begin === undefined
      ? undefined
      : (request, reply) => {
          const answer: typeof reply.answer = (answered) => {
            isShort = true
            reply.answer(answered)
          }
          return begin(request, { answer, pass: () => reply.pass() })
        }
  }

beforeAll(async () => {
  const direct = await Effect.runPromise(Scope.provide(gateway.direct, scope))
  const options = { host: "127.0.0.1", port: 0, maxBodyBytes: 16 * 1024 * 1024, fetch: gateway.app.fetch }
  const open = (more: Partial<HttpServerOptions>) =>
    Effect.runPromise(Scope.provide(listen({ ...options, ...more }), scope))
  short = `http://127.0.0.1:${(await open({ direct: watched(direct!) })).port}`
  long = `http://127.0.0.1:${(await open({})).port}`
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

interface Ask {
  readonly method?: string
  readonly body?: RequestInit["body"]
  /** Lines, as they are to be sent. */
  readonly headers?: ReadonlyArray<string>
}

interface Answered {
  readonly status: number
  readonly fields: ReadonlyArray<string>
  readonly body: string
}

const withoutChunks = (body: string): string => {
  const [, size = "", rest = ""] = /^([0-9a-f]+)\r\n(.*)$/s.exec(body) ?? []
  const length = Number.parseInt(size, 16)
  return length > 0 ? rest.slice(0, length) + withoutChunks(rest.slice(length + 2)) : ""
}

/** By hand, since a client of higher standing spells headers and paths its own way. */
const send = (server: string, target: string, { body = "", headers = [], method = "GET" }: Ask): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(server).port), "127.0.0.1")
    const pieces: Array<Uint8Array> = []
    socket.on("error", reject).on("data", (piece) => pieces.push(Buffer.from(piece)))
    socket.on("end", () => {
      const [head = "", ...rest] = Buffer.concat(pieces).toString("latin1").split("\r\n\r\n")
      const [start = "", ...fields] = head.split("\r\n")
      const body = rest.join("\r\n\r\n")
      const isChunked = fields.some((line) => /^transfer-encoding/i.test(line))
      resolve({ status: Number(start.split(" ")[1]), fields, body: isChunked ? withoutChunks(body) : body })
    })
    const sent = Buffer.from(body as string, "utf8")
    const lines = headers.some((line) => /^host:/i.test(line)) ? headers : ["Host: irori.test:9000", ...headers]
    const framing = lines.some((line) => /^transfer-encoding:/i.test(line)) ? [] : [`Content-Length: ${sent.length}`]
    socket.write(`${method} ${target} HTTP/1.1\r\n${[...lines, ...framing, "Connection: close"].join("\r\n")}\r\n\r\n`)
    socket.write(sent)
  })

/** Ids and times, which are others each time; and how the body is framed, which is the server's business. */
const masked = (shown: string): string =>
  shown
    .replaceAll(/[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/g, "<id>")
    .replaceAll(/1-[0-9a-f]{8}-[0-9a-f]{24}/g, "<trace>")
    .replaceAll(/("requestTime(?:Epoch)?|"time(?:stamp|Epoch)?)":(?:"[^"]*"|\d+)/g, '$1":0')
    .replaceAll(/"extendedRequestId":"[^"]{15}="/g, '"extendedRequestId":""')

const shown = ({ body, fields, status }: Answered) => ({
  status,
  fields: fields
    .map((line) => masked(line.replace(/^date: .*/i, "date")).replace(/^[^:]+/, (name) => name.toLowerCase()))
    .filter((line) => !/^(content-length: (?!0$)|transfer-encoding)/.test(line))
    .sort(),
  body: masked(body.replaceAll("\\", ""))
})

const idOf = ({ fields }: Answered) =>
  /^x-amzn-requestid: (.*)$/im.exec(fields.join("\n"))?.[1] ?? "there is no id in the answer"

/** What the log has of a request, in whichever order. */
const linesOf = async (answered: Answered) => {
  const lines = () => gateway.log.filter(({ annotations }) => annotations.aws_request_id === idOf(answered))
  const isAccess = (message: string) => / \d{3}$/.test(message)
  await expect.poll(() => lines().filter(({ message }) => isAccess(message))).toHaveLength(1)
  return lines()
    .map(({ annotations, level, message }) => {
      const { aws_request_id: _, latency_ms: __, trace_id: ___, ...rest } = annotations
      return { level, message: message.split("\n", 1)[0], ...rest }
    })
    .sort((a, b) => (a.message ?? "").localeCompare(b.message ?? ""))
}

const both = async (target: string, asked: Ask) => {
  const direct = await send(short, target, asked)
  const wasShort = isShort
  const routed = await send(long, target, asked)
  expect(shown(direct)).toEqual(shown(routed))
  expect(await linesOf(direct)).toEqual(await linesOf(routed))
  return { answered: direct, isShort: wasShort }
}

const json = (result: object) => [`X-Result: ${JSON.stringify(result)}`]

describe("a plain request goes the short way, and is answered as by the long one", () => {
  it.each<[string, string, Ask]>([
    ["without a body", "/a/b", {}],
    ["at the root", "/", {}],
    ["behind a stage", "/prod/a", { method: "DELETE" }],
    ["with a query", "/a?x=1&x=2&y=%20+&z", {}],
    ["with an encoded path", "/a%20b/%C3%A9?x=%", {}],
    ["with slashes", "/a//b/", {}],
    ["with a body", "/a", { method: "POST", body: '{"é":1}', headers: ["Content-Type: application/json"] }],
    ["with a body that is none", "/a", { method: "GET", body: "{}" }],
    [
      "with headers spelled and told in many ways",
      "/a",
      { headers: ["x-A: 1", "X-a: 2", "cookie: a=b", "COOKIE: c=d"] }
    ],
    ["with headers that are the connection's", "/a", { headers: ["Keep-Alive: 1", "TE: trailers", "Expect: nothing"] }],
    ["with bytes in a header", "/a", { headers: ["X-Name: \u00c3\u00a9"] }],
    ["with words of proxies", "/a", { headers: ["X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https"] }],
    ["with a trace", "/a", { headers: ["X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"] }],
    ["of 10,000 bytes of headers", "/a", { headers: [`X-Long: ${"x".repeat(10_000)}`] }],
    ["to a version", "/qualified", {}],
    ["with the host of its API", "/prod/a", { headers: ["Host: rest.execute-api.us-east-1.amazonaws.com"] }],
    ["to an HTTP API", "/h/v2/a%2Fb?x=1&x=2", { headers: ["Cookie: a=b; c=d", "Cookie: e=f"] }],
    ["to an HTTP API, of the older format", "/h/v1/a/b?x=1&x=2", { method: "PUT", body: "text" }],
    ["to a lenient API", "/lenient/a%20b", { headers: ["X-Upper: a"] }]
  ])("one %s", async (_, target, asked) => {
    const { answered, isShort } = await both(target, asked)
    expect([answered.status, isShort]).toEqual([200, true])
  })

  it.each<[string, ReadonlyArray<string>]>([
    ["a status", json({ statusCode: 201, headers: { "X-B": 1, date: "never", server: "mine" }, body: "b" })],
    ["cookies", json({ statusCode: 200, multiValueHeaders: { "Set-Cookie": ["a=1", "b=2"], "X-Many": ["1", "2"] } })],
    ["no body", json({ statusCode: 204, body: "b" })],
    ["nothing new", json({ statusCode: 304, headers: { etag: "e" } })],
    ["an empty body", json({ statusCode: 200, body: "" })],
    [
      "bytes",
      [
        ...json({ headers: { "content-type": "image/png" }, body: "AAEC/w==", isBase64Encoded: true }),
        "Accept: image/png"
      ]
    ],
    [
      "headers of the connection",
      json({ statusCode: 200, headers: { connection: "close", "content-length": "99", te: "x" } })
    ],
    ["a header with a line's end", json({ statusCode: 200, headers: { "x-a": "b\r\nset-cookie: c" } })],
    ["a header with a name of two words", json({ statusCode: 200, headers: { "x a": "b" } })],
    ["a status that is none", json({ statusCode: 99 })],
    ["no JSON", ["X-Result: no"]],
    ["no object", ["X-Result: [1]"]],
    ["a failure", ["X-Result: throw"]],
    ["a bug of ours", ["X-Result: break"]],
    ["too long a time", ["X-Result: time out"]],
    ["no room", ["X-Result: throttle"]],
    ["the end of the process", ["X-Result: stopping"]],
    ["no such function", ["X-Result: unknown"]]
  ])("one whose outcome is %s", async (_, headers) => {
    for (const target of ["/a", "/h/v2/1", "/h/v1/1", "/lenient/1"]) {
      expect((await both(target, { headers })).isShort, target).toBe(true)
    }
  })

  it("one whose invocation is cut off, by closing without an answer of the function's", async () => {
    const { answered } = await both("/a", { headers: ["X-Result: end"] })
    expect(answered.status).toBe(499)
  })

  it("one whose API does not wait as long, and has the invocation cut off", async () => {
    ends = []
    entered = Deferred.makeUnsafe<void>()
    go = Deferred.makeUnsafe<void>()
    const { answered, isShort } = await both("/hasty/a", { headers: ["X-Result: wait"] })
    expect([answered.status, isShort]).toEqual([504, true])
    expect(ends).toEqual(["Failure", "Failure"])
  })

  it("one of 6 MB, whose event is too large", async () => {
    const body = "x".repeat(6_291_456)
    const { answered, isShort } = await both("/a", { method: "POST", body })
    expect([answered.status, isShort]).toEqual([413, false])
  })
})

describe("any other request goes the long way", () => {
  it.each<[string, string, Ask]>([
    ["a route with an authorizer", "/authorized", {}],
    ["a route that asks for a key", "/counted", {}],
    ["an API that is guarded", "/guarded/a", {}],
    ["an API that answers browsers", "/browsers/a", { headers: ["Origin: http://a.test"] }],
    ["HEAD", "/a", { method: "HEAD" }],
    ["OPTIONS", "/a", { method: "OPTIONS" }],
    ["a method that the route has not", "/only/get", { method: "PUT" }],
    ["headers above the limit", "/a", { headers: [`X-Long: ${"x".repeat(10_240)}`] }],
    ["a path with dots", "/a/../b", {}],
    ["a path with encoded dots", "/a/%2E%2e/health", {}],
    ["a path with dots that leads to this process's own", "/a/../health", {}],
    ["a path that cannot be decoded", "/a%ff", {}],
    ["a backslash", "/a\\..\\health", {}],
    ["the health of the process", "/health", {}],
    ["a path behind it", "/health/a", {}],
    ["Lambda's API", "/2015-03-31/functions/hello/invocations", { method: "POST", body: "{}" }],
    ["the token of a stranger", "/irori/reload", { method: "POST" }],
    ["a function URL's host", "/a", { headers: ["Host: abc.lambda-url.us-east-1.localhost"] }],
    ["a function URL's host in capitals", "/a", { headers: ["Host: ABC.LAMBDA-URL.us-east-1.localhost"] }],
    ["a function URL's host, encoded", "/a", { headers: ["Host: abc.lambda%2Durl.us-east-1.localhost"] }],
    ["a function URL's path", "/lambda-url/abc", {}],
    ["a path of a function URL's", "/lambda-url/abc/a?b", {}],
    ["another function", "/other", {}],
    [
      "a body in chunks",
      "/a",
      { method: "POST", headers: ["Transfer-Encoding: chunked"], body: "2\r\n{}\r\n0\r\n\r\n" }
    ]
  ])("%s", async (_, target, asked) => {
    expect((await both(target, asked)).isShort).toBe(false)
  })
})

const pieces = [
  "a",
  "prod",
  "h",
  "v1",
  "v2",
  "lenient",
  "health",
  "hasty",
  "2015-03-31",
  ".",
  "..",
  "%2e",
  "%2F",
  "%c3%a9",
  "%",
  "\\",
  "+"
]
const path = fc.array(fc.constantFrom("/", ...pieces), { maxLength: 8 }).map((parts) => `/${parts.join("")}`)
const query = fc.array(fc.constantFrom("=", "&", "a", "%20", "+", "%", "?", "__proto__"), { maxLength: 8 })
const target = fc.tuple(path, query).map(([path, query]) => (query.length === 0 ? path : `${path}?${query.join("")}`))
const latin = fc.array(fc.integer({ min: 0x20, max: 0xff }), { maxLength: 12 })
const headerValue = latin.map((codes) => String.fromCharCode(...codes.filter((code) => code !== 0x7f)))
const headerNames = [
  "X-a",
  "x-A",
  "Cookie",
  "Accept",
  "Content-Type",
  "Content-Encoding",
  "Keep-Alive",
  "X-Forwarded-For",
  "X-Amzn-Trace-Id",
  "User-Agent",
  "__proto__"
]
const requestHeaders = fc.array(fc.tuple(fc.constantFrom(...headerNames), headerValue), { maxLength: 5 })
const request = fc.record({
  target,
  method: fc.constantFrom("GET", "POST", "DELETE", "HEAD", "OPTIONS"),
  headers: requestHeaders.map((fields) => fields.map(([name, value]) => `${name}: ${value}`)),
  body: fc.string({ unit: "grapheme", maxLength: 20 })
})
const answerHeaders = fc.dictionary(
  fc.oneof(fc.constantFrom("X-A", "x-a", "Set-Cookie", "Date", "Content-Length", "Connection", "x y"), fc.string()),
  fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom(" a ", "a\r\nb: c", "\u0000", 1, true, null))
)
const functionResult = fc.oneof(
  fc.record(
    {
      statusCode: fc.oneof(
        fc.constantFrom(200, 204, 205, 304, "404", 99, 1000, null),
        fc.integer({ min: 100, max: 700 })
      ),
      headers: answerHeaders,
      multiValueHeaders: fc.dictionary(
        fc.constantFrom("X-A", "Set-Cookie", "Date"),
        fc.array(fc.string(), { maxLength: 2 })
      ),
      cookies: fc.array(fc.string(), { maxLength: 2 }),
      body: fc.oneof(fc.string({ unit: "grapheme" }), fc.jsonValue()),
      isBase64Encoded: fc.constantFrom(true, false, "true")
    },
    { requiredKeys: [] }
  ),
  fc.jsonValue()
)

describe("any request, and anything that a function answers with", () => {
  afterEach(() => {
    result = undefined
  })

  it("is the same on both ways", async () => {
    let answered = 0
    const sameAnswers = fc.asyncProperty(request, fc.option(functionResult), async ({ target, ...asked }, given) => {
      result = given === null ? undefined : bytes(JSON.stringify(given))
      const direct = await send(short, target, asked)
      if (isShort) answered++
      expect(shown(direct)).toEqual(shown(await send(long, target, asked)))
    })
    await fc.assert(sameAnswers, { numRuns: 300 })
    // Nor are they all requests that only the long way takes.
    expect(answered).toBeGreaterThan(30)
  })
})

describe("a caller who leaves", () => {
  const leave = async () => {
    entered = Deferred.makeUnsafe<void>()
    go = Deferred.makeUnsafe<void>()
    ends = []
    gateway.log.length = 0
    const leaving = new AbortController()
    const init = { headers: { "x-result": "wait" }, signal: leaving.signal }
    const left = fetch(`${short}/patient`, init).catch((error: Error) => error.name)
    await Effect.runPromise(Deferred.await(entered))
    leaving.abort()
    expect(await left).toBe("AbortError")
    await expect.poll(() => gateway.log.map(({ message }) => message)).toEqual(["GET /patient 499"])
  }

  it("has the function finish, where it soon does, and nothing more is said of it", async () => {
    await leave()
    await Effect.runPromise(Deferred.succeed(go, undefined))
    await expect.poll(() => ends).toEqual(["Success"])
    expect(gateway.log).toHaveLength(1)
  })

  it("has it cut off, where it does not", async () => {
    await leave()
    await expect.poll(() => ends, { timeout: 5000 }).toEqual(["Failure"])
    expect(gateway.log).toHaveLength(1)
  })
})
