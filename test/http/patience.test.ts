/** Clients that are slow, or silent, or leave half of a connection open. */
import { once } from "node:events"
import { Effect, Exit, Queue, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { listen } from "../../src/http/NetHttpServer.ts"
import { open, speak } from "./speak.ts"

const scope = Scope.makeUnsafe()
const patience = { headMillis: 300, pauseMillis: 150, idleMillis: 450 }
const left = Effect.runSync(Queue.unbounded<string>())
let port = 0

beforeAll(async () => {
  const fetch = (request: Request): Response | Promise<Response> => {
    const path = new URL(request.url).pathname
    if (path === "/endless") {
      const body = new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(256 * 1024)),
        cancel: () => void Queue.offerUnsafe(left, path)
      })
      return new Response(body)
    }
    if (path !== "/slow") return request.text().then(() => new Response("done"))
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(new Response("slowly")), 600)
      request.signal.addEventListener("abort", () => {
        clearTimeout(timer)
        Queue.offerUnsafe(left, path)
      })
    })
  }
  const options = { host: "127.0.0.1", port: 0, maxBodyBytes: 1024 * 1024, fetch, patience }
  port = (await Effect.runPromise(Scope.provide(listen(options), scope))).port
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const host = "Host: localhost\r\n"

describe("a client", () => {
  it("whose head comes byte by byte, however steadily, is told that it takes too long", async () => {
    const socket = await open(port)
    let received = ""
    socket.on("data", (chunk) => {
      received += chunk.toString()
    })
    socket.on("error", () => {})
    socket.write(`GET / HTTP/1.1\r\n${host}X-Long: `)
    const drip = setInterval(() => socket.write("a"), 20)
    const begun = performance.now()
    await once(socket, "close")
    clearInterval(drip)
    expect(received).toMatch(/^HTTP\/1\.1 408 /)
    expect(performance.now() - begun).toBeGreaterThan(290)
  })

  it("that begins a head or a body and says no more is let go", async () => {
    for (const begun of ["GET / HT", `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhe`]) {
      expect(await speak(port, begun)).not.toContain("200")
    }
    expect(await speak(port, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\nhel`)).not.toContain(
      "200"
    )
  })

  it("whose body comes slowly is waited for, as long as it comes", async () => {
    const socket = await open(port)
    let received = ""
    socket.on("data", (chunk) => {
      received += chunk.toString()
    })
    socket.write(`POST / HTTP/1.1\r\n${host}Connection: close\r\nContent-Length: 8\r\n\r\n`)
    const drip = setInterval(() => socket.write("a"), 80)
    await once(socket, "close")
    clearInterval(drip)
    expect(received).toMatch(/^HTTP\/1\.1 200 /)
  })

  it("that says nothing at all may stay for a while, and no longer; also after an answer", async () => {
    for (const [text, expected] of [
      ["", ""],
      [`GET / HTTP/1.1\r\n${host}\r\n`, "200 OK"]
    ] as const) {
      const begun = performance.now()
      expect(await speak(port, text)).toContain(expected)
      expect(performance.now() - begun).toBeGreaterThan(400)
    }
  })

  it("that waits for its answer may be silent for longer than any of that", async () => {
    const begun = performance.now()
    expect(await speak(port, `GET /slow HTTP/1.1\r\n${host}\r\n`, /slowly/)).toContain("slowly")
    expect(performance.now() - begun).toBeGreaterThan(590)
  })

  it("that does not take its answer is let go, and nothing more is made for it", async () => {
    const socket = await open(port)
    socket.on("error", () => {})
    socket.pause()
    socket.write(`GET /endless HTTP/1.1\r\n${host}\r\n`)
    expect(await Effect.runPromise(Queue.take(left))).toBe("/endless")
    socket.destroy()
  })

  it("that closes its side while it waits has left, as for other proxies", async () => {
    const socket = await open(port)
    socket.on("error", () => {})
    socket.end(`GET /slow HTTP/1.1\r\n${host}\r\n`)
    expect(await Effect.runPromise(Queue.take(left))).toBe("/slow")
  })
})

describe("a head", () => {
  it("that is longer than any may be is refused, whether it ends or not", async () => {
    const long = `GET / HTTP/1.1\r\n${host}X-Long: ${"a".repeat(70_000)}`
    expect(await speak(port, `${long}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /)
    expect(await speak(port, long)).toMatch(/^HTTP\/1\.1 431 /)
  })
})
