import { Effect, Layer } from "effect"
import { beforeEach, describe, expect, it } from "vitest"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { Policies } from "../../src/control/Policies.ts"
import { controlApp, functionArn, ground, owner } from "../support/controlApp.ts"
import { aliasRecord } from "../support/functionRecords.ts"

const fresh = () => controlApp(Policies.layer({ owner }).pipe(Layer.provideMerge(ground)))

let { ask, runtime } = fresh()
beforeEach(() => {
  ;({ ask, runtime } = fresh())
})

const arn = `${functionArn}:hello`
const policyPath = (name = "hello") => `/2015-03-31/functions/${name}/policy`
const statement = { StatementId: "s3", Action: "lambda:InvokeFunction", Principal: "s3.amazonaws.com" }
const add = (request: object = {}, where = "hello", qualifier = "") =>
  ask(`POST ${policyPath(where)}${qualifier === "" ? "" : `?Qualifier=${qualifier}`}`, { ...statement, ...request })
const get = (where = "hello", qualifier = "") =>
  ask(`GET ${policyPath(where)}${qualifier === "" ? "" : `?Qualifier=${qualifier}`}`)
const remove = (id: string, where = "hello", query = "") =>
  ask(`DELETE /2015-03-31/functions/${where}/policy/${id}${query}`)

const refused = (status: number, type: string, message: string) => ({
  status,
  type,
  body: { Type: "User", [type === "ResourceNotFoundException" ? "Message" : "message"]: message }
})

describe("AddPermission", () => {
  it("answers with the statement as text, and GetPolicy with all of them", async () => {
    const answer = await add()
    expect(answer.status).toBe(201)
    const text = `{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"${arn}"}`
    expect(answer.body).toEqual({ Statement: text })
    expect(await get()).toMatchObject({
      status: 200,
      body: {
        Policy: `{"Version":"2012-10-17","Id":"default","Statement":[${text}]}`,
        RevisionId: expect.stringMatching(/^[0-9a-f-]{36}$/)
      }
    })
  })

  it.each([
    ["SourceArn", { SourceArn: "arn:aws:s3:::b" }, { ArnLike: { "AWS:SourceArn": "arn:aws:s3:::b" } }],
    ["SourceAccount", { SourceAccount: "123456789012" }, { StringEquals: { "AWS:SourceAccount": "123456789012" } }],
    [
      "FunctionUrlAuthType",
      { Action: "lambda:InvokeFunctionUrl", FunctionUrlAuthType: "NONE" },
      { StringEquals: { "lambda:FunctionUrlAuthType": "NONE" } }
    ],
    ["PrincipalOrgID", { PrincipalOrgID: "o-1234567890" }, { StringEquals: { "aws:PrincipalOrgID": "o-1234567890" } }],
    ["EventSourceToken", { EventSourceToken: "t" }, { StringEquals: { "lambda:EventSourceToken": "t" } }],
    ["InvokedViaFunctionUrl", { InvokedViaFunctionUrl: true }, { Bool: { "lambda:InvokedViaFunctionUrl": "true" } }],
    [
      "SourceArn and SourceAccount",
      { SourceArn: "arn:aws:s3:::b", SourceAccount: "123456789012" },
      {
        StringEquals: { "AWS:SourceAccount": "123456789012" },
        ArnLike: { "AWS:SourceArn": "arn:aws:s3:::b" }
      }
    ]
  ])("makes a condition of %s", async (_, request, Condition) => {
    const { body } = await add(request)
    expect(JSON.stringify(JSON.parse(body.Statement).Condition)).toBe(JSON.stringify(Condition))
  })

  it.each([
    ["*", "*"],
    ["123456789012", { AWS: "arn:aws:iam::123456789012:root" }],
    ["arn:aws:iam::123456789012:user/u", { AWS: "arn:aws:iam::123456789012:user/u" }]
  ])("names the principal %s", async (Principal, named) => {
    expect(JSON.parse((await add({ Principal })).body.Statement).Principal).toEqual(named)
  })

  it.each([
    [
      "bad id",
      { StatementId: "a.b" },
      "hello",
      "",
      {
        status: 400,
        type: "ValidationException",
        body: {
          message:
            "1 validation error detected: Value 'a.b' at 'statementId' failed to satisfy constraint: Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)"
        }
      }
    ],
    [
      "$LATEST",
      {},
      "hello",
      "$LATEST",
      refused(400, "InvalidParameterValueException", "We currently do not support adding policies for $LATEST.")
    ],
    [
      "principal",
      { Principal: "nobody" },
      "hello",
      "",
      refused(
        400,
        "InvalidParameterValueException",
        "The provided principal was invalid. Please check the principal and try again."
      )
    ],
    [
      "authorization type for an action that is none of a URL's",
      { FunctionUrlAuthType: "NONE" },
      "hello",
      "",
      refused(
        400,
        "InvalidParameterValueException",
        "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
      )
    ],
    [
      "unknown function",
      {},
      "nobody",
      "",
      refused(404, "ResourceNotFoundException", `Function not found: ${functionArn}:nobody`)
    ],
    ["unknown version", {}, "hello", "42", refused(404, "ResourceNotFoundException", `Function not found: ${arn}:42`)],
    ["unknown alias", {}, "hello", "x", refused(404, "ResourceNotFoundException", `Cannot find alias arn: ${arn}:x`)],
    [
      "revision id where there is no policy",
      { RevisionId: "r" },
      "hello",
      "",
      refused(
        412,
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id"
      )
    ]
  ])("refuses: %s", async (_, request, where, qualifier, answer) => {
    expect(await add(request, where, qualifier)).toEqual(answer)
    expect((await get()).status).toBe(404)
  })

  it("refuses an id that is taken", async () => {
    await add()
    expect(await add({ Principal: "*" })).toEqual(
      refused(
        409,
        "ResourceConflictException",
        "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement."
      )
    )
  })

  it("takes the latest revision id, and no other", async () => {
    await add()
    const { RevisionId } = (await get()).body
    expect((await add({ StatementId: "two", RevisionId })).status).toBe(201)
    expect((await get()).body.RevisionId).not.toBe(RevisionId)
    expect((await add({ StatementId: "three", RevisionId })).status).toBe(412)
    expect(await remove("two", "hello", `?RevisionId=${RevisionId}`)).toMatchObject({ status: 412 })
  })

  it("refuses what would make the policy larger than 20 KB, and keeps what there was", async () => {
    // What one statement with a long source takes, so that the last one goes over the limit by a known number of bytes.
    const SourceArn = `arn:aws:s3:::${"b".repeat(9000)}`
    await add({ StatementId: "one", SourceArn })
    await add({ StatementId: "two", SourceArn })
    const { Policy } = (await get()).body
    expect(await add({ StatementId: "three", SourceArn })).toMatchObject({
      status: 400,
      type: "PolicyLengthExceededException",
      body: { message: expect.stringMatching(/^The final policy size \(\d{5}\) is bigger than the limit \(20480\)\.$/) }
    })
    expect((await get()).body.Policy).toBe(Policy)
  })
})

describe("policies of function, version and alias", () => {
  it("are each its own", async () => {
    await add({ StatementId: "function" })
    await add({ StatementId: "version" }, "hello", "1")
    await add({ StatementId: "alias" }, "hello:live")
    const sids = async (qualifier: string) =>
      JSON.parse((await get("hello", qualifier)).body.Policy).Statement.map(({ Resource, Sid }: never) => [
        Sid,
        Resource
      ])
    expect(await sids("")).toEqual([["function", arn]])
    expect(await sids("1")).toEqual([["version", `${arn}:1`]])
    expect(await sids("live")).toEqual([["alias", `${arn}:live`]])
  })

  it("go with what they belong to", async () => {
    const policyOf = (qualifier?: string) =>
      runtime.runPromise(Effect.map(Policies, (policies) => policies.policyOf("hello", qualifier)))
    const change = (work: (store: FunctionStore["Service"]) => void) =>
      runtime.runPromise(Effect.map(FunctionStore, work))
    await add()
    await add({}, "hello", "1")
    await add({}, "hello", "live")
    await change((store) => store.removeAlias("hello", "live"))
    await change((store) => store.putAlias("hello", aliasRecord("live", "1")))
    expect(await policyOf("live")).toBeUndefined()
    await change((store) => store.removeVersion("hello", "1"))
    expect(await policyOf("1")).toBeUndefined()
    expect(await policyOf()).toBeDefined()
    await change((store) => store.remove("hello"))
    expect(await policyOf()).toBeUndefined()
  })
})

describe("GetPolicy", () => {
  it.each([
    ["no policy", "hello", ""],
    ["no function", "nobody", ""],
    ["no version", "hello", "42"]
  ])("refuses: %s", async (_, where, qualifier) => {
    expect(await get(where, qualifier)).toEqual(
      refused(404, "ResourceNotFoundException", "The resource you requested does not exist.")
    )
  })
})

describe("RemovePermission", () => {
  it("takes one statement, and the policy with the last", async () => {
    await add({ StatementId: "one" })
    await add({ StatementId: "two" })
    expect((await remove("one")).status).toBe(204)
    expect(JSON.parse((await get()).body.Policy).Statement).toHaveLength(1)
    expect((await remove("two")).status).toBe(204)
    expect((await get()).status).toBe(404)
  })

  it.each([
    ["unknown function", "s3", "nobody", `No policy found for: ${functionArn}:nobody`],
    ["no policy", "s3", "other", "No policy is associated with the given resource."],
    ["unknown id", "x", "hello", "Statement x is not found in resource policy."]
  ])("refuses: %s", async (_, id, where, message) => {
    await add()
    expect(await remove(id, where)).toEqual(refused(404, "ResourceNotFoundException", message))
  })
})
