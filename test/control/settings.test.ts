import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { Account } from "../../src/control/Account.ts"
import { CodeLinks } from "../../src/control/CodeLinks.ts"
import { CodeSigning } from "../../src/control/CodeSigning.ts"
import { CodeStore } from "../../src/control/CodeStore.ts"
import { Concurrency } from "../../src/control/Concurrency.ts"
import { ConcurrencyLimits } from "../../src/control/ConcurrencyLimits.ts"
import { EventSourceMappings } from "../../src/control/EventSourceMappings.ts"
import { FunctionCatalog } from "../../src/control/FunctionCatalog.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { LayerStore } from "../../src/control/LayerStore.ts"
import { LayerVersions } from "../../src/control/LayerVersions.ts"
import { RecursionConfigs } from "../../src/control/RecursionConfigs.ts"
import { RuntimeManagement } from "../../src/control/RuntimeManagement.ts"
import { PoolManager } from "../../src/pool/PoolManager.ts"
import { controlApp, functionArn, ground, owner } from "../support/controlApp.ts"
import { zip } from "../support/zip.ts"

const fresh = (state: string) =>
  controlApp(
    Layer.mergeAll(
      Account.layer,
      CodeSigning.layer({ owner }),
      EventSourceMappings.layer,
      RecursionConfigs.layer({ owner }),
      RuntimeManagement.layer({ owner })
    ).pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          Concurrency.layer({ owner }),
          LayerVersions.layer({ owner }),
          FunctionCatalog.layer({ owner, functionsFile: join(state, "functions.yml") })
        )
      ),
      Layer.provideMerge(
        Layer.mergeAll(
          LayerStore.layer({ owner }),
          CodeLinks.layer,
          ConcurrencyLimits.layer({ accountConcurrency: 1000 })
        )
      ),
      Layer.provideMerge(CodeStore.layer(join(state, "code"))),
      Layer.provideMerge(ground),
      Layer.provide(Layer.mock(PoolManager, { stats: Effect.succeed([]), reconcile: () => Effect.void }))
    )
  )

let state = ""
let app: ReturnType<typeof fresh>
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "irori-settings-"))
  app = fresh(state)
})
afterEach(async () => {
  await app.runtime.dispose()
  rmSync(state, { recursive: true, force: true })
})

const arn = `${functionArn}:hello`
const notFound = (Message: string) => ({
  status: 404,
  type: "ResourceNotFoundException",
  body: { Type: "User", Message }
})
const nobody = notFound(`Function not found: ${functionArn}:nobody`)
const gone = notFound("The resource you requested does not exist.")
const invalid = (message: string) => ({
  status: 400,
  type: "InvalidParameterValueException",
  body: { Type: "User", message }
})

describe("GetAccountSettings", () => {
  const settings = async () => (await app.ask("GET /2016-08-19/account-settings")).body

  it("tells Lambda's limits, and what there is", async () => {
    // `hello` has three versions and `other` one, of 276 bytes each.
    expect(await settings()).toEqual({
      AccountLimit: {
        TotalCodeSize: 80_530_636_800,
        CodeSizeUnzipped: 262_144_000,
        CodeSizeZipped: 52_428_800,
        ConcurrentExecutions: 1000,
        UnreservedConcurrentExecutions: 1000
      },
      AccountUsage: { TotalCodeSize: 4 * 276, FunctionCount: 2 }
    })
  })

  it("counts layers, and what is set aside", async () => {
    const content = await zip({ a: "1" })
    await app.ask("POST /2018-10-31/layers/deps/versions", { Content: { ZipFile: content.toString("base64") } })
    await app.ask("PUT /2017-10-31/functions/hello/concurrency", { ReservedConcurrentExecutions: 10 })
    // Part of the reservation.
    await app.ask("PUT /2019-09-30/functions/hello/provisioned-concurrency?Qualifier=1", {
      ProvisionedConcurrentExecutions: 4
    })
    await app.runtime.runPromise(Effect.map(FunctionStore, (store) => store.remove("other")))
    expect(await settings()).toMatchObject({
      AccountLimit: { ConcurrentExecutions: 1000, UnreservedConcurrentExecutions: 990 },
      AccountUsage: { TotalCodeSize: 3 * 276 + content.length, FunctionCount: 1 }
    })
  })
})

describe("recursion", () => {
  const path = (name: string) => `/2024-08-31/functions/${name}/recursion-config`
  const get = (name = "hello") => app.ask(`GET ${path(name)}`)
  const put = (RecursiveLoop: string, name = "hello") => app.ask(`PUT ${path(name)}`, { RecursiveLoop })

  it("is stopped, unless something else was put", async () => {
    expect(await get()).toMatchObject({ status: 200, body: { RecursiveLoop: "Terminate" } })
    expect(await put("Allow")).toMatchObject({ status: 200, body: { RecursiveLoop: "Allow" } })
    expect((await get()).body).toEqual({ RecursiveLoop: "Allow" })
    expect((await get("other")).body).toEqual({ RecursiveLoop: "Terminate" })
    const loopOf = RecursionConfigs.use((configs) => Effect.sync(() => configs.recursiveLoopOf("hello")))
    expect(await app.runtime.runPromise(loopOf)).toBe("Allow")
  })

  it("is as it was at first for a later function of the same name", async () => {
    await put("Allow", "other")
    await app.runtime.runPromise(Effect.map(FunctionStore, (store) => store.remove("other")))
    const loopOf = RecursionConfigs.use((configs) => Effect.sync(() => configs.recursiveLoopOf("other")))
    expect(await app.runtime.runPromise(loopOf)).toBe("Terminate")
  })

  it.each([
    ["an unknown function", () => get("nobody"), nobody],
    ["an unknown function to set", () => put("Allow", "nobody"), nobody],
    [
      "another word",
      () => put("Maybe"),
      {
        status: 400,
        type: "ValidationException",
        body: {
          message:
            "1 validation error detected: Value 'Maybe' at 'recursiveLoop' failed to satisfy constraint: Member must satisfy enum value set: [Allow, Terminate]"
        }
      }
    ]
  ])("refuses: %s", async (_, request, answer) => {
    expect(await request()).toEqual(answer)
  })
})

describe("runtime management", () => {
  const path = (name: string) => `/2021-07-20/functions/${name}/runtime-management-config`
  const get = (name = "hello") => app.ask(`GET ${path(name)}`)
  const put = (settings: object, name = "hello") => app.ask(`PUT ${path(name)}`, settings)
  const RuntimeVersionArn = "arn:aws:lambda:us-east-1::runtime:0123456789abcdef"

  it("is automatic for each version, unless something else was put", async () => {
    expect(await get()).toMatchObject({
      status: 200,
      body: { UpdateRuntimeOn: "Auto", FunctionArn: `${arn}:$LATEST` }
    })
    const manual = { UpdateRuntimeOn: "Manual", RuntimeVersionArn }
    expect((await put(manual, "hello:live")).body).toEqual({ ...manual, FunctionArn: `${arn}:1` })
    expect((await get("hello:1")).body).toEqual({ ...manual, FunctionArn: `${arn}:1` })
    expect((await get()).body).toEqual({ UpdateRuntimeOn: "Auto", FunctionArn: `${arn}:$LATEST` })
    expect((await put({ UpdateRuntimeOn: "FunctionUpdate" })).body.UpdateRuntimeOn).toBe("FunctionUpdate")
  })

  it.each([
    ["an unknown function", () => get("nobody"), nobody],
    ["an unknown version", () => get("hello:9"), notFound(`Function not found: ${arn}:9`)],
    [
      "by hand, and no version of the runtime",
      () => put({ UpdateRuntimeOn: "Manual" }),
      invalid("RuntimeVersionArn is required when UpdateRuntimeOn is set to Manual.")
    ],
    [
      "a version of the runtime, and not by hand",
      () => put({ UpdateRuntimeOn: "Auto", RuntimeVersionArn }),
      invalid("RuntimeVersionArn can only be provided when UpdateRuntimeOn is set to Manual.")
    ]
  ])("refuses: %s", async (_, request, answer) => {
    expect(await request()).toEqual(answer)
  })
})

describe("code signing", () => {
  const path = (name: string) => `/2020-06-30/functions/${name}/code-signing-config`
  const CodeSigningConfigArn = "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdef0"

  it("is configured for no function", async () => {
    expect(await app.ask(`GET ${path("hello")}`)).toEqual({ status: 200, type: null, body: {} })
    expect((await app.ask(`DELETE ${path("hello")}`)).status).toBe(204)
  })

  it.each([
    ["an unknown function", () => app.ask(`GET ${path("nobody")}`), nobody],
    ["an unknown function to free", () => app.ask(`DELETE ${path("nobody")}`), nobody],
    [
      "a configuration, of which there are none",
      () => app.ask(`PUT ${path("hello")}`, { CodeSigningConfigArn }),
      {
        status: 404,
        type: "CodeSigningConfigNotFoundException",
        body: {
          Type: "User",
          Message: `The code signing configuration cannot be found. Check that the provided configuration is not deleted: ${CodeSigningConfigArn}.`
        }
      }
    ]
  ])("refuses: %s", async (_, request, answer) => {
    expect(await request()).toEqual(answer)
  })
})

describe("event source mappings", () => {
  const path = "/2015-03-31/event-source-mappings"
  const uuid = "8c8a2c9e-9a3b-4f0a-8a1e-0f0d7c1b2a3d"
  const EventSourceArn = "arn:aws:sqs:us-east-1:123456789012:queue"

  it("are none", async () => {
    const none = { status: 200, type: null, body: { EventSourceMappings: [] } }
    expect(await app.ask(`GET ${path}`)).toEqual(none)
    expect(await app.ask(`GET ${path}?FunctionName=hello&EventSourceArn=${EventSourceArn}`)).toEqual(none)
  })

  it.each([
    ["no source", () => app.ask(`POST ${path}`, { FunctionName: "hello" }), invalid("Unrecognized event source.")],
    [
      "a source for an unknown function",
      () => app.ask(`POST ${path}`, { FunctionName: "nobody", EventSourceArn }),
      invalid("Function does not exist")
    ],
    [
      "every source",
      () => app.ask(`POST ${path}`, { FunctionName: "hello", EventSourceArn }),
      invalid("Unrecognized event source.")
    ],
    ["an unknown one", () => app.ask(`GET ${path}/${uuid}`), gone],
    ["an unknown one to change", () => app.ask(`PUT ${path}/${uuid}`, { BatchSize: 5 }), gone],
    ["an unknown one to delete", () => app.ask(`DELETE ${path}/${uuid}`), gone]
  ])("refuse: %s", async (_, request, answer) => {
    expect(await request()).toEqual(answer)
  })
})
