import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { CodeLinks } from "../../src/control/CodeLinks.ts"
import { CodeStore } from "../../src/control/CodeStore.ts"
import { ControlDatabase } from "../../src/control/Database.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { LayerStore } from "../../src/control/LayerStore.ts"
import { Layers } from "../../src/control/Layers.ts"
import { LayerVersions } from "../../src/control/LayerVersions.ts"
import { controlApp, owner, registryOfStore } from "../support/controlApp.ts"
import { versionRecord } from "../support/functionRecords.ts"
import { zip } from "../support/zip.ts"

/** What is in the state folder outlives an app over it. */
const over = (state: string) =>
  controlApp(
    Layer.mergeAll(
      LayerVersions.layer({ owner }),
      Layers.layer({ owner, folder: join(state, "layers") }),
      registryOfStore
    ).pipe(
      Layer.provideMerge(Layer.merge(LayerStore.layer({ owner }), CodeLinks.layer)),
      Layer.provideMerge(Layer.merge(FunctionStore.layer, CodeStore.layer(join(state, "code")))),
      Layer.provideMerge(ControlDatabase.layer(join(state, "control.db")))
    )
  )

let state = ""
let app: ReturnType<typeof over>
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "irori-layers-"))
  app = over(state)
})
afterEach(async () => {
  await app.runtime.dispose()
  rmSync(state, { recursive: true, force: true })
})
const restart = async () => {
  await app.runtime.dispose()
  app = over(state)
}

const arn = "arn:aws:lambda:us-east-1:123456789012:layer:deps"
const path = "/2018-10-31/layers"
const publish = async (files: Parameters<typeof zip>[0] = { "lib/a.txt": "a" }, settings: object = {}, name = "deps") =>
  app.ask(`POST ${path}/${name}/versions`, {
    Content: { ZipFile: (await zip(files)).toString("base64") },
    ...settings
  })
const get = (version: number | string, name = "deps") => app.ask(`GET ${path}/${name}/versions/${version}`)
const remove = (version: number | string, name = "deps") => app.ask(`DELETE ${path}/${name}/versions/${version}`)
const listVersions = (query = "", name = "deps") => app.ask(`GET ${path}/${name}/versions${query}`)
const list = (query = "") => app.ask(`GET ${path}${query}`)

const gone = {
  status: 404,
  type: "ResourceNotFoundException",
  body: { Type: "User", Message: "The resource you requested does not exist." }
}
const belowOne = {
  status: 400,
  type: "InvalidParameterValueException",
  body: { Type: "User", message: "Layer Version Cannot be less than 1" }
}
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/)

describe("PublishLayerVersion", () => {
  it("answers with the version, its package and what was given", async () => {
    const bytes = await zip({ "lib/a.txt": "a" })
    const content = {
      Location: expect.stringMatching(/^http:\/\/localhost\/snapshots\//),
      CodeSha256: createHash("sha256").update(bytes).digest("base64"),
      CodeSize: bytes.length
    }
    const plain = {
      LayerArn: arn,
      LayerVersionArn: `${arn}:1`,
      Version: 1,
      Description: "",
      CreatedDate: time,
      Content: content
    }
    expect(await publish()).toEqual({ status: 201, type: null, body: plain })
    const given = {
      Description: "what is needed",
      CompatibleRuntimes: ["nodejs22.x"],
      CompatibleArchitectures: ["arm64"],
      LicenseInfo: "MIT"
    }
    const second = { ...plain, ...given, Version: 2, LayerVersionArn: `${arn}:2` }
    expect((await publish({ "lib/a.txt": "a" }, given)).body).toEqual(second)
    expect(await get(2)).toEqual({ status: 200, type: null, body: second })
    expect((await get(2, encodeURIComponent(arn))).body.Version).toBe(2)
    expect((await app.ask(`GET ${path}?find=LayerVersion&Arn=${arn}:2`)).body).toEqual(second)
  })

  it("uses no number twice, also after a restart", async () => {
    await publish()
    await publish()
    await remove(2)
    await restart()
    expect((await publish()).body.Version).toBe(3)
    expect((await get(2)).status).toBe(404)
    expect((await get(1)).status).toBe(200)
  })

  it.each([
    [
      "what is no ZIP",
      { ZipFile: Buffer.from("no zip").toString("base64") },
      "Could not unzip uploaded file. Please check your file, then try to upload again."
    ],
    ["no content", {}, "Please provide a source for layer content."],
    [
      "a bucket, of which there are none",
      { S3Bucket: "bucket", S3Key: "key" },
      "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"
    ]
  ])("refuses: %s", async (_, Content, message) => {
    expect(await app.ask(`POST ${path}/deps/versions`, { Content })).toEqual({
      status: 400,
      type: "InvalidParameterValueException",
      body: { Type: "User", message }
    })
    expect((await listVersions()).body).toEqual({ LayerVersions: [] })
  })
})

describe("layer versions", () => {
  it.each([
    ["a version below 1", () => get(0), belowOne],
    ["a version below 0", () => get(-1), belowOne],
    ["a version below 1 to delete", () => remove(0), belowOne],
    ["an unknown version", () => get(7), gone],
    ["an unknown layer", () => get(1, "nothing"), gone],
    ["an unknown ARN", () => app.ask(`GET ${path}?find=LayerVersion&Arn=${arn}:7`), gone],
    [
      "another account's layer of this name",
      () => app.ask(`GET ${path}?find=LayerVersion&Arn=${arn.replace("123456789012", "210987654321")}:1`),
      gone
    ]
  ])("refuse: %s", async (_, request, answer) => {
    await publish()
    expect(await request()).toEqual(answer)
  })

  it("refuse an ARN without a version", async () => {
    const { body, status, type } = await app.ask(`GET ${path}?find=LayerVersion&Arn=${arn}`)
    expect([status, type]).toEqual([400, "ValidationException"])
    expect(body.message).toContain(
      `Value '${arn}' at 'arn' failed to satisfy constraint: Member must satisfy regular expression pattern: `
    )
  })

  it("are deleted however often", async () => {
    await publish()
    expect([(await remove(1)).status, (await remove(1)).status, (await remove(1, "nothing")).status]).toEqual([
      204, 204, 204
    ])
    expect(await get(1)).toEqual(gone)
    expect((await list()).body).toEqual({ Layers: [] })
  })

  it("are listed newest first, in pages", async () => {
    for (let version = 1; version <= 11; version++) await publish()
    const versionsOf = (body: { readonly LayerVersions: ReadonlyArray<{ readonly Version: number }> }) =>
      body.LayerVersions.map(({ Version }) => Version)
    expect(versionsOf((await listVersions()).body)).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    const first = (await listVersions("?MaxItems=3")).body
    expect(versionsOf(first)).toEqual([11, 10, 9])
    // What was shown last may be gone by then.
    await remove(9)
    const second = (await listVersions(`?MaxItems=8&Marker=${first.NextMarker}`)).body
    expect(versionsOf(second)).toEqual([8, 7, 6, 5, 4, 3, 2, 1])
    expect(second.NextMarker).toBeUndefined()
    expect((await listVersions("", "nothing")).body).toEqual({ LayerVersions: [] })
  })

  it("are found by what they are compatible with", async () => {
    await publish({ a: "1" }, { CompatibleRuntimes: ["nodejs22.x"], CompatibleArchitectures: ["x86_64"] })
    await publish({ a: "2" }, { CompatibleRuntimes: ["python3.12"] })
    await publish({ a: "1" }, {}, "any")
    const found = async (query: string) => [
      (await listVersions(query)).body.LayerVersions.map(({ Version }: { readonly Version: number }) => Version),
      (await list(query)).body.Layers.map(
        (layer: { readonly LayerName: string; readonly LatestMatchingVersion: { readonly Version: number } }) =>
          `${layer.LayerName} ${layer.LatestMatchingVersion.Version}`
      )
    ]
    expect(await found("")).toEqual([
      [2, 1],
      ["any 1", "deps 2"]
    ])
    expect(await found("?CompatibleRuntime=nodejs22.x")).toEqual([[1], ["deps 1"]])
    expect(await found("?CompatibleArchitecture=x86_64")).toEqual([[1], ["deps 1"]])
    expect(await found("?CompatibleRuntime=python3.12&CompatibleArchitecture=x86_64")).toEqual([[], []])
  })

  it("show in the list of layers what the newest is", async () => {
    await publish({ a: "1" }, { LicenseInfo: "MIT" })
    expect((await list()).body).toEqual({
      Layers: [
        {
          LayerName: "deps",
          LayerArn: arn,
          LatestMatchingVersion: {
            LayerVersionArn: `${arn}:1`,
            Version: 1,
            Description: "",
            CreatedDate: time,
            LicenseInfo: "MIT"
          }
        }
      ]
    })
  })
})

describe("the policy of a layer version", () => {
  const policyPath = (version = 1) => `${path}/deps/versions/${version}/policy`
  const share = { StatementId: "all", Action: "lambda:GetLayerVersion", Principal: "*" }
  const allow = (request: object = {}, query = "", version = 1) =>
    app.ask(`POST ${policyPath(version)}${query}`, { ...share, ...request })
  const withdraw = (id: string, query = "", version = 1) => app.ask(`DELETE ${policyPath(version)}/${id}${query}`)
  const notFound = (Message: string) => ({
    status: 404,
    type: "ResourceNotFoundException",
    body: { Type: "User", Message }
  })

  beforeEach(async () => {
    await publish()
  })

  it.each([
    ["all", {}, '"Principal":"*"', ""],
    ["an account", { Principal: "210987654321" }, '"Principal":{"AWS":"arn:aws:iam::210987654321:root"}', ""],
    [
      "an organisation",
      { OrganizationId: "o-1234567890" },
      '"Principal":"*"',
      ',"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890"}}'
    ]
  ])("allows %s", async (_, request, principal, condition) => {
    const text = `{"Sid":"all","Effect":"Allow",${principal},"Action":"lambda:GetLayerVersion","Resource":"${arn}:1"${condition}}`
    const answer = await allow(request)
    expect(answer).toMatchObject({ status: 201, body: { Statement: text } })
    expect((await app.ask(`GET ${policyPath()}`)).body).toEqual({
      Policy: `{"Version":"2012-10-17","Id":"default","Statement":[${text}]}`,
      RevisionId: answer.body.RevisionId
    })
  })

  it("goes by its revision id, and goes with its last statement", async () => {
    const first = (await allow()).body.RevisionId
    const { RevisionId } = (await allow({ StatementId: "two" }, `?RevisionId=${first}`)).body
    const outdated = {
      status: 412,
      type: "PreconditionFailedException",
      body: {
        Type: "User",
        message:
          "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"
      }
    }
    expect(await allow({ StatementId: "three" }, `?RevisionId=${first}`)).toEqual(outdated)
    expect(await withdraw("two", `?RevisionId=${first}`)).toEqual(outdated)
    expect((await withdraw("two", `?RevisionId=${RevisionId}`)).status).toBe(204)
    expect((await withdraw("all")).status).toBe(204)
    expect((await app.ask(`GET ${policyPath()}`)).status).toBe(404)
  })

  const none = notFound("No policy is associated with the given resource.")
  const unknown = notFound(`Layer version ${arn}:9 does not exist.`)

  it.each([
    ["no policy", () => app.ask(`GET ${policyPath()}`), none],
    ["no policy to take from", () => withdraw("all"), none],
    ["an unknown version", () => allow({}, "", 9), unknown],
    ["an unknown version, asked for", () => app.ask(`GET ${policyPath(9)}`), unknown],
    ["an unknown version to take from", () => withdraw("all", "", 9), unknown]
  ])("refuses: %s", async (_, request, answer) => {
    expect(await request()).toEqual(answer)
  })

  it("refuses an id that is taken, and to take one that is not there", async () => {
    await allow()
    expect(await allow()).toMatchObject({
      status: 409,
      body: {
        message:
          "The statement id (all) provided already exists. Please provide a new statement id, or remove the existing statement."
      }
    })
    expect(await withdraw("x")).toEqual(notFound("Statement x is not found in resource policy."))
  })
})

describe("Layers", () => {
  const using = <A, E>(work: (layers: Layers["Service"]) => Effect.Effect<A, E>) =>
    app.runtime.runPromise(Layers.use(work))
  const use = (...arns: ReadonlyArray<string>) => using((layers) => layers.use(arns))
  const merged = (...arns: ReadonlyArray<string>) => using((layers) => layers.mergedFolder(arns))
  const give = (...arns: ReadonlyArray<string>) =>
    app.runtime.runPromise(
      Effect.map(FunctionStore, (store) => {
        const record = versionRecord()
        const Layers = arns.map((Arn) => ({ Arn, CodeSize: 1 }))
        store.putVersion("user", { ...record, settings: { ...record.settings, Layers } })
      })
    )
  const more = "arn:aws:lambda:us-east-1:123456789012:layer:more"

  it("tells of each its size", async () => {
    const { CodeSize } = (await publish()).body.Content
    expect(await use(`${arn}:1`)).toEqual([{ Arn: `${arn}:1`, CodeSize }])
    expect(await use()).toEqual([])
  })

  it.each([
    ["more than five", [1, 2, 3, 4, 5, 6].map((n) => `${arn}${n}:1`), "Cannot reference more than 5 layers."],
    ["one that is not there", [`${arn}:9`], `Layer version ${arn}:9 does not exist.`],
    ["one of nobody's", [`${more}:1`], `Layer version ${more}:1 does not exist.`],
    [
      "two of the same",
      [`${arn}:1`, `${arn}:2`],
      `Two different versions of the same layer are not allowed to be referenced in the same function. ${arn}:1 and ${arn}:2 are versions of the same layer.`
    ],
    [
      "another region's",
      [`${arn.replace("us-east-1", "eu-west-1")}:1`],
      "Layers are not in the same region as the function. Layers are expected to be in region us-east-1."
    ]
  ])("refuse: %s", async (_, arns, detail) => {
    await publish()
    await publish()
    await expect(use(...arns)).rejects.toMatchObject({ _tag: "InvalidParameterValue", detail })
  })

  it("lay their contents over each other in their order, once", async () => {
    await publish({ "lib/a.txt": "deps", "lib/both.txt": "deps" })
    await publish({ "lib/both.txt": "more", "b.txt": "more" }, {}, "more")
    const folder = await merged(`${arn}:1`, `${more}:1`)
    const read = (path: string, from = folder) => readFileSync(join(from, path), "utf8")
    expect([read("lib/a.txt"), read("lib/both.txt"), read("b.txt")]).toEqual(["deps", "more", "more"])
    expect(await merged(`${arn}:1`, `${more}:1`)).toBe(folder)
    const reversed = await merged(`${more}:1`, `${arn}:1`)
    expect(read("lib/both.txt", reversed)).toBe("deps")
    expect(read("lib/a.txt", await merged(`${arn}:1`))).toBe("deps")
  })

  it("are merged once by several at the same time, and nothing half done is left", async () => {
    await publish({ a: "1" })
    await publish({ b: "2" }, {}, "more")
    const folders = await Promise.all(Array.from({ length: 5 }, () => merged(`${arn}:1`, `${more}:1`)))
    expect(new Set(folders).size).toBe(1)
    expect(readdirSync(join(state, "layers"))).toHaveLength(1)
  })

  it("that were deleted stay with functions that use them, and come to no other", async () => {
    await publish({ a: "1" })
    await publish({ b: "2" }, {}, "more")
    await give(`${arn}:1`, `${more}:1`)
    await remove(1)
    await expect(use(`${arn}:1`)).rejects.toMatchObject({ detail: `Layer version ${arn}:1 does not exist.` })
    await restart()
    const folder = await merged(`${arn}:1`, `${more}:1`)
    expect(readFileSync(join(folder, "a"), "utf8")).toBe("1")
    expect(readFileSync(join(await merged(`${arn}:1`), "a"), "utf8")).toBe("1")
  })

  it("that no function uses are forgotten at a start, and so are their merged contents", async () => {
    await publish({ a: "1" })
    await publish({ b: "2" }, {}, "more")
    await give(`${arn}:1`, `${more}:1`)
    const kept = await merged(`${arn}:1`, `${more}:1`)
    const unused = await merged(`${more}:1`, `${arn}:1`)
    mkdirSync(join(state, "layers", "tmp-left"))
    await remove(1)
    await restart()
    await using(() => Effect.void)
    expect([existsSync(kept), existsSync(unused), existsSync(join(state, "layers", "tmp-left"))]).toEqual([
      true,
      false,
      false
    ])
    await give()
    await restart()
    await expect(merged(`${arn}:1`)).rejects.toThrow("A layer is missing")
    expect(existsSync(kept)).toBe(false)
  })
})
