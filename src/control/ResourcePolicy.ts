/**
 * A resource's policy as Lambda keeps it: statements that allow, each made from one request. What is made of a request,
 * how the policy reads as a document, and whom it lets do what; pure.
 */
import { Result } from "effect"
import { InvalidParameterValue } from "./refusals.ts"

export type Principal = "*" | { readonly AWS: string } | { readonly Service: string }

/** By operator, then by key. All of it must hold. */
export type Conditions = Readonly<Record<string, Readonly<Record<string, string>>>>

/** By the names that a policy document has. */
export interface Statement {
  readonly Sid: string
  readonly Effect: "Allow"
  readonly Principal: Principal
  readonly Action: string
  readonly Resource: string
  readonly Condition?: Conditions
}

export interface ResourcePolicy {
  /** At least one. */
  readonly statements: ReadonlyArray<Statement>
  /** Another one after each change. */
  readonly revisionId: string
}

/** What a policy may depend on, by the API's own names. */
export interface StatementConditions {
  readonly SourceArn?: string | undefined
  readonly SourceAccount?: string | undefined
  readonly PrincipalOrgID?: string | undefined
  readonly EventSourceToken?: string | undefined
  readonly FunctionUrlAuthType?: string | undefined
  readonly InvokedViaFunctionUrl?: boolean | undefined
}

/** As JSON text. */
export const policyDocument = (statements: ReadonlyArray<Statement>): string =>
  JSON.stringify({ Version: "2012-10-17", Id: "default", Statement: statements })

const account = /^\d{12}$/
const identity = /^arn:aws[a-zA-Z-]*:(iam|sts)::(\d{12}|cloudfront):.+$/
const service = /^[a-zA-Z0-9.-]+\.(amazonaws\.com(\.cn)?|amazon\.com)$/

/** A principal as callers give it: `*`, an account, the ARN of an identity, or a service. */
export const readPrincipal = (given: string): Result.Result<Principal, InvalidParameterValue> => {
  if (given === "*") return Result.succeed("*")
  if (account.test(given)) return Result.succeed({ AWS: `arn:aws:iam::${given}:root` })
  if (identity.test(given)) return Result.succeed({ AWS: given })
  if (service.test(given)) return Result.succeed({ Service: given })
  return Result.fail(
    new InvalidParameterValue({
      detail: "The provided principal was invalid. Please check the principal and try again."
    })
  )
}

const arnKey = "AWS:SourceArn"
const accountKey = "AWS:SourceAccount"
const organizationKey = "aws:PrincipalOrgID"
const tokenKey = "lambda:EventSourceToken"
const authTypeKey = "lambda:FunctionUrlAuthType"
const viaUrlKey = "lambda:InvokedViaFunctionUrl"

/** Undefined where there are none. */
export const conditionsOf = (given: StatementConditions): Conditions | undefined => {
  const equal = defined({
    [accountKey]: given.SourceAccount,
    [organizationKey]: given.PrincipalOrgID,
    [tokenKey]: given.EventSourceToken,
    [authTypeKey]: given.FunctionUrlAuthType
  })
  const like = defined({ [arnKey]: given.SourceArn })
  const bool = defined({ [viaUrlKey]: given.InvokedViaFunctionUrl?.toString() })
  const conditions = {
    ...(isEmpty(equal) ? {} : { StringEquals: equal }),
    ...(isEmpty(like) ? {} : { ArnLike: like }),
    ...(isEmpty(bool) ? {} : { Bool: bool })
  }
  return isEmpty(conditions) ? undefined : conditions
}

const defined = (values: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined))

const isEmpty = (record: object): boolean => Object.keys(record).length === 0

/** Someone who wants to do something. What is absent is not known, and meets no condition on it. */
export interface AccessRequest {
  /** `lambda:InvokeFunction` */
  readonly action: string
  /** `*` for somebody without a name; else an account, the ARN of an identity, or a service. */
  readonly principal: string
  readonly sourceArn?: string
  readonly sourceAccount?: string
  readonly organizationId?: string
  readonly eventSourceToken?: string
  /** Of the function URL by which the request comes. */
  readonly authType?: "NONE" | "AWS_IAM"
  readonly isViaFunctionUrl?: boolean
}

/** True where a statement of the policy allows it. Without a policy nothing is. */
export const isAllowed = (policy: ResourcePolicy | undefined, request: AccessRequest): boolean =>
  policy?.statements.some(
    ({ Action, Condition, Principal }) =>
      coversAction(Action, request.action) &&
      coversPrincipal(Principal, request.principal) &&
      holds(Condition ?? {}, request)
  ) ?? false

const coversAction = (allowed: string, asked: string): boolean =>
  allowed === "*" || allowed === "lambda:*" || allowed.toLowerCase() === asked.toLowerCase()

const coversPrincipal = (allowed: Principal, asked: string): boolean => {
  if (allowed === "*") return true
  if ("Service" in allowed) return allowed.Service === asked
  if (allowed.AWS === asked || allowed.AWS === roleOf(asked)) return true
  const [, ofAccount] = /^arn:aws[a-zA-Z-]*:iam::(\d{12}):root$/.exec(allowed.AWS) ?? []
  return ofAccount !== undefined && ofAccount === accountOf(asked)
}

/** Whoever has assumed a role is that role. */
const roleOf = (arn: string): string =>
  arn.replace(/^(arn:aws[a-zA-Z-]*):sts::(\d{12}):assumed-role\/([^/]+)\/.*$/, "$1:iam::$2:role/$3")

const accountOf = (asked: string): string | undefined =>
  account.test(asked) ? asked : identity.test(asked) ? asked.split(":")[4] : undefined

const holds = (conditions: Conditions, request: AccessRequest): boolean => {
  const known: Readonly<Record<string, string | undefined>> = {
    [arnKey]: request.sourceArn,
    [accountKey]: request.sourceAccount,
    [organizationKey]: request.organizationId,
    [tokenKey]: request.eventSourceToken,
    [authTypeKey]: request.authType,
    [viaUrlKey]: (request.isViaFunctionUrl ?? false).toString()
  }
  return Object.entries(conditions).every(([operator, wanted]) =>
    Object.entries(wanted).every(([key, value]) => {
      const given = known[key]
      return given !== undefined && (operator === "ArnLike" ? isLike(value, given) : value === given)
    })
  )
}

/** `*` and `?` stand for what they do in a file's name, within one of an ARN's six parts; its last may have colons. */
const isLike = (pattern: string, arn: string): boolean => {
  const [wanted, given] = [partsOf(pattern), partsOf(arn)]
  return wanted.length === given.length && wanted.every((part, index) => expressionOf(part).test(given[index]!))
}

const partsOf = (arn: string): ReadonlyArray<string> => {
  const parts = arn.split(":")
  return [...parts.slice(0, 5), parts.slice(5).join(":")]
}

const expressionOf = (part: string): RegExp =>
  new RegExp(
    `^${part
      .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", ".*")
      .replaceAll("?", ".")}$`,
    "s"
  )
