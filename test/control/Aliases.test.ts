import { describe, expect, it } from "vitest"
import { arn, functionsApp } from "../support/functionsApp.ts"

const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/)

/** `f` with the versions 1 and 2. */
const app = async () => {
  const made = functionsApp()
  await made.create("f", { Publish: true })
  await made.ask("PUT /f/configuration", { MemorySize: 256 })
  await made.ask("POST /f/versions", {})
  await made.settled("f")
  return made
}

const weights = (of: object) => ({ RoutingConfig: { AdditionalVersionWeights: of } })
const ipv = (message: string) => ({
  status: 400,
  type: "InvalidParameterValueException",
  body: { Type: "User", message }
})
const validation = (message: string) => ({ status: 400, type: "ValidationException", body: { message } })
const notFound = (Message: string) => ({
  status: 404,
  type: "ResourceNotFoundException",
  body: { Type: "User", Message }
})

describe("aliases", () => {
  it("are made, found, changed and removed", async () => {
    const { ask } = await app()
    const made = await ask("POST /f/aliases", { Name: "live", FunctionVersion: "1", Description: "d" })
    expect(made).toEqual({
      status: 201,
      type: null,
      body: { AliasArn: `${arn("f")}:live`, Name: "live", FunctionVersion: "1", Description: "d", RevisionId: uuid }
    })
    expect(await ask("GET /f/aliases/live")).toEqual({ ...made, status: 200 })
    const changed = await ask("PUT /f/aliases/live", { FunctionVersion: "2" })
    expect(changed).toMatchObject({ status: 200, body: { FunctionVersion: "2", Description: "d" } })
    expect(changed.body.RevisionId).not.toBe(made.body.RevisionId)
    expect(await ask("DELETE /f/aliases/live")).toEqual({ status: 204, type: null, body: undefined })
    expect((await ask("GET /f/aliases/live")).status).toBe(404)
    expect((await ask("DELETE /f/aliases/live")).status).toBe(204)
  })

  it("have a description of nothing where none is given", async () => {
    const { ask } = await app()
    expect((await ask("POST /f/aliases", { Name: "live", FunctionVersion: "$LATEST" })).body).toMatchObject({
      Description: "",
      FunctionVersion: "$LATEST"
    })
  })

  it("lead a share elsewhere, until that is taken back", async () => {
    const { ask } = await app()
    const made = await ask("POST /f/aliases", { Name: "live", FunctionVersion: "1", ...weights({ "2": 0.2 }) })
    expect(made.body).toMatchObject(weights({ "2": 0.2 }))
    expect((await ask("PUT /f/aliases/live", { Description: "x" })).body).toMatchObject(weights({ "2": 0.2 }))
    expect((await ask("PUT /f/aliases/live", weights({}))).body).not.toHaveProperty("RoutingConfig")
    expect((await ask("GET /f/aliases/live")).body).not.toHaveProperty("RoutingConfig")
  })

  it("are listed by name, by version and in pages", async () => {
    const { ask } = await app()
    await ask("POST /f/aliases", { Name: "b", FunctionVersion: "1" })
    await ask("POST /f/aliases", { Name: "a", FunctionVersion: "2" })
    await ask("POST /f/aliases", { Name: "c", FunctionVersion: "1", ...weights({ "2": 0.5 }) })
    const names = async (query: string) => {
      const { body } = await ask(`GET /f/aliases${query}`)
      return { names: body.Aliases.map(({ Name }: { Name: string }) => Name), next: body.NextMarker }
    }
    expect(await names("")).toEqual({ names: ["a", "b", "c"], next: undefined })
    expect((await names("?FunctionVersion=1")).names).toEqual(["b", "c"])
    expect((await names("?FunctionVersion=2")).names).toEqual(["a", "c"])
    const { names: first, next } = await names("?MaxItems=2")
    expect(first).toEqual(["a", "b"])
    expect(await names(`?MaxItems=2&Marker=${next}`)).toEqual({ names: ["c"], next: undefined })
  })

  it.each<readonly [string, object, object]>([
    [
      "a name that there is",
      { Name: "taken", FunctionVersion: "1" },
      {
        status: 409,
        type: "ResourceConflictException",
        body: { Type: "User", message: `Alias already exists: ${arn("f")}:taken` }
      }
    ],
    [
      "a name of digits",
      { Name: "7", FunctionVersion: "1" },
      validation(
        "1 validation error detected: Value '7' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
      )
    ],
    ["a version that is not there", { FunctionVersion: "10" }, notFound(`Function not found: ${arn("f")}:10`)],
    [
      "a share for a version that is not there",
      { FunctionVersion: "1", ...weights({ "10": 0.5 }) },
      notFound(`Function not found: ${arn("f")}:10`)
    ],
    [
      "two shares",
      { FunctionVersion: "1", ...weights({ "2": 0.5, "3": 0.1 }) },
      ipv("Number of items in AdditionalVersionWeights cannot be greater than 1")
    ],
    [
      "more than everything",
      { FunctionVersion: "1", ...weights({ "2": 2 }) },
      validation(
        "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"
      )
    ],
    [
      "a share for the version itself",
      { FunctionVersion: "1", ...weights({ "1": 0.5 }) },
      ipv("Invalid function version 1. Function version 1 is already included in routing configuration.")
    ],
    [
      "a share beside $LATEST",
      { FunctionVersion: "$LATEST", ...weights({ "1": 0.5 }) },
      {
        status: 400,
        type: "InvalidParameterValueException",
        body: { message: "$LATEST is not supported for an alias pointing to more than 1 version" }
      }
    ]
  ])("are not made with %s", async (_, input, expected) => {
    const { ask } = await app()
    await ask("POST /f/aliases", { Name: "taken", FunctionVersion: "1" })
    expect(await ask("POST /f/aliases", { Name: "live", ...input })).toEqual(expected)
    if (!("Name" in input)) expect(await ask("PUT /f/aliases/taken", input)).toEqual(expected)
  })

  it("are not made with a share for $LATEST", async () => {
    const { ask } = await app()
    const input = { Name: "live", FunctionVersion: "1", ...weights({ $LATEST: 0.5 }) }
    const { body, status } = await ask("POST /f/aliases", input)
    expect(status).toBe(400)
    expect(body.message).toMatch(
      /^1 validation error detected: Value '\{\$LATEST=0\.5\}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: \[.*pattern: \[0-9\]\+/
    )
  })

  it.each<readonly [string, object | undefined, string]>([
    ["GET /f/aliases/x", undefined, `Cannot find alias arn: ${arn("f")}:x`],
    ["PUT /f/aliases/x", {}, `Alias not found: ${arn("f")}:x`],
    ["POST /g/aliases", { Name: "x", FunctionVersion: "1" }, `Function not found: ${arn("g")}:1`],
    ["GET /g/aliases", undefined, `Function not found: ${arn("g")}`]
  ])("%s does not find what is not there", async (request, body, message) => {
    const { ask } = await app()
    expect(await ask(request, body)).toEqual(notFound(message))
  })

  it("are changed by those alone who know their latest revision, where they say which", async () => {
    const { ask } = await app()
    const { RevisionId } = (await ask("POST /f/aliases", { Name: "live", FunctionVersion: "1" })).body
    expect((await ask("PUT /f/aliases/live", { RevisionId, FunctionVersion: "2" })).status).toBe(200)
    expect(await ask("PUT /f/aliases/live", { RevisionId, FunctionVersion: "1" })).toEqual({
      status: 412,
      type: "PreconditionFailedException",
      body: {
        Type: "User",
        message:
          "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
      }
    })
  })
})
