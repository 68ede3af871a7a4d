import { createServer, type Server, type TLSSocket } from "node:tls"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { Flow } from "../../src/domain/AnswerSink.ts"
import { selfSignedCertificate } from "../../src/http/selfSignedCertificate.ts"
import { HttpClient } from "../../src/invoke/HttpClient.ts"
import type { Address, HttpRequest, HttpResponse } from "../../src/invoke/HttpExchange.ts"
import { rawServer, response } from "../support/rawServer.ts"

const at = (port: number, host = "127.0.0.1"): Address => ({ host, port, secure: false })

const request: HttpRequest = { method: "POST", path: "/a?b=c", headers: [], body: Buffer.from("{}") }

/** Lets everything happen that has arrived. */
const turns = Effect.callback<void>((resume) => void setTimeout(() => resume(Effect.void), 20))

const startKept = (client: HttpClient, address: Address) =>
  Effect.callback<HttpResponse, unknown>((resume) => {
    if (client.startKept(address, request, resume) === undefined) resume(Effect.fail("none was kept"))
  })

/** One whose certificate nobody has vouched for. Gives its port. */
const secureServer = (taken: (socket: TLSSocket) => void) => {
  const hosts = ["localhost", "127.0.0.1"]
  const [fromMillis, untilMillis] = [Date.now() - 1000, Date.now() + 60_000]
  const { cert, key } = selfSignedCertificate({ name: "test", hosts, fromMillis, untilMillis })
  return Effect.map(
    Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        const server = createServer({ cert, key }, taken)
        server.on("tlsClientError", () => {})
        server.listen(0, "localhost", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    }
  )
}

describe("HttpClient", () => {
  it.effect("sends each field on a line of its own, whatever is in its value", () =>
    Effect.gen(function* () {
      const server = yield* rawServer((_, socket) => socket.write(response(200, "")))
      const client = yield* HttpClient.make
      const headers = [["X-One", "a\r\nX-Two: b\n\r\n\r\nc"] as const, ["X-Three", "ä→"] as const]
      yield* client.send(at(server.port), { ...request, headers })
      expect(Buffer.from(server.requests[0]?.head ?? "", "latin1").toString()).toBe(
        [
          "POST /a?b=c HTTP/1.1",
          `Host: 127.0.0.1:${server.port}`,
          "X-One: a X-Two: b c",
          "X-Three: ä→",
          "Content-Length: 2"
        ].join("\r\n")
      )
      expect(server.requests[0]?.body.toString()).toBe("{}")
    })
  )

  it.effect("sends a large body whole, and takes one back", () =>
    Effect.gen(function* () {
      const body = Buffer.alloc(6 * 1024 * 1024, "0123456789abcdefghijklmnopqrstuvwxyz!")
      const server = yield* rawServer(({ body }, socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`)
        socket.write(body)
      })
      const client = yield* HttpClient.make
      for (const _ of [1, 2]) {
        const answer = yield* client.send(at(server.port), { ...request, body })
        expect(answer.body.equals(body)).toBe(true)
      }
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1])
    })
  )

  it.effect("keeps a connection for four seconds", () =>
    Effect.gen(function* () {
      const server = yield* rawServer((_, socket) => socket.write(response(200, "1")))
      const client = yield* HttpClient.make
      const address = at(server.port)
      yield* client.send(address, request)
      yield* TestClock.adjust(3999)
      yield* client.send(address, request)
      yield* TestClock.adjust(3999)
      yield* startKept(client, { ...address })
      yield* TestClock.adjust(4000)
      expect(yield* Effect.flip(startKept(client, address))).toBe("none was kept")
      yield* client.send(address, request)
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 1, 2])
    })
  )

  it.effect("closes a connection that nobody took within the second after that", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const server = yield* rawServer((_, socket) => {
        socket.on("close", () => Deferred.doneUnsafe(closed, Exit.void))
        socket.write(response(200, "1"))
      })
      const client = yield* HttpClient.make
      yield* client.send(at(server.port), request)
      yield* TestClock.adjust("5 seconds")
      yield* Deferred.await(closed)
    })
  )

  it.effect("closes its connections with its scope, those that are kept and those in use", () =>
    Effect.gen(function* () {
      const closed = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const arrived = yield* Deferred.make<void>()
      const server = yield* rawServer(({ connection }, socket) => {
        socket.on("close", () => Deferred.doneUnsafe(closed[connection - 1]!, Exit.void))
        if (connection === 1) socket.write(response(200, "1"))
        else Deferred.doneUnsafe(arrived, Exit.void)
      })
      const kept = yield* Effect.scoped(
        Effect.flatMap(HttpClient.make, (client) => client.send(at(server.port), request))
      )
      expect(kept.status).toBe(200)
      yield* Deferred.await(closed[0]!)
      const scoped = Effect.scoped(
        Effect.gen(function* () {
          const client = yield* HttpClient.make
          yield* Effect.forkDetach(client.send(at(server.port), request), { startImmediately: true })
          yield* Deferred.await(arrived)
        })
      )
      yield* scoped
      yield* Deferred.await(closed[1]!)
    })
  )

  it.effect("takes no connection on which somebody spoke unasked", () =>
    Effect.gen(function* () {
      const server = yield* rawServer(({ connection }, socket) => {
        socket.write(response(200, "1"))
        if (connection === 1) setTimeout(() => socket.write(response(200, "unasked")), 5)
      })
      const client = yield* HttpClient.make
      yield* client.send(at(server.port), request)
      yield* turns
      expect((yield* client.send(at(server.port), request)).body.toString()).toBe("1")
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 2])
    })
  )

  it.effect("takes no connection that the other side has closed", () =>
    Effect.gen(function* () {
      const server = yield* rawServer(({ connection }, socket) => {
        socket.write(response(200, "1"))
        if (connection === 1) setTimeout(() => socket.end(), 5)
      })
      const client = yield* HttpClient.make
      yield* client.send(at(server.port), request)
      yield* turns
      expect(yield* Effect.flip(startKept(client, at(server.port)))).toBe("none was kept")
      yield* client.send(at(server.port), request)
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 2])
    })
  )

  it.effect("does nothing to a connection when an exchange is given up that is over", () =>
    Effect.gen(function* () {
      const server = yield* rawServer((_, socket) => socket.write(response(200, "1")))
      const client = yield* HttpClient.make
      yield* client.send(at(server.port), request)
      let giveUp: (() => void) | undefined
      yield* Effect.callback<HttpResponse, unknown>((resume) => {
        giveUp = client.startKept(at(server.port), request, resume)
      })
      const next = yield* Effect.forkChild(startKept(client, at(server.port)), { startImmediately: true })
      giveUp?.()
      expect((yield* Fiber.join(next)).status).toBe(200)
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 1])
    })
  )

  it.effect("holds back a body that nobody takes, and keeps the connection behind it", () =>
    Effect.gen(function* () {
      const bytes = 32 * 1024 * 1024
      let sent = 0
      const server = yield* rawServer((_, socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`)
        const piece = Buffer.alloc(64 * 1024)
        const go = () => {
          while (sent < bytes) {
            sent += piece.length
            if (!socket.write(piece)) return
          }
        }
        socket.on("drain", go)
        go()
      })
      const client = yield* HttpClient.make
      let flow: Flow | undefined
      let taken = 0
      const begun = yield* Deferred.make<void>()
      const sending = client.send(at(server.port), request, (_, its) => {
        flow = its
        its.pause()
        Deferred.doneUnsafe(begun, Exit.void)
        return (piece) => {
          taken += piece.length
        }
      })
      const answer = yield* Effect.forkChild(sending, { startImmediately: true })
      yield* Deferred.await(begun)
      yield* turns
      expect(sent).toBeLessThan(bytes)
      expect(answer.pollUnsafe()).toBeUndefined()
      flow?.resume()
      yield* Fiber.join(answer)
      expect(taken).toBe(bytes)
      // Of an exchange that is over.
      flow?.pause()
      sent = bytes
      const next = yield* Effect.forkChild(startKept(client, at(server.port)), { startImmediately: true })
      yield* turns
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1])
      yield* Fiber.interrupt(next)
    })
  )

  it.effect.each(["127.0.0.1", "localhost"])(
    "sends nothing, at %s, to a server that cannot show who it is",
    (host: string) =>
      Effect.gen(function* () {
        const received: Array<unknown> = []
        const port = yield* secureServer((socket) => socket.on("data", (bytes) => received.push(bytes)))
        const client = yield* HttpClient.make
        const failed = yield* Effect.flip(client.send({ host, port, secure: true }, request))
        expect(failed._tag).toBe("ConnectFailed")
        expect(received).toEqual([])
      })
  )
})
