import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  CreateAliasCommand,
  CreateFunctionCommand,
  DeleteFunctionCommand,
  GetFunctionCommand,
  InvokeCommand,
  LambdaClient,
  ListFunctionsCommand,
  ListVersionsByFunctionCommand,
  PublishVersionCommand,
  type Runtime,
  UpdateAliasCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2,
  waitUntilFunctionUpdatedV2,
  waitUntilPublishedVersionActive
} from "@aws-sdk/client-lambda"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Irori, startIrori } from "../support/irori.ts"
import { zip } from "../support/zip.ts"

const scratch = mkdtempSync(join(tmpdir(), "irori-control-"))
const functionsDir = join(scratch, "functions")
const stateDir = join(scratch, "state")
const key = "a key of more than sixteen characters"
const Role = "arn:aws:iam::000000000000:role/r"

let irori: Irori
let lambda: LambdaClient

const start = async () => {
  irori = await startIrori({
    stateDir,
    environment: { IRORI_FUNCTIONS_DIR: functionsDir, IRORI_API_KEY: key }
  })
  lambda = new LambdaClient({
    endpoint: irori.url,
    region: "us-east-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1
  })
  // Besides its signature every request has the key.
  lambda.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { headers: Record<string, string> }
      request.headers["x-api-key"] = key
      return next(args)
    },
    { step: "finalizeRequest", priority: "low" }
  )
}

beforeAll(async () => {
  mkdirSync(join(functionsDir, "from-file"), { recursive: true })
  writeFileSync(join(functionsDir, "from-file/index.mjs"), "export const handler = async () => 'from a file'\n")
  await start()
})
afterAll(async () => {
  await irori.stop()
  rmSync(scratch, { recursive: true, force: true })
})

const node = (text: string) =>
  zip({
    "index.mjs": `export const handler = async (event, context) => ({ text: ${JSON.stringify(text)}, name: process.env.NAME, version: context.functionVersion })\n`
  })
const python = () => zip({ "app.py": "def handler(event, context):\n    return {'sum': event['a'] + event['b']}\n" })

const create = async (FunctionName: string, runtime: Runtime, Handler: string, ZipFile: Uint8Array) => {
  const created = await lambda.send(
    new CreateFunctionCommand({ FunctionName, Role, Runtime: runtime, Handler, Code: { ZipFile } })
  )
  await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 10, minDelay: 0.05 }, { FunctionName })
  return created
}
const updated = (FunctionName: string) =>
  waitUntilFunctionUpdatedV2({ client: lambda, maxWaitTime: 10, minDelay: 0.05 }, { FunctionName })

const invoke = async (FunctionName: string, event: object = {}, Qualifier?: string) => {
  const answer = await lambda.send(
    new InvokeCommand({
      FunctionName,
      Payload: JSON.stringify(event),
      ...(Qualifier === undefined ? {} : { Qualifier })
    })
  )
  return {
    error: answer.FunctionError,
    version: answer.ExecutedVersion,
    value: JSON.parse(Buffer.from(answer.Payload ?? new Uint8Array()).toString()) as Record<string, unknown>
  }
}

describe("functions made with AWS's own client", () => {
  it("run in Node.js and in Python", async () => {
    const created = await create("hello", "nodejs22.x", "index.handler", await node("first"))
    expect(created).toMatchObject({ State: "Pending", Version: "$LATEST" })
    await create("adder", "python3.13", "app.handler", await python())
    expect(await invoke("hello")).toMatchObject({ version: "$LATEST", value: { text: "first", version: "$LATEST" } })
    expect((await invoke("adder", { a: 1, b: 2 })).value).toEqual({ sum: 3 })
  })

  it("change under their callers, none of whom fails", async () => {
    await create("changing", "nodejs22.x", "index.handler", await node("first"))
    let isOver = false
    const seen = new Set<unknown>()
    const callers = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const { error, value } = await invoke("changing")
        expect(error).toBeUndefined()
        seen.add(`${value.text} ${value.name}`)
      }
    })
    const until = async (wanted: string) => {
      while (!seen.has(wanted)) expect((await invoke("changing")).error).toBeUndefined()
    }
    await until("first undefined")
    await lambda.send(new UpdateFunctionCodeCommand({ FunctionName: "changing", ZipFile: await node("second") }))
    await updated("changing")
    await until("second undefined")
    const Environment = { Variables: { NAME: "x" } }
    await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: "changing", Environment }))
    await updated("changing")
    await until("second x")
    isOver = true
    await Promise.all(callers)
    expect((await invoke("changing")).value).toMatchObject({ text: "second", name: "x" })
  })

  it("have versions that stay as they are, and aliases that lead to one or to two", async () => {
    const FunctionName = "versioned"
    await create(FunctionName, "nodejs22.x", "index.handler", await node("one"))
    expect(await lambda.send(new PublishVersionCommand({ FunctionName }))).toMatchObject({ Version: "1" })
    await waitUntilPublishedVersionActive(
      { client: lambda, maxWaitTime: 10, minDelay: 0.05 },
      { FunctionName, Qualifier: "1" }
    )
    const update = { FunctionName, ZipFile: await node("two"), Publish: true }
    expect(await lambda.send(new UpdateFunctionCodeCommand(update))).toMatchObject({ Version: "2" })
    await lambda.send(new CreateAliasCommand({ FunctionName, Name: "live", FunctionVersion: "1" }))
    expect(await invoke(FunctionName, {}, "live")).toMatchObject({ version: "1", value: { text: "one", version: "1" } })
    await lambda.send(
      new UpdateAliasCommand({
        FunctionName,
        Name: "live",
        RoutingConfig: { AdditionalVersionWeights: { "2": 0.5 } }
      })
    )
    const versions = new Set<unknown>()
    while (versions.size < 2) versions.add((await invoke(FunctionName, {}, "live")).value.text)
    expect([...versions].sort()).toEqual(["one", "two"])
    await lambda.send(
      new UpdateAliasCommand({
        FunctionName,
        Name: "live",
        FunctionVersion: "2",
        RoutingConfig: { AdditionalVersionWeights: {} }
      })
    )
    expect(await invoke(`${FunctionName}:live`)).toMatchObject({ version: "2", value: { text: "two" } })
  })

  it("give their package back to whoever has the link, without a key", async () => {
    const { Code } = await lambda.send(new GetFunctionCommand({ FunctionName: "adder" }))
    const response = await fetch(Code!.Location!)
    expect(Buffer.from(await response.arrayBuffer()).equals(await python())).toBe(true)
    expect((await fetch(new URL(Code!.Location!).origin + new URL(Code!.Location!).pathname)).status).toBe(403)
  })

  it("are all there after a restart, beside those of files", async () => {
    const list = async () => {
      const { Functions } = await lambda.send(new ListFunctionsCommand({}))
      return Functions?.map(({ CodeSha256, FunctionName, RevisionId }) => ({ CodeSha256, FunctionName, RevisionId }))
    }
    const before = await list()
    expect(before?.map(({ FunctionName }) => FunctionName)).toEqual([
      "adder",
      "changing",
      "from-file",
      "hello",
      "versioned"
    ])
    await irori.stop()
    await start()
    expect(await list()).toEqual(before)
    expect((await invoke("changing")).value).toMatchObject({ text: "second", name: "x" })
    expect((await invoke("versioned", {}, "1")).value).toMatchObject({ text: "one" })
    expect((await invoke("versioned", {}, "live")).value).toMatchObject({ text: "two" })
    expect((await invoke("adder", { a: 2, b: 3 })).value).toEqual({ sum: 5 })
    expect((await invoke("from-file")).value).toBe("from a file")
    const { Versions } = await lambda.send(new ListVersionsByFunctionCommand({ FunctionName: "versioned" }))
    expect(Versions?.map(({ Version }) => Version)).toEqual(["$LATEST", "1", "2"])
  })

  it("are gone when they are deleted, at once and for good", async () => {
    await lambda.send(new DeleteFunctionCommand({ FunctionName: "hello" }))
    await expect(invoke("hello")).rejects.toMatchObject({
      name: "ResourceNotFoundException",
      message: "Function not found: arn:aws:lambda:us-east-1:000000000000:function:hello:$LATEST"
    })
    await create("hello", "nodejs22.x", "index.handler", await node("again"))
    expect((await invoke("hello")).value).toMatchObject({ text: "again" })
  })
})
