import { once } from "node:events"
import { connect } from "node:net"
import { Deferred, Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { HttpServer } from "../../src/http/HttpServer.ts"
import { listen } from "../../src/http/NetHttpServer.ts"
import { rawOf } from "../../src/http/RawRequest.ts"
import { open, speak } from "./speak.ts"

type Handler = (request: Request) => Response | Promise<Response>

/** Says what it was asked. */
const mirror: Handler = async (request) =>
  Response.json({
    method: request.method,
    url: request.url,
    ...rawOf(request),
    body: await request.text().catch((error: Error) => `broken: ${error.message}`)
  })

const maxBodyBytes = 1024 * 1024
const scope = Scope.makeUnsafe()
let handler: Handler = mirror
let port = 0

const start = (fetch: Handler, within = scope) =>
  Effect.runPromise(Scope.provide(listen({ host: "127.0.0.1", port: 0, maxBodyBytes, fetch }), within))

beforeAll(async () => {
  port = (await start((request) => handler(request))).port
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/** A client that never closes its side by itself. */
const openForGood = async (at: number) => {
  const socket = connect({ port: at, host: "127.0.0.1", allowHalfOpen: true })
  let heard = ""
  socket.on("data", (chunk) => {
    heard += chunk.toString("latin1")
  })
  socket.on("error", () => {})
  await once(socket, "connect")
  return { heard: () => heard, write: (text: string) => socket.write(text), end: () => socket.destroy() }
}

const host = "Host: localhost\r\n"
const close = "Connection: close\r\n"

/** The one answer to a request after which the connection ends. */
const ask = async (text: string) => {
  handler = mirror
  const answer = await speak(port, text)
  const [head = "", sent = ""] = answer.split("\r\n\r\n")
  const body = Buffer.from(sent, "latin1").toString("utf8")
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]),
    head,
    body,
    seen: body === "" ? undefined : JSON.parse(body)
  }
}

describe("a request", () => {
  it("keeps the spelling of its headers, their order, and each of several of one name", async () => {
    const { seen } = await ask(
      `GET /a HTTP/1.1\r\n${host}tEsT-HEADeR: a, b \r\nX-Dup:one\r\nx-dup: \ttwo\r\nEmpty:\r\nX-B: \xe4\r\n${close}\r\n`
    )
    expect(seen.fields).toEqual([
      ["Host", "localhost"],
      ["tEsT-HEADeR", "a, b"],
      ["X-Dup", "one"],
      ["x-dup", "two"],
      ["Empty", ""],
      ["X-B", "\xe4"],
      ["Connection", "close"]
    ])
  })

  it.each([
    ["/a//b/../c/./%2e%2e/%2F?x=%zz&y=+", "/a//b/../c/./%2e%2e/%2F?x=%zz&y=+"],
    ["//a", "//a"],
    ['/"<>|^`{}\\', '/"<>|^`{}\\'],
    ["/\xc3\xa4", "/%C3%A4"],
    ["http://other.example/x?y", "/x?y"],
    ["http://other.example?y", "/?y"]
  ])("keeps its target as it was written: %s", async (written, target) => {
    expect((await ask(`GET ${written} HTTP/1.1\r\n${host}${close}\r\n`)).seen.target).toBe(target)
  })

  it.each([
    ["a length", "Content-Length: 5\r\n", "hello"],
    ["chunks", "Transfer-Encoding: Chunked\r\n", "2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\n\r\n"],
    ["chunks and trailers", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX-T: y\r\n\r\n"]
  ])("may have a body by %s", async (_, headers, body) => {
    expect((await ask(`POST /a HTTP/1.1\r\n${host}${close}${headers}\r\n${body}`)).seen.body).toBe("hello")
  })

  it("is told to go on where it waits for that", async () => {
    const text = `POST / HTTP/1.1\r\n${host}${close}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`
    handler = mirror
    const socket = await open(port)
    socket.write(text)
    const first = await new Promise<string>((resolve) => socket.once("data", (chunk) => resolve(String(chunk))))
    expect(first).toBe("HTTP/1.1 100 Continue\r\n\r\n")
    socket.write("hi")
    const second = await new Promise<string>((resolve) => socket.once("data", (chunk) => resolve(String(chunk))))
    expect(second).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*"body":"hi"/)
    socket.destroy()
  })

  it("may be of HTTP/1.0, and without a host", async () => {
    const { head, seen } = await ask("GET /abc HTTP/1.0\r\n\r\n")
    expect(seen).toMatchObject({ url: "http://localhost/abc", target: "/abc" })
    expect(head).toContain("connection: close")
  })

  it("may have a host that is short", async () => {
    expect((await ask(`GET /a/b HTTP/1.1\r\nHost: x\r\n${close}\r\n`)).seen).toMatchObject({ target: "/a/b" })
  })
})

describe("a request that others may read another way", () => {
  const post = "POST / HTTP/1.1\r\n"
  it.each([
    ["a length and chunks", `${post}${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ["chunks and a length", `${post}${host}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`, 400],
    ["two lengths", `${post}${host}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, 400],
    ["two equal lengths", `${post}${host}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`, 400],
    ["a list of lengths", `${post}${host}Content-Length: 5, 5\r\n\r\nhello`, 400],
    ["a signed length", `${post}${host}Content-Length: +5\r\n\r\nhello`, 400],
    ["a negative length", `${post}${host}Content-Length: -5\r\n\r\nhello`, 400],
    ["a hexadecimal length", `${post}${host}Content-Length: 0x5\r\n\r\nhello`, 400],
    ["an empty length", `${post}${host}Content-Length: \r\n\r\nhello`, 400],
    ["an endless length", `${post}${host}Content-Length: 99999999999999999999\r\n\r\nhello`, 400],
    ["a length above the limit", `${post}${host}Content-Length: 1048577\r\n\r\n`, 413],
    ["a blank before the colon", `${post}${host}Content-Length : 5\r\n\r\nhello`, 400],
    ["an unknown coding", `${post}${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
    ["a coding before chunks", `${post}${host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 400],
    ["identity", `${post}${host}Transfer-Encoding: identity\r\n\r\nhello`, 400],
    ["two codings", `${post}${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`, 400],
    ["a control character before chunks", `${post}${host}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`, 400],
    ["a space that is none before chunks", `${post}${host}Transfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n`, 400],
    ["chunks in HTTP/1.0", `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ["a folded header", `GET / HTTP/1.1\r\n${host}X-A: b\r\n c\r\n\r\n`, 400],
    ["a folded first header", `GET / HTTP/1.1\r\n X-A: b\r\n${host}\r\n`, 400],
    ["line feeds alone", `GET / HTTP/1.1\nHost: localhost\n\n`, 400],
    ["a line feed alone inside", `GET / HTTP/1.1\r\n${host}X-A: b\nX-B: c\r\n\r\n`, 400],
    ["a carriage return alone", `GET / HTTP/1.1\r\n${host}X-A: b\rX-B: c\r\n\r\n`, 400],
    ["a NUL in a header", `GET / HTTP/1.1\r\n${host}X-A: b\0c\r\n\r\n`, 400],
    ["a blank in a name", `GET / HTTP/1.1\r\n${host}X A: b\r\n\r\n`, 400],
    ["a header without a colon", `GET / HTTP/1.1\r\n${host}XA\r\n\r\n`, 400],
    ["a header without a name", `GET / HTTP/1.1\r\n${host}: b\r\n\r\n`, 400],
    ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400],
    ["a path in its host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400],
    ["a name in front of its host", "GET / HTTP/1.1\r\nHost: me@a\r\n\r\n", 400],
    ["a fragment", `GET /a#b HTTP/1.1\r\n${host}\r\n`, 400],
    ["no path", `GET a HTTP/1.1\r\n${host}\r\n`, 400],
    ["another scheme", `GET ftp://a/b HTTP/1.1\r\n${host}\r\n`, 400],
    ["a star", `OPTIONS * HTTP/1.1\r\n${host}\r\n`, 400],
    ["a blank in its path", `GET /a b HTTP/1.1\r\n${host}\r\n`, 400],
    ["two blanks", `GET  /a HTTP/1.1\r\n${host}\r\n`, 400],
    ["a tab", `GET\t/a HTTP/1.1\r\n${host}\r\n`, 400],
    ["a control character in its path", `GET /a\x01 HTTP/1.1\r\n${host}\r\n`, 400],
    ["an empty line in front", `\r\n\r\nGET / HTTP/1.1\r\n${host}\r\n`, 400],
    ["CONNECT", `CONNECT localhost:80 HTTP/1.1\r\n${host}\r\n`, 501],
    ["TRACE", `TRACE / HTTP/1.1\r\n${host}\r\n`, 501],
    ["a method in lower case", `get / HTTP/1.1\r\n${host}\r\n`, 501],
    ["HTTP/2.0", `GET / HTTP/2.0\r\n${host}\r\n`, 400],
    ["HTTP/0.9", "GET /\r\n\r\n", 400],
    ["a head that does not end", `GET / HTTP/1.1\r\n${host}X: ${"y".repeat(70_000)}`, 431]
  ])("is refused, and the connection with it: %s", async (_, text, status) => {
    const reached: Array<string> = []
    handler = (request) => {
      reached.push(request.url)
      return new Response()
    }
    const answer = await speak(port, `${text}GET /smuggled HTTP/1.1\r\n${host}\r\n`)
    expect(answer).toMatch(
      new RegExp(`^HTTP/1\\.1 ${status} [^\r]+\r\nconnection: close\r\ncontent-length: 0\r\n\r\n$`)
    )
    expect(reached).toEqual([])
  })

  const brokenChunks = [
    ["no length", "zz\r\nhello\r\n0\r\n\r\n"],
    ["a hexadecimal sign", "0x5\r\nhello\r\n0\r\n\r\n"],
    ["a blank behind", "5 \r\nhello\r\n0\r\n\r\n"],
    ["line feeds alone", "5\nhello\n0\n\n"],
    ["a line feed in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"],
    ["more than they say", "5\r\nhelloXX0\r\n\r\n"],
    ["more than anybody has", "fffffffffffffff5\r\nhello\r\n0\r\n\r\n"],
    ["a trailer that is none", "5\r\nhello\r\n0\r\nno trailer\r\n\r\n"]
  ] as const
  const inChunks = `${post}${host}Transfer-Encoding: chunked\r\n\r\n`
  const smuggled = `GET /smuggled HTTP/1.1\r\n${host}${close}\r\n`

  it.each(brokenChunks)("is refused before anybody sees it: chunks with %s", async (_, chunks) => {
    const reached: Array<string> = []
    handler = (request) => {
      reached.push(request.url)
      return new Response()
    }
    expect(await speak(port, `${inChunks}${chunks}${smuggled}`)).toMatch(/^HTTP\/1\.1 400 [\s\S]*connection: close/)
    expect(reached).toEqual([])
  })

  it.each(brokenChunks)("breaks off for who has it already, and is the last: chunks with %s", async (_, chunks) => {
    const reached: Array<string> = []
    const socket = await open(port)
    handler = async (request) => {
      socket.write(`${chunks}${smuggled}`)
      const body = await request.text().catch(() => "broken")
      reached.push(`${new URL(request.url).pathname} ${body}`)
      return new Response(body, { status: 400 })
    }
    let received = ""
    socket.on("data", (chunk) => {
      received += String(chunk)
    })
    socket.write(inChunks)
    await new Promise((resolve) => socket.on("close", resolve))
    expect(received).toMatch(/^HTTP\/1\.1 400 [\s\S]*connection: close[\s\S]*broken$/)
    expect(reached).toEqual(["/ broken"])
  })
})

describe("an answer", () => {
  const got = (response: () => Response, request = `GET / HTTP/1.1\r\n${host}${close}\r\n`) => {
    handler = response
    return speak(port, request)
  }

  it("that is all there has its length", async () => {
    const answer = await got(() => new Response("hello", { status: 201, headers: { "X-A": "b" } }))
    expect(answer).toMatch(/^HTTP\/1\.1 201 Created\r\n/)
    expect(answer).toMatch(/\r\nx-a: b\r\n/)
    expect(answer).toMatch(/\r\ncontent-length: 5\r\n\r\nhello$/)
    expect(answer).toMatch(/\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/)
  })

  it("sets several cookies, and says nothing of its own about the connection", async () => {
    const headers = new Headers([
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["content-length", "99"],
      ["transfer-encoding", "gzip"],
      ["connection", "upgrade"]
    ])
    const answer = await got(() => new Response("x", { headers }))
    expect(answer).toContain("set-cookie: a=1\r\nset-cookie: b=2\r\n")
    expect(answer).not.toMatch(/99|gzip|upgrade/)
  })

  it.each([204, 304])("with status %i has no body", async (status) => {
    const answer = await got(() => new Response(null, { status }), `GET / HTTP/1.1\r\n${host}${close}\r\n`)
    expect(answer).toMatch(/\r\n\r\n$/)
    expect(answer).not.toContain("content-length")
  })

  it.each([
    ["its length", () => new Response("hello"), /\r\ncontent-length: 5\r\n/],
    [
      "the length it says",
      () => new Response(null, { headers: { "content-length": "7" } }),
      /\r\ncontent-length: 7\r\n/
    ],
    ["no length where none is known", () => new Response(null), /^(?![\s\S]*content-length)/]
  ])("to HEAD has the head alone, with %s", async (_, respond, expected) => {
    const answer = await got(respond, `HEAD / HTTP/1.1\r\n${host}${close}\r\n`)
    expect(answer).toMatch(/\r\n\r\n$/)
    expect(answer).toMatch(expected)
  })

  it("of nothing has length 0", async () => {
    expect(await got(() => new Response(null, { status: 404 }))).toMatch(/content-length: 0\r\n\r\n$/)
  })

  it("that is made while it is sent comes in chunks, as they come", async () => {
    const go = Deferred.makeUnsafe<void>()
    handler = () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(new TextEncoder().encode("one"))
            await Effect.runPromise(Deferred.await(go))
            controller.enqueue(new TextEncoder().encode("three"))
            controller.close()
          }
        })
      )
    const socket = await open(port)
    let received = ""
    socket.on("data", (chunk) => {
      received += String(chunk)
      if (received.endsWith("3\r\none\r\n")) Deferred.doneUnsafe(go, Effect.void)
    })
    socket.write(`GET / HTTP/1.1\r\n${host}${close}\r\n`)
    await new Promise((resolve) => socket.on("close", resolve))
    expect(received).toMatch(/transfer-encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n$/)
  })

  it("in pieces goes to a client of HTTP/1.0 up to the end of the connection", async () => {
    const pieces = ["one", "two"]
    const stream = () =>
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          await new Promise((resolve) => setImmediate(resolve))
          const piece = pieces.shift()
          if (piece === undefined) controller.close()
          else controller.enqueue(new TextEncoder().encode(piece))
        }
      })
    const answer = await got(() => new Response(stream()), "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    expect(answer).toMatch(/connection: close\r\n\r\nonetwo$/)
    expect(answer).not.toContain("chunked")
  })

  it("that breaks off is cut off, and does not look whole", async () => {
    const stream = () =>
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          await new Promise((resolve) => setImmediate(resolve))
          if (controller.desiredSize === 1) controller.enqueue(new TextEncoder().encode("part"))
          controller.error(new Error("broken"))
        }
      })
    const answer = await got(() => new Response(stream())).catch(() => "")
    expect(answer).not.toMatch(/0\r\n\r\n$/)
  })

  it("of a handler that throws is 500", async () => {
    handler = () => {
      throw new Error("a bug")
    }
    expect(await speak(port, `GET / HTTP/1.1\r\n${host}${close}\r\n`)).toMatch(/^HTTP\/1\.1 500 /)
  })
})

describe("a connection", () => {
  it("goes on from request to request, in order, also when they come together", async () => {
    handler = mirror
    const one = `POST /1 HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\nhi`
    const two = `GET /2 HTTP/1.1\r\n${host}Content-Length: 3\r\n\r\nxyz`
    const answer = await speak(port, `${one}${two}GET /3 HTTP/1.1\r\n${host}${close}\r\n`)
    expect([...answer.matchAll(/"target":"(\/\d)"/g)].map(([, target]) => target)).toEqual(["/1", "/2", "/3"])
  })

  it("answers a request that comes byte by byte", async () => {
    handler = mirror
    const socket = await open(port)
    let received = ""
    socket.on("data", (chunk) => {
      received += String(chunk)
    })
    for (const byte of `POST /slow HTTP/1.1\r\n${host}${close}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`) {
      socket.write(byte)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await new Promise((resolve) => socket.on("close", resolve))
    expect(received).toContain('"body":"hi"')
  })

  it("gives a client that is refused early its answer, though it goes on sending", async () => {
    handler = () => new Response("too much", { status: 413 })
    const socket = await open(port)
    let received = ""
    socket.on("data", (chunk) => {
      received += String(chunk)
    })
    socket.on("error", () => {})
    socket.write(`POST / HTTP/1.1\r\n${host}Content-Length: 1000000\r\n\r\n${"x".repeat(100_000)}`)
    for (let sent = 0; sent < 8; sent++) {
      socket.write("x".repeat(100_000))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await expect.poll(() => received).toMatch(/^HTTP\/1\.1 413 [\s\S]*connection: close[\s\S]*too much$/)
    socket.destroy()
  })

  it("refuses a body of chunks that is above the limit, as soon as it is", async () => {
    handler = async (request) => {
      const body = await request.arrayBuffer().catch(() => undefined)
      return new Response(null, { status: body === undefined ? 413 : 200 })
    }
    const chunk = `40000\r\n${"x".repeat(0x40000)}\r\n`
    const text = `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(5)}`
    expect(await speak(port, text, /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 413 /)
  })

  it("slows a client whose body is read slowly, and loses nothing of it", async () => {
    const seen: Array<number> = []
    handler = async (request) => {
      let bytes = 0
      for await (const piece of request.body!) {
        bytes += piece.length
        seen.push(bytes)
        await new Promise((resolve) => setImmediate(resolve))
      }
      return new Response(String(bytes))
    }
    const body = new Uint8Array(maxBodyBytes)
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body })
    expect(await response.text()).toBe(String(maxBodyBytes))
  })

  it("sends a body that is large and read slowly, whole", async () => {
    const size = 8 * 1024 * 1024
    handler = () => new Response(new Uint8Array(size))
    const response = await fetch(`http://127.0.0.1:${port}/`)
    let bytes = 0
    for await (const piece of response.body!) {
      bytes += piece.length
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(bytes).toBe(size)
  })

  it.each([
    ["while it is answered", `GET / HTTP/1.1\r\n${host}\r\n`],
    ["in the middle of its body", `POST / HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\nhalf`]
  ])("whose client leaves %s says so to who works for it", async (_, text) => {
    const left = Deferred.makeUnsafe<string>()
    const started = Deferred.makeUnsafe<void>()
    handler = (request) =>
      new Promise((resolve) => {
        Deferred.doneUnsafe(started, Effect.void)
        const finish = () => {
          Deferred.doneUnsafe(left, Effect.succeed("left"))
          resolve(new Response())
        }
        if (request.signal.aborted) finish()
        else request.signal.addEventListener("abort", finish)
      })
    const socket = await open(port)
    socket.write(text)
    await Effect.runPromise(Deferred.await(started))
    socket.destroy()
    expect(await Effect.runPromise(Deferred.await(left))).toBe("left")
  })

  it("whose client leaves in the middle of a stream ends the stream", async () => {
    const cancelled = Deferred.makeUnsafe<void>()
    handler = () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode("one")),
          cancel: () => void Deferred.doneUnsafe(cancelled, Effect.void)
        })
      )
    const socket = await open(port)
    socket.on("data", () => socket.destroy())
    socket.write(`GET / HTTP/1.1\r\n${host}\r\n`)
    await Effect.runPromise(Deferred.await(cancelled))
  })
})

describe("a server that drains", () => {
  it("answers what is under way, closes what rests, and takes nothing new", async () => {
    const own = Scope.makeUnsafe()
    const started = Deferred.makeUnsafe<void>()
    const go = Deferred.makeUnsafe<void>()
    const server: HttpServer = await start(async (request) => {
      if (!request.url.endsWith("/wait")) return new Response("quick")
      Deferred.doneUnsafe(started, Effect.void)
      await Effect.runPromise(Deferred.await(go))
      return new Response("done")
    }, own)
    const resting = speak(server.port, `GET /quick HTTP/1.1\r\n${host}\r\n`)
    const busy = speak(server.port, `GET /wait HTTP/1.1\r\n${host}\r\n`)
    await Effect.runPromise(Deferred.await(started))
    const drained = Effect.runPromise(server.drain)
    expect(await resting).toContain("quick")
    await expect(open(server.port)).rejects.toThrow()
    Deferred.doneUnsafe(go, Effect.void)
    expect(await busy).toMatch(/connection: close[\s\S]*done$/)
    await drained
    await Effect.runPromise(Scope.close(own, Exit.void))
  })

  it.each([
    ["rest", `GET /a HTTP/1.1\r\n${host}\r\n`, /hi$/],
    ["have asked for nothing", "", undefined],
    ["have begun to ask", "GET /a HT", undefined],
    ["have their answer and go on sending", `POST /a HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\nabc`, /hi$/]
  ])("does not wait for clients to close connections that %s", async (_, text, answered) => {
    const own = Scope.makeUnsafe()
    const server: HttpServer = await start(() => new Response("hi"), own)
    const client = await openForGood(server.port)
    client.write(text)
    if (answered !== undefined) await expect.poll(client.heard).toMatch(answered)
    // It may have to come to the server yet that somebody is there.
    await speak(server.port, `GET /b HTTP/1.1\r\n${host}${close}\r\n`)
    const begun = performance.now()
    await Effect.runPromise(server.drain)
    expect(performance.now() - begun).toBeLessThan(4000)
    client.end()
    await Effect.runPromise(Scope.close(own, Exit.void))
  })

  it("lets a client that closes nothing have its last answer whole", async () => {
    const own = Scope.makeUnsafe()
    const started = Deferred.makeUnsafe<void>()
    const go = Deferred.makeUnsafe<void>()
    const server: HttpServer = await start(async () => {
      Deferred.doneUnsafe(started, Effect.void)
      await Effect.runPromise(Deferred.await(go))
      return new Response("x".repeat(5_000_000))
    }, own)
    const client = await openForGood(server.port)
    client.write(`GET /a HTTP/1.1\r\n${host}\r\n`)
    await Effect.runPromise(Deferred.await(started))
    const drained = Effect.runPromise(server.drain)
    Deferred.doneUnsafe(go, Effect.void)
    await drained
    await expect.poll(() => client.heard().length).toBeGreaterThan(5_000_000)
    client.end()
    await Effect.runPromise(Scope.close(own, Exit.void))
  })
})
