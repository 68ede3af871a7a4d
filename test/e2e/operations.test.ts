/**
 * Every operation that there is, called by AWS's own client, and each answer held against AWS's model: what it has, of
 * which kind, and which errors an operation declares.
 */

import type { LambdaClient } from "@aws-sdk/client-lambda"
import * as Lambda from "@aws-sdk/client-lambda"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { handlers } from "../../plugins/control/handlers.ts"
import { complaintsAbout, type WireAnswer } from "../support/answerModel.ts"
import { type Irori, startIrori } from "../support/irori.ts"
import { recordingClient } from "../support/recordingClient.ts"
import { zip } from "../support/zip.ts"

const arn = "arn:aws:lambda:us-east-1:000000000000"
const Role = "arn:aws:iam::000000000000:role/r"
const FunctionName = "every-operation"
const FunctionArn = `${arn}:function:${FunctionName}`

let irori: Irori
let lambda: LambdaClient
let answers: ReadonlyArray<WireAnswer>

beforeAll(async () => {
  irori = await startIrori({ environment: { IRORI_PROVISIONER: "process" } })
  const recording = recordingClient(irori.url)
  lambda = recording.client
  answers = recording.answers
})
afterAll(() => irori.stop())

const code = (text: string) =>
  zip({ "index.mjs": `export const handler = async (event) => ({ text: ${JSON.stringify(text)}, event })\n` })

const waiting = () => ({ client: lambda, maxWaitTime: 20, minDelay: 0.05, maxDelay: 0.1 })

/** Each in turn: what follows may need what came before. */
const inTurn = { sequential: true, timeout: 60_000, retry: 0 } as const

describe("every operation of the control plane, called by AWS's client", inTurn, () => {
  it("makes, changes, tells of and lists functions", async () => {
    const created = await lambda.send(
      new Lambda.CreateFunctionCommand({
        FunctionName,
        Role,
        Runtime: "nodejs22.x",
        Handler: "index.handler",
        Code: { ZipFile: await code("one") },
        Description: "Größe: 10 µm 🔥",
        Environment: { Variables: { NAME: "größer 🔥" } },
        Tags: { team: "hearth" },
        TracingConfig: { Mode: "Active" },
        LoggingConfig: { LogFormat: "JSON" },
        EphemeralStorage: { Size: 1024 },
        DeadLetterConfig: { TargetArn: "arn:aws:sqs:us-east-1:000000000000:dead" },
        KMSKeyArn: "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        VpcConfig: { SubnetIds: [], SecurityGroupIds: [] }
      })
    )
    expect(created).toMatchObject({ State: "Pending", Description: "Größe: 10 µm 🔥" })
    await Lambda.waitUntilFunctionActiveV2(waiting(), { FunctionName })
    expect(await lambda.send(new Lambda.GetFunctionCommand({ FunctionName }))).toMatchObject({
      Configuration: { State: "Active", LastUpdateStatus: "Successful" },
      Tags: { team: "hearth" }
    })
    await lambda.send(
      new Lambda.UpdateFunctionConfigurationCommand({ FunctionName, Timeout: 7, DeadLetterConfig: { TargetArn: "" } })
    )
    await Lambda.waitUntilFunctionUpdatedV2(waiting(), { FunctionName })
    const changed = await lambda.send(
      new Lambda.UpdateFunctionCodeCommand({ FunctionName, ZipFile: await code("two"), Publish: true })
    )
    expect(changed).toMatchObject({ Version: "1", Timeout: 7 })
    await Lambda.waitUntilFunctionUpdatedV2(waiting(), { FunctionName })
    expect(await lambda.send(new Lambda.GetFunctionConfigurationCommand({ FunctionName }))).toMatchObject({
      Timeout: 7,
      TracingConfig: { Mode: "Active" }
    })
    const { Functions } = await lambda.send(new Lambda.ListFunctionsCommand({ FunctionVersion: "ALL" }))
    expect(Functions?.filter((found) => found.FunctionName === FunctionName).map(({ Version }) => Version)).toEqual([
      "$LATEST",
      "1"
    ])
  })

  it("invokes them in each of the three ways", async () => {
    const { Payload } = await lambda.send(
      new Lambda.InvokeCommand({ FunctionName, Payload: '{"a":1}', LogType: "Tail" })
    )
    expect(JSON.parse(Payload!.transformToString())).toEqual({ text: "two", event: { a: 1 } })
    expect(await lambda.send(new Lambda.InvokeAsyncCommand({ FunctionName, InvokeArgs: "{}" }))).toMatchObject({
      Status: 202
    })
    const stream = await lambda.send(new Lambda.InvokeWithResponseStreamCommand({ FunctionName, Payload: "{}" }))
    const kinds: Array<string> = []
    for await (const event of stream.EventStream ?? []) kinds.push(...Object.keys(event))
    expect(kinds.at(-1)).toBe("InvokeComplete")
  })

  it("publishes versions and gives them names", async () => {
    await lambda.send(new Lambda.UpdateFunctionConfigurationCommand({ FunctionName, Timeout: 8 }))
    await Lambda.waitUntilFunctionUpdatedV2(waiting(), { FunctionName })
    expect(await lambda.send(new Lambda.PublishVersionCommand({ FunctionName, Description: "second" }))).toMatchObject({
      Version: "2",
      Description: "second"
    })
    await Lambda.waitUntilPublishedVersionActive(waiting(), { FunctionName, Qualifier: "2" })
    const { Versions } = await lambda.send(new Lambda.ListVersionsByFunctionCommand({ FunctionName }))
    expect(Versions?.map(({ Version }) => Version)).toEqual(["$LATEST", "1", "2"])
    const alias = { FunctionName, Name: "live" }
    await lambda.send(new Lambda.CreateAliasCommand({ ...alias, FunctionVersion: "1", Description: "served" }))
    const RoutingConfig = { AdditionalVersionWeights: { "2": 0.25 } }
    await lambda.send(new Lambda.UpdateAliasCommand({ ...alias, RoutingConfig }))
    expect(await lambda.send(new Lambda.GetAliasCommand(alias))).toMatchObject({ RoutingConfig, Description: "served" })
    const { Aliases } = await lambda.send(new Lambda.ListAliasesCommand({ FunctionName }))
    expect(Aliases?.map(({ Name }) => Name)).toEqual(["live"])
  })

  it("keeps what functions say of their events", async () => {
    const OnSuccess = { Destination: `${arn}:function:other` }
    await lambda.send(
      new Lambda.CreateFunctionCommand({
        FunctionName: "other",
        Role,
        Runtime: "nodejs22.x",
        Handler: "index.handler",
        Code: { ZipFile: await code("other") }
      })
    )
    await lambda.send(new Lambda.PutFunctionEventInvokeConfigCommand({ FunctionName, MaximumRetryAttempts: 1 }))
    await lambda.send(
      new Lambda.UpdateFunctionEventInvokeConfigCommand({ FunctionName, DestinationConfig: { OnSuccess } })
    )
    const config = await lambda.send(new Lambda.GetFunctionEventInvokeConfigCommand({ FunctionName }))
    expect(config).toMatchObject({ MaximumRetryAttempts: 1, DestinationConfig: { OnSuccess } })
    expect(config.LastModified).toBeInstanceOf(Date)
    const listed = await lambda.send(new Lambda.ListFunctionEventInvokeConfigsCommand({ FunctionName }))
    expect(listed.FunctionEventInvokeConfigs).toHaveLength(1)
    await lambda.send(new Lambda.DeleteFunctionEventInvokeConfigCommand({ FunctionName }))
  })

  it("gives them URLs", async () => {
    const url = { FunctionName, Qualifier: "live" }
    const Cors = { AllowOrigins: ["https://example.com"], AllowMethods: ["GET"], MaxAge: 60, AllowCredentials: true }
    const made = await lambda.send(new Lambda.CreateFunctionUrlConfigCommand({ ...url, AuthType: "NONE", Cors }))
    await lambda.send(new Lambda.UpdateFunctionUrlConfigCommand({ ...url, InvokeMode: "RESPONSE_STREAM" }))
    expect(await lambda.send(new Lambda.GetFunctionUrlConfigCommand(url))).toMatchObject({
      FunctionUrl: made.FunctionUrl,
      Cors,
      InvokeMode: "RESPONSE_STREAM"
    })
    const { FunctionUrlConfigs } = await lambda.send(new Lambda.ListFunctionUrlConfigsCommand({ FunctionName }))
    expect(FunctionUrlConfigs).toHaveLength(1)
    await lambda.send(new Lambda.DeleteFunctionUrlConfigCommand(url))
  })

  it("keeps who may call them", async () => {
    const permission = { FunctionName, StatementId: "s1", Action: "lambda:InvokeFunction" }
    const added = await lambda.send(
      new Lambda.AddPermissionCommand({ ...permission, Principal: "s3.amazonaws.com", SourceArn: "arn:aws:s3:::b" })
    )
    expect(JSON.parse(added.Statement!)).toMatchObject({ Sid: "s1", Principal: { Service: "s3.amazonaws.com" } })
    const { Policy, RevisionId } = await lambda.send(new Lambda.GetPolicyCommand({ FunctionName }))
    expect(JSON.parse(Policy!).Statement).toHaveLength(1)
    await lambda.send(new Lambda.RemovePermissionCommand({ FunctionName, StatementId: "s1", RevisionId }))
  })

  it("reserves and provisions concurrency", async () => {
    const version = { FunctionName, Qualifier: "2" }
    await lambda.send(new Lambda.PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 5 }))
    expect(await lambda.send(new Lambda.GetFunctionConcurrencyCommand({ FunctionName }))).toMatchObject({
      ReservedConcurrentExecutions: 5
    })
    await lambda.send(
      new Lambda.UpdateAliasCommand({ FunctionName, Name: "live", FunctionVersion: "1", RoutingConfig: {} })
    )
    await lambda.send(
      new Lambda.UpdateAliasCommand({ FunctionName, Name: "live", RoutingConfig: { AdditionalVersionWeights: {} } })
    )
    await lambda.send(
      new Lambda.PutProvisionedConcurrencyConfigCommand({ ...version, ProvisionedConcurrentExecutions: 1 })
    )
    expect(await lambda.send(new Lambda.GetProvisionedConcurrencyConfigCommand(version))).toMatchObject({
      RequestedProvisionedConcurrentExecutions: 1
    })
    const listed = await lambda.send(new Lambda.ListProvisionedConcurrencyConfigsCommand({ FunctionName }))
    expect(listed.ProvisionedConcurrencyConfigs?.map((config) => config.FunctionArn)).toEqual([`${FunctionArn}:2`])
    await lambda.send(new Lambda.DeleteProvisionedConcurrencyConfigCommand(version))
    await lambda.send(new Lambda.DeleteFunctionConcurrencyCommand({ FunctionName }))
  })

  it("keeps layers, and who may use them", async () => {
    const layer = { LayerName: "shared", VersionNumber: 1 }
    const published = await lambda.send(
      new Lambda.PublishLayerVersionCommand({
        LayerName: "shared",
        Content: { ZipFile: await zip({ "nodejs/a.txt": "a" }) },
        CompatibleRuntimes: ["nodejs22.x"],
        CompatibleArchitectures: ["x86_64"],
        LicenseInfo: "MIT"
      })
    )
    expect(published).toMatchObject({ Version: 1, LayerVersionArn: `${arn}:layer:shared:1` })
    await lambda.send(
      new Lambda.UpdateFunctionConfigurationCommand({ FunctionName, Layers: [published.LayerVersionArn!] })
    )
    await Lambda.waitUntilFunctionUpdatedV2(waiting(), { FunctionName })
    expect(await lambda.send(new Lambda.GetLayerVersionCommand(layer))).toMatchObject({ LicenseInfo: "MIT" })
    await lambda.send(new Lambda.GetLayerVersionByArnCommand({ Arn: published.LayerVersionArn }))
    const { Layers } = await lambda.send(new Lambda.ListLayersCommand({ CompatibleRuntime: "nodejs22.x" }))
    expect(Layers?.map(({ LayerName }) => LayerName)).toEqual(["shared"])
    const { LayerVersions } = await lambda.send(new Lambda.ListLayerVersionsCommand({ LayerName: "shared" }))
    expect(LayerVersions).toHaveLength(1)
    const permission = { ...layer, StatementId: "all" }
    await lambda.send(
      new Lambda.AddLayerVersionPermissionCommand({ ...permission, Action: "lambda:GetLayerVersion", Principal: "*" })
    )
    expect(await lambda.send(new Lambda.GetLayerVersionPolicyCommand(layer))).toMatchObject({
      Policy: expect.stringContaining('"Sid":"all"')
    })
    await lambda.send(new Lambda.RemoveLayerVersionPermissionCommand(permission))
    await lambda.send(new Lambda.DeleteLayerVersionCommand(layer))
  })

  it("keeps tags and settings", async () => {
    const Resource = FunctionArn
    await lambda.send(new Lambda.TagResourceCommand({ Resource, Tags: { "größe/1": "ü", empty: "" } }))
    expect((await lambda.send(new Lambda.ListTagsCommand({ Resource }))).Tags).toEqual({
      team: "hearth",
      "größe/1": "ü",
      empty: ""
    })
    await lambda.send(new Lambda.UntagResourceCommand({ Resource, TagKeys: ["größe/1", "empty"] }))
    expect((await lambda.send(new Lambda.ListTagsCommand({ Resource }))).Tags).toEqual({ team: "hearth" })
    await lambda.send(new Lambda.PutFunctionRecursionConfigCommand({ FunctionName, RecursiveLoop: "Allow" }))
    expect(await lambda.send(new Lambda.GetFunctionRecursionConfigCommand({ FunctionName }))).toMatchObject({
      RecursiveLoop: "Allow"
    })
    await lambda.send(new Lambda.PutRuntimeManagementConfigCommand({ FunctionName, UpdateRuntimeOn: "FunctionUpdate" }))
    expect(await lambda.send(new Lambda.GetRuntimeManagementConfigCommand({ FunctionName }))).toMatchObject({
      UpdateRuntimeOn: "FunctionUpdate"
    })
    await lambda.send(new Lambda.GetFunctionCodeSigningConfigCommand({ FunctionName }))
    await lambda.send(new Lambda.DeleteFunctionCodeSigningConfigCommand({ FunctionName }))
    const { AccountUsage } = await lambda.send(new Lambda.GetAccountSettingsCommand({}))
    expect(AccountUsage?.FunctionCount).toBeGreaterThanOrEqual(2)
    expect((await lambda.send(new Lambda.ListEventSourceMappingsCommand({}))).EventSourceMappings).toEqual([])
  })

  it("deletes aliases and functions", async () => {
    await lambda.send(new Lambda.DeleteAliasCommand({ FunctionName, Name: "live" }))
    await lambda.send(new Lambda.DeleteFunctionCommand({ FunctionName, Qualifier: "1" }))
    await lambda.send(new Lambda.DeleteFunctionCommand({ FunctionName }))
    await expect(lambda.send(new Lambda.GetFunctionCommand({ FunctionName }))).rejects.toBeInstanceOf(
      Lambda.ResourceNotFoundException
    )
  })

  const unknown = { FunctionName: "unknown" }
  const event = { UUID: "14e0db71-xmpl-4eb5-b481-8945cf9d10c2" }
  const layer = { LayerName: "unknown", VersionNumber: 1 }
  const refused = [
    new Lambda.AddPermissionCommand({ ...unknown, StatementId: "a", Action: "lambda:InvokeFunction", Principal: "*" }),
    new Lambda.RemovePermissionCommand({ ...unknown, StatementId: "a" }),
    new Lambda.GetPolicyCommand(unknown),
    new Lambda.GetAliasCommand({ ...unknown, Name: "a" }),
    new Lambda.CreateAliasCommand({ ...unknown, Name: "a", FunctionVersion: "1" }),
    new Lambda.UpdateAliasCommand({ ...unknown, Name: "a" }),
    new Lambda.ListAliasesCommand(unknown),
    new Lambda.GetFunctionConfigurationCommand(unknown),
    new Lambda.UpdateFunctionConfigurationCommand(unknown),
    new Lambda.UpdateFunctionCodeCommand({ ...unknown, ZipFile: new Uint8Array([1]) }),
    new Lambda.DeleteFunctionCommand(unknown),
    new Lambda.PublishVersionCommand(unknown),
    new Lambda.ListVersionsByFunctionCommand(unknown),
    new Lambda.InvokeCommand(unknown),
    new Lambda.InvokeAsyncCommand({ ...unknown, InvokeArgs: "{}" }),
    new Lambda.InvokeWithResponseStreamCommand(unknown),
    new Lambda.PutFunctionConcurrencyCommand({ ...unknown, ReservedConcurrentExecutions: 1 }),
    new Lambda.GetFunctionConcurrencyCommand(unknown),
    new Lambda.DeleteFunctionConcurrencyCommand(unknown),
    new Lambda.PutProvisionedConcurrencyConfigCommand({
      ...unknown,
      Qualifier: "1",
      ProvisionedConcurrentExecutions: 1
    }),
    new Lambda.GetProvisionedConcurrencyConfigCommand({ ...unknown, Qualifier: "1" }),
    new Lambda.ListProvisionedConcurrencyConfigsCommand(unknown),
    new Lambda.PutFunctionEventInvokeConfigCommand({ ...unknown, MaximumRetryAttempts: 1 }),
    new Lambda.UpdateFunctionEventInvokeConfigCommand({ ...unknown, MaximumRetryAttempts: 1 }),
    new Lambda.GetFunctionEventInvokeConfigCommand(unknown),
    new Lambda.DeleteFunctionEventInvokeConfigCommand(unknown),
    new Lambda.ListFunctionEventInvokeConfigsCommand(unknown),
    new Lambda.CreateFunctionUrlConfigCommand({ ...unknown, AuthType: "NONE" }),
    new Lambda.GetFunctionUrlConfigCommand(unknown),
    new Lambda.UpdateFunctionUrlConfigCommand({ ...unknown, AuthType: "NONE" }),
    new Lambda.DeleteFunctionUrlConfigCommand(unknown),
    new Lambda.ListFunctionUrlConfigsCommand(unknown),
    new Lambda.GetFunctionRecursionConfigCommand(unknown),
    new Lambda.PutFunctionRecursionConfigCommand({ ...unknown, RecursiveLoop: "Allow" }),
    new Lambda.GetRuntimeManagementConfigCommand(unknown),
    new Lambda.PutRuntimeManagementConfigCommand({ ...unknown, UpdateRuntimeOn: "Auto" }),
    new Lambda.GetFunctionCodeSigningConfigCommand(unknown),
    new Lambda.DeleteFunctionCodeSigningConfigCommand(unknown),
    new Lambda.PutFunctionCodeSigningConfigCommand({
      ...unknown,
      CodeSigningConfigArn: `${arn}:code-signing-config:csc-0123456789abcdef0`
    }),
    new Lambda.ListTagsCommand({ Resource: `${arn}:function:unknown` }),
    new Lambda.TagResourceCommand({ Resource: `${arn}:function:unknown`, Tags: { a: "b" } }),
    new Lambda.UntagResourceCommand({ Resource: `${arn}:function:unknown`, TagKeys: ["a"] }),
    new Lambda.GetLayerVersionCommand(layer),
    new Lambda.GetLayerVersionByArnCommand({ Arn: `${arn}:layer:unknown:1` }),
    new Lambda.GetLayerVersionPolicyCommand(layer),
    new Lambda.AddLayerVersionPermissionCommand({
      ...layer,
      StatementId: "a",
      Action: "lambda:GetLayerVersion",
      Principal: "*"
    }),
    new Lambda.RemoveLayerVersionPermissionCommand({ ...layer, StatementId: "a" }),
    new Lambda.DeleteLayerVersionCommand({ LayerName: "unknown", VersionNumber: 0 }),
    new Lambda.CreateEventSourceMappingCommand({
      FunctionName: "other",
      EventSourceArn: "arn:aws:sqs:us-east-1:000000000000:queue"
    }),
    new Lambda.GetEventSourceMappingCommand(event),
    new Lambda.UpdateEventSourceMappingCommand(event),
    new Lambda.DeleteEventSourceMappingCommand(event)
  ]
  it.each(refused.map((command) => [command.constructor.name, command] as const))(
    "refuses what is not there with an error that the operation declares: %s",
    async (_, command) => {
      // A union of all commands, which `send` has no overload for.
      await expect(lambda.send(command as Lambda.GetFunctionCommand)).rejects.toBeInstanceOf(
        Lambda.LambdaServiceException
      )
    }
  )

  it("answered as AWS's model says, each time", () => {
    const complaints = answers.flatMap((answer) => {
      const { body, operation, status } = answer
      return complaintsAbout(answer).map((complaint) => `${operation} ${status}: ${complaint} in ${body}`)
    })
    expect(complaints).toEqual([])
  })

  it("had a call, and succeeded unless it only refuses", () => {
    const refusing = [
      "CreateEventSourceMapping",
      "DeleteEventSourceMapping",
      "GetEventSourceMapping",
      "PutFunctionCodeSigningConfig",
      "UpdateEventSourceMapping"
    ]
    const called = new Set(answers.map(({ operation }) => operation))
    const succeeded = new Set(answers.filter(({ status }) => status < 300).map(({ operation }) => operation))
    const all = [...Object.keys(handlers), "Invoke", "InvokeAsync", "InvokeWithResponseStream"]
    expect(all.filter((name) => !called.has(name))).toEqual([])
    expect(all.filter((name) => !succeeded.has(name)).sort()).toEqual(refusing)
  })
})
