/** The whole program behind its routes: what clients send reaches functions as events, and what they return the clients. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { open, speak } from "../http/speak.ts"
import { start } from "../support/household.ts"
import type { Irori } from "../support/irori.ts"

const folder = mkdtempSync(join(tmpdir(), "irori-routes-"))
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

/** Answers with its event, or does what the path's last part says. */
const code = `
const deeds = {
  html: () => ({ statusCode: 201, headers: { "Content-Type": "text/html" }, body: "<p>h\u00fc</p>\\n" }),
  cookies: () => ({ statusCode: 200, multiValueHeaders: { "Set-Cookie": ["a=1", "b=2"] }, body: '{"a": 1.0}' }),
  image: () => ({ statusCode: 200, headers: { "content-type": "image/png", "content-length": "3" }, isBase64Encoded: true, body: "iVBORw0K" }),
  throw: () => { throw new Error("secret") },
  malformed: () => ({ statusCode: "nonsense" }),
  exit: () => process.exit(3),
  hang: async () => { console.log("hanging"); await new Promise((resolve) => setTimeout(resolve, 60_000)) },
  text: () => "just text"
}
export const handler = async (event, context) => {
  const deed = deeds[event.pathParameters?.deed]
  return deed ? deed() : { event, requestId: context.awsRequestId }
}
`

const routes = `routes:
  - { path: "/do/{deed}", method: ANY, function: main }
  - { path: "/users/{user_id}/posts/{post-id}", method: get, function: { container: main } }
  - { path: "/files/{path+}", method: ANY, function: main }
  - { path: "/missing", method: GET, function: nobody }
  - { path: "/v1.0/x", method: POST, function: main }
`

let irori: Irori
let port = 0

beforeAll(async () => {
  write("main/index.mjs", code)
  write("functions.yml", "functions: { main: { timeout: 2, scaling: { max_capacity: 2 } } }")
  write("routing.yml", routes)
  irori = await start({ IRORI_FUNCTIONS_DIR: folder, IRORI_LOG_FORMAT: "json", IRORI_ROOT_PATH: "/behind" })
  port = Number(new URL(irori.url).port)
})
afterAll(() => rmSync(folder, { recursive: true }))

const call = (path: string, init?: RequestInit) => fetch(irori.url + path, init)
const eventOf = async (path: string, init?: RequestInit) => ((await (await call(path, init)).json()) as Seen).event

interface Seen {
  readonly requestId: string
  readonly event: {
    readonly headers: Readonly<Record<string, string>>
    readonly multiValueHeaders: Readonly<Record<string, ReadonlyArray<string>>>
    readonly requestContext: Readonly<Record<string, unknown>>
    readonly [key: string]: unknown
  }
}

const logged = (pattern: RegExp) =>
  irori
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{") && pattern.test(line))
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe("a route", () => {
  it("gives its function an event with every key of a REST API", async () => {
    const response = await call("/users/%C3%A4/posts/7?a=1&a=2&b=x%2By+z", { headers: { "x-a": "b" } })
    const { event, requestId } = (await response.json()) as Seen
    expect(event).toMatchObject({
      resource: "/users/{user_id}/posts/{post-id}",
      path: "/users/ä/posts/7",
      httpMethod: "GET",
      queryStringParameters: { a: "2", b: "x+y z" },
      multiValueQueryStringParameters: { a: ["1", "2"], b: ["x+y z"] },
      pathParameters: { user_id: "ä", "post-id": "7" },
      stageVariables: null,
      body: null,
      isBase64Encoded: false
    })
    expect(event.requestContext).toMatchObject({
      requestId: response.headers.get("x-amzn-requestid"),
      stage: "prod",
      protocol: "HTTP/1.1",
      identity: expect.objectContaining({ sourceIp: "127.0.0.1", accessKey: null })
    })
    expect(event.requestContext.requestId).toBe(requestId)
    expect(event.headers["x-forwarded-for"]).toBe("127.0.0.1")
    expect(event.headers["x-forwarded-port"]).toBe(String(port))
  })

  it("tells several headers of one name from one with a comma", async () => {
    const answer = await speak(
      port,
      "GET /files/a HTTP/1.1\r\nHost: x.example\r\nX-Dup: one\r\nAccept: text/html, */*\r\nx-dup: two, three\r\nConnection: close\r\n\r\n"
    )
    const { event } = JSON.parse(answer.slice(answer.indexOf("{"))) as Seen
    expect(event.multiValueHeaders["x-dup"]).toEqual(["one", "two, three"])
    expect(event.headers["x-dup"]).toBe("two, three")
    expect(event.multiValueHeaders.accept).toEqual(["text/html, */*"])
    expect(event.requestContext.domainName).toBe("x.example")
  })

  it("hands over bytes that are no text, and what is compressed, as base64", async () => {
    const bytes = Uint8Array.of(0, 255, 254)
    expect(await eventOf("/files/a", { method: "POST", body: bytes })).toMatchObject({
      body: "AP/+",
      isBase64Encoded: true
    })
    const zipped = gzipSync("hello")
    const headers = { "content-encoding": "gzip" }
    expect(await eventOf("/files/a", { method: "POST", body: zipped, headers })).toMatchObject({
      body: zipped.toString("base64"),
      isBase64Encoded: true
    })
    expect(await eventOf("/v1.0/x", { method: "POST", body: "tëxt" })).toMatchObject({
      body: "tëxt",
      isBase64Encoded: false
    })
  })

  it.each(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("takes %s where it takes any", async (method) => {
    expect(await eventOf("/files/x/y", { method })).toMatchObject({
      httpMethod: method,
      pathParameters: { path: "x/y" }
    })
  })

  it("takes HEAD, and sends no body", async () => {
    const answer = await speak(port, "HEAD /files/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/)
  })

  it.each([
    ["/nowhere", "GET"],
    ["/users/1", "GET"],
    ["/users/1/posts/2/", "GET"],
    ["/users/1/posts/2", "POST"],
    ["/v1X0/x", "POST"],
    ["/files", "GET"],
    ["/", "GET"]
  ])("does not take %s with %s", async (path, method) => {
    const response = await call(path, { method })
    expect([response.status, await response.json()]).toEqual([404, { message: "Not Found" }])
  })

  it("is there behind the root path too, as all else is", async () => {
    expect((await eventOf("/behind/files/a/b")).path).toBe("/files/a/b")
    expect((await call("/behind/health")).status).toBe(200)
    expect(await (await call("/behind/docs")).text()).toContain('src="/behind/docs/assets/irori.js"')
  })
})

describe("the answer of a function behind a route", () => {
  it("is its status, its headers and its body, byte for byte", async () => {
    const response = await call("/do/html")
    expect([response.status, response.headers.get("content-type")]).toEqual([201, "text/html"])
    expect(Buffer.from(await response.arrayBuffer()).toString("latin1")).toBe("<p>h\xc3\xbc</p>\n")
    await irori.wrote(/Failed to parse Lambda response body as JSON/)
    expect(logged(/Failed to parse/)[0]).toMatchObject({
      message: "Failed to parse Lambda response body as JSON. Returning as string.",
      snippet: "<p>hü</p>\n",
      status_code: 201
    })
  })

  it("may set several cookies, and is not written anew", async () => {
    const response = await call("/do/cookies")
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"])
    expect(await response.text()).toBe('{"a": 1.0}')
  })

  it("may be binary, whatever length it says", async () => {
    const response = await call("/do/image")
    expect(response.headers.get("content-length")).toBe("6")
    expect(Buffer.from(await response.arrayBuffer()).toString("hex")).toBe("89504e470d0a")
  })

  it("may be any JSON", async () => {
    expect(await (await call("/do/text")).text()).toBe('"just text"')
  })

  it.each([
    ["/do/throw", 502],
    ["/do/malformed", 502],
    ["/do/exit", 502],
    ["/do/hang", 504],
    ["/missing", 502]
  ])("that is none: %s is %i", async (path, status) => {
    const response = await call(path)
    const text = await response.text()
    expect([response.status, Object.keys(JSON.parse(text) as object)]).toEqual([status, ["message"]])
    expect(text).not.toMatch(/secret|127\.0\.0\.1/)
    expect(response.headers.get("x-amzn-requestid")).toMatch(/^[0-9a-f-]{36}$/)
  })

  it("is not waited for by a client that has left: its worker is free, and nothing is an error", async () => {
    const before = logged(/"ERROR"/).length
    for (let left = 0; left < 4; left++) {
      const socket = await open(port)
      const hangs = irori.output().split("hanging").length
      socket.write("GET /do/hang HTTP/1.1\r\nHost: x\r\n\r\n")
      // The worker of one who has left has a second to finish.
      await expect.poll(() => irori.output().split("hanging").length, { timeout: 10_000 }).toBe(hangs + 1)
      socket.destroy()
    }
    // More have left than there may be workers.
    expect((await call("/files/a")).status).toBe(200)
    await expect.poll(() => logged(/"status":499/).length).toBe(4)
    expect(logged(/"ERROR"/).length).toBe(before)
  })
})

describe("routing.yml", () => {
  it("is taken over when it changes, and goes on as it was while it is broken", async () => {
    write("routing.yml", `${routes}  - { path: /late, method: GET, function: main }\n`)
    await expect.poll(async () => (await call("/late")).status).toBe(200)
    write("routing.yml", "routes: [")
    await expect.poll(async () => (await call("/health/ready")).status).toBe(503)
    const report = (await (await call("/health/ready")).json()) as { problems: ReadonlyArray<{ detail: string }> }
    expect(report.problems[0]?.detail).toMatch(/routing\.yml:1:10: /)
    expect((await call("/late")).status).toBe(200)
    write("routing.yml", routes)
    await expect.poll(async () => (await call("/late")).status).toBe(404)
    expect((await call("/health/ready")).status).toBe(200)
  })
})
