/** The short way of Invoke beside the long one, on real connections: nobody can tell by the answer which one it went. */
import { Deferred, Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { newExchange, traceTo } from "../../plugins/gateway/exchange.ts"
import { functionArn } from "../../src/domain/FunctionName.ts"
import { extendLineage } from "../../src/domain/Lineage.ts"
import { listen } from "../../src/http/NetHttpServer.ts"
import { type AsyncInvoker, EventQueueFull } from "../../src/invoke/AsyncInvoker.ts"
import { NoCapacity } from "../../src/invoke/InvocationBackend.ts"
import { InvocationTimedOut, LambdaExecutionError } from "../../src/invoke/InvokeError.ts"
import type { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { functionConfig, hello } from "../support/functions.ts"
import { gatewayApp } from "./gatewayApp.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (payload: Uint8Array) => new TextDecoder().decode(payload)

let entered = Deferred.makeUnsafe<void>()
let go = Deferred.makeUnsafe<void>()
let ends: Array<string> = []

const owner = { region: "us-east-1", accountId: "000000000000" }
/** What stands for a function in a trace. */
const markOf = (arn: string) => extendLineage(undefined, arn).lineage.split(":")[1]

/** The event says what comes of it. */
const invoke: LambdaInvoker["Service"]["invoke"] = ({ payload, requestId }) => {
  switch (payload.length > 100 ? "" : text(payload)) {
    case '"throttle"':
      return Effect.fail(new NoCapacity({ functionName: hello, reason: "TimedOut" }))
    case '"time out"': {
      const cause = new InvocationTimedOut({ functionName: hello, timeout: functionConfig().timeout, target: "w" })
      const about = { functionName: hello, executedVersion: "3", cause, errorType: "Sandbox.Timedout" }
      return Effect.fail(new LambdaExecutionError({ ...about, document: bytes('{"errorType":"Sandbox.Timedout"}') }))
    }
    case '"throw"':
      return Effect.succeed({ payload: bytes('{"errorType":"E"}'), executedVersion: "7", functionError: "Unhandled" })
    case '"break"':
      return Effect.die(new Error("a bug"))
    case '"wait"':
      return Deferred.succeed(entered, undefined).pipe(
        Effect.andThen(Deferred.await(go)),
        Effect.as({ payload, executedVersion: "$LATEST" }),
        Effect.onExit((exit) => Effect.sync(() => ends.push(exit._tag)))
      )
    case '"version 1"':
    case '"version 2"':
      return Effect.succeed({ payload, executedVersion: text(payload).slice(-2, -1) })
    case '"whose"':
      return Effect.succeed({ payload: bytes(JSON.stringify(requestId)), executedVersion: "$LATEST" })
    default:
      return Effect.succeed({ payload, executedVersion: "$LATEST" })
  }
}

const apiKey = "secret"
const enqueue: AsyncInvoker["Service"]["enqueue"] = ({ payload }) =>
  text(payload) === '"full"' ? Effect.fail(new EventQueueFull({ maxEvents: 3 })) : Effect.void
const gateway = gatewayApp({ invoke, enqueue, isWarm: true, apiKey })
const scope = Scope.makeUnsafe()
let short = ""
let long = ""

beforeAll(async () => {
  const direct = await Effect.runPromise(Scope.provide(gateway.direct, scope))
  const options = { host: "127.0.0.1", port: 0, maxBodyBytes: 16 * 1024 * 1024, fetch: gateway.app.fetch }
  const open = (more: object) => Effect.runPromise(Scope.provide(listen({ ...options, ...more }), scope))
  short = `http://127.0.0.1:${(await open({ direct })).port}`
  long = `http://127.0.0.1:${(await open({})).port}`
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const asEvent = { "X-Amz-Invocation-Type": "Event" }
const invocations = "/2015-03-31/functions/hello/invocations"

type Body = NonNullable<RequestInit["body"]>

/** The lines of the access log with a request's id: they may come a little after its answer. */
const linesOf = async (response: Response) => {
  const id = response.headers.get("x-amzn-requestid")
  const lines = () =>
    gateway.log.filter(({ annotations, message }) => {
      return annotations.aws_request_id === id && / \d{3}$/.test(message)
    })
  await expect.poll(lines).not.toEqual([])
  return lines().map(({ annotations: { client_ip, user_agent }, message }) => ({ message, client_ip, user_agent }))
}

const ask = async (server: string, body: Body, { headers = {}, method = "POST", path = invocations } = {}) => {
  gateway.started.length = gateway.accepted.length = 0
  const sent = { "x-api-key": apiKey, "content-type": "application/json", ...headers }
  const init = { method, headers: sent, ...(method === "GET" ? {} : { body }) }
  const response = await fetch(`${server}${path}`, init)
  const answer = await response.bytes()
  return {
    response,
    answer,
    isStarted: gateway.started.length + gateway.accepted.length > 0,
    log: await linesOf(response)
  }
}

/** What is the same each time. How a body is framed is the server's business: a large `Response` comes in chunks. */
const shown = (response: Response) => {
  const { "content-length": _, "transfer-encoding": __, ...headers } = Object.fromEntries(response.headers)
  for (const name of ["date", "x-amzn-requestid", "x-amzn-trace-id"]) {
    expect(headers, name).toHaveProperty([name])
    delete headers[name]
  }
  return { status: response.status, headers }
}

/** JSON of about so many bytes. */
const large = (size: number) => JSON.stringify({ numbers: Array.from({ length: size / 6 }, (_, n) => n % 100_000) })

describe("a plain request goes the short way, and is answered as by the long one", () => {
  it.each<[string, string, Parameters<typeof ask>[2]?]>([
    ["an answer", '{"a":  1.0, "b": "\\u00e9é"}'],
    ["one of 100 KB", large(100_000)],
    ["one of 6 MB", large(6_000_000)],
    ["a function that fails", '"throw"'],
    ["one that takes too long", '"time out"'],
    ["no room", '"throttle"'],
    ["a bug", '"break"'],
    ["an event", "{}", { headers: asEvent }],
    ["an event of 1 MB", large(1_000_000), { headers: asEvent }],
    ["an event for which there is no room", '"full"', { headers: asEvent }]
  ])("%s", async (_, body, options) => {
    const [direct, routed] = [await ask(short, body, options), await ask(long, body, options)]
    expect([direct.isStarted, routed.isStarted]).toEqual([true, false])
    expect(shown(direct.response)).toEqual(shown(routed.response))
    // Megabytes take a matcher seconds.
    expect(Buffer.compare(direct.answer, routed.answer)).toBe(0)
    expect(direct.log).toEqual(routed.log)
    expect(direct.log).toMatchObject([{ client_ip: "127.0.0.1" }])
  })

  it("tells the function the request's own id, and hands a trace on", async () => {
    const root = "Root=1-5759e988-bd862e3fe1be46a994272793"
    const { answer, response } = await ask(short, '"whose"', { headers: { "X-Amzn-Trace-Id": `${root};Sampled=1` } })
    expect(JSON.parse(text(answer))).toBe(response.headers.get("x-amzn-requestid"))
    expect(response.headers.get("x-amzn-trace-id")).toBe(`${root};Sampled=1`)
    expect(gateway.started[0]?.traceId).toMatch(new RegExp(`^${root};Parent=[0-9a-f]{16};Sampled=1;Lineage=`))
  })

  it("tells which version has run, whichever has before it", async () => {
    const versionOf = async (version: string) =>
      (await ask(short, `"version ${version}"`)).response.headers.get("x-amz-executed-version")
    expect([await versionOf("1"), await versionOf("2"), await versionOf("1")]).toEqual(["1", "2", "1"])
  })

  it("leads each function's trace to that function, whichever was invoked before it", () => {
    const exchange = newExchange(undefined, "")
    const owners = [owner, { ...owner, region: "eu-west-1" }]
    const steps = owners.flatMap((each) =>
      ["a", "b", "a"].map((name) => traceTo(exchange, each, name).split(":").at(-2))
    )
    const marks = owners.flatMap((each) => ["a", "b", "a"].map((name) => markOf(functionArn(each, name))))
    expect(steps).toEqual(marks)
    expect(new Set(steps).size).toBe(4)
  })
})

describe("any other request goes the long way", () => {
  it.each([
    ["no JSON", "{", {}],
    ["no JSON, and large", `[${large(200_000)}`, {}],
    ["no body", "", {}],
    ["a body above the limit", `"${"x".repeat(6_291_456)}"`, {}],
    ["an unknown function", "{}", { path: "/2015-03-31/functions/other/invocations" }],
    ["a name that is an ARN", "{}", { path: invocations.replace("hello", "123456789012:hello") }],
    ["a qualifier", "{}", { path: `${invocations}?Qualifier=$LATEST` }],
    ["an event for an unknown function", "{}", { path: invocations.replace("hello", "other"), headers: asEvent }],
    ["an event that is no JSON", "{", { headers: asEvent }],
    ["an event above its limit", `"${"x".repeat(1_048_576)}"`, { headers: asEvent }],
    ["an event with a qualifier", "{}", { path: `${invocations}?Qualifier=$LATEST`, headers: asEvent }],
    ["a dry run", "{}", { headers: { "x-amz-invocation-type": "DryRun" } }],
    ["a wish for the log", "{}", { headers: { "X-Amz-Log-Type": "Tail" } }],
    ["a context", "{}", { headers: { "X-Amz-Client-Context": btoa("{}") } }],
    ["no key", "{}", { headers: { "x-api-key": "" } }],
    ["a wrong key", "{}", { headers: { "x-api-key": "guess" } }],
    ["another method", "{}", { method: "PUT" }],
    ["a host with paths of its own", "{}", { headers: { host: "abc.lambda-url.us-east-1.localhost" } }],
    ["such a host in capitals", "{}", { headers: { host: "ABC.LAMBDA-URL.us-east-1.localhost" } }]
  ])("%s", async (_, body, options) => {
    const [direct, routed] = [await ask(short, body, options), await ask(long, body, options)]
    expect(direct.isStarted).toBe(false)
    expect(shown(direct.response)).toEqual(shown(routed.response))
    expect(direct.answer).toEqual(routed.answer)
    expect(direct.log).toEqual(routed.log)
  })

  it("a body in chunks", async () => {
    const body = new ReadableStream({
      start: (stream) => {
        stream.enqueue(bytes("[1]"))
        stream.close()
      }
    })
    const { answer, isStarted } = await ask(short, body, { duplex: "half" } as object)
    expect([isStarted, text(answer)]).toEqual([false, "[1]"])
  })
})

describe("a caller who leaves", () => {
  const leave = async () => {
    entered = Deferred.makeUnsafe<void>()
    go = Deferred.makeUnsafe<void>()
    ends = []
    gateway.log.length = 0
    const leaving = new AbortController()
    const init = { method: "POST", body: '"wait"', headers: { "x-api-key": apiKey }, signal: leaving.signal }
    const left = fetch(`${short}${invocations}`, init).catch((error: Error) => error.name)
    await Effect.runPromise(Deferred.await(entered))
    leaving.abort()
    expect(await left).toBe("AbortError")
  }

  it("has the function finish, where it soon does", async () => {
    await leave()
    await expect.poll(() => gateway.log.map(({ message }) => message)).toEqual([`POST ${invocations} 499`])
    await Effect.runPromise(Deferred.succeed(go, undefined))
    await expect.poll(() => ends).toEqual(["Success"])
    // And nothing more is said of it.
    expect(gateway.log).toHaveLength(1)
  })

  it("has it cut off, where it does not", async () => {
    await leave()
    await expect.poll(() => ends, { timeout: 5000 }).toEqual(["Failure"])
    expect(gateway.log.map(({ message }) => message)).toEqual([`POST ${invocations} 499`])
  })
})
