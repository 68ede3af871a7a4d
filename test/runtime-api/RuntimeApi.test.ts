import { once } from "node:events"
import { it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { describe, expect } from "vitest"
import { WorkerId } from "../../src/domain/Worker.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { answered, Connection, event, next, responseTo, withWorker } from "../support/runtimeConnection.ts"

describe("the Runtime API", () => {
  it.live("gives a waiting runtime its event with Lambda's headers, and takes its response", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const before = Date.now()
      const outcome = deliver(event({ clientContext: '{"custom":{"ü":"x"}}' }))
      const given = await connection.response()
      expect(given?.status).toBe(200)
      expect(given?.body).toBe('{"a":1}')
      expect(Object.fromEntries(given!.headers)).toMatchObject({
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": "id-1",
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:hello",
        "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
        "Lambda-Runtime-Client-Context": '{"custom":{"\\u00fc":"x"}}'
      })
      const deadline = Number(given?.headers.get("Lambda-Runtime-Deadline-Ms"))
      expect(deadline - before).toBeGreaterThanOrEqual(3000)
      expect(deadline - before).toBeLessThan(4000)
      connection.post(responseTo("id-1"), '"ok"')
      expect(await connection.response()).toMatchObject({ status: 202, body: '{"status":"OK"}\n' })
      expect(answered(await outcome)).toEqual({ payload: '"ok"' })
    })
  )

  it.live("is ready at the runtime's first poll", () =>
    Effect.gen(function* () {
      const api = yield* RuntimeApi
      const listener = yield* api.open(WorkerId.make("w1"), "127.0.0.1")
      listener.admit("127.0.0.1")
      const ready = yield* Effect.forkChild(listener.initialized, { startImmediately: true })
      expect(ready.pollUnsafe()).toBeUndefined()
      const connection = new Connection(listener.port).get(next)
      yield* Fiber.join(ready)
      connection.socket.destroy()
    }).pipe(Effect.scoped, Effect.provide(RuntimeApi.layer))
  )

  it.live("reports an init error with its document and type", () =>
    Effect.gen(function* () {
      const api = yield* RuntimeApi
      const listener = yield* api.open(WorkerId.make("w1"), "127.0.0.1")
      listener.admit("127.0.0.1")
      const document = '{"errorType":"Runtime.ImportModuleError","errorMessage":"no"}'
      const connection = new Connection(listener.port).post("/2018-06-01/runtime/init/error", document)
      const failure = yield* Effect.flip(listener.initialized)
      expect(failure).toMatchObject({ reason: "InitError", errorType: "Runtime.ImportModuleError", document })
      expect(yield* Effect.promise(() => connection.response())).toMatchObject({ status: 202 })
      connection.socket.destroy()
    }).pipe(Effect.scoped, Effect.provide(RuntimeApi.layer))
  )

  it.live("keeps an event until the runtime asks for it", () =>
    withWorker(async ({ connection, deliver, listener, poll }) => {
      await poll()
      const first = deliver()
      await connection.response()
      await connection.post(responseTo("id-1"), "1").response()
      await first
      const second = deliver(event({ requestId: "id-2" }))
      expect(listener.undelivered()).toBe(true)
      connection.get(next)
      expect((await connection.response())?.headers.get("Lambda-Runtime-Aws-Request-Id")).toBe("id-2")
      await connection.post(responseTo("id-2"), "2").response()
      expect(answered(await second)).toEqual({ payload: "2" })
    })
  )

  it.live("passes on an error with its type, from the header or else from the document", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      for (const [headers, expected] of [
        ["Lambda-Runtime-Function-Error-Type: Runtime.Mine\r\n", "Runtime.Mine"],
        ["Lambda-Runtime-Function-Error-Type: nonsense!\r\n", "Function.Unknown"],
        ["", "TypeError"]
      ] as const) {
        if (headers.includes("Mine")) await poll()
        else connection.get(next)
        const outcome = deliver()
        await connection.response()
        const document = '{"errorType":"TypeError","errorMessage":"x"}'
        connection.post("/2018-06-01/runtime/invocation/id-1/error", document, headers)
        expect((await connection.response())?.status).toBe(202)
        expect(answered(await outcome)).toEqual({ payload: document, errorType: expected })
      }
    })
  )

  it.live("reads a response in chunks with trailers, however the bytes are cut", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const outcome = deliver()
      await connection.response()
      const request =
        `POST ${responseTo("id-1")} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n` +
        '6;x=y\r\n{"a":1\r\n1\r\n}\r\n0\r\nX-A: b\r\n\r\n'
      for (const letter of request) {
        connection.send(letter)
        await new Promise((turn) => setImmediate(turn))
      }
      expect((await connection.response())?.status).toBe(202)
      expect(answered(await outcome)).toEqual({ payload: '{"a":1}' })
    })
  )

  it.live("tells a client that asks whether to go on to go on", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const outcome = deliver()
      await connection.response()
      connection.send(
        `POST ${responseTo("id-1")} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`
      )
      expect((await connection.response())?.status).toBe(100)
      connection.send("42")
      expect((await connection.response())?.status).toBe(202)
      expect(answered(await outcome)).toEqual({ payload: "42" })
    })
  )

  it.live("serves requests sent ahead one after the other", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      connection.get("/2018-06-01/ping")
      await poll()
      expect(await connection.response()).toMatchObject({ status: 200, body: "pong" })
      const outcome = deliver()
      await connection.response()
      connection.post(responseTo("id-1"), "1").get(next)
      await connection.response()
      expect(answered(await outcome)).toEqual({ payload: "1" })
      const second = deliver()
      expect((await connection.response())?.body).toBe('{"a":1}')
      connection.post(responseTo("id-1"), "2")
      expect(answered(await second)).toEqual({ payload: "2" })
    })
  )

  it.live("refuses a response to another request, one given twice, and one before any event", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      connection.post(responseTo("id-1"), "1")
      expect(await connection.response()).toMatchObject({
        status: 403,
        body: expect.stringContaining("InvalidStateTransition")
      })
      await poll()
      const outcome = deliver()
      await connection.response()
      connection.post(responseTo("id-9"), "1")
      expect(await connection.response()).toMatchObject({
        status: 400,
        body: '{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}'
      })
      expect((await connection.post(responseTo("id-1"), "1").response())?.status).toBe(202)
      expect((await connection.post(responseTo("id-1"), "2").response())?.status).toBe(403)
      expect(answered(await outcome)).toEqual({ payload: "1" })
    })
  )

  it.live("ends an invocation whose response is too large as Lambda does", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const outcome = deliver()
      await connection.response()
      connection.post(responseTo("id-1"), "x".repeat(6_291_557))
      expect(await connection.response()).toMatchObject({
        status: 413,
        body: expect.stringContaining("RequestEntityTooLarge")
      })
      expect(answered(await outcome)).toEqual({
        errorType: "Function.ResponseSizeTooLarge",
        payload:
          '{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",' +
          '"errorType":"Function.ResponseSizeTooLarge"}'
      })
    })
  )

  it.live("takes a response of the largest size whole", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const outcome = deliver()
      await connection.response()
      connection.post(responseTo("id-1"), "x".repeat(6_291_556))
      expect((await connection.response())?.status).toBe(202)
      const result = await outcome
      expect(result._tag === "Answered" && result.answer.payload.length).toBe(6_291_556)
    })
  )

  it.live("loses what a worker had begun when it ends, and says how it ended", () =>
    withWorker(async ({ connection, deliver, listener, poll }) => {
      await poll()
      const outcome = deliver()
      await connection.response()
      listener.end({ signal: "killed" }, "it was killed")
      expect(await outcome).toEqual({ _tag: "Lost", began: true, exit: { signal: "killed" }, why: "it was killed" })
      expect(await deliver()).toMatchObject({ _tag: "Lost", began: false })
    })
  )

  it.live("does not take an event for begun whose runtime hung up before", () =>
    withWorker(async ({ connection, deliver, listener, poll }) => {
      await poll()
      const gone = once(connection.socket, "close")
      connection.socket.destroy()
      await gone
      const again = new Connection(listener.port).get("/2018-06-01/ping")
      await again.response()
      const outcome = deliver()
      listener.end({ code: 1 }, "it exited")
      expect(await outcome).toMatchObject({ _tag: "Lost", began: false })
      again.socket.destroy()
    })
  )

  it.live("cuts connections from any address but the worker's", () =>
    withWorker(
      async ({ connection }) => {
        connection.get("/2018-06-01/ping")
        expect(await connection.response()).toBeUndefined()
      },
      { admit: "127.0.0.1", from: "127.0.0.2" }
    )
  )

  it.live("lets connections wait until the worker's address is known", () =>
    Effect.gen(function* () {
      const api = yield* RuntimeApi
      const listener = yield* api.open(WorkerId.make("w1"), "127.0.0.1")
      const early = new Connection(listener.port).get("/2018-06-01/ping")
      const stranger = new Connection(listener.port, "127.0.0.2").get("/2018-06-01/ping")
      yield* Effect.promise(() => Promise.all([once(early.socket, "connect"), once(stranger.socket, "connect")]))
      listener.admit("127.0.0.1")
      expect(yield* Effect.promise(() => early.response())).toMatchObject({ status: 200 })
      expect(yield* Effect.promise(() => stranger.response())).toBeUndefined()
      early.socket.destroy()
    }).pipe(Effect.scoped, Effect.provide(RuntimeApi.layer))
  )

  it.live.each<readonly [string, string, number]>([
    ["no HTTP at all", "hello\r\n\r\n", 400],
    ["a length and chunks at once", "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400],
    ["a length that is none", "POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", 400],
    ["a negative length", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400],
    ["a blank before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400],
    ["a chunk size that is none", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400],
    ["a coding it does not know", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501],
    ["a head without end", `GET / HTTP/1.1\r\nX: ${"a".repeat(70_000)}`, 431]
  ])("answers %s with an error and hangs up", ([_, bytes, status]) =>
    withWorker(async ({ connection }) => {
      connection.send(bytes)
      let last = await connection.response()
      for (let more = last; more !== undefined; more = await connection.response()) last = more
      expect(last?.status).toBe(status)
    })
  )

  it.live("answers a call that does not exist with 404 and goes on", () =>
    withWorker(async ({ connection }) => {
      expect(await connection.post("/2018-06-01/nope", "x").response()).toMatchObject({ status: 404 })
      expect((await connection.get("/2018-06-01/ping").response())?.status).toBe(200)
    })
  )
})
