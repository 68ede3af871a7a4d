/** What Bun's own server lets through that others may read another way; what it refuses itself is in the same list. */
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { listen } from "../../src/http/BunHttpServer.ts"
import { speak } from "./speak.ts"

const reached: Array<string> = []
const scope = Scope.makeUnsafe()
let port = 0

beforeAll(async () => {
  const fetch = async (request: Request) => {
    await request.arrayBuffer()
    reached.push(request.url)
    return new Response(request.url, { headers: { "x-seen": "yes" } })
  }
  const options = { host: "127.0.0.1", port: 0, maxBodyBytes: 1024 * 1024, fetch }
  port = (await Effect.runPromise(Scope.provide(listen(options), scope))).port
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const host = "Host: localhost\r\n"
const post = `POST / HTTP/1.1\r\n${host}`

describe("Bun's server with the edge in front", () => {
  it.each([
    ["a length and chunks", `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["two lengths", `${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
    ["two equal lengths", `${post}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
    ["a coding before chunks", `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ["bad chunks", `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n`],
    ["a folded header", `GET / HTTP/1.1\r\n${host}X-A: b\r\n c\r\n\r\n`],
    ["line feeds alone", "GET / HTTP/1.1\nHost: localhost\n\n"],
    ["a line feed inside", `GET / HTTP/1.1\r\n${host}X-A: b\nX-B: c\r\n\r\n`],
    ["two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
    ["a path in its host", "GET /x HTTP/1.1\r\nHost: evil/2015-03-31\r\n\r\n"],
    ["a fragment", `GET /a#b HTTP/1.1\r\n${host}\r\n`],
    ["CONNECT", `CONNECT localhost:80 HTTP/1.1\r\n${host}\r\n`],
    ["TRACE", `TRACE / HTTP/1.1\r\n${host}\r\n`]
  ])("refuses %s", async (_, text) => {
    reached.length = 0
    const answer = await speak(port, text, /\r\n\r\n/)
    expect(answer).toMatch(/^HTTP\/1\.1 (400|501|505) /)
    expect(answer).not.toContain("x-seen")
    expect(reached).toEqual([])
  })

  it.each([
    ["GET /abc HTTP/1.0\r\n\r\n", "http://localhost/abc"],
    ["GET /2015-03-31/functions HTTP/1.0\r\n\r\n", "http://localhost/2015-03-31/functions"],
    ["POST /abc HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", "http://localhost/abc"],
    ["GET //abc HTTP/1.0\r\n\r\n", "http://localhost//abc"],
    ["GET /abc HTTP/1.1\r\nHost: x\r\n\r\n", "http://localhost/abc"],
    ["GET /abc HTTP/1.1\r\nHost: [::1]:3000\r\n\r\n", "http://[::1]:3000/abc"]
  ])("gives a whole address to %j", async (text, url) => {
    expect(await speak(port, text, /abc|functions/)).toContain(url)
  })
})
