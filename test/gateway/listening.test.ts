/** What only shows on a real connection. */
import { connect } from "node:net"
import {
  InvokeCommand,
  LambdaClient,
  ResourceNotFoundException,
  TooManyRequestsException
} from "@aws-sdk/client-lambda"
import { Deferred, Effect, Exit, Scope } from "effect"
import { Elysia } from "elysia"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { listen } from "../../src/http/NetHttpServer.ts"
import { NoCapacity } from "../../src/invoke/InvocationBackend.ts"
import { hello } from "../support/functions.ts"
import { arn, gatewayApp } from "./gatewayApp.ts"

const started = Deferred.makeUnsafe<void>()
const interrupted = Deferred.makeUnsafe<void>()
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)

/** The event says what comes of it. */
const gateway = gatewayApp({
  invoke: (invocation) => {
    switch (text(invocation.payload)) {
      case '"throttle"':
        return Effect.fail(new NoCapacity({ functionName: hello, reason: "TimedOut" }))
      case '"fail"':
        return Effect.succeed({
          payload: new TextEncoder().encode('{"errorType":"E"}'),
          executedVersion: "$LATEST",
          functionError: "Unhandled"
        })
      case '"wait"':
        return Deferred.succeed(started, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
      default:
        return Effect.succeed({ payload: invocation.payload, executedVersion: "$LATEST" })
    }
  }
})
const scope = Scope.makeUnsafe()
let url = ""
let port = 0

beforeAll(async () => {
  const options = { host: "127.0.0.1", port: 0, maxBodyBytes: 128 * 1024 * 1024, fetch: gateway.app.fetch }
  port = (await Effect.runPromise(Scope.provide(listen(options), scope))).port
  url = `http://127.0.0.1:${port}`
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const path = "/2015-03-31/functions/hello/invocations"

/** Sends what is given and answers with what comes back until `enough` of it is there. The connection stays open. */
const speak = (bytes: string, enough: RegExp) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes))
    let received = ""
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1")
      if (!enough.test(received)) return
      socket.destroy()
      resolve(received)
    })
    socket.on("error", reject)
    socket.on("close", () => reject(new Error(`closed after '${received}'`)))
  })

const head = (headers: string) => `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`

describe("a listening gateway", () => {
  it("refuses what is declared too large before any of it has come", async () => {
    expect(await speak(head("Content-Length: 6291457"), /InvokeFunction operation/)).toMatch(/^HTTP\/1.1 413 /)
  })

  it("refuses a chunked body as soon as it is too large, though it goes on", async () => {
    const chunk = `100000\r\n${" ".repeat(0x100000)}\r\n`
    const answer = speak(`${head("Transfer-Encoding: chunked")}${chunk.repeat(7)}`, /InvokeFunction operation/)
    expect(await answer).toMatch(/^HTTP\/1.1 413 /)
  })

  it("takes a chunked body", async () => {
    const body = '5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n'
    expect(await speak(`${head("Transfer-Encoding: chunked")}${body}`, /\{"a":1\}/)).toMatch(/^HTTP\/1.1 200 /)
  })

  it("takes an event of six megabytes and gives it back", async () => {
    const event = `"${"x".repeat(6_291_454)}"`
    const response = await fetch(url + path, { method: "POST", body: event })
    expect(response.status).toBe(200)
    expect((await response.text()) === event).toBe(true)
  })

  it("frees the invocation when the client hangs up", async () => {
    const client = new AbortController()
    const request = fetch(url + path, { method: "POST", body: '"wait"', signal: client.signal })
    await Effect.runPromise(Deferred.await(started))
    client.abort()
    await expect(request).rejects.toThrow()
    await Effect.runPromise(Deferred.await(interrupted))
    await expect.poll(() => gateway.log.at(-1)?.annotations.status).toBe(499)
    expect(gateway.log.filter(({ level }) => level !== "Info")).toEqual([])
  })

  it("answers a broken path under Elysia's own server too", async () => {
    const app = new Elysia().use(gateway.app).listen({ port: 0, hostname: "127.0.0.1", reusePort: false })
    try {
      const broken = `http://127.0.0.1:${app.server!.port}/2015-03-31/functions/a%ZZb/invocations`
      expect((await fetch(broken, { method: "POST", body: "{}" })).status).toBe(400)
    } finally {
      await app.stop(true)
    }
  })

  it("answers a broken path, and knows the client's address", async () => {
    const response = await fetch(`${url}/2015-03-31/functions/a%ZZb/invocations`, { method: "POST", body: "{}" })
    expect(response.status).toBe(400)
    expect(response.headers.get("x-amzn-errortype")).toBe("ValidationException")
    await expect.poll(() => gateway.log.at(-1)?.annotations).toMatchObject({ status: 400, client_ip: "127.0.0.1" })
  })
})

describe("the AWS SDK, at a listening gateway", () => {
  const invoke = (event: string, name = "hello", settings: Partial<InvokeCommand["input"]> = {}) =>
    new LambdaClient({
      region: "us-east-1",
      endpoint: url,
      maxAttempts: 1,
      credentials: { accessKeyId: "a", secretAccessKey: "b" }
    }).send(new InvokeCommand({ FunctionName: name, Payload: event, ...settings }))

  it("invokes a function by its ARN, and shows the request's id", async () => {
    const answer = await invoke('{"a":1}', `${arn}:hello:$LATEST`, { Qualifier: "$LATEST", LogType: "None" })
    expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: "$LATEST" })
    expect(answer.FunctionError).toBeUndefined()
    expect(text(answer.Payload)).toBe('{"a":1}')
    expect(answer.$metadata.requestId).toBe(gateway.invoked.at(-1)!.requestId)
  })

  it("shows a function's error", async () => {
    const answer = await invoke('"fail"')
    expect(answer).toMatchObject({ StatusCode: 200, FunctionError: "Unhandled" })
    expect(text(answer.Payload)).toBe('{"errorType":"E"}')
  })

  it.each([
    ["Event", 202],
    ["DryRun", 204]
  ] as const)("knows the status of %s", async (type, status) => {
    expect((await invoke("{}", "hello", { InvocationType: type })).StatusCode).toBe(status)
  })

  it("passes the client's context on", async () => {
    await invoke("{}", "hello", { ClientContext: Buffer.from('{"custom":{"a":"b"}}').toString("base64") })
    expect(gateway.invoked.at(-1)!.clientContext).toBe('{"custom":{"a":"b"}}')
  })

  it("throws its own exceptions", async () => {
    const missing = await invoke("{}", "nope").catch((error: unknown) => error)
    expect(missing).toBeInstanceOf(ResourceNotFoundException)
    expect(missing).toMatchObject({ message: `Function not found: ${arn}:nope:$LATEST` })
    const throttled = await invoke('"throttle"').catch((error: unknown) => error)
    expect(throttled).toBeInstanceOf(TooManyRequestsException)
    expect(throttled).toMatchObject({
      Reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
      retryAfterSeconds: "1"
    })
  })
})
