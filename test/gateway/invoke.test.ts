import { Deferred, Duration, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { InvocationTimedOut, LambdaExecutionError } from "../../src/invoke/InvokeError.ts"
import { hello } from "../support/functions.ts"
import { arn, gatewayApp } from "./gatewayApp.ts"

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (value: string) => new TextEncoder().encode(value)

/** A body that comes in pieces, without a length, and counts how many were taken. */
const chunked = (pieces: ReadonlyArray<string>) => {
  const taken: Array<string> = []
  const rest = [...pieces]
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = rest.shift()
        if (piece === undefined) return controller.close()
        taken.push(piece)
        controller.enqueue(bytes(piece))
      }
    },
    { highWaterMark: 0 }
  )
  return { body, taken }
}

describe("Invoke, RequestResponse", () => {
  it("answers with the function's bytes as they are", async () => {
    const gateway = gatewayApp()
    const response = await gateway.invoke("hello", ' {"a":  1.0, "b": "\\u00e9é"} ')
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(' {"a":  1.0, "b": "\\u00e9é"} ')
    expect(response.headers.get("content-type")).toBe("application/json")
    expect(response.headers.get("x-amz-executed-version")).toBe("$LATEST")
    expect(response.headers.has("x-amz-function-error")).toBe(false)
  })

  it("passes on bytes that are no text", async () => {
    const payload = Uint8Array.of(0, 255, 13, 10, 254)
    const gateway = gatewayApp({ invoke: () => Effect.succeed({ payload, executedVersion: "3" }) })
    const response = await gateway.invoke("hello")
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(payload)
    expect(response.headers.get("x-amz-executed-version")).toBe("3")
  })

  it("tells of a failed function in a header, with status 200", async () => {
    const gateway = gatewayApp({
      invoke: () =>
        Effect.succeed({ payload: bytes('{"errorType":"E"}'), executedVersion: "$LATEST", functionError: "Unhandled" })
    })
    const response = await gateway.invoke("hello")
    expect(response.status).toBe(200)
    expect(response.headers.get("x-amz-function-error")).toBe("Unhandled")
    expect(await response.text()).toBe('{"errorType":"E"}')
  })

  it.each([
    ["hello", undefined],
    ["hello:$LATEST", "$LATEST"],
    ["hello?Qualifier=%24LATEST", "$LATEST"],
    ["hello?Qualifier=$LATEST", "$LATEST"],
    ["function:hello", undefined],
    [`${arn}:hello`, undefined],
    [encodeURIComponent(`${arn}:hello:$LATEST`), "$LATEST"],
    [`${encodeURIComponent(`${arn}:hello`)}?Qualifier=%24LATEST`, "$LATEST"]
  ])("finds the function that is called %s", async (name, qualifier) => {
    const gateway = gatewayApp()
    expect((await gateway.invoke(name)).status).toBe(200)
    expect(gateway.invoked).toMatchObject([{ functionName: "hello" }])
    expect(gateway.invoked[0]!.qualifier).toBe(qualifier)
  })

  it.each([[""], [null]])("takes %j for the empty event", async (body) => {
    const gateway = gatewayApp()
    await gateway.invoke("hello", body)
    expect(text(gateway.invoked[0]!.payload)).toBe("{}")
  })

  it.each(["null", "0", '"text"', "[1]", "true"])("takes the event %s, which is no object", async (event) => {
    const gateway = gatewayApp()
    expect((await gateway.invoke("hello", event)).status).toBe(200)
  })

  it("is not disturbed by what signed requests carry", async () => {
    const gateway = gatewayApp()
    const response = await gateway.invoke("hello", "{}", {
      Authorization:
        "AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0",
      "X-Amz-Date": "20261121T000000Z",
      "X-Amz-Content-Sha256": "x",
      "X-Amz-Security-Token": "t",
      "amz-sdk-invocation-id": "i",
      "Content-Type": "application/octet-stream",
      "X-Amz-Log-Type": "Tail"
    })
    expect(response.status).toBe(200)
    expect(response.headers.has("x-amz-log-result")).toBe(false)
  })

  it("frees the invocation when the client goes, and logs no error", async () => {
    const started = Deferred.makeUnsafe<void>()
    const interrupted = Deferred.makeUnsafe<void>()
    const gateway = gatewayApp({
      invoke: () =>
        Deferred.succeed(started, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
    })
    const client = new AbortController()
    const response = gateway.invoke("hello", "{}", {}, { signal: client.signal })
    await Effect.runPromise(Deferred.await(started))
    client.abort()
    await Effect.runPromise(Deferred.await(interrupted))
    expect((await response).status).toBe(499)
    expect(gateway.log.filter(({ level }) => level !== "Info")).toEqual([])
  })
})

describe("Invoke, Event and DryRun", () => {
  it("queues an event and answers 202 with nothing", async () => {
    const gateway = gatewayApp()
    const response = await gateway.invoke("hello", '{"a":1}', { "X-Amz-Invocation-Type": "Event" })
    expect(response.status).toBe(202)
    expect(await response.text()).toBe("")
    expect(response.headers.has("x-amz-executed-version")).toBe(false)
    expect(gateway.invoked).toEqual([])
    expect(text(gateway.enqueued[0]!.payload)).toBe('{"a":1}')
    expect(gateway.enqueued[0]!.requestId).toBe(response.headers.get("x-amzn-requestid"))
  })

  it("answers a dry run with 204, and runs nothing", async () => {
    const gateway = gatewayApp()
    const response = await gateway.invoke("hello", "{}", { "X-Amz-Invocation-Type": "DryRun" })
    expect(response.status).toBe(204)
    expect(await response.text()).toBe("")
    expect([...gateway.invoked, ...gateway.enqueued]).toEqual([])
  })

  it.each(["Event", "DryRun"])("finds no function for %s that is not there", async (type) => {
    const gateway = gatewayApp()
    expect((await gateway.invoke("nope", "{}", { "X-Amz-Invocation-Type": type })).status).toBe(404)
    expect([...gateway.invoked, ...gateway.enqueued]).toEqual([])
  })
})

describe("Invoke, what it refuses", () => {
  const refusal = async (...request: Parameters<ReturnType<typeof gatewayApp>["invoke"]>) => {
    const gateway = gatewayApp({ maxPayloadBytes: 20, maxEventBytes: 10 })
    const response = await gateway.invoke(...request)
    expect([...gateway.invoked, ...gateway.enqueued]).toEqual([])
    expect(response.headers.get("content-type")).toBe("application/json")
    expect(response.headers.get("x-amzn-requestid")).toMatch(uuid)
    return {
      status: response.status,
      type: response.headers.get("x-amzn-errortype"),
      body: (await response.json()) as Record<string, string>
    }
  }
  const notFound = (what: string) => ({
    status: 404,
    type: "ResourceNotFoundException",
    body: { Type: "User", Message: `Function not found: ${what}` }
  })

  it.each([
    ["nope", `${arn}:nope:$LATEST`],
    ["nope:alias", `${arn}:nope:alias`],
    ["hello?Qualifier=7", `${arn}:hello:7`],
    ["hello?Qualifier=$latest", `${arn}:hello:$latest`],
    ["a".repeat(65), `${arn}:${"a".repeat(65)}:$LATEST`],
    [arn, `${arn}:function:$LATEST`],
    ["hello.there", `${arn}:hello.there:$LATEST`]
  ])("does not find %s", async (name, what) => expect(await refusal(name)).toEqual(notFound(what)))

  it("does not reach into another region", async () => {
    expect(await refusal("arn:aws:lambda:eu-west-1:123456789012:function:hello")).toEqual({
      status: 404,
      type: "ResourceNotFoundException",
      body: { Type: "User", Message: "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')" }
    })
  })

  it("denies another account, and says nothing", async () => {
    expect(await refusal("arn:aws:lambda:us-east-1:999999999999:function:hello")).toEqual({
      status: 403,
      type: "AccessDeniedException",
      body: { Message: null }
    })
  })

  it.each(["a%20b", "my-function!", "a".repeat(141), "hello?Qualifier=a!", "hello?Qualifier="])(
    "finds %s invalid",
    async (name) => {
      const { status, type, body } = await refusal(name)
      expect([status, type, Object.keys(body)]).toEqual([400, "ValidationException", ["message"]])
      expect(body.message).toMatch(/^\d validation errors? detected: Value '/)
    }
  )

  it("finds two qualifiers that disagree invalid", async () => {
    expect(await refusal("hello:1?Qualifier=2")).toEqual({
      status: 400,
      type: "InvalidParameterValueException",
      body: {
        Type: "User",
        message: "The derived qualifier from the function name does not match the specified qualifier."
      }
    })
  })

  it("finds a broken percent-encoding invalid", async () => {
    expect(await refusal("a%ZZb")).toMatchObject({ status: 400, type: "ValidationException" })
  })

  it.each([
    ["X-Amz-Invocation-Type", "invocationType", "[DryRun, RequestResponse, Event]"],
    ["X-Amz-Log-Type", "logType", "[None, Tail]"]
  ])("finds an unknown %s invalid", async (header, field, names) => {
    expect(await refusal("hello", "{}", { [header]: "Other" })).toEqual({
      status: 400,
      type: "ValidationException",
      body: {
        message: `1 validation error detected: Value 'Other' at '${field}' failed to satisfy constraint: Member must satisfy enum value set: ${names}`
      }
    })
  })

  it("refuses an event that is larger than is declared to be allowed, without reading it", async () => {
    const { body, taken } = chunked(["x".repeat(21)])
    expect(await refusal("hello", body, { "Content-Length": "21" })).toEqual({
      status: 413,
      type: "RequestEntityTooLargeException",
      body: { message: "Request must be smaller than 20 bytes for the InvokeFunction operation" }
    })
    expect(taken).toEqual([])
  })

  it("refuses an event of unknown length at the first chunk that goes too far", async () => {
    const { body, taken } = chunked(["x".repeat(15), "x".repeat(6), "x".repeat(100)])
    expect((await refusal("hello", body)).status).toBe(413)
    expect(taken).toHaveLength(2)
  })

  it("does not believe a length that is smaller than the body", async () => {
    expect((await refusal("hello", `"${"x".repeat(30)}"`, { "Content-Length": "5" })).status).toBe(413)
  })

  it("takes an event of exactly the limit, whole or in chunks", async () => {
    const event = `"${"x".repeat(18)}"`
    const gateway = gatewayApp({ maxPayloadBytes: 20 })
    expect((await gateway.invoke("hello", event, { "Content-Length": "20" })).status).toBe(200)
    expect((await gateway.invoke("hello", chunked([event.slice(0, 7), event.slice(7)]).body)).status).toBe(200)
    expect(gateway.invoked.map(({ payload }) => text(payload))).toEqual([event, event])
  })

  it("has a smaller limit for asynchronous events", async () => {
    expect(await refusal("hello", '"1234567890"', { "X-Amz-Invocation-Type": "Event" })).toEqual({
      status: 413,
      type: "RequestEntityTooLargeException",
      body: { message: "12 byte payload is too large for the Event invocation type (limit 10 bytes)" }
    })
  })

  it.each([
    ["no JSON", bytes("{broken")],
    ["white space only", bytes("  ")],
    ["a byte order mark", Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d)],
    ["no UTF-8", Uint8Array.of(0x22, 0xff, 0x22)]
  ])("refuses a payload that is %s", async (_, payload: Uint8Array<ArrayBuffer>) => {
    const { status, type, body } = await refusal("hello", payload)
    expect([status, type, body.Type]).toEqual([400, "InvalidRequestContentException", "User"])
    expect(body.message).toMatch(/^Could not parse request body into json: Could not parse payload into json: ./)
  })

  it("refuses nesting that no parser can follow", async () => {
    const response = await gatewayApp().invoke("hello", "[".repeat(3_000_000))
    expect(response.status).toBe(400)
  })

  it("names what it refuses in this order: parameters, function, size, JSON", async () => {
    const tooLong = "{".repeat(21)
    expect((await refusal("nope!", tooLong)).status).toBe(400)
    expect((await refusal("nope", tooLong)).status).toBe(404)
    expect((await refusal("hello", tooLong)).status).toBe(413)
    expect((await refusal("hello", "{")).status).toBe(400)
  })

  it("refuses other methods on its path", async () => {
    const response = await gatewayApp().request("/2015-03-31/functions/hello/invocations")
    expect(response.status).toBe(405)
    expect(response.headers.get("allow")).toBe("POST")
    expect(await response.json()).toEqual({ message: "Method Not Allowed" })
  })
})

describe("Invoke, client context", () => {
  const withContext = (value: string) => gatewayApp().invoke("hello", "{}", { "X-Amz-Client-Context": value })

  it("reaches the function decoded, on one line of ASCII", async () => {
    const gateway = gatewayApp()
    const context = { client: { app_title: "Café\n\u{1f525}" }, custom: { a: "b" } }
    const encoded = Buffer.from(JSON.stringify(context, null, 2)).toString("base64")
    await gateway.invoke("hello", "{}", { "X-Amz-Client-Context": encoded })
    const received = gateway.invoked[0]!.clientContext!
    expect(received).toMatch(/^[\x20-\x7e]+$/)
    expect(JSON.parse(received)).toEqual(context)
  })

  it("is absent where there was none", async () => {
    const gateway = gatewayApp()
    await gateway.invoke("hello")
    expect(gateway.invoked[0]).not.toHaveProperty("clientContext")
  })

  it.each(["%%%", "bm8ganNvbg==", Buffer.from("[1]").toString("base64"), "/w=="])("refuses %s", async (value) => {
    const response = await withContext(value)
    expect([response.status, response.headers.get("x-amzn-errortype")]).toEqual([400, "InvalidRequestContentException"])
    expect(await response.json()).toEqual({
      Type: "User",
      message: "Client context must be a valid Base64-encoded JSON object."
    })
  })

  it("may have 3583 bytes and not one more", async () => {
    const encoded = (length: number) => Buffer.from(JSON.stringify({ a: "x".repeat(length) })).toString("base64")
    const longest = encoded(2676)
    expect(longest).toHaveLength(3580)
    expect((await withContext(longest)).status).toBe(200)
    expect((await withContext(encoded(2679))).status).toBe(400)
  })
})

describe("Invoke, ids", () => {
  const trace = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1"

  it("gives the invocation the request's own id", async () => {
    const gateway = gatewayApp()
    const ids = [await gateway.invoke("hello"), await gateway.invoke("hello")].map((response) =>
      response.headers.get("x-amzn-requestid")
    )
    expect(ids[0]).toMatch(uuid)
    expect(ids[0]).not.toBe(ids[1])
    expect(gateway.invoked.map(({ requestId }) => requestId)).toEqual(ids)
  })

  it("tells the log in base64, letters and all, beside a result and beside an error", async () => {
    const log = "START …\n囲炉裏\n"
    const cause = new InvocationTimedOut({ functionName: hello, timeout: Duration.seconds(3), target: "http://worker" })
    const document = bytes('{"errorType":"Sandbox.Timedout"}')
    const about = { functionName: hello, executedVersion: "$LATEST", errorType: "Sandbox.Timedout", document, cause }
    const answers: ReadonlyArray<ReturnType<NonNullable<Parameters<typeof gatewayApp>[0]>["invoke"] & {}>> = [
      Effect.succeed({ payload: bytes("{}"), executedVersion: "$LATEST", log }),
      Effect.fail(new LambdaExecutionError({ ...about, log }))
    ]
    for (const answer of answers) {
      const gateway = gatewayApp({ invoke: () => answer })
      const response = await gateway.invoke("hello", "{}", { "X-Amz-Log-Type": "Tail" })
      expect(Buffer.from(response.headers.get("x-amz-log-result") ?? "", "base64").toString()).toBe(log)
      expect(gateway.invoked[0]).toMatchObject({ logTail: true })
    }
    const unasked = gatewayApp()
    expect((await unasked.invoke("hello")).headers.has("x-amz-log-result")).toBe(false)
    expect(unasked.invoked[0]).not.toHaveProperty("logTail")
  })

  it("begins a trace where there is none, or no valid one", async () => {
    const gateway = gatewayApp()
    const responses = [
      await gateway.invoke("hello"),
      await gateway.invoke("hello", "{}", { "X-Amzn-Trace-Id": "junk" })
    ]
    for (const [index, response] of responses.entries()) {
      const header = response.headers.get("x-amzn-trace-id")!
      expect(header).toMatch(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Sampled=0$/)
      expect(gateway.invoked[index]!.traceId).toMatch(
        new RegExp(`^${header.replace(";Sampled=0", "")};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0$`)
      )
    }
  })

  it("keeps the trace that the request belongs to, with a parent of its own towards the worker", async () => {
    const gateway = gatewayApp()
    const response = await gateway.invoke("hello", "{}", { "X-Amzn-Trace-Id": trace })
    expect(response.headers.get("x-amzn-trace-id")).toBe(trace)
    expect(gateway.invoked[0]!.traceId).toMatch(
      /^Root=1-67891233-abcdef012345678912345678;Parent=(?!463ac35c9f6413ad)[0-9a-f]{16};Sampled=1;Lineage=1:[0-9a-f]{8}:0$/
    )
  })
})
