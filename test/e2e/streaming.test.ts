/** AWS's own client reads answers while functions make them: from one process, and from a gateway with a manager beside it. */
import { writeFileSync } from "node:fs"
import { connect } from "node:net"
import {
  InvokeWithResponseStreamCommand,
  type InvokeWithResponseStreamCommandInput,
  type InvokeWithResponseStreamResponseEvent,
  type LambdaClient,
  ResourceNotFoundException
} from "@aws-sdk/client-lambda"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { codeFolder } from "../support/codeFolder.ts"
import { denoCommand } from "../support/deno.ts"
import { newStateDir, start } from "../support/household.ts"
import type { Irori } from "../support/irori.ts"
import { invoke, lambdaClient, lambdas } from "../support/lambdas.ts"
import { residentMegabytes } from "../support/processes.ts"

/** What `lambdas/stream` does, one after another. */
interface Order {
  readonly type?: string
  readonly failAtOnce?: string
  readonly files?: ReadonlyArray<string>
  readonly megabytes?: number
  readonly words?: ReadonlyArray<string>
  readonly exit?: number
  readonly sleep?: number
  readonly fail?: string
  readonly tell?: boolean
}

const environment = { IRORI_PROVISIONER: "process", IRORI_FUNCTIONS_DIR: lambdas }

const oneProcess = async () => {
  const irori = await start(environment)
  return { gateway: irori, pids: [irori.pid] }
}

const onDeno = async () => {
  const irori = await start({ ...environment, DENO_NO_UPDATE_CHECK: "1" }, { command: denoCommand ?? [] })
  return { gateway: irori, pids: [irori.pid] }
}

const twoProcesses = async () => {
  const stateDir = newStateDir()
  const manager = await start({ ...environment, IRORI_ROLE: "manager" }, { stateDir })
  const gateway = await start({ ...environment, IRORI_ROLE: "gateway", IRORI_MANAGER_URL: manager.url }, { stateDir })
  return { gateway, pids: [manager.pid, gateway.pid] }
}

const open = (
  client: LambdaClient,
  order: object = {},
  settings: Partial<InvokeWithResponseStreamCommandInput> = {},
  abortSignal?: AbortSignal
) =>
  client.send(
    new InvokeWithResponseStreamCommand({ FunctionName: "stream", Payload: JSON.stringify(order), ...settings }),
    abortSignal === undefined ? {} : { abortSignal }
  )

const textOf = (event: InvokeWithResponseStreamResponseEvent | undefined) =>
  Buffer.from(event?.PayloadChunk?.Payload ?? []).toString()

/** The whole of a stream. */
const read = async (client: LambdaClient, order: Order = {}, settings: Parameters<typeof open>[2] = {}) => {
  const { EventStream: events, ...head } = await open(client, order, settings)
  const chunks: Array<string> = []
  let complete: InvokeWithResponseStreamResponseEvent["InvokeComplete"]
  for await (const event of events ?? []) {
    // Nothing comes after the end.
    expect(complete).toBeUndefined()
    if (event.PayloadChunk === undefined) complete = event.InvokeComplete
    else chunks.push(textOf(event))
  }
  return { ...head, chunks, text: chunks.join(""), complete }
}

describe.each([
  ["one process", oneProcess],
  ["a gateway and a manager", twoProcesses],
  ["one process on Deno", onDeno]
] as const)("streamed answers of %s", (_, launch) => {
  if (launch === onDeno && denoCommand === undefined) {
    it.skip("are not tested here: the package `deno` is not installed")
    return
  }

  let gateway: Irori
  let pids: ReadonlyArray<number>
  let client: LambdaClient

  beforeAll(async () => {
    ;({ gateway, pids } = await launch())
    client = lambdaClient(gateway.url, { maxAttempts: 1 })
    await read(client)
  })
  afterAll(() => client?.destroy())

  it("come as they are written, within 50 ms", async () => {
    const folder = codeFolder({}).path
    const files = Array.from({ length: 10 }, (_, number) => `${folder}/${number}`)
    writeFileSync(files[0]!, "")
    const { EventStream: events } = await open(client, { files })
    const stream = events![Symbol.asyncIterator]()
    const delays: Array<number> = []
    for (const file of files) {
      if (delays.length > 0) writeFileSync(file, "")
      const { value } = await stream.next()
      delays.push(Date.now() - Number(textOf(value)))
    }
    const last = (await stream.next()).value
    expect(last.InvokeComplete).toEqual({})
    // Some of ten may meet a machine that does something else.
    expect(delays.sort((a, b) => a - b)[5]).toBeLessThan(50)
  })

  it("have Lambda's headers, one chunk for each write, and an end with nothing to tell", async () => {
    const answer = await read(client, { words: ["é", "囲炉裏"], type: "text/html" })
    expect(answer).toMatchObject({
      StatusCode: 200,
      ExecutedVersion: "$LATEST",
      ResponseStreamContentType: "application/vnd.amazon.eventstream",
      chunks: ["é", "囲炉裏"],
      complete: {}
    })
    expect(answer.$metadata.requestId).toMatch(/^[0-9a-f-]{36}$/)
  })

  it("tell of an error on the way after what was written before it", async () => {
    const { complete, text } = await read(client, { words: ["half"], fail: "too far" })
    expect(text).toBe("half")
    expect(complete?.ErrorCode).toBe("RangeError")
    expect(JSON.parse(complete!.ErrorDetails!)).toMatchObject({ errorType: "RangeError", errorMessage: "too far" })
  })

  it("tell of an error before anything was written, and go on with the same worker", async () => {
    const before = await read(client, { tell: true })
    const { chunks, complete } = await read(client, { failAtOnce: "not today" })
    expect(chunks).toEqual([])
    expect(complete?.ErrorCode).toBe("RangeError")
    expect(JSON.parse(complete!.ErrorDetails!)).toMatchObject({ errorMessage: "not today" })
    expect((await read(client, { tell: true })).text).toBe(before.text)
  })

  it("end when the function's time is over, the stream's included", async () => {
    const begun = performance.now()
    const { $metadata, complete, text } = await read(client, { words: ["half"], sleep: 30_000 })
    expect(text).toBe("half")
    expect(complete).toEqual({
      ErrorCode: "Sandbox.Timedout",
      ErrorDetails: JSON.stringify({
        errorType: "Sandbox.Timedout",
        errorMessage: `RequestId: ${$metadata.requestId} Error: Task timed out after 6.00 seconds`
      })
    })
    expect(performance.now() - begun).toBeGreaterThan(5900)
  })

  it("say how a worker ended on the way, and the next is another's", async () => {
    const before = await read(client, { tell: true })
    const { complete, text } = await read(client, { words: ["half"], exit: 3 })
    expect(text).toBe("half")
    expect(complete?.ErrorCode).toBe("Runtime.ExitError")
    expect(complete?.ErrorDetails).toMatch("Runtime exited with error: exit status 3")
    expect((await read(client, { tell: true })).text).not.toBe(before.text)
  })

  it("free the worker when the client leaves on the way: the next call is answered", async () => {
    const before = await read(client, { tell: true })
    const leaving = new AbortController()
    const { EventStream: events } = await open(client, { words: ["half"], sleep: 30_000 }, {}, leaving.signal)
    const stream = events![Symbol.asyncIterator]()
    expect(textOf((await stream.next()).value)).toBe("half")
    const left = performance.now()
    leaving.abort()
    const after = await read(client, { tell: true })
    // Well before the function's time is over. There is one worker at most, so it is not the one that was left.
    expect(performance.now() - left).toBeLessThan(4000)
    expect(after.text).not.toBe(before.text)
  })

  it("wait for a slow reader, and are held nowhere on their way", async () => {
    await read(client, { megabytes: 20 })
    const before = pids.map(residentMegabytes)
    const body = '{"megabytes":150}'
    const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1")
    socket.write(
      `POST /2021-11-15/functions/stream/response-streaming-invocations HTTP/1.1\r\nHost: localhost\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`
    )
    await new Promise((first) => socket.once("readable", first))
    const held: Array<number> = []
    for (let look = 0; look < 10; look++) {
      await new Promise((wait) => setTimeout(wait, 100))
      held.push(Math.max(...pids.map((pid, index) => residentMegabytes(pid) - before[index]!)))
    }
    socket.destroy()
    expect(Math.max(...held)).toBeLessThan(60)
    // And who reads at his own pace gets all of it.
    const { EventStream: events } = await open(client, { megabytes: 20 })
    let bytes = 0
    let pieces = 0
    for await (const event of events!) {
      bytes += event.PayloadChunk?.Payload?.length ?? 0
      if (++pieces % 50 === 0) await new Promise((wait) => setTimeout(wait, 10))
    }
    expect(bytes).toBe(20 * 1024 * 1024)
  })

  it("are gathered for who invokes the function without streaming", async () => {
    const answer = await invoke(client, "stream", {}, { Payload: '{"words":["one","two"]}' })
    expect(answer).toMatchObject({ StatusCode: 200, text: "onetwo" })
    expect(answer.FunctionError).toBeUndefined()
    const failed = await invoke(client, "stream", {}, { Payload: '{"words":["one"],"fail":"too far"}' })
    expect(failed.FunctionError).toBe("Unhandled")
    expect(JSON.parse(failed.text)).toMatchObject({ errorType: "RangeError", errorMessage: "too far" })
    const large = await invoke(client, "stream", {}, { Payload: '{"megabytes":7}' })
    expect(large.FunctionError).toBe("Unhandled")
    expect(JSON.parse(large.text)).toMatchObject({ errorType: "Function.ResponseSizeTooLarge" })
  })

  it("are there of a function that does not stream: its whole result in one chunk, its error at the end", async () => {
    const plain = await open(client, { token: "t" }, { FunctionName: "node" })
    const events: Array<InvokeWithResponseStreamResponseEvent> = []
    for await (const event of plain.EventStream!) events.push(event)
    expect(events.map((event) => Object.keys(event)[0])).toEqual(["PayloadChunk", "InvokeComplete"])
    expect(JSON.parse(textOf(events[0]))).toMatchObject({ event: { token: "t" }, requestId: plain.$metadata.requestId })
    const failed: Array<InvokeWithResponseStreamResponseEvent> = []
    for await (const event of (await open(client, { throw: "no" }, { FunctionName: "node" })).EventStream!)
      failed.push(event)
    expect(failed).toMatchObject([{ InvokeComplete: { ErrorCode: "RangeError" } }])
  })

  it("are those of errors where the function's initialisation fails", async () => {
    const { EventStream: events } = await open(client, {}, { FunctionName: "node-broken" })
    for await (const event of events!) {
      expect(event.InvokeComplete?.ErrorCode).toBe("RangeError")
      expect(JSON.parse(event.InvokeComplete!.ErrorDetails!)).toMatchObject({ errorMessage: "no luck today" })
    }
  })

  it("are none for a dry run, and none for what is refused", async () => {
    const before = await read(client, { tell: true })
    expect((await open(client, {}, { InvocationType: "DryRun" })).StatusCode).toBe(204)
    expect((await read(client, { tell: true })).text).toBe(before.text)
    const missing = await open(client, {}, { FunctionName: "nobody" }).catch((error: unknown) => error)
    expect(missing).toBeInstanceOf(ResourceNotFoundException)
    expect(missing).toMatchObject({
      message: "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody:$LATEST"
    })
  })
})
