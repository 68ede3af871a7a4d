/** The life of a function with the AWS CLI, as a person at a terminal has it. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type AwsCli, awsCli, noAwsCli } from "../support/awsCli.ts"
import { hasProgram } from "../support/docker.ts"
import { type Irori, startIrori } from "../support/irori.ts"
import { zip } from "../support/zip.ts"

if (noAwsCli !== undefined) console.warn(`${noAwsCli}: its tests are skipped.`)

const arn = "arn:aws:lambda:us-east-1:000000000000:function"
const name = "from-cli"
const ofFunction = ["--function-name", name] as const

const folder = mkdtempSync(join(tmpdir(), "irori-cli-"))
const file = (path: string) => join(folder, path)

let irori: Irori
let aws: AwsCli

const source = (answer: string) =>
  zip({
    "app.py": `def handler(event, context):
    print("seen", event)
    if "fail" in event:
        raise ValueError(event["fail"])
    return {"answer": "${answer}", "event": event}
`
  })

beforeAll(async () => {
  if (noAwsCli !== undefined) return
  for (const answer of ["one", "two"]) writeFileSync(file(`${answer}.zip`), await source(answer))
  irori = await startIrori()
  aws = awsCli(irori.url, folder)
})
afterAll(async () => {
  await irori?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const invoke = async (...args: ReadonlyArray<string>) => {
  const answer = await aws.json("invoke", ...ofFunction, ...args, file("out.json"))
  const text = readFileSync(file("out.json"), "utf8")
  return { ...answer, value: text === "" ? undefined : JSON.parse(text) }
}

/** Each in turn: what follows needs what came before. The CLI takes a second to start. */
const inTurn = { sequential: true, timeout: 120_000, retry: 0 } as const
const nothing = noAwsCli !== undefined || !hasProgram("python3")

describe.skipIf(nothing)("the AWS CLI", inTurn, () => {
  it("makes a function out of a ZIP, and waits until it is active", async () => {
    const created = await aws.json(
      ...["create-function", ...ofFunction, "--runtime", "python3.13", "--handler", "app.handler"],
      ...["--role", "arn:aws:iam::000000000000:role/r", "--zip-file", "fileb://one.zip"],
      ...["--environment", "Variables={MODE=größer}", "--tags", "team=hearth,path=a/b"]
    )
    expect(created).toMatchObject({
      FunctionArn: `${arn}:${name}`,
      State: "Pending",
      Environment: { Variables: { MODE: "größer" } }
    })
    await aws.json("wait", "function-active-v2", ...ofFunction)
    expect(await aws.json("get-function", ...ofFunction)).toMatchObject({
      Configuration: { State: "Active" },
      Tags: { team: "hearth", path: "a/b" }
    })
  })

  it("invokes it, and shows the end of its log", async () => {
    const answer = await invoke(
      "--payload",
      '{"a":"ü"}',
      "--cli-binary-format",
      "raw-in-base64-out",
      "--log-type",
      "Tail"
    )
    expect(answer).toMatchObject({
      StatusCode: 200,
      ExecutedVersion: "$LATEST",
      value: { answer: "one", event: { a: "ü" } }
    })
    const log = Buffer.from(answer.LogResult, "base64").toString()
    expect(log).toMatch(/^START RequestId: [\s\S]+\nseen [\s\S]+\nREPORT RequestId: /)
    expect(await invoke("--payload", Buffer.from('{"b":1}').toString("base64"))).toMatchObject({
      value: { event: { b: 1 } }
    })
    expect(await invoke("--invocation-type", "Event")).toMatchObject({ StatusCode: 202 })
    expect(await invoke("--invocation-type", "DryRun")).toMatchObject({ StatusCode: 204 })
    writeFileSync(file("fail.json"), '{"fail":"no"}')
    expect(await invoke("--payload", "fileb://fail.json")).toMatchObject({
      StatusCode: 200,
      FunctionError: "Unhandled",
      value: { errorType: "ValueError", errorMessage: "no" }
    })
  })

  it("changes its code and its configuration, and waits for both", async () => {
    await aws.json("update-function-code", ...ofFunction, "--zip-file", "fileb://two.zip")
    await aws.json("wait", "function-updated-v2", ...ofFunction)
    const changed = await aws.json(
      "update-function-configuration",
      ...ofFunction,
      "--timeout",
      "9",
      "--memory-size",
      "256"
    )
    expect(changed).toMatchObject({ Timeout: 9, MemorySize: 256, LastUpdateStatus: "InProgress" })
    await aws.json("wait", "function-updated-v2", ...ofFunction)
    expect((await invoke()).value).toMatchObject({ answer: "two" })
  })

  it("publishes versions, and leads an alias to two of them", async () => {
    expect(await aws.json("publish-version", ...ofFunction, "--description", "first")).toMatchObject({ Version: "1" })
    await aws.json("wait", "published-version-active", ...ofFunction, "--qualifier", "1")
    await aws.json("update-function-code", ...ofFunction, "--zip-file", "fileb://one.zip", "--publish")
    await aws.json("wait", "function-updated-v2", ...ofFunction)
    const alias = [...ofFunction, "--name", "live", "--function-version", "1"]
    const routing = ["--routing-config", "AdditionalVersionWeights={2=1.0}"]
    expect(await aws.json("create-alias", ...alias, ...routing)).toMatchObject({
      RoutingConfig: { AdditionalVersionWeights: { "2": 1 } }
    })
    expect(await invoke("--qualifier", "live")).toMatchObject({ ExecutedVersion: "2", value: { answer: "one" } })
    await aws.json("update-alias", ...alias, "--routing-config", "AdditionalVersionWeights={}")
    expect(await invoke("--qualifier", "live")).toMatchObject({ ExecutedVersion: "1", value: { answer: "two" } })
    const { Versions } = await aws.json("list-versions-by-function", ...ofFunction, "--page-size", "1")
    expect(Versions.map(({ Version }: { Version: string }) => Version)).toEqual(["$LATEST", "1", "2"])
    expect(await aws.json("list-versions-by-function", ...ofFunction, "--max-items", "1")).toHaveProperty("NextToken")
  })

  it.skipIf(!hasProgram("curl"))("gives it a URL that curl can call", async () => {
    const { FunctionUrl } = await aws.json("create-function-url-config", ...ofFunction, "--auth-type", "NONE")
    const allow = ["add-permission", ...ofFunction, "--principal", "*"]
    await aws.json(
      ...allow,
      "--statement-id",
      "url",
      "--action",
      "lambda:InvokeFunctionUrl",
      "--function-url-auth-type",
      "NONE"
    )
    await aws.json(...allow, "--statement-id", "all", "--action", "lambda:InvokeFunction")
    const said = execFileSync("curl", ["-sf", `${FunctionUrl}path?a=1`], { encoding: "utf8" })
    expect(JSON.parse(said)).toMatchObject({
      answer: "one",
      event: { version: "2.0", queryStringParameters: { a: "1" } }
    })
    const { Policy } = await aws.json("get-policy", ...ofFunction)
    expect(JSON.parse(Policy).Statement.map(({ Sid }: { Sid: string }) => Sid)).toEqual(["url", "all"])
    await aws.json("remove-permission", ...ofFunction, "--statement-id", "url")
    await aws.json("delete-function-url-config", ...ofFunction)
  })

  it("keeps a layer, tags, concurrency and what is said of events", async () => {
    const layer = await aws.json("publish-layer-version", "--layer-name", "shared", "--zip-file", "fileb://one.zip")
    const changed = await aws.json("update-function-configuration", ...ofFunction, "--layers", layer.LayerVersionArn)
    expect(changed).toMatchObject({ Layers: [{ Arn: layer.LayerVersionArn }] })
    expect(await aws.json("get-layer-version-by-arn", "--arn", layer.LayerVersionArn)).toMatchObject({ Version: 1 })
    const resource = ["--resource", `${arn}:${name}`]
    await aws.json("tag-resource", ...resource, "--tags", '{"empty":"","größe":"ü"}')
    await aws.json("untag-resource", ...resource, "--tag-keys", "team", "path")
    expect(await aws.json("list-tags", ...resource)).toEqual({ Tags: { empty: "", größe: "ü" } })
    await aws.json("put-function-concurrency", ...ofFunction, "--reserved-concurrent-executions", "2")
    expect(await aws.json("get-function-concurrency", ...ofFunction)).toEqual({ ReservedConcurrentExecutions: 2 })
    await aws.json("put-function-event-invoke-config", ...ofFunction, "--maximum-retry-attempts", "0")
    expect(await aws.json("get-function-event-invoke-config", ...ofFunction)).toMatchObject({ MaximumRetryAttempts: 0 })
  })

  it("shows errors with Lambda's names and words", async () => {
    const unknown = await aws.run("get-function", "--function-name", "unknown")
    expect(unknown.code).toBe(254)
    expect(unknown.stderr).toContain("(ResourceNotFoundException) when calling the GetFunction operation")
    expect(unknown.stderr).toContain(`: Function not found: ${arn}:unknown\n`)
    const rate = ["put-function-concurrency", ...ofFunction, "--reserved-concurrent-executions"]
    await aws.json(...rate, "0")
    const throttled = await aws.run("invoke", ...ofFunction, file("out.json"))
    expect(throttled.stderr).toContain("(TooManyRequestsException) when calling the Invoke operation")
    expect(throttled.stderr).toContain("Rate Exceeded.")
    const sources = await aws.run(
      "create-event-source-mapping",
      ...ofFunction,
      "--event-source-arn",
      "arn:aws:sqs:us-east-1:000000000000:q"
    )
    expect(sources.stderr).toContain(
      "(InvalidParameterValueException) when calling the CreateEventSourceMapping operation"
    )
  })

  it("deletes it", async () => {
    await aws.json("delete-alias", ...ofFunction, "--name", "live")
    await aws.json("delete-function", ...ofFunction)
    const { Functions } = await aws.json("list-functions")
    expect(Functions.map(({ FunctionName }: { FunctionName: string }) => FunctionName)).not.toContain(name)
  })
})
