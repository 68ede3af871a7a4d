/** Function URLs from outside: made with AWS's own client, called by sockets and `fetch`, in the whole program. */
import { existsSync, writeFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import {
  AddPermissionCommand,
  CreateFunctionUrlConfigCommand,
  type CreateFunctionUrlConfigCommandInput,
  DeleteFunctionUrlConfigCommand,
  GetFunctionUrlConfigCommand,
  type LambdaClient,
  ListFunctionUrlConfigsCommand,
  ResourceConflictException,
  ResourceNotFoundException,
  UpdateFunctionUrlConfigCommand
} from "@aws-sdk/client-lambda"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { codeFolder } from "../support/codeFolder.ts"
import { denoCommand } from "../support/deno.ts"
import { start } from "../support/household.ts"
import type { Irori } from "../support/irori.ts"
import { lambdaClient } from "../support/lambdas.ts"
import { encodeQuery, sign } from "../support/sigv4.ts"

const apiKey = "0123456789abcdef"

const functions = codeFolder({
  "functions.yml": [
    "defaults: { scaling: { max_capacity: 1 } }",
    "functions:",
    "  web: { timeout: 20 }",
    "  short: { code: ./web, timeout: 1, runtime: nodejs22.x, handler: index.handler }",
    "  stream: { timeout: 20 }",
    "  declared: { code: ./web, runtime: nodejs22.x, handler: index.handler, url: NONE }",
    "  unused: { code: ./web, runtime: nodejs22.x, handler: index.handler }"
  ].join("\n"),
  "web/index.mjs": `
    let calls = 0
    export const handler = async (event) => {
      calls++
      const { json } = event.queryStringParameters ?? {}
      if (json !== undefined) return JSON.parse(json)
      if (event.rawPath === "/throw") throw new Error("on purpose")
      if (event.rawPath === "/exit") process.exit(1)
      if (event.rawPath === "/sleep") {
        console.log("asleep " + event.rawQueryString)
        await new Promise((wake) => setTimeout(wake, 15_000))
      }
      if (event.rawPath === "/large") return "x".repeat(7 * 1024 * 1024)
      return { ...event, calls }
    }`,
  "stream/index.mjs": `
    import { existsSync, writeFileSync } from "node:fs"
    const moment = () => new Promise((wake) => setTimeout(wake, 5))
    export const handler = awslambda.streamifyResponse(async (event, stream) => {
      const { file } = event.queryStringParameters ?? {}
      if (event.rawPath === "/plain") {
        stream.setContentType("text/plain")
        stream.write("plain")
        return stream.end()
      }
      const out = awslambda.HttpResponseStream.from(stream, {
        statusCode: 201,
        headers: { "content-type": "text/html", "x-a": "b" },
        cookies: ["a=1", "b=2"]
      })
      out.write("first,")
      if (event.rawPath === "/fail") {
        await moment()
        throw new Error("on purpose")
      }
      while (file !== undefined && !existsSync(file)) await moment()
      out.write("second")
      out.end()
    })`
})

/** What came back on one connection. */
interface Spoken {
  readonly status: number
  readonly head: string
  readonly body: string
}

const split = (received: string): Spoken => {
  const end = received.indexOf("\r\n\r\n")
  const head = received.slice(0, end)
  return { status: Number(head.split(" ")[1]), head, body: received.slice(end + 4) }
}

/** Sends these bytes, and answers with all that comes until the server closes. */
const speak = (port: number, bytes: string) =>
  new Promise<Spoken>((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes, "latin1"))
    let received = ""
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1")
    })
    socket.on("error", reject)
    socket.on("close", () => resolve(split(received)))
  })

/** Waits until what has come on the socket matches. */
const heard = (socket: Socket, pattern: RegExp) =>
  new Promise<void>((resolve) => {
    let received = ""
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1")
      if (pattern.test(received)) resolve()
    })
  })

const withKey = (url: string): LambdaClient => {
  const client = lambdaClient(url, { maxAttempts: 1 })
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> }
      headers["x-api-key"] = apiKey
      return next(args)
    },
    { step: "build" }
  )
  return client
}

const environment = {
  IRORI_FUNCTIONS_DIR: functions.path,
  IRORI_API_KEY: apiKey,
  IRORI_CREDENTIALS: "AKIDEXAMPLE:secret",
  IRORI_TRUSTED_PROXIES: "127.0.0.0/8"
}

describe.each([
  ["Bun", undefined],
  ["Deno", denoCommand]
] as const)("function URLs on %s", (runtime, command) => {
  const skipped = runtime === "Deno" && command === undefined
  let irori: Irori
  let client: LambdaClient
  let port: number

  beforeAll(async () => {
    if (skipped) return
    irori = await start({ ...environment, DENO_NO_UPDATE_CHECK: "1" }, command === undefined ? {} : { command })
    client = withKey(irori.url)
    port = Number(new URL(irori.url).port)
  })
  afterAll(async () => {
    if (!skipped) await irori.stop()
  })
  const test = it.skipIf(skipped)

  /** One that everybody may call; the same one for the same function. */
  const made = new Map<string, string>()
  const urlOf = async (
    FunctionName: string,
    settings: Partial<CreateFunctionUrlConfigCommandInput> = {}
  ): Promise<{ id: string; host: string }> => {
    const known = made.get(FunctionName)
    const link =
      known ??
      (await client.send(new CreateFunctionUrlConfigCommand({ FunctionName, AuthType: "NONE", ...settings })))
        .FunctionUrl!
    if (known === undefined) {
      made.set(FunctionName, link)
      await client.send(
        new AddPermissionCommand({
          FunctionName,
          StatementId: "public",
          Action: "lambda:InvokeFunctionUrl",
          Principal: "*",
          FunctionUrlAuthType: "NONE"
        })
      )
    }
    const { host } = new URL(link)
    return { id: host.split(".")[0]!, host }
  }
  const webUrl = () => urlOf("web")
  const streamUrl = () => urlOf("stream", { InvokeMode: "RESPONSE_STREAM" })

  const ask = async (url: { host: string }, target: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers)
    headers.set("Host", url.host)
    return fetch(`${irori.url}${target}`, { ...init, headers })
  }

  const askRaw = async (url: { host: string }, request: string, headers = "") =>
    speak(port, `${request} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\n${headers}\r\n`)

  test("are made, read, changed, listed and deleted by AWS's client", async () => {
    const FunctionName = "unused"
    const created = await client.send(new CreateFunctionUrlConfigCommand({ FunctionName, AuthType: "AWS_IAM" }))
    expect(created.$metadata.httpStatusCode).toBe(201)
    expect(created.FunctionUrl).toMatch(/^http:\/\/[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost:\d+\/$/)
    expect(created.FunctionArn).toBe("arn:aws:lambda:us-east-1:000000000000:function:unused")
    const changed = await client.send(
      new UpdateFunctionUrlConfigCommand({ FunctionName, AuthType: "NONE", Cors: { AllowOrigins: ["*"] } })
    )
    expect(changed).toMatchObject({ AuthType: "NONE", InvokeMode: "BUFFERED", FunctionUrl: created.FunctionUrl })
    const { $metadata: _, ...read } = await client.send(new GetFunctionUrlConfigCommand({ FunctionName }))
    const listed = await client.send(new ListFunctionUrlConfigsCommand({ FunctionName }))
    expect(listed.FunctionUrlConfigs).toEqual([read])
    const again = client.send(new CreateFunctionUrlConfigCommand({ FunctionName, AuthType: "NONE" }))
    await expect(again).rejects.toBeInstanceOf(ResourceConflictException)
    const deleted = await client.send(new DeleteFunctionUrlConfigCommand({ FunctionName }))
    expect(deleted.$metadata.httpStatusCode).toBe(204)
    const gone = client.send(new GetFunctionUrlConfigCommand({ FunctionName }))
    await expect(gone).rejects.toBeInstanceOf(ResourceNotFoundException)
  })

  test("answer by host and by path, without the API's key", async () => {
    const url = await webUrl()
    const byHost = await ask(url, "/a?b=c")
    expect(byHost.status).toBe(200)
    const event = await byHost.json()
    expect(event).toMatchObject({
      version: "2.0",
      rawPath: "/a",
      queryStringParameters: { b: "c" },
      requestContext: {
        accountId: "anonymous",
        apiId: url.id,
        domainName: `${url.id}.lambda-url.us-east-1.localhost`,
        requestId: byHost.headers.get("x-amzn-requestid"),
        http: { sourceIp: "127.0.0.1" }
      },
      headers: { host: url.host, "x-forwarded-port": String(port), "x-forwarded-proto": "http" }
    })
    const byPath = await fetch(`${irori.url}/lambda-url/${url.id}/a?b=c`)
    expect(await byPath.json()).toMatchObject({
      rawPath: "/a",
      requestContext: { domainName: `${url.id}.lambda-url.us-east-1.localhost` }
    })
  })

  test("are public where a file declares them so", async () => {
    const { FunctionUrl } = await client.send(new GetFunctionUrlConfigCommand({ FunctionName: "declared" }))
    const response = await ask(new URL(FunctionUrl!), "/")
    expect(response.status).toBe(200)
  })

  test("have a trusted proxy's word for the client", async () => {
    const response = await ask(await webUrl(), "/", {
      headers: { "X-Forwarded-For": "6.6.6.6, 198.51.100.7", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443" }
    })
    expect(await response.json()).toMatchObject({
      requestContext: { http: { sourceIp: "198.51.100.7" } },
      headers: { "x-forwarded-for": "198.51.100.7, 127.0.0.1", "x-forwarded-proto": "https", "x-forwarded-port": "443" }
    })
  })

  test.each([
    ["/%F", "/%F", ""],
    ["/a%2Fb%20c/", "/a%2Fb%20c/", ""],
    ["//a//b", "//a//b", ""],
    ["/a?q=%F&r=%zz", "/a", "q=%F&r=%zz"],
    ["/health?x", "/health", "x"],
    ["/2015-03-31/functions/web/invocations", "/2015-03-31/functions/web/invocations", ""]
  ])("keep the path of %s as it came", async (target, rawPath, rawQueryString) => {
    const { body, status } = await askRaw(await webUrl(), `GET ${target}`)
    expect(status).toBe(200)
    expect(JSON.parse(body)).toMatchObject({ rawPath, rawQueryString })
  })

  test("give bodies to the function byte for byte", async () => {
    const bytes = Uint8Array.of(0, 255, 13, 10, 128)
    const response = await ask(await webUrl(), "/", {
      method: "POST",
      body: bytes,
      headers: { "Content-Type": "application/octet-stream" }
    })
    expect(await response.json()).toMatchObject({
      body: Buffer.from(bytes).toString("base64"),
      isBase64Encoded: true,
      headers: { "content-length": "5" }
    })
  })

  const answer = (value: unknown) => `/?json=${encodeURIComponent(JSON.stringify(value))}`

  test("send what the function says: status, headers, cookies and bytes", async () => {
    const result = {
      statusCode: "418",
      headers: { "X-A": "é", "Content-Length": "3", "Transfer-Encoding": "chunked" },
      cookies: ["a=1; HttpOnly", "b=2"],
      body: "AP8K",
      isBase64Encoded: true
    }
    const { body, head, status } = await askRaw(await webUrl(), `GET ${answer(result)}`)
    expect(status).toBe(418)
    expect([...head.matchAll(/^set-cookie: (.*)$/gim)].map(([, cookie]) => cookie)).toEqual(["a=1; HttpOnly", "b=2"])
    expect(head).toMatch(/^content-type: application\/json$/im)
    expect(Buffer.from(/^x-a: (.*)$/im.exec(head)![1]!, "latin1").toString()).toBe("é")
    expect(head).toMatch(/^content-length: 3$/im)
    expect(head).not.toMatch(/transfer-encoding/i)
    expect(Buffer.from(body, "latin1")).toEqual(Buffer.from([0, 255, 10]))
  })

  test("answer HEAD with the head alone", async () => {
    const { body, head, status } = await askRaw(await webUrl(), `HEAD ${answer({ statusCode: 200, body: "12345" })}`)
    expect(status).toBe(200)
    expect(head).toMatch(/^content-length: 5$/im)
    expect(body).toBe("")
  })

  test.each([
    ["throws", "web", "/throw", 502],
    ["exits", "web", "/exit", 502],
    ["takes too long", "short", "/sleep", 502],
    ["answers with too much", "web", "/large", 502],
    ["answers with no response", "web", answer({ statusCode: "test" }), 502]
  ])("answer for a function that %s", async (_, name, target, status) => {
    const response = await ask(await urlOf(name), target)
    expect(response.status).toBe(status)
    expect(await response.text()).toBe("Internal Server Error")
  })

  test("refuse what is too large before the function sees it", async () => {
    const large = await ask(await webUrl(), "/", { method: "POST", body: new Uint8Array(6 * 1024 * 1024 + 1) })
    expect(large.status).toBe(413)
    // In base64 it would be too large.
    const grown = await ask(await webUrl(), "/", { method: "POST", body: new Uint8Array(5 * 1024 * 1024) })
    expect(grown.status).toBe(413)
  })

  test("take a request that is signed, as AWS's clients sign, and refuse another", async () => {
    const url = await urlOf("short")
    const FunctionName = "short"
    await client.send(new UpdateFunctionUrlConfigCommand({ FunctionName, AuthType: "AWS_IAM" }))
    const plain = { method: "PUT", path: "/a%20b//c", query: { d: "e f" }, headers: { host: url.host }, body: "body" }
    const options = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret", date: new Date() }
    const send = ({ body, headers, method, path, query }: typeof plain) =>
      ask(url, `${path}?${encodeQuery(query)}`, { method, body, headers })
    const response = await send((await sign(plain, options)) as typeof plain)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      requestContext: {
        accountId: "000000000000",
        authorizer: { iam: { accessKey: "AKIDEXAMPLE", userArn: "arn:aws:iam::000000000000:root" } }
      }
    })
    expect((await send(plain)).status).toBe(403)
    const forged = await sign(plain, { ...options, secretAccessKey: "guessed" })
    expect((await send(forged as typeof plain)).status).toBe(403)
    await client.send(new UpdateFunctionUrlConfigCommand({ FunctionName, AuthType: "NONE" }))
  })

  test("stream: the head of the prelude, and the first byte before the function has ended", async () => {
    const url = await streamUrl()
    const file = join(functions.path, `go-on-${runtime}`)
    const response = await ask(url, `/?file=${encodeURIComponent(file)}`)
    expect(response.status).toBe(201)
    expect(response.headers.get("content-type")).toBe("text/html")
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"])
    const reader = response.body!.getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("first,")
    expect(existsSync(file)).toBe(false)
    writeFileSync(file, "")
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("second")
    expect((await reader.read()).done).toBe(true)
    const plain = await ask(url, "/plain")
    expect([plain.status, plain.headers.get("content-type"), await plain.text()]).toEqual([200, "text/plain", "plain"])
  })

  test("break a stream off that the function breaks off", async () => {
    const url = await streamUrl()
    const failed = await ask(url, "/fail")
      .then((response) => response.text())
      .catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(Error)
    expect((await ask(url, "/plain")).status).toBe(200)
  })

  test("answer HEAD to a function that streams", async () => {
    const { body, status } = await askRaw(await streamUrl(), "HEAD /")
    expect([status, body]).toEqual([201, ""])
  })

  test("gather a stream where the URL is buffered", async () => {
    const url = await streamUrl()
    await client.send(new UpdateFunctionUrlConfigCommand({ FunctionName: "stream", InvokeMode: "BUFFERED" }))
    const response = await ask(url, "/")
    expect([response.status, response.headers.get("x-a"), await response.text()]).toEqual([201, "b", "first,second"])
    await client.send(new UpdateFunctionUrlConfigCommand({ FunctionName: "stream", InvokeMode: "RESPONSE_STREAM" }))
  })

  test("lose no worker to clients that leave, and log no error", async () => {
    const before = irori.output().length
    const [web, stream] = [await webUrl(), await streamUrl()]
    const leave = async (url: { host: string }, bytes: string, when: (socket: Socket) => Promise<unknown>) => {
      const socket = connect(port, "127.0.0.1")
      socket.on("error", () => {})
      socket.write(bytes.replace("HOST", url.host))
      await when(socket)
      socket.destroy()
    }
    const atOnce = () => new Promise((sent) => setImmediate(sent))
    const head = "HTTP/1.1\r\nHost: HOST\r\n"
    await leave(web, `GET /sleep ${head}`, atOnce)
    await leave(web, `POST /sleep ${head}Content-Length: 100\r\n\r\nhalf`, atOnce)
    await leave(web, `GET /sleep?early ${head}\r\n`, atOnce)
    await leave(web, `GET /sleep?late ${head}\r\n`, () => irori.wrote(/asleep late/))
    await leave(stream, `GET /?file=/never ${head}\r\n`, atOnce)
    await leave(stream, `GET /?file=/never ${head}\r\n`, (socket) => heard(socket, /first,/))
    // Each has one worker, which must be free, or another in its place.
    const signal = AbortSignal.timeout(10_000)
    expect((await ask(web, "/after", { signal })).status).toBe(200)
    expect((await ask(stream, "/plain", { signal })).status).toBe(200)
    expect(irori.output().slice(before)).not.toMatch(/ERROR/)
  })
})
