import { crc32 } from "node:zlib"
import { Deferred, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { type Flow, noFlow } from "../../src/domain/AnswerSink.ts"
import type { InvocationSink } from "../../src/domain/Invocation.ts"
import { errorDocument } from "../../src/invoke/errorDocuments.ts"
import { NoCapacity, WorkerStartFailed } from "../../src/invoke/InvocationBackend.ts"
import { LambdaExecutionError } from "../../src/invoke/InvokeError.ts"
import { WorkerLost } from "../../src/invoke/WorkerClient.ts"
import { hello, worker } from "../support/functions.ts"
import { arn, gatewayApp } from "./gatewayApp.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

const call = (
  gateway: ReturnType<typeof gatewayApp>,
  name = "hello",
  body: RequestInit["body"] = "{}",
  headers: Record<string, string> = {},
  init: RequestInit = {}
) => {
  const [functionName, query] = name.split("?")
  const path = `/2021-11-15/functions/${functionName}/response-streaming-invocations`
  return gateway.request(query === undefined ? path : `${path}?${query}`, { method: "POST", body, headers, ...init })
}

interface Frame {
  readonly headers: Readonly<Record<string, string>>
  readonly payload: string
}

/** Reads frames as the documentation has them, and checks both checksums. */
const framesOf = (stream: Buffer): ReadonlyArray<Frame> => {
  if (stream.length === 0) return []
  const [length, headerLength] = [stream.readUInt32BE(0), stream.readUInt32BE(4)]
  expect(stream.readUInt32BE(8)).toBe(crc32(stream.subarray(0, 8)))
  expect(stream.readUInt32BE(length - 4)).toBe(crc32(stream.subarray(0, length - 4)))
  const headers: Record<string, string> = {}
  for (let at = 12; at < 12 + headerLength; ) {
    const name = stream.toString("utf8", at + 1, at + 1 + stream[at]!)
    at += 1 + name.length
    expect(stream[at]).toBe(7)
    const end = at + 3 + stream.readUInt16BE(at + 1)
    headers[name] = stream.toString("utf8", at + 3, end)
    at = end
  }
  const payload = stream.toString("utf8", 12 + headerLength, length - 4)
  return [{ headers, payload }, ...framesOf(stream.subarray(length))]
}

const readAll = async (response: Response) => framesOf(Buffer.from(await response.arrayBuffer()))

const chunk = (payload: string) => ({
  headers: {
    ":message-type": "event",
    ":event-type": "PayloadChunk",
    ":content-type": "application/octet-stream"
  },
  payload
})
const complete = (told: object) => ({
  headers: { ":message-type": "event", ":event-type": "InvokeComplete", ":content-type": "application/json" },
  payload: JSON.stringify(told)
})

const begin = (sink: InvocationSink, flow: Flow = noFlow) => sink.begin({ executedVersion: "7", flow })

const streaming = (run: (sink: InvocationSink) => void, last: object = {}) =>
  gatewayApp({
    stream: (_, sink) =>
      Effect.sync(() => {
        run(sink)
        return { payload: new Uint8Array(), executedVersion: "7", ...last }
      })
  })

const executionError = new LambdaExecutionError({
  functionName: hello,
  executedVersion: "7",
  errorType: "Runtime.ExitError",
  document: errorDocument({ errorType: "Runtime.ExitError", errorMessage: "gone" }),
  cause: new WorkerLost({ workerId: worker("w").id, began: true, target: "", cause: "gone" })
})

describe("InvokeWithResponseStream", () => {
  it("answers with an event for each piece and one for the end, and the version that ran", async () => {
    const gateway = streaming((sink) => {
      begin(sink)
      for (const word of ["one", "", "zwei ü"]) sink.piece(bytes(word))
    })
    const response = await call(gateway, "hello", '{"a":1}')
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe("application/vnd.amazon.eventstream")
    expect(response.headers.get("x-amz-executed-version")).toBe("7")
    expect(response.headers.get("x-amzn-requestid")).toBe(gateway.invoked[0]!.requestId)
    expect(await readAll(response)).toEqual([chunk("one"), chunk(""), chunk("zwei ü"), complete({})])
    expect(Buffer.from(gateway.invoked[0]!.payload).toString()).toBe('{"a":1}')
  })

  it("answers as soon as the function begins, and passes each piece on at once", async () => {
    const sinks = Deferred.makeUnsafe<InvocationSink>()
    const end = Deferred.makeUnsafe<void>()
    const gateway = gatewayApp({
      stream: (_, sink) =>
        Deferred.succeed(sinks, sink).pipe(
          Effect.andThen(Deferred.await(end)),
          Effect.as({ payload: new Uint8Array(), executedVersion: "7" })
        )
    })
    const answering = call(gateway)
    const sink = await Effect.runPromise(Deferred.await(sinks))
    begin(sink)
    const reader = (await answering).body!.getReader()
    for (const word of ["one", "two"]) {
      sink.piece(bytes(word))
      expect(framesOf(Buffer.from((await reader.read()).value!))).toEqual([chunk(word)])
    }
    await Effect.runPromise(Deferred.succeed(end, undefined))
    expect(framesOf(Buffer.from((await reader.read()).value!))).toEqual([complete({})])
    expect((await reader.read()).done).toBe(true)
  })

  it.each([
    ["what the function failed with", "E", "E"],
    ["what its document says, where the runtime does not know", "Function.Unknown", "RangeError"]
  ])("tells at the end of %s", async (_, errorType, expected) => {
    const document = '{"errorType":"RangeError","errorMessage":"no"}'
    const gateway = streaming(
      (sink) => {
        begin(sink)
        sink.piece(bytes("half"))
      },
      { payload: bytes(document), functionError: "Unhandled", errorType }
    )
    const frames = await readAll(await call(gateway))
    expect(frames).toEqual([chunk("half"), complete({ ErrorCode: expected, ErrorDetails: document })])
  })

  it.each([
    ["on the way", true],
    ["before it begins", false]
  ])("tells how a worker was lost: %s", async (_, begun) => {
    const gateway = gatewayApp({
      stream: (_, sink) =>
        Effect.suspend(() => {
          if (begun) begin(sink)
          return Effect.fail(executionError)
        })
    })
    const response = await call(gateway)
    expect([response.status, response.headers.get("x-amz-executed-version")]).toEqual([200, "7"])
    const ErrorDetails = '{"errorType":"Runtime.ExitError","errorMessage":"gone"}'
    expect(await readAll(response)).toEqual([complete({ ErrorCode: "Runtime.ExitError", ErrorDetails })])
  })

  it("tells at the end of a bug, without what it was, which is in the log", async () => {
    const gateway = gatewayApp({
      stream: (_, sink) =>
        Effect.suspend(() => {
          begin(sink)
          return Effect.die(new Error("secret"))
        })
    })
    const [last] = await readAll(await call(gateway))
    expect(JSON.parse(last!.payload)).toMatchObject({ ErrorCode: "ServiceException" })
    expect(last!.payload).not.toMatch("secret")
    expect(gateway.log.filter(({ level }) => level === "Error").map(({ message }) => message)).toEqual([
      expect.stringContaining("secret")
    ])
  })

  it("answers a dry run with 204, and runs nothing", async () => {
    const gateway = gatewayApp()
    const response = await call(gateway, "hello", "{}", { "X-Amz-Invocation-Type": "DryRun" })
    expect([response.status, await response.text()]).toEqual([204, ""])
    expect(gateway.invoked).toEqual([])
  })

  it("passes the qualifier, the trace and the client's context on", async () => {
    const gateway = gatewayApp()
    await call(gateway, "hello?Qualifier=$LATEST", "{}", {
      "X-Amz-Client-Context": Buffer.from('{"custom":{"a":"b"}}').toString("base64"),
      "X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678;Sampled=1"
    })
    expect(gateway.invoked[0]).toMatchObject({
      qualifier: "$LATEST",
      clientContext: '{"custom":{"a":"b"}}',
      traceId: expect.stringMatching(/^Root=1-67891233-abcdef012345678912345678;/)
    })
  })

  it.each<readonly [string, Parameters<typeof call> extends [unknown, ...infer Rest] ? Rest : never, number, object]>([
    ["an unknown function", ["nobody"], 404, { Message: `Function not found: ${arn}:nobody:$LATEST` }],
    [
      "an invocation type that it does not have",
      ["hello", "{}", { "X-Amz-Invocation-Type": "Event" }],
      400,
      {
        message:
          "1 validation error detected: Value 'Event' at 'invocationType' failed to satisfy constraint: " +
          "Member must satisfy enum value set: [DryRun, RequestResponse]"
      }
    ],
    ["a log type that there is not", ["hello", "{}", { "X-Amz-Log-Type": "All" }], 400, {}],
    ["what is no JSON", ["hello", "{"], 400, {}],
    ["a client context that is none", ["hello", "{}", { "X-Amz-Client-Context": "!" }], 400, {}],
    ["another account's function", ["arn:aws:lambda:us-east-1:999999999999:function:hello"], 403, { Message: null }],
    ["another qualifier than the name's", ["hello:a?Qualifier=b"], 400, {}]
  ])("refuses %s as Invoke does", async (_, request, status, body) => {
    const gateway = gatewayApp()
    const response = await call(gateway, ...request)
    expect(response.status).toBe(status)
    expect(response.headers.get("x-amzn-errortype")).toMatch(/Exception$/)
    expect(await response.json()).toMatchObject(body)
    expect(gateway.invoked).toEqual([])
  })

  it("refuses an event that is too large", async () => {
    const gateway = gatewayApp({ maxPayloadBytes: 10 })
    expect((await call(gateway, "hello", '"0123456789"')).status).toBe(413)
  })

  it.each([
    [429, new NoCapacity({ functionName: hello, reason: "TimedOut" })],
    [502, new WorkerStartFailed({ functionName: hello, failure: { reason: "EngineUnavailable", detail: "" } })]
  ])("answers with a plain error of status %i where nothing ran", async (status, failure) => {
    const response = await call(gatewayApp({ stream: () => Effect.fail(failure) }))
    expect(response.status).toBe(status)
    expect(response.headers.get("content-type")).toBe("application/json")
  })

  it("knows no other method", async () => {
    const response = await gatewayApp().request("/2021-11-15/functions/hello/response-streaming-invocations")
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"])
  })

  /** An answer that goes on for as long as it is read, and how that ended. */
  const endless = () => {
    const interrupted = Deferred.makeUnsafe<void>()
    let given: InvocationSink | undefined
    const calls: Array<string> = []
    const flow = { pause: () => void calls.push("pause"), resume: () => void calls.push("resume") }
    const gateway = gatewayApp({
      stream: (_, sink) =>
        Effect.suspend(() => {
          given = sink
          begin(sink, flow)
          return Effect.never
        }).pipe(Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined)))
    })
    const piece = (length: number) => given?.piece(new Uint8Array(length))
    return { calls, gateway, interrupted: Effect.runPromise(Deferred.await(interrupted)), piece }
  }

  it("ends the invocation when the answer is no longer read", async () => {
    const { gateway, interrupted, piece } = endless()
    const response = await call(gateway)
    await response.body!.cancel()
    await interrupted
    // Nobody is there for it.
    piece(10)
  })

  it("ends the invocation when the client hangs up", async () => {
    const { gateway, interrupted } = endless()
    const client = new AbortController()
    await call(gateway, "hello", "{}", {}, { signal: client.signal })
    client.abort()
    await interrupted
  })

  it("slows the function when more is waiting than it holds, and lets it go on when that is read", async () => {
    const { calls, gateway, piece } = endless()
    const reader = (await call(gateway)).body!.getReader()
    piece(40_000)
    expect(calls).not.toContain("pause")
    piece(40_000)
    expect(calls.at(-1)).toBe("pause")
    await reader.read()
    expect(calls.at(-1)).toBe("resume")
    await reader.cancel()
  })
})
