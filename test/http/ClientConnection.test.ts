/** What a connection owes its client at the edges: half of it closed, much sent ahead, an answer taken slowly, a close. */
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { Effect, Exit, Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { ClientConnection, type ConnectionOptions } from "../../src/http/ClientConnection.ts"
import { KnownFields } from "../../src/http/KnownFields.ts"
import { readRequestFields } from "../../src/http/requestHead.ts"
import { makeDeadlines } from "../../src/invoke/Deadlines.ts"
import { bunStreams } from "../../src/net/BunStreams.ts"
import { nodeStreams } from "../../src/net/NodeStreams.ts"
import { until } from "../net/ends.ts"

const host = "Host: localhost\r\n"
const close = "Connection: close\r\n"
const get = (path: string, fields = "") => `GET ${path} HTTP/1.1\r\n${host}${fields}\r\n`
const pieceBytes = 256 * 1024
const noFields = "x-by: hand\r\n"

/** The body of the answer to `GET /<number of bytes>`. */
const bodyOf = (path: string) => Buffer.alloc(Number(path.slice(1)), "0123456789")

/** The handler that makes a `Response`, and the one that does without. */
const handlers: Record<string, Pick<ConnectionOptions, "direct" | "fetch">> = {
  "a Response": { fetch: (request) => new Response(bodyOf(new URL(request.url).pathname)) },
  "no Response": {
    fetch: () => new Response(null, { status: 500 }),
    direct:
      ({ target }) =>
      (_, reply) => {
        reply.answer({ status: 200, fields: noFields, body: bodyOf(target) })
        return () => {}
      }
  }
}

describe.each([
  ["Bun's own sockets", bunStreams],
  ["node:net", nodeStreams]
])("ClientConnection (%s)", (_, streams) => {
  let scope = Scope.makeUnsafe()
  let connections: Array<ClientConnection> = []
  let sockets: Array<Socket> = []
  let closed = { count: 0 }
  beforeEach(() => {
    scope = Scope.makeUnsafe()
    connections = []
    sockets = []
    closed = { count: 0 }
  })
  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  const serve = async (options: Partial<ConnectionOptions>) => {
    const deadlines = await Effect.runPromise(Scope.provide(makeDeadlines, scope))
    // Of this test: what is left of one closes in the next.
    const ofThis = closed
    const onClosed = () => {
      ofThis.count++
    }
    const knownFields = new KnownFields(readRequestFields)
    const all = {
      maxBodyBytes: 1024 * 1024,
      fetch: () => new Response("hi"),
      deadlines,
      knownFields,
      onClosed,
      ...options
    }
    const taken = streams.listen({ host: "127.0.0.1", port: 0 }, (stream) => {
      connections.push(new ClientConnection(stream, all))
    })
    return (await Effect.runPromise(Scope.provide(taken, scope))).port
  }

  /** Reads nothing before it is told to, and never ends its side by itself. */
  const open = async (port: number) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
    sockets.push(socket)
    socket.on("error", () => {})
    await once(socket, "connect")
    const pieces: Array<Buffer> = []
    const client = {
      socket,
      bytes: 0,
      hasEnded: false,
      read: () => {
        socket.on("data", (piece: Buffer) => {
          pieces.push(piece)
          client.bytes += piece.length
        })
        socket.on("end", () => {
          client.hasEnded = true
        })
        socket.on("close", () => {
          client.hasEnded = true
        })
        return client
      },
      heard: () => Buffer.concat(pieces).toString("latin1")
    }
    return client
  }

  /** In one piece each, though they came in chunks. */
  const bodiesOf = (heard: string) => {
    const bodies: Array<string> = []
    for (let at = 0; at < heard.length; ) {
      const start = heard.indexOf("\r\n\r\n", at) + 4
      const head = heard.slice(at, start)
      expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
      let body = ""
      const length = /content-length: (\d+)/.exec(head)?.[1]
      at = start
      if (length !== undefined) {
        at += Number(length)
        body = heard.slice(start, at)
      } else {
        for (let size = 1; size > 0; ) {
          const line = heard.indexOf("\r\n", at)
          size = line === -1 ? 0 : Number.parseInt(heard.slice(at, line), 16)
          body += heard.slice(line + 2, line + 2 + size)
          at = line === -1 ? heard.length : line + 2 + size + 2
        }
      }
      bodies.push(body)
    }
    return bodies
  }

  describe.each(Object.entries(handlers))("with %s", (_, handler) => {
    it("gives a client that ends its side with its request what is answered at once", async () => {
      const client = (await open(await serve(handler))).read()
      client.socket.end(get("/10"))
      await until("the end", () => client.hasEnded)
      expect(bodiesOf(client.heard())).toEqual(["0123456789"])
      client.socket.destroy()
      await until("the close", () => closed.count === 1)
    })

    it("answers what is sent ahead in order, however much of it there is", async () => {
      const client = (await open(await serve(handler))).read()
      const counts = Array.from({ length: 1000 }, (_, place) => place % 30)
      client.socket.write(`${counts.map((bytes) => get(`/${bytes}`)).join("")}${get("/7", close)}`)
      await until("the end", () => client.hasEnded)
      expect(bodiesOf(client.heard()).map(({ length }) => length)).toEqual([...counts, 7])
    })

    it("answers large and small by turns to a client that sends ahead and reads later", async () => {
      const client = await open(await serve(handler))
      const counts = [3, 3_000_000, 0, 16_384, 16_385, 1_000_000, 5, 262_144, 9]
      client.socket.write(counts.map((bytes) => get(`/${bytes}`)).join("") + get("/1", close))
      await new Promise((resolve) => setTimeout(resolve, 50))
      client.read()
      await until("the end", () => client.hasEnded)
      expect(bodiesOf(client.heard()).map(({ length }) => length)).toEqual([...counts, 1])
    })

    it("waits for a client that takes its answer slowly, for longer than it may pause", async () => {
      const client = await open(
        await serve({ ...handler, patience: { headMillis: 500, pauseMillis: 400, idleMillis: 500 } })
      )
      const begun = performance.now()
      client.socket.write(get("/14000000", close))
      client.read()
      let read = 0
      client.socket.on("data", () => {
        if (client.bytes - read < 1_500_000) return
        read = client.bytes
        client.socket.pause()
        setTimeout(() => client.socket.resume(), 100)
      })
      await until("the end", () => client.hasEnded)
      expect(bodiesOf(client.heard())[0]).toHaveLength(14_000_000)
      expect(performance.now() - begun).toBeGreaterThan(700)
    })

    it("lets a client go that takes nothing any more, wherever in its answer", async () => {
      const port = await serve({ ...handler, patience: { headMillis: 500, pauseMillis: 200, idleMillis: 60_000 } })
      const sizes = Array.from({ length: 12 }, (_, place) => (14 + place) * pieceBytes)
      for (const bytes of sizes) (await open(port)).socket.write(get(`/${bytes}`))
      // What fits on its way is none of the server's any more.
      const held = await new Promise<number>((resolve) => setTimeout(() => resolve(closed.count), 1500))
      expect(held).toBeGreaterThan(4)
      for (const socket of sockets) socket.destroy()
      await until("everybody gone", () => closed.count === sizes.length)
    })

    it("closes after the answer that is under way, however late it is taken, and wherever it is held", async () => {
      const port = await serve(handler)
      const sizes = [10, 20_000, ...Array.from({ length: 16 }, (_, place) => (12 + place) * pieceBytes)]
      const clients = await Promise.all(sizes.map(() => open(port)))
      clients.forEach(({ socket }, place) => {
        socket.write(get(`/${sizes[place]}`))
      })
      await new Promise((resolve) => setTimeout(resolve, 100))
      for (const connection of connections) connection.close()
      // Longer than a client that has its answer is waited for.
      await new Promise((resolve) => setTimeout(resolve, 1300))
      for (const client of clients) client.read()
      await until("everybody's end", () => clients.every(({ hasEnded }) => hasEnded))
      expect(clients.map((client) => bodiesOf(client.heard())[0]?.length)).toEqual(sizes)
      await until("everybody gone", () => closed.count === sizes.length)
    })

    it("closes once, whatever comes together with that", async () => {
      const port = await serve(handler)
      for (const way of ["reset", "end", "destroy", "request"]) {
        const client = (await open(port)).read()
        await until("a connection", () => connections.length === 1)
        client.socket.write(get("/100"))
        await until("its answer", () => client.bytes > 100)
        if (way === "reset") client.socket.resetAndDestroy()
        if (way === "end") client.socket.end()
        if (way === "destroy") client.socket.destroy()
        if (way === "request") client.socket.write(get("/100"))
        const [connection] = connections.splice(0)
        connection?.close()
        connection?.close()
        client.socket.end()
        await until(`the close after ${way}`, () => closed.count > 0)
        await new Promise((resolve) => setTimeout(resolve, 20))
        expect(closed.count).toBe(1)
        closed.count = 0
      }
    })
  })

  it("answers nothing to a client that has ended its side before there was an answer, and closes", async () => {
    let leave: AbortSignal | undefined
    const port = await serve({
      fetch: (request) => {
        leave = request.signal
        return new Promise(() => {})
      }
    })
    const client = (await open(port)).read()
    client.socket.end(get("/a"))
    await until("the end", () => client.hasEnded)
    expect([client.heard(), leave?.aborted]).toEqual(["", true])
    client.socket.destroy()
    await until("the close", () => closed.count === 1)
  })

  it("hands over a body that comes together with the client's end, whole or broken off", async () => {
    const bodies: Array<string> = []
    const port = await serve({
      fetch: async (request) => {
        bodies.push(await request.text().catch(() => "broken"))
        return new Response("hi")
      }
    })
    for (const [length, text] of [
      [5, "hello"],
      [9, "hello"]
    ] as const) {
      const client = (await open(port)).read()
      client.socket.end(`POST / HTTP/1.1\r\n${host}Content-Length: ${length}\r\n\r\n${text}`)
      await until("the end", () => client.hasEnded)
      client.socket.destroy()
    }
    expect(bodies).toEqual(["hello", "broken"])
  })
})
