/** AWS's own client sets what functions may run at once, and what of them is kept ready; and layers that they run with. */
import { once } from "node:events"
import { createServer, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import {
  CreateAliasCommand,
  CreateFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  DeleteLayerVersionCommand,
  GetLayerVersionCommand,
  GetProvisionedConcurrencyConfigCommand,
  InvokeCommand,
  type LambdaClient,
  PublishLayerVersionCommand,
  PublishVersionCommand,
  PutFunctionConcurrencyCommand,
  PutProvisionedConcurrencyConfigCommand,
  TooManyRequestsException,
  UpdateAliasCommand,
  UpdateFunctionCodeCommand,
  waitUntilFunctionActiveV2,
  waitUntilPublishedVersionActive
} from "@aws-sdk/client-lambda"
import { afterAll, beforeAll, expect, it } from "vitest"
import { start } from "../support/household.ts"
import { lambdaClient, lambdas } from "../support/lambdas.ts"
import { zip } from "../support/zip.ts"

let lambda: LambdaClient
/** Functions call it, and go on when the test has it answer. */
let gate: Server
const arrived: Array<ServerResponse> = []

beforeAll(async () => {
  const irori = await start({ IRORI_PROVISIONER: "process", IRORI_FUNCTIONS_DIR: lambdas })
  lambda = lambdaClient(irori.url, { maxAttempts: 1 })
  gate = createServer((_, response) => {
    arrived.push(response)
    gate.emit("arrived")
  }).listen(0, "127.0.0.1")
  await once(gate, "listening")
})
afterAll(() => {
  gate.closeAllConnections()
  gate.close()
})

const gateUrl = () => `http://127.0.0.1:${(gate.address() as AddressInfo).port}`

const source = `
const initialisedAt = Date.now()
export const handler = async (event, { functionVersion }) => {
  if (event.gate !== undefined) await (await fetch(event.gate)).text()
  return { initialisedAt, functionVersion, initialised: process.env.AWS_LAMBDA_INITIALIZATION_TYPE }
}
`

const create = async (FunctionName: string, text = source, settings: { readonly Layers?: Array<string> } = {}) => {
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Role: "arn:aws:iam::000000000000:role/r",
      Runtime: "nodejs22.x",
      Handler: "index.handler",
      Timeout: 30,
      Code: { ZipFile: await zip({ "index.mjs": text }) },
      ...settings
    })
  )
  await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 20, minDelay: 0.05 }, { FunctionName })
}

const publish = async (FunctionName: string, Description: string) =>
  (await lambda.send(new PublishVersionCommand({ FunctionName, Description }))).Version ?? ""

/** Without another code there is no other version. */
const publishOther = async (FunctionName: string) => {
  const ZipFile = await zip({ "index.mjs": `${source}// changed` })
  const { Version } = await lambda.send(new UpdateFunctionCodeCommand({ FunctionName, ZipFile, Publish: true }))
  await waitUntilPublishedVersionActive(
    { client: lambda, maxWaitTime: 20, minDelay: 0.05 },
    { FunctionName, Qualifier: Version }
  )
  return Version ?? ""
}

const invoke = async (FunctionName: string, event: object = {}, Qualifier = "$LATEST") => {
  const { Payload } = await lambda.send(new InvokeCommand({ FunctionName, Qualifier, Payload: JSON.stringify(event) }))
  return JSON.parse(new TextDecoder().decode(Payload))
}

const provision = (FunctionName: string, Qualifier: string, executions: number) =>
  lambda.send(
    new PutProvisionedConcurrencyConfigCommand({
      FunctionName,
      Qualifier,
      ProvisionedConcurrentExecutions: executions
    })
  )

const provisioned = (FunctionName: string, Qualifier: string) =>
  lambda.send(new GetProvisionedConcurrencyConfigCommand({ FunctionName, Qualifier }))

const statusOf = (FunctionName: string, Qualifier: string) => async () =>
  (await provisioned(FunctionName, Qualifier)).Status

const patient = { timeout: 20_000, interval: 100 }

it("runs one at a time where one is reserved: the second gets 429 at once, with the reason", async () => {
  await create("single")
  await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName: "single", ReservedConcurrentExecutions: 1 }))
  const isRunning = once(gate, "arrived")
  const first = invoke("single", { gate: gateUrl() })
  await isRunning
  const refused = await invoke("single").catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(TooManyRequestsException)
  expect(refused).toMatchObject({
    $metadata: { httpStatusCode: 429 },
    message: "Rate Exceeded.",
    Reason: "ReservedFunctionConcurrentInvocationLimitExceeded"
  })
  arrived.pop()?.end("go on")
  expect(await first).toMatchObject({ functionVersion: "$LATEST", initialised: "on-demand" })
  expect(await invoke("single")).toMatchObject({ functionVersion: "$LATEST" })
})

it("runs none where none is reserved, and all again when the reservation is gone", async () => {
  await create("stopped")
  await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName: "stopped", ReservedConcurrentExecutions: 0 }))
  await expect(invoke("stopped")).rejects.toMatchObject({
    name: "TooManyRequestsException",
    Reason: "ReservedFunctionConcurrentInvocationLimitExceeded"
  })
  await lambda.send(new DeleteFunctionConcurrencyCommand({ FunctionName: "stopped" }))
  expect(await invoke("stopped")).toMatchObject({ functionVersion: "$LATEST" })
})

it("keeps workers of a version ready, so that its first call finds one that was initialised before", async () => {
  await create("ready")
  const version = await publish("ready", "first")
  expect(await provision("ready", version, 1)).toMatchObject({
    Status: "IN_PROGRESS",
    RequestedProvisionedConcurrentExecutions: 1,
    AvailableProvisionedConcurrentExecutions: 0
  })
  await expect.poll(statusOf("ready", version), patient).toBe("READY")
  expect(await provisioned("ready", version)).toMatchObject({
    AllocatedProvisionedConcurrentExecutions: 1,
    AvailableProvisionedConcurrentExecutions: 1
  })
  const calledAt = Date.now()
  const answer = await invoke("ready", {}, version)
  expect(answer).toMatchObject({ functionVersion: version, initialised: "provisioned-concurrency" })
  expect(answer.initialisedAt).toBeLessThan(calledAt)
})

it("moves what is provisioned for an alias to the version that the alias goes to", async () => {
  await create("moving")
  const first = await publish("moving", "first")
  await lambda.send(new CreateAliasCommand({ FunctionName: "moving", Name: "live", FunctionVersion: first }))
  await provision("moving", "live", 1)
  await expect.poll(statusOf("moving", "live"), patient).toBe("READY")
  const second = await publishOther("moving")
  await lambda.send(new UpdateAliasCommand({ FunctionName: "moving", Name: "live", FunctionVersion: second }))
  await expect.poll(statusOf("moving", "live"), patient).toBe("READY")
  const calledAt = Date.now()
  const answer = await invoke("moving", {}, "live")
  expect(answer).toMatchObject({ functionVersion: second, initialised: "provisioned-concurrency" })
  expect(answer.initialisedAt).toBeLessThan(calledAt)
})

it("says that nothing can be kept ready of a function that cannot be initialised", async () => {
  await create("broken", "throw new Error('no start')")
  const version = await publish("broken", "first")
  await provision("broken", version, 1)
  await expect.poll(statusOf("broken", version), patient).toBe("FAILED")
  expect(await provisioned("broken", version)).toMatchObject({
    StatusReason: "FUNCTION_ERROR_INIT_FAILURE",
    AllocatedProvisionedConcurrentExecutions: 0,
    AvailableProvisionedConcurrentExecutions: 0
  })
})

it("runs functions with their layers, the later over the earlier, also when a layer has been deleted", async () => {
  const layer = async (LayerName: string, files: Parameters<typeof zip>[0]) => {
    const { LayerVersionArn } = await lambda.send(
      new PublishLayerVersionCommand({ LayerName, Content: { ZipFile: await zip(files) } })
    )
    return LayerVersionArn ?? ""
  }
  const program = (word: string) => ({ text: `#!/bin/sh\necho ${word}\n`, mode: 0o100755 })
  const Layers = [
    await layer("lower", { "bin/irori-one": program("lower"), "bin/irori-both": program("lower") }),
    await layer("upper", { "bin/irori-both": program("upper") })
  ]
  const link = await lambda.send(new GetLayerVersionCommand({ LayerName: "upper", VersionNumber: 1 }))
  const fetched = Buffer.from(await (await fetch(link.Content?.Location ?? "")).arrayBuffer())
  expect(fetched.equals(await zip({ "bin/irori-both": program("upper") }))).toBe(true)
  await create(
    "layered",
    `import { execFileSync } from "node:child_process"
     const run = (name) => execFileSync(name, { encoding: "utf8" }).trim()
     export const handler = async () => [run("irori-one"), run("irori-both")]`,
    { Layers }
  )
  await lambda.send(new DeleteLayerVersionCommand({ LayerName: "upper", VersionNumber: 1 }))
  expect(await invoke("layered")).toEqual(["lower", "upper"])
  await expect(create("late", source, { Layers })).rejects.toMatchObject({
    name: "InvalidParameterValueException",
    message: `Layer version ${Layers[1]} does not exist.`
  })
})
