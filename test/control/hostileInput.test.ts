/** Requests that no client of AWS's sends: each is refused as the caller's fault, and harms nothing. */
import { describe, expect, it } from "vitest"
import { arn, creation, functionsApp } from "../support/functionsApp.ts"

const nested = (opening: string, closing: string, depth = 100_000) => opening.repeat(depth) + closing.repeat(depth)

const post = async (body: string) => {
  const response = await functionsApp().fetch("/2015-03-31/functions", { method: "POST", body })
  return { status: response.status, type: response.headers.get("x-amzn-errortype") }
}

describe("a request with values nested a hundred thousand deep", () => {
  it.each([
    ["a list of strings", `{"FunctionName":"a","Layers":${nested("[", "]")}}`],
    [
      "a map of strings",
      `{"FunctionName":"a","Environment":{"Variables":${nested('{"a":', "}").replace(":}", ":1}")}}}`
    ],
    ["a structure", `{"FunctionName":"a","Code":${nested('{"Code":', "}").replace(":}", ":1}")}}`],
    ["a string", `{"FunctionName":${nested("[", "]")}}`],
    ["a list of structures", `{"FunctionName":"a","FileSystemConfigs":[1,2,${nested("[", "]")}]}`],
    ["a blob", `{"FunctionName":"a","Code":{"ZipFile":${nested("[", "]")}}}`]
  ])("is refused, where %s should be", async (_, body) => {
    const { status, type } = await post(body)
    expect(status).toBe(400)
    expect(type).toMatch(/^(Serialization|Validation)Exception$/)
  })

  it("is read where the model does not know the member that has them", async () => {
    const text = JSON.stringify(await creation("deep"))
    expect((await post(`${text.slice(0, -1)},"Unknown":${nested("[", "]")}}`)).status).toBe(201)
  })
})

it("is told of a hundred mistakes, however many it made", async () => {
  const { ask } = functionsApp()
  const FileSystemConfigs = Array.from({ length: 100_000 }, () => ({}))
  const { body, type } = await ask("POST ", await creation("f", { FileSystemConfigs }))
  expect(type).toBe("ValidationException")
  expect(body.message.length).toBeLessThan(200_000)
  expect(body.message).toMatch(/^10\d validation errors detected: /)
})

describe("names that objects have by themselves", () => {
  it("are names like others for functions", async () => {
    const { ask, create } = functionsApp()
    expect(await ask("GET /constructor")).toMatchObject({ status: 404, type: "ResourceNotFoundException" })
    for (const name of ["constructor", "__proto__", "toString"]) {
      expect((await create(name)).status).toBe(201)
      expect((await ask(`GET /${name}`)).body.Configuration.FunctionArn).toBe(arn(name))
    }
  })

  it("are keys like others for tags", async () => {
    const { ask, create } = functionsApp()
    await create("tagged", { Tags: JSON.parse('{"__proto__":"a","constructor":"b"}') })
    const { Tags } = (await ask("GET /tagged")).body
    expect(Object.entries(Tags).sort()).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"]
    ])
  })

  it("lend a request nothing that is not in it", async () => {
    const text = JSON.stringify(await creation("inherited"))
    expect(await post(`{"__proto__":${text}}`)).toEqual({ status: 400, type: "ValidationException" })
  })
})

describe("many requests to make a function of one name", () => {
  it("make it once", async () => {
    const { ask } = functionsApp()
    const body = await creation("same")
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask("POST ", body)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 7 }, () => 409)])
  })
})

describe("features of the model that there are not", () => {
  it.each([
    ["TenancyConfig", { TenantIsolationMode: "PER_TENANT" }],
    ["DurableConfig", { ExecutionTimeout: 60 }],
    ["PublishTo", "LATEST_PUBLISHED"]
  ])("are refused when a function is made with %s, rather than promised", async (name, value) => {
    const { ask } = functionsApp()
    expect(await ask("POST ", await creation("plain", { [name]: value }))).toMatchObject({
      status: 400,
      type: "InvalidParameterValueException",
      body: { message: `${name} is not supported by this service.` }
    })
    expect((await ask("GET /plain")).status).toBe(404)
  })

  it("are refused when a configuration is changed to have them", async () => {
    const { ask, create } = functionsApp()
    await create("plain")
    const changed = await ask("PUT /plain/configuration", { DurableConfig: { ExecutionTimeout: 60 } })
    expect(changed).toMatchObject({ status: 400, type: "InvalidParameterValueException" })
  })

  it("are told as not found, where it is a configuration for code signing", async () => {
    const CodeSigningConfigArn = "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdef0"
    const { ask } = functionsApp()
    expect(await ask("POST ", await creation("signed", { CodeSigningConfigArn }))).toMatchObject({
      status: 404,
      type: "CodeSigningConfigNotFoundException"
    })
  })
})
