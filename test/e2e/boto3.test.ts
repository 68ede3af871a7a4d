/** The life of a function as boto3 sees it: calls, waiters, paginators, and the classes of what it raises. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Boto3, bytes, noBoto3, startBoto3, textOf } from "../support/boto3.ts"
import { type Irori, startIrori } from "../support/irori.ts"
import { zip } from "../support/zip.ts"

if (noBoto3 !== undefined) console.warn(`${noBoto3}: its tests are skipped.`)

const arn = "arn:aws:lambda:us-east-1:000000000000:function"
const Role = "arn:aws:iam::000000000000:role/r"
const FunctionName = "from-python"

let irori: Irori
let boto3: Boto3

beforeAll(async () => {
  if (noBoto3 !== undefined) return
  irori = await startIrori()
  boto3 = await startBoto3(irori.url)
})
afterAll(async () => {
  await boto3?.stop()
  await irori?.stop()
})

const source = (answer: string) =>
  zip({
    "app.mjs": `export const handler = async (event, context) => {
  console.log("seen", JSON.stringify(event))
  if (event.fail) throw new TypeError(event.fail)
  return { answer: "${answer}", event, version: context.functionVersion, custom: context.clientContext?.custom }
}
`
  })

const creation = async (name: string, settings: object = {}) => ({
  FunctionName: name,
  Role,
  Runtime: "nodejs22.x",
  Handler: "app.handler",
  Code: { ZipFile: bytes(await source("one")) },
  ...settings
})

const invoke = async (args: object = {}) => {
  const { Payload, ...answer } = await boto3.call("invoke", { FunctionName, ...args })
  const text = textOf(Payload)
  return { ...answer, value: text === "" ? undefined : JSON.parse(text) }
}

/** Each in turn: what follows needs what came before. */
const inTurn = { sequential: true, timeout: 60_000, retry: 0 } as const

describe.skipIf(noBoto3 !== undefined)("boto3", inTurn, () => {
  it("makes a function, and waits until it is there and active", async () => {
    const created = await boto3.call("create_function", await creation(FunctionName, { Tags: { a: "b" } }))
    expect(created).toMatchObject({
      State: "Pending",
      FunctionArn: `${arn}:${FunctionName}`,
      CodeSize: expect.any(Number)
    })
    await boto3.wait("function_exists", { FunctionName })
    await boto3.wait("function_active", { FunctionName })
    await boto3.wait("function_active_v2", { FunctionName })
    expect(await boto3.call("get_function", { FunctionName })).toMatchObject({
      Configuration: { State: "Active", LastUpdateStatus: "Successful" },
      Tags: { a: "b" }
    })
  })

  it("invokes it, with the log's tail and a client context", async () => {
    const ClientContext = Buffer.from('{"custom":{"key":"ü"}}').toString("base64")
    const answer = await invoke({ Payload: bytes('{"a":"ü"}'), LogType: "Tail", ClientContext })
    expect(answer).toMatchObject({
      StatusCode: 200,
      ExecutedVersion: "$LATEST",
      value: { answer: "one", event: { a: "ü" }, custom: { key: "ü" } }
    })
    expect(Buffer.from(answer.LogResult, "base64").toString()).toMatch(/^START RequestId: [\s\S]+seen[\s\S]+REPORT /)
  })

  it("invokes it without waiting, and without running it", async () => {
    expect(await invoke({ InvocationType: "Event" })).toMatchObject({ StatusCode: 202 })
    expect(await invoke({ InvocationType: "DryRun" })).toMatchObject({ StatusCode: 204 })
    expect(await boto3.call("invoke_async", { FunctionName, InvokeArgs: bytes("{}") })).toMatchObject({ Status: 202 })
  })

  it("tells a function's own error from one of the call", async () => {
    expect(await invoke({ Payload: bytes('{"fail":"no"}') })).toMatchObject({
      StatusCode: 200,
      FunctionError: "Unhandled",
      value: { errorType: "TypeError", errorMessage: "no" }
    })
    expect(await boto3.refusal("invoke", { FunctionName, Payload: bytes("{") })).toMatchObject({
      class: "InvalidRequestContentException",
      status: 400
    })
  })

  it("changes code and configuration, and waits for both", async () => {
    const Environment = { Variables: { MODE: "größer" } }
    const changed = await boto3.call("update_function_configuration", { FunctionName, Environment, Timeout: 9 })
    expect(changed).toMatchObject({ LastUpdateStatus: "InProgress", Timeout: 9, Environment })
    await boto3.wait("function_updated", { FunctionName })
    await boto3.call("update_function_code", { FunctionName, ZipFile: bytes(await source("two")) })
    await boto3.wait("function_updated_v2", { FunctionName })
    expect((await invoke()).value).toMatchObject({ answer: "two" })
  })

  it("publishes versions, and gives one an alias", async () => {
    const { RevisionId } = await boto3.call("get_function_configuration", { FunctionName })
    expect(await boto3.call("publish_version", { FunctionName, RevisionId })).toMatchObject({ Version: "1" })
    await boto3.wait("published_version_active", { FunctionName, Qualifier: "1" })
    await boto3.call("update_function_code", { FunctionName, ZipFile: bytes(await source("three")), Publish: true })
    await boto3.wait("function_updated_v2", { FunctionName })
    const RoutingConfig = { AdditionalVersionWeights: { "2": 0.5 } }
    const alias = { FunctionName, Name: "live" }
    const created = await boto3.call("create_alias", { ...alias, FunctionVersion: "1", RoutingConfig })
    expect(created).toMatchObject({ AliasArn: `${arn}:${FunctionName}:live`, RoutingConfig })
    const seen = new Set<string>()
    while (seen.size < 2) seen.add((await invoke({ Qualifier: "live" })).value.answer)
    expect([...seen].sort()).toEqual(["three", "two"])
    await boto3.call("update_alias", { ...alias, RoutingConfig: { AdditionalVersionWeights: {} } })
    expect(await boto3.call("get_alias", alias)).not.toHaveProperty("RoutingConfig")
  })

  it("pages through functions, versions, aliases and layers", async () => {
    for (const name of ["page-a", "page-b", "page-c"]) await boto3.call("create_function", await creation(name))
    const functions = await boto3.pages("list_functions", 2)
    expect(functions.length).toBeGreaterThan(1)
    const names = functions.flatMap(({ Functions }) =>
      Functions.map((found: { FunctionName: string }) => found.FunctionName)
    )
    expect(names).toEqual(names.toSorted())
    expect(names).toEqual(expect.arrayContaining([FunctionName, "page-a", "page-b", "page-c"]))
    const versions = await boto3.pages("list_versions_by_function", 1, { FunctionName })
    expect(versions.map((page) => page.Versions[0].Version)).toEqual(["$LATEST", "1", "2"])
    await boto3.call("create_alias", { FunctionName, Name: "next", FunctionVersion: "2" })
    const aliases = await boto3.pages("list_aliases", 1, { FunctionName })
    expect(aliases.map((page) => page.Aliases[0].Name)).toEqual(["live", "next"])
    const Content = { ZipFile: bytes(await zip({ "a.txt": "a" })) }
    for (const LayerName of ["one", "two"]) await boto3.call("publish_layer_version", { LayerName, Content })
    const layers = await boto3.pages("list_layers", 1)
    expect(layers.map((page) => page.Layers[0].LayerName)).toEqual(["one", "two"])
    expect(await boto3.pages("list_layer_versions", 1, { LayerName: "one" })).toHaveLength(1)
    expect(await boto3.pages("list_event_source_mappings", 1)).toMatchObject([{ EventSourceMappings: [] }])
  })

  it("keeps what belongs to a function, and gives it back", async () => {
    const Resource = `${arn}:${FunctionName}`
    await boto3.call("tag_resource", { Resource, Tags: { "größe/1": "ü", c: "" } })
    await boto3.call("untag_resource", { Resource, TagKeys: ["a", "c"] })
    expect(await boto3.call("list_tags", { Resource })).toMatchObject({ Tags: { "größe/1": "ü" } })
    await boto3.call("put_function_concurrency", { FunctionName, ReservedConcurrentExecutions: 3 })
    expect(await boto3.call("get_function_concurrency", { FunctionName })).toMatchObject({
      ReservedConcurrentExecutions: 3
    })
    const provisioned = { FunctionName, Qualifier: "2" }
    const put = { ...provisioned, ProvisionedConcurrentExecutions: 1 }
    expect(await boto3.call("put_provisioned_concurrency_config", put)).toMatchObject({ Status: "IN_PROGRESS" })
    expect(await boto3.pages("list_provisioned_concurrency_configs", 1, { FunctionName })).toHaveLength(1)
    await boto3.call("delete_provisioned_concurrency_config", provisioned)
    await boto3.call("delete_function_concurrency", { FunctionName })
    await boto3.call("put_function_event_invoke_config", { FunctionName, MaximumRetryAttempts: 0 })
    const config = await boto3.call("get_function_event_invoke_config", { FunctionName })
    expect(config).toMatchObject({ MaximumRetryAttempts: 0, LastModified: { time: expect.stringMatching(/^20\d\d-/) } })
    expect(await boto3.pages("list_function_event_invoke_configs", 1, { FunctionName })).toHaveLength(1)
    const statement = { FunctionName, StatementId: "s", Action: "lambda:InvokeFunction", Principal: "123456789012" }
    await boto3.call("add_permission", statement)
    expect(JSON.parse((await boto3.call("get_policy", { FunctionName })).Policy).Statement[0]).toMatchObject({
      Sid: "s"
    })
    await boto3.call("remove_permission", { FunctionName, StatementId: "s" })
    expect(await boto3.call("get_account_settings")).toMatchObject({ AccountLimit: { ConcurrentExecutions: 1000 } })
  })

  it("gives it a URL that answers", async () => {
    const url = await boto3.call("create_function_url_config", { FunctionName, AuthType: "NONE" })
    const permission = { FunctionName, Principal: "*", FunctionUrlAuthType: "NONE" }
    await boto3.call("add_permission", { ...permission, StatementId: "u", Action: "lambda:InvokeFunctionUrl" })
    await boto3.call("add_permission", {
      FunctionName,
      Principal: "*",
      StatementId: "i",
      Action: "lambda:InvokeFunction"
    })
    const response = await fetch(url.FunctionUrl)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      answer: "three",
      event: { version: "2.0", rawPath: expect.any(String) }
    })
    expect(await boto3.pages("list_function_url_configs", 1, { FunctionName })).toHaveLength(1)
    await boto3.call("delete_function_url_config", { FunctionName })
  })

  it("raises the exceptions of its own classes, with Lambda's words in them", async () => {
    expect(await boto3.refusal("get_function", { FunctionName: "unknown" })).toEqual({
      class: "ResourceNotFoundException",
      code: "ResourceNotFoundException",
      status: 404,
      message: `An error occurred (ResourceNotFoundException) when calling the GetFunction operation: Function not found: ${arn}:unknown`,
      fields: { Type: "User", Message: `Function not found: ${arn}:unknown` }
    })
    expect(await boto3.refusal("create_function", await creation(FunctionName))).toMatchObject({
      class: "ResourceConflictException",
      status: 409,
      message: expect.stringContaining(`Function already exist: ${FunctionName}`)
    })
    expect(await boto3.refusal("create_function", await creation("x", { Role: "nobody" }))).toMatchObject({
      class: "ClientError",
      code: "ValidationException",
      message: expect.stringContaining("Value 'nobody' at 'role' failed to satisfy constraint")
    })
    const notZip = await creation("x", { Code: { ZipFile: bytes("no zip") } })
    expect(await boto3.refusal("create_function", notZip)).toMatchObject({
      class: "InvalidParameterValueException",
      fields: { Type: "User" },
      message: expect.stringContaining("Could not unzip uploaded file.")
    })
    expect(await boto3.refusal("publish_version", { FunctionName, RevisionId: "wrong" })).toMatchObject({
      class: "PreconditionFailedException",
      status: 412
    })
    const none = { FunctionName, Qualifier: "2" }
    expect(await boto3.refusal("get_provisioned_concurrency_config", none)).toMatchObject({
      class: "ProvisionedConcurrencyConfigNotFoundException",
      status: 404
    })
    await boto3.call("put_function_concurrency", { FunctionName, ReservedConcurrentExecutions: 0 })
    expect(await boto3.refusal("invoke", { FunctionName })).toMatchObject({
      class: "TooManyRequestsException",
      status: 429,
      fields: { Reason: "ReservedFunctionConcurrentInvocationLimitExceeded" }
    })
    const tooLarge = { FunctionName, Payload: bytes(`"${"x".repeat(6_291_456)}"`) }
    expect(await boto3.refusal("invoke", tooLarge)).toMatchObject({
      code: "RequestEntityTooLargeException",
      status: 413
    })
  })

  it("deletes what it made", async () => {
    for (const Name of ["live", "next"]) await boto3.call("delete_alias", { FunctionName, Name })
    await boto3.call("delete_function", { FunctionName, Qualifier: "1" })
    await boto3.call("delete_function", { FunctionName })
    expect(await boto3.refusal("get_function", { FunctionName })).toMatchObject({ class: "ResourceNotFoundException" })
  })
})
