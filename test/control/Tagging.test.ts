import { Layer } from "effect"
import { beforeEach, describe, expect, it } from "vitest"
import { Tagging } from "../../src/control/Tagging.ts"
import { Tags } from "../../src/control/Tags.ts"
import { controlApp, functionArn, ground, owner } from "../support/controlApp.ts"

const fresh = () =>
  controlApp(Tagging.layer({ owner }).pipe(Layer.provideMerge(Tags.layer), Layer.provideMerge(ground)))

let { ask } = fresh()
beforeEach(() => {
  ;({ ask } = fresh())
})

const arn = `${functionArn}:hello`
const path = (resource: string) => `/2017-03-31/tags/${encodeURIComponent(resource)}`
const list = (resource = arn) => ask(`GET ${path(resource)}`)
const tag = (Tags: object, resource = arn) => ask(`POST ${path(resource)}`, { Tags })
const untag = (query: string, resource = arn) => ask(`DELETE ${path(resource)}${query}`)
const many = (count: number, prefix = "k") =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${prefix}${index}`, "v"]))

const invalid = (message: string) => ({
  status: 400,
  type: "InvalidParameterValueException",
  body: { Type: "User", message }
})

describe("tags", () => {
  it("are what was set: values replaced, keys removed, unknown ones ignored", async () => {
    expect(await list()).toMatchObject({ status: 200, body: { Tags: {} } })
    expect(await tag({ a: "1", b: "2" })).toMatchObject({ status: 204, body: undefined })
    expect((await tag({ b: "3", c: "" })).status).toBe(204)
    expect((await list()).body).toEqual({ Tags: { a: "1", b: "3", c: "" } })
    expect((await untag("?tagKeys=a&tagKeys=c&tagKeys=x")).status).toBe(204)
    expect((await list()).body).toEqual({ Tags: { b: "3" } })
    expect((await list(`${functionArn}:other`)).body).toEqual({ Tags: {} })
  })

  it.each(["aws:name", "AWS:name", "aws:"])("do not begin as AWS's own do: %s", async (key) => {
    expect(await tag({ [key]: "a", b: "c" })).toEqual(invalid("Tag keys that begin with aws: are reserved for AWS."))
    expect((await list()).body).toEqual({ Tags: {} })
    expect((await tag({ aws: "a", "my:aws:": "b" })).status).toBe(204)
  })

  it("are 50 at most, those that are there included", async () => {
    expect((await tag(many(49))).status).toBe(204)
    expect(await tag(many(2, "more"))).toEqual(invalid("Number of tags exceeds resource tag limit."))
    expect(Object.keys((await list()).body.Tags)).toHaveLength(49)
    expect((await tag(many(1, "more"))).status).toBe(204)
    expect((await tag(many(50))).status).toBe(400)
  })

  const nobody = {
    status: 404,
    type: "ResourceNotFoundException",
    body: { Type: "User", Message: `Function not found: ${functionArn}:nobody` }
  }
  const qualified = invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")

  it.each([
    ["an unknown function", () => list(`${functionArn}:nobody`), nobody],
    ["an unknown function to tag", () => tag({ a: "1" }, `${functionArn}:nobody`), nobody],
    ["an unknown function to untag", () => untag("?tagKeys=a", `${functionArn}:nobody`), nobody],
    ["an alias", () => list(`${arn}:live`), qualified],
    ["a version to tag", () => tag({ a: "1" }, `${arn}:1`), qualified],
    ["$LATEST to untag", () => untag("?tagKeys=a", `${arn}:$LATEST`), qualified],
    ["too many", () => tag(many(51)), invalid("Number of tags exceeds resource tag limit.")],
    ["none given", () => tag({}), invalid("An error occurred and the request cannot be processed.")],
    [
      "untag without keys",
      () => untag(""),
      {
        status: 400,
        type: "ValidationException",
        body: {
          message:
            "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"
        }
      }
    ],
    [
      "another account's function",
      () => list("arn:aws:lambda:us-east-1:210987654321:function:hello"),
      { status: 403, type: "AccessDeniedException", body: { Message: null } }
    ]
  ])("refuse: %s", async (_, request, answer) => {
    expect(await request()).toEqual(answer)
  })

  it("refuse what is no ARN", async () => {
    const { body, status } = await list("hello")
    expect(status).toBe(400)
    expect(body.message).toMatch(
      /^1 validation error detected: Value 'hello' at 'resource' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:/
    )
  })
})
