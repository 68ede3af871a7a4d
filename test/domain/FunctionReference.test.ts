import { Result } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { functionNamePattern, parseFunctionReference, qualifierPattern } from "../../src/domain/FunctionReference.ts"

const owner = { region: "us-east-1", accountId: "123456789012" }
const arn = `arn:aws:lambda:${owner.region}:${owner.accountId}:function`

const parse = (name: string, qualifier?: string) => parseFunctionReference(name, qualifier, owner)
const found = (name: string, qualifier?: string) => Result.getOrThrow(parse(name, qualifier))
const refused = (name: string, qualifier?: string) => {
  const result = parse(name, qualifier)
  if (Result.isSuccess(result)) throw new Error(`accepted ${name}`)
  return result.failure
}

const brokenName = (value: string) =>
  `Value '${value}' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: ${functionNamePattern}`
const brokenQualifier = (value: string) =>
  `Value '${value}' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ${qualifierPattern}`

describe("parseFunctionReference", () => {
  it.each([
    ["my-function", { name: "my-function" }],
    ["my-function:alias", { name: "my-function", qualifier: "alias" }],
    ["my-function:$LATEST", { name: "my-function", qualifier: "$LATEST" }],
    ["my-function:$LATEST.PUBLISHED", { name: "my-function", qualifier: "$LATEST.PUBLISHED" }],
    ["my-function:7", { name: "my-function", qualifier: "7" }],
    ["function:my-function", { name: "my-function" }],
    ["function:my-function:7", { name: "my-function", qualifier: "7" }],
    ["123456789012:function:my-function", { name: "my-function" }],
    ["123456789012:function:my-function:alias", { name: "my-function", qualifier: "alias" }],
    ["us-east-1:123456789012:function:my-function", { name: "my-function" }],
    [`${arn}:my-function`, { name: "my-function" }],
    [`${arn}:my-function:alias`, { name: "my-function", qualifier: "alias" }],
    [`${arn}:my-function:$LATEST`, { name: "my-function", qualifier: "$LATEST" }]
  ])("reads %s", (input, reference) => expect(found(input)).toEqual(reference))

  it("takes the Qualifier parameter, and one that agrees with the name's", () => {
    expect(found("my-function", "7")).toEqual({ name: "my-function", qualifier: "7" })
    expect(found("my-function:7", "7")).toEqual({ name: "my-function", qualifier: "7" })
  })

  it("refuses a Qualifier parameter that disagrees with the name's", () => {
    const failure = refused(`${arn}:my-function:7`, "8")
    expect(failure._tag).toBe("QualifierMismatch")
    expect(failure.message).toBe("The derived qualifier from the function name does not match the specified qualifier.")
  })

  it("does not take a name that looks like a region for one", () => {
    expect(found("ab-name-1:alias")).toEqual({ name: "ab-name-1", qualifier: "alias" })
    expect(found("123456789012:alias")).toEqual({ name: "123456789012", qualifier: "alias" })
  })

  it("takes an ARN that ends in :function for the function of that name", () => {
    expect(found(arn)).toEqual({ name: "function" })
  })

  it("leaves a name that no function can have to the registry", () => {
    expect(found("a".repeat(65))).toEqual({ name: "a".repeat(65) })
    expect(found("a.b")).toEqual({ name: "a.b" })
    expect(found("my-function", "$latest")).toEqual({ name: "my-function", qualifier: "$latest" })
  })

  it.each([
    "my-function!",
    "*",
    "a:b:c",
    "",
    "arn:aws:s3:us-east-1:123456789012:function:my-function",
    "arn:aws:lambda::123456789012:function:my-function",
    "arn:aws:lambda:us-east-1::function:my-function",
    `${arn}:my-function:1:2`,
    `${arn}:my-function:$LATES`,
    "my-function:$latest",
    "my-function:a!",
    "my function"
  ])("refuses '%s' for its form", (input) => {
    const failure = refused(input)
    expect(failure._tag).toBe("ParametersInvalid")
    expect(failure.message).toBe(`1 validation error detected: ${brokenName(input)}`)
  })

  it("refuses a name of more than 140 characters for its length", () => {
    expect(found("a".repeat(140))).toEqual({ name: "a".repeat(140) })
    const long = "a".repeat(141)
    expect(refused(long).message).toBe(
      `1 validation error detected: Value '${long}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 140`
    )
  })

  it("refuses a qualifier of more than 128 characters for its length", () => {
    expect(found("my-function", "q".repeat(128)).qualifier).toHaveLength(128)
    const long = "q".repeat(129)
    expect(refused("my-function", long).message).toBe(
      `1 validation error detected: Value '${long}' at 'qualifier' failed to satisfy constraint: Member must have length less than or equal to 128`
    )
  })

  it("refuses an empty qualifier", () => {
    expect(refused("my-function", "").message).toMatch(/^2 validation errors detected: .*greater than or equal to 1$/)
  })

  it("tells of a broken qualifier before a broken name", () => {
    expect(refused("my-function!", "a!").message).toBe(
      `2 validation errors detected: ${brokenQualifier("a!")}; ${brokenName("my-function!")}`
    )
  })

  it.each([
    "arn:aws:lambda:eu-west-1:123456789012:function:my-function",
    "eu-west-1:123456789012:function:my-function"
  ])("does not reach into another region: %s", (input) => {
    const failure = refused(input)
    expect(failure._tag).toBe("RegionUnreachable")
    expect(failure.message).toBe("Functions from 'eu-west-1' are not reachable in this region ('us-east-1')")
  })

  it.each(["arn:aws:lambda:us-east-1:999999999999:function:my-function", "999999999999:function:my-function:7"])(
    "denies another account: %s",
    (input) => expect(refused(input)._tag).toBe("AccountDenied")
  )

  it("answers any two strings, and refuses none without a reason", () => {
    const piece = fc.constantFrom(
      "arn:aws:lambda:",
      "us-east-1:",
      "123456789012:",
      "function:",
      "name",
      "a.b",
      ":",
      "$LATEST",
      "!",
      "é",
      "\n"
    )
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join(""))
    )
    fc.assert(
      fc.property(text, fc.option(text, { nil: undefined }), (name, qualifier) => {
        const result = parse(name, qualifier)
        if (Result.isSuccess(result)) expect(name).toContain(result.success.name)
        else if (result.failure._tag === "ParametersInvalid") expect(result.failure.violations).not.toEqual([])
      }),
      { numRuns: 2000 }
    )
  })
})
