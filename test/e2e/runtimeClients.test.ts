/** Functions on AWS's own runtime clients for Go, Rust and Python, as packages for `provided.al2023` in process workers. */
import {
  CreateFunctionCommand,
  InvokeWithResponseStreamCommand,
  type LambdaClient,
  waitUntilFunctionActiveV2
} from "@aws-sdk/client-lambda"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Irori, startIrori } from "../support/irori.ts"
import { invoke, lambdaClient } from "../support/lambdas.ts"
import { notBuilt, packageOf, type RuntimeClient } from "../support/runtimeClients.ts"

let irori: Irori
let lambda: LambdaClient

beforeAll(async () => {
  irori = await startIrori()
  lambda = lambdaClient(irori.url)
})
afterAll(() => irori.stop())

const create = async (FunctionName: string, client: RuntimeClient, Handler: string) => {
  const Role = "arn:aws:iam::000000000000:role/r"
  const Code = { ZipFile: await packageOf(client) }
  await lambda.send(
    new CreateFunctionCommand({ FunctionName, Role, Runtime: "provided.al2023", Handler, Code, Timeout: 10 })
  )
  await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 20, minDelay: 0.05 }, { FunctionName })
}

/** An order of the functions in `runtimeClients/`. */
interface Order {
  readonly throw?: string
  readonly stream?: ReadonlyArray<string>
  readonly fail?: string
}

const ask = async (name: string, order: Order & Record<string, unknown>) => {
  const { FunctionError, requestId, text } = await invoke(lambda, name, order as object)
  return { FunctionError, requestId, value: JSON.parse(text) }
}

const stream = async (FunctionName: string, order: Order) => {
  const { EventStream, ...answer } = await lambda.send(
    new InvokeWithResponseStreamCommand({ FunctionName, Payload: JSON.stringify(order) })
  )
  let text = ""
  let end: object | undefined
  for await (const { InvokeComplete, PayloadChunk } of EventStream ?? []) {
    text += PayloadChunk?.Payload === undefined ? "" : Buffer.from(PayloadChunk.Payload).toString()
    end = InvokeComplete ?? end
  }
  return { answer, text, end }
}

const clients = [
  { client: "go", handler: "bootstrap", errorType: "errorString" },
  { client: "rust", handler: "answer", errorType: expect.stringContaining("Error") },
  { client: "python", handler: "app.handler", errorType: "ValueError" }
] as const

describe.each(clients)(
  "a function on AWS's runtime client for $client",
  { timeout: 60_000 },
  ({ client, errorType, handler }) => {
    const missing = notBuilt(client)
    if (missing !== undefined) console.warn(`${missing}. Its tests are skipped.`)
    const name = `on-${client}`
    beforeAll(async () => {
      if (missing === undefined) await create(name, client, handler)
    })

    it.skipIf(missing)("is given the event and its context, and is asked again and again", async () => {
      for (const text of ["first", "zweites: ü 🔥"]) {
        const { FunctionError, requestId, value } = await ask(name, { text })
        expect(FunctionError).toBeUndefined()
        expect(value).toEqual({
          event: { text },
          requestId,
          arn: `arn:aws:lambda:us-east-1:000000000000:function:${name}`,
          hasDeadline: true,
          functionName: name
        })
      }
    })

    it.skipIf(missing)("tells its caller what it threw, and goes on", async () => {
      const { FunctionError, value } = await ask(name, { throw: "no such order" })
      expect(FunctionError).toBe("Unhandled")
      expect(value).toMatchObject({ errorType, errorMessage: expect.stringContaining("no such order") })
      expect((await ask(name, {})).FunctionError).toBeUndefined()
    })
  }
)

describe("an answer that is streamed by AWS's runtime client", { timeout: 60_000 }, () => {
  const pieces = ["one ", "zwei ü ", "🔥"]

  it.skipIf(notBuilt("go"))("for Go comes whole, and tells of a failure in its middle", async () => {
    await create("go-stream", "go", "bootstrap")
    expect(await stream("go-stream", { stream: pieces })).toMatchObject({
      answer: { StatusCode: 200, ExecutedVersion: "$LATEST" },
      text: pieces.join(""),
      end: {}
    })
    expect(await stream("go-stream", { stream: pieces, fail: "out of words" })).toMatchObject({
      text: pieces.join(""),
      end: { ErrorCode: "errorString", ErrorDetails: expect.stringContaining("out of words") }
    })
    expect((await invoke(lambda, "go-stream", { stream: ["1", "2"] } as object)).text).toBe("12")
    expect(await ask("go-stream", { stream: ["1"], fail: "out of words" })).toMatchObject({
      FunctionError: "Unhandled",
      value: { errorType: "errorString", errorMessage: "out of words" }
    })
  })

  it.skipIf(notBuilt("rust"))(
    "for Rust comes whole, behind the status and the headers that it puts in front",
    async () => {
      await create("rust-stream", "rust", "stream")
      const { end, text } = await stream("rust-stream", { stream: pieces })
      const [prelude = "", body] = text.split("\0".repeat(8))
      expect(JSON.parse(prelude)).toMatchObject({ statusCode: 200 })
      expect(body).toBe(pieces.join(""))
      expect(end).toEqual({})
    }
  )
})
