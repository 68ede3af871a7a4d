/** Requests that somebody in front may have read another way, at the whole program: on Bun and Deno, plain and TLS. */
import { connect } from "node:net"
import { connect as connectTls } from "node:tls"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { denoCommand } from "../support/deno.ts"
import { start } from "../support/household.ts"
import { lambdas } from "../support/lambdas.ts"

const worlds = [
  ["Bun", "HTTP", undefined, {}],
  ["Bun", "TLS", undefined, { IRORI_TLS: "development" }],
  ["Deno", "HTTP", denoCommand, {}],
  ["Deno", "TLS", denoCommand, { IRORI_TLS: "development" }]
] as const

/** All that comes back, until the server closes or has answered. */
const say = (port: number, isSecure: boolean, text: string): Promise<string> =>
  new Promise((resolve) => {
    const options = { port, host: "127.0.0.1" }
    const socket = isSecure ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options)
    let received = ""
    const done = () => {
      socket.destroy()
      resolve(received)
    }
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1")
      if (received.includes("\r\n\r\n")) done()
    })
    socket.on("error", done)
    socket.on("close", done)
    socket.write(Buffer.from(text, "latin1"))
  })

const host = "Host: localhost\r\n"
const post = `POST /2015-03-31/functions/node/invocations HTTP/1.1\r\n${host}`
const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n`

describe.each(worlds)("on %s, with %s", (runtime, server, command, environment) => {
  if (runtime === "Deno" && command === undefined) {
    it.skip("is not tested here: the package `deno` is not installed")
    return
  }
  let port = 0
  const isSecure = server === "TLS"
  beforeAll(async () => {
    const settings = { IRORI_FUNCTIONS_DIR: lambdas, DENO_NO_UPDATE_CHECK: "1", ...environment }
    const irori = await start(settings, command === undefined ? {} : { command })
    port = Number(new URL(irori.url).port)
  }, 30_000)
  afterAll(() => {
    port = 0
  })

  it.each([
    ["a length and chunks", `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["two lengths", `${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
    ["a length that is none", `${post}Content-Length: +5\r\n\r\nhello`],
    ["a chunk without a length", `${chunked}zz\r\nhello\r\n0\r\n\r\n`],
    ["a chunk of a negative length", `${chunked}-5\r\nhello\r\n0\r\n\r\n`],
    ["a folded header", `GET /health HTTP/1.1\r\n${host}X-A: b\r\n c\r\n\r\n`],
    ["a blank before a colon", `${post}Content-Length : 5\r\n\r\nhello`],
    ["a carriage return inside", `GET /health HTTP/1.1\r\n${host}X-A: b\rX-B: c\r\n\r\n`],
    ["two hosts", "GET /health HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n"],
    ["a host with a path", "GET /health HTTP/1.1\r\nHost: evil/2015-03-31\r\n\r\n"]
  ])("refuses %s", async (_, text) => {
    const answer = await say(port, isSecure, text)
    // Nothing at all, where the connection was cut.
    expect(answer).toMatch(/^$|^HTTP\/1\.[01] (400|431|501|505) /)
  })

  it("refuses a request without a host", async () => {
    expect(await say(port, isSecure, "GET /health HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /)
  })

  it("answers after all that", async () => {
    expect(await say(port, isSecure, `GET /health HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 200 /
    )
  })
})
