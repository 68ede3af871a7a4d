import { describe, expect, it } from "vitest"
import { arn, functionsApp, zipFile } from "../support/functionsApp.ts"

type Listed = { readonly Version: string; readonly FunctionArn: string }

describe("PublishVersion", () => {
  it("makes a version of what the function is, under the next number", async () => {
    const { ask, create, settled } = functionsApp()
    await create("f", { Description: "of the function" })
    const { body, status } = await ask("POST /f/versions", {})
    expect(status).toBe(201)
    expect(body).toMatchObject({
      Version: "1",
      FunctionArn: `${arn("f")}:1`,
      Description: "of the function",
      State: "Pending",
      StateReasonCode: "Creating"
    })
    await settled("f")
    expect((await ask("GET /f/configuration?Qualifier=1")).body).toMatchObject({
      State: "Active",
      LastUpdateStatus: "Successful"
    })
  })

  it("gives the version that there is where nothing has changed since", async () => {
    const { ask, create, settled } = functionsApp()
    await create("f")
    await ask("POST /f/versions", {})
    await settled("f")
    const { RevisionId } = (await ask("GET /f/configuration?Qualifier=1")).body
    const { body, status } = await ask("POST /f/versions", { Description: "another" })
    expect(status).toBe(201)
    expect(body).toMatchObject({ Version: "1", RevisionId, Description: "" })
  })

  it.each<readonly [string, string, () => Promise<object>]>([
    ["code", "PUT /f/code", async () => ({ ZipFile: await zipFile("second") })],
    ["configuration", "PUT /f/configuration", async () => ({ MemorySize: 256 })]
  ])("makes another where the %s has changed, and leaves the first as it is", async (_, request, change) => {
    const { ask, create } = functionsApp()
    await create("f")
    await ask("POST /f/versions", {})
    const first = (await ask("GET /f/configuration?Qualifier=1")).body
    await ask(request, await change())
    expect((await ask("POST /f/versions", { Description: "its own" })).body).toMatchObject({
      Version: "2",
      Description: "its own"
    })
    const { CodeSha256, MemorySize } = (await ask("GET /f/configuration?Qualifier=1")).body
    expect({ CodeSha256, MemorySize }).toEqual({ CodeSha256: first.CodeSha256, MemorySize: first.MemorySize })
  })

  it("changes the revision of the function itself", async () => {
    const { ask, create } = functionsApp()
    await create("f")
    const { RevisionId } = (await ask("GET /f/configuration")).body
    await ask("POST /f/versions", {})
    expect((await ask("GET /f/configuration")).body.RevisionId).not.toBe(RevisionId)
  })

  it("uses no number twice, whatever was deleted", async () => {
    const { ask, create } = functionsApp()
    await create("f", { Publish: true })
    await ask("DELETE /f?Qualifier=1")
    expect((await ask("POST /f/versions", {})).body.Version).toBe("2")
    await ask("DELETE /f")
    await create("f")
    expect((await ask("POST /f/versions", {})).body.Version).toBe("3")
  })

  it("takes the hash of the code that the caller means, and no other", async () => {
    const { ask, create } = functionsApp()
    const { body: created } = await create("f")
    const wrong = await ask("POST /f/versions", { CodeSha256: "x" })
    expect(wrong).toEqual({
      status: 400,
      type: "InvalidParameterValueException",
      body: {
        Type: "User",
        message: `CodeSHA256 (x) is different from current CodeSHA256 in $LATEST (${created.CodeSha256}). Please try again with the CodeSHA256 in $LATEST.`
      }
    })
    expect((await ask("POST /f/versions", { CodeSha256: created.CodeSha256 })).status).toBe(201)
  })

  it("refuses another revision", async () => {
    const { ask, create } = functionsApp()
    await create("f")
    expect(await ask("POST /f/versions", { RevisionId: "x" })).toMatchObject({
      status: 412,
      type: "PreconditionFailedException"
    })
  })

  it("does not find a function that is not there", async () => {
    const { ask } = functionsApp()
    expect(await ask("POST /f/versions", {})).toMatchObject({
      status: 404,
      body: { Message: `Function not found: ${arn("f")}` }
    })
  })

  it("says On of snapshots, which published versions alone have", async () => {
    const { ask, create } = functionsApp()
    await create("f", { Runtime: "java21", SnapStart: { ApplyOn: "PublishedVersions" }, Publish: true })
    expect((await ask("GET /f/configuration?Qualifier=1")).body.SnapStart.OptimizationStatus).toBe("On")
  })
})

describe("ListVersionsByFunction", () => {
  it("lists $LATEST, then by number, with qualified ARNs and without states", async () => {
    const { ask, create } = functionsApp()
    await create("f")
    for (let number = 1; number <= 11; number++) {
      await ask("PUT /f/configuration", { MemorySize: 128 + number })
      await ask("POST /f/versions", {})
    }
    const { Versions } = (await ask("GET /f/versions")).body
    expect(Versions.map(({ Version }: Listed) => Version)).toEqual([
      "$LATEST",
      ...Array.from({ length: 11 }, (_, index) => String(index + 1))
    ])
    expect(Versions[0].FunctionArn).toBe(`${arn("f")}:$LATEST`)
    expect(Versions[11].FunctionArn).toBe(`${arn("f")}:11`)
    for (const key of ["State", "LastUpdateStatus"]) expect(Versions[1]).not.toHaveProperty(key)
    const first = (await ask("GET /f/versions?MaxItems=10")).body
    const second = (await ask(`GET /f/versions?MaxItems=10&Marker=${first.NextMarker}`)).body
    expect([first, second].flatMap(({ Versions }) => Versions)).toEqual(Versions)
    expect(second).not.toHaveProperty("NextMarker")
  })

  it("does not find a function that is not there", async () => {
    const { ask } = functionsApp()
    expect(await ask("GET /f/versions")).toMatchObject({
      status: 404,
      body: { Message: `Function not found: ${arn("f")}` }
    })
  })
})
