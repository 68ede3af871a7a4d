import { describe, expect, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import type { Invocation } from "../../src/domain/Invocation.ts"
import * as RieWorkerClient from "../../src/invoke/RieWorkerClient.ts"
import { type WorkerAnswer, WorkerClient, type WorkerLost } from "../../src/invoke/WorkerClient.ts"
import { functionConfig, invocation, worker } from "../support/functions.ts"
import { rawServer, response } from "../support/rawServer.ts"

const config = functionConfig({ transport: "rie" })

type Send = (port: number, event?: Invocation, host?: string) => Effect.Effect<WorkerAnswer, WorkerLost, WorkerClient>

const sendByFiber: Send = (port, event = invocation(), host = "127.0.0.1") =>
  Effect.flatMap(WorkerClient, (client) => client.send(worker("w", { transport: "rie", host, port }), config, event))

const sendPlainly: Send = (port, event = invocation(), host = "127.0.0.1") =>
  Effect.flatMap(WorkerClient, ({ direct }) =>
    Effect.callback((resume) => {
      const abandon = direct!.start(worker("w", { transport: "rie", host, port }), config, event, {
        answered: (answer) => resume(Effect.succeed(answer)),
        lost: (failure) => resume(Effect.fail(failure))
      })
      return Effect.sync(abandon)
    })
  )

/** One event, answered with these bytes; the connection is closed behind them if `close`. */
const answeredBy =
  (send: Send) =>
  (bytes: string, close = false) =>
    Effect.gen(function* () {
      const server = yield* rawServer((_, socket) => (close ? socket.end(bytes) : socket.write(bytes)))
      return yield* send(server.port)
    })

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe.each([
  ["by a fiber", sendByFiber],
  ["by plain calls", sendPlainly]
])("%s", (_, send) => {
  const answered = answeredBy(send)
  layer(RieWorkerClient.layer)("RieWorkerClient", (it) => {
    it.effect("posts the event's bytes to the emulator with the trace in both places", () =>
      Effect.gen(function* () {
        const server = yield* rawServer((_, socket) => socket.write(response(200, '{"ok":1}')))
        const payload = new Uint8Array([34, 0xc3, 0xa4, 34])
        const clientContext = '{"client":{"x":1},"custom":{"mine":"ä","trace_id":"old"}}'
        const answer = yield* send(server.port, invocation({ payload, clientContext, traceId: "Root=1-a-b" }))
        expect(answer.errorType).toBeUndefined()
        expect(text(answer.payload)).toBe('{"ok":1}')
        const [request] = server.requests
        expect(request?.head).toContain("POST /2015-03-31/functions/function/invocations HTTP/1.1\r\n")
        expect(request?.head).toContain("\r\nX-Amzn-Trace-Id: Root=1-a-b")
        expect(new Uint8Array(request?.body ?? [])).toEqual(payload)
        const context = /X-Amz-Client-Context: (\S+)/.exec(request?.head ?? "")?.[1] ?? ""
        expect(JSON.parse(Buffer.from(context, "base64").toString())).toEqual({
          client: { x: 1 },
          custom: { mine: "ä", trace_id: "Root=1-a-b" }
        })
      })
    )

    it.effect("uses a kept connection for the next event", () =>
      Effect.gen(function* () {
        const server = yield* rawServer((_, socket) => socket.write(response(200, "1")))
        yield* send(server.port)
        yield* send(server.port)
        expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1])
      })
    )

    it.effect("never sends an event twice, also where a kept connection turns out to be closed", () =>
      Effect.gen(function* () {
        const server = yield* rawServer(({ connection }, socket) =>
          server.requests.length === 1 && connection === 1 ? socket.write(response(200, "1")) : socket.destroy()
        )
        yield* send(server.port)
        const lost = yield* Effect.flip(send(server.port))
        expect(lost.began).toBe(true)
        expect(server.requests.length).toBe(2)
      })
    )

    it.effect.each([
      ["a length", response(200, '"ä"'), false],
      [
        "chunks",
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n"\xc3\r\n2;x=y\r\n\xa4"\r\n0\r\nTrailer: 1\r\n\r\n',
        false
      ],
      ["the end of the connection", 'HTTP/1.1 200 OK\r\n\r\n"\xc3\xa4"', true],
      ["100 Continue before it", `HTTP/1.1 100 Continue\r\n\r\n${response(200, '"ä"')}`, false]
    ] as const)("reads an answer delimited by %s", ([, bytes, close]) =>
      Effect.gen(function* () {
        const server = yield* rawServer((_, socket) => {
          const encoding = bytes.includes("\xc3") ? "latin1" : "utf8"
          if (close) socket.end(bytes, encoding)
          else socket.write(bytes, encoding)
        })
        expect(text((yield* send(server.port)).payload)).toBe('"ä"')
      })
    )

    it.effect(
      "takes an object with errorType and errorMessage for an error, and one with a single of them for none",
      () =>
        Effect.gen(function* () {
          const failed = yield* answered(response(200, '{"errorType":"TypeError","errorMessage":"no"}'))
          expect(failed.errorType).toBe("TypeError")
          expect(text(failed.payload)).toBe('{"errorType":"TypeError","errorMessage":"no"}')
          expect((yield* answered(response(200, '{"errorMessage":"a field of mine"}'))).errorType).toBeUndefined()
          expect((yield* answered(response(200, '[{"errorType":"a","errorMessage":"b"}]'))).errorType).toBeUndefined()
        })
    )

    it.effect("believes an emulator that says in a header that the function failed", () =>
      Effect.gen(function* () {
        const failed = yield* answered(response(200, "{}", ["X-Amz-Function-Error: Unhandled"]))
        expect(failed.errorType).toBe("Function.Unknown")
      })
    )

    it.effect("makes Lambda's error document of the emulator's timeout text", () =>
      Effect.gen(function* () {
        const failed = yield* answered(response(200, "Task timed out after 3.00 seconds"))
        expect(failed.errorType).toBe("Sandbox.Timedout")
        expect(JSON.parse(text(failed.payload))).toEqual({
          errorType: "Sandbox.Timedout",
          errorMessage: "RequestId: 8f507cfc-0000-4000-8000-5b4aaf1f8d0c Error: Task timed out after 3.00 seconds"
        })
      })
    )

    it.effect("returns an answer that is not JSON as the text it is, with a warning that shows its beginning", () => {
      const logged: Array<{ level: string; message: unknown; fields: Record<string, unknown> }> = []
      const logger = Logger.make((entry) => {
        logged.push({
          level: entry.logLevel,
          message: entry.message,
          fields: { ...entry.fiber.getRef(References.CurrentLogAnnotations) }
        })
      })
      return Effect.gen(function* () {
        const body = "<html>".padEnd(300, "x")
        const answer = yield* answered(response(200, body))
        expect(text(answer.payload)).toBe(body)
        expect(logged.length).toBe(1)
        expect(logged[0]?.level).toBe("Warn")
        expect(logged[0]?.message).toEqual(["Failed to parse Lambda response body as JSON. Returning as string."])
        expect(logged[0]?.fields).toMatchObject({ snippet: body.slice(0, 200), status_code: 200 })
        // A client that was made where this logger is: plain calls log with what was there then.
      }).pipe(Effect.provide(Layer.fresh(RieWorkerClient.layer)), Effect.provide(Logger.layer([logger])))
    })

    it.effect.each([
      ["answers 502", response(502, '{"errorType":"x"}'), false],
      ["answers 400", response(400, ""), false],
      ["closes without an answer", "", true],
      ["breaks off in the middle", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123", true],
      ["speaks something else", "SSH-2.0-OpenSSH_9.2\r\n\r\n", false]
    ] as const)("loses a worker that %s, and the event may have run", ([, bytes, close]) =>
      Effect.gen(function* () {
        const lost = yield* Effect.flip(answered(bytes, close))
        expect(lost._tag).toBe("WorkerLost")
        expect(lost.began).toBe(true)
        expect(lost.target).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/2015-03-31/)
      })
    )

    it.effect("keeps what the emulator says of a runtime that ended", () =>
      Effect.gen(function* () {
        const document = '{"errorType":"Runtime.ExitError","errorMessage":"Runtime exited with error: exit status 3"}'
        const { lastWords } = yield* Effect.flip(answered(response(502, document)))
        expect(lastWords?.errorType).toBe("Runtime.ExitError")
        expect(text(lastWords?.document ?? new Uint8Array())).toBe(document)
        expect((yield* Effect.flip(answered(response(502, '{"errorType":"x"}')))).lastWords).toBeUndefined()
      })
    )

    it.effect("knows that nothing ran where the connection was refused", () =>
      Effect.gen(function* () {
        const { port } = yield* Effect.scoped(rawServer(() => {}))
        expect((yield* Effect.flip(send(port))).began).toBe(false)
      })
    )

    it.effect("gives up on an address that does not answer, and knows that nothing ran", () =>
      Effect.gen(function* () {
        // Reserved for documentation: nobody is there. Where that is known at once, it is refused at once.
        const lost = yield* Effect.forkChild(Effect.flip(send(9, invocation(), "192.0.2.1")))
        yield* TestClock.adjust("2 seconds")
        expect((yield* Fiber.join(lost)).began).toBe(false)
      })
    )

    it.effect("cuts the connection when it is interrupted", () =>
      Effect.gen(function* () {
        const arrived = yield* Deferred.make<void>()
        const cut = yield* Deferred.make<void>()
        const server = yield* rawServer((_, socket) => {
          Deferred.doneUnsafe(arrived, Exit.void)
          socket.on("close", () => Deferred.doneUnsafe(cut, Exit.void))
        })
        const sending = yield* Effect.forkChild(send(server.port))
        yield* Deferred.await(arrived)
        yield* Fiber.interrupt(sending)
        yield* Deferred.await(cut)
      })
    )
  })
})
