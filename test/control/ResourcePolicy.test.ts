import { Result } from "effect"
import { describe, expect, it } from "vitest"
import {
  type AccessRequest,
  conditionsOf,
  isAllowed,
  readPrincipal,
  type StatementConditions
} from "../../src/control/ResourcePolicy.ts"

const invoke = "lambda:InvokeFunction"

const allows = (
  statement: { readonly principal?: string; readonly action?: string } & StatementConditions,
  request: Partial<AccessRequest>
) => {
  const conditions = conditionsOf(statement)
  return isAllowed(
    {
      revisionId: "r",
      statements: [
        {
          Sid: "s",
          Effect: "Allow",
          Principal: Result.getOrThrow(readPrincipal(statement.principal ?? "*")),
          Action: statement.action ?? invoke,
          Resource: "arn:aws:lambda:us-east-1:123456789012:function:hello",
          ...(conditions === undefined ? {} : { Condition: conditions })
        }
      ]
    },
    { action: invoke, principal: "*", ...request }
  )
}

describe("readPrincipal", () => {
  it.each([
    ["*", "*"],
    ["123456789012", { AWS: "arn:aws:iam::123456789012:root" }],
    ["arn:aws:iam::123456789012:role/r", { AWS: "arn:aws:iam::123456789012:role/r" }],
    ["s3.amazonaws.com", { Service: "s3.amazonaws.com" }],
    ["alexa-appkit.amazon.com", { Service: "alexa-appkit.amazon.com" }]
  ])("takes %s", (given, principal) => {
    expect(Result.getOrThrow(readPrincipal(given))).toEqual(principal)
  })

  it.each(["", "me", "12345", "s3.example.com", "arn:aws:s3:::bucket", "amazonaws.com"])("refuses '%s'", (given) => {
    expect(Result.isFailure(readPrincipal(given))).toBe(true)
  })
})

describe("isAllowed", () => {
  it("allows nothing without a policy", () => {
    expect(isAllowed(undefined, { action: invoke, principal: "*" })).toBe(false)
  })

  it.each<[sentence: string, Parameters<typeof allows>[0], Partial<AccessRequest>, boolean]>([
    ["anybody may what all may", {}, {}, true],
    ["nobody may another action", {}, { action: "lambda:InvokeFunctionUrl" }, false],
    ["an action has no case", { action: "lambda:invokefunction" }, {}, true],
    ["every action of Lambda's is one", { action: "lambda:*" }, {}, true],
    ["every action is one", { action: "*" }, {}, true],
    ["somebody without a name is no account", { principal: "123456789012" }, {}, false],
    ["an account is itself", { principal: "123456789012" }, { principal: "123456789012" }, true],
    [
      "an account has its users",
      { principal: "123456789012" },
      { principal: "arn:aws:iam::123456789012:user/u" },
      true
    ],
    [
      "an account has no users of another",
      { principal: "123456789012" },
      { principal: "arn:aws:iam::210987654321:user/u" },
      false
    ],
    [
      "a role is whoever assumed it",
      { principal: "arn:aws:iam::123456789012:role/r" },
      { principal: "arn:aws:sts::123456789012:assumed-role/r/session" },
      true
    ],
    [
      "a role is nobody else of its account",
      { principal: "arn:aws:iam::123456789012:role/r" },
      { principal: "arn:aws:iam::123456789012:role/s" },
      false
    ],
    ["a service is itself", { principal: "s3.amazonaws.com" }, { principal: "s3.amazonaws.com" }, true],
    ["a service is no other", { principal: "s3.amazonaws.com" }, { principal: "sns.amazonaws.com" }, false],
    ["a source is demanded", { SourceArn: "arn:aws:s3:::bucket" }, {}, false],
    ["a source is itself", { SourceArn: "arn:aws:s3:::bucket" }, { sourceArn: "arn:aws:s3:::bucket" }, true],
    [
      "a question mark stands for one letter",
      { SourceArn: "arn:aws:s3:::b*t?" },
      { sourceArn: "arn:aws:s3:::bucket" },
      false
    ],
    [
      "a pattern stands for anything",
      { SourceArn: "arn:aws:s3:::b*t-?" },
      { sourceArn: "arn:aws:s3:::bucket-7" },
      true
    ],
    [
      "a pattern stays within its part",
      { SourceArn: "arn:aws:s3:*:bucket" },
      { sourceArn: "arn:aws:s3:::bucket" },
      false
    ],
    [
      "the last part may have colons",
      { SourceArn: "arn:aws:execute-api:us-east-1:123456789012:*" },
      { sourceArn: "arn:aws:execute-api:us-east-1:123456789012:a:b/c" },
      true
    ],
    ["a pattern's dots are dots", { SourceArn: "arn:aws:s3:::b.t" }, { sourceArn: "arn:aws:s3:::bat" }, false],
    [
      "all conditions must hold",
      { SourceArn: "arn:aws:s3:::bucket", SourceAccount: "123456789012" },
      { sourceArn: "arn:aws:s3:::bucket", sourceAccount: "210987654321" },
      false
    ],
    ["an organisation is demanded", { PrincipalOrgID: "o-1234567890" }, { organizationId: "o-1234567890" }, true],
    ["a token is demanded", { EventSourceToken: "t" }, { eventSourceToken: "u" }, false],
    ["a URL's way of asking is demanded", { FunctionUrlAuthType: "NONE" }, { authType: "NONE" }, true],
    ["and no other", { FunctionUrlAuthType: "NONE" }, { authType: "AWS_IAM" }, false],
    ["a URL as the way is demanded", { InvokedViaFunctionUrl: true }, {}, false],
    ["and taken", { InvokedViaFunctionUrl: true }, { isViaFunctionUrl: true }, true]
  ])("%s", (_, statement, request, allowed) => {
    expect(allows(statement, request)).toBe(allowed)
  })
})
