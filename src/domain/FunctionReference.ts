/**
 * How callers name a function: a name, a partial ARN or an ARN, each with `:qualifier` at its end or a `Qualifier`
 * parameter beside it (`LAMBDA-CONTRACT.md` section 1.1). Whether there is such a function is the registry's to say.
 */
import { Result, Schema } from "effect"
import type { Owner, Qualifier } from "./FunctionName.ts"
import { ParametersInvalid, type Violation } from "./ParametersInvalid.ts"

export interface FunctionReference {
  /** May still be one that no function can have: longer than a `FunctionName`, or with dots. */
  readonly name: string
  readonly qualifier?: Qualifier
}

/** The name ends in one qualifier, and the parameter says another. */
export class QualifierMismatch extends Schema.TaggedError<QualifierMismatch>()("QualifierMismatch", {}) {
  override get message() {
    return "The derived qualifier from the function name does not match the specified qualifier."
  }
}

export class RegionUnreachable extends Schema.TaggedError<RegionUnreachable>()("RegionUnreachable", {
  region: Schema.String,
  ownRegion: Schema.String
}) {
  override get message() {
    return `Functions from '${this.region}' are not reachable in this region ('${this.ownRegion}')`
  }
}

/** The function would be another account's. Lambda says no more than that. */
export class AccountDenied extends Schema.TaggedError<AccountDenied>()("AccountDenied", {}) {}

export const FunctionReferenceRefused = Schema.Union([
  ParametersInvalid,
  QualifierMismatch,
  RegionUnreachable,
  AccountDenied
])
export type FunctionReferenceRefused = typeof FunctionReferenceRefused.Type

export const maxFunctionNameLength = 140
export const maxQualifierLength = 128

/** As Lambda prints it in its refusals. */
export const functionNamePattern = String.raw`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`
export const qualifierPattern = String.raw`\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`

const wellFormedName = new RegExp(`^(?:${functionNamePattern})$`)
const wellFormedQualifier = new RegExp(`^(?:${qualifierPattern})$`)

const region = String.raw`(?:(?<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?`
const account = String.raw`(?:(?<account>\d{12}):)?`
const name = `(?<name>[a-zA-Z0-9-_.]+)(?::(?<qualifier>[^:]+))?`

/**
 * The readings of a well-formed name, best first. The pattern alone would take `ab-name-1:alias` for a region and a
 * name, so without `arn:` in front, region and account count only where `function:` follows them.
 */
const readings = [
  new RegExp(`^(?:(?:arn:[^:]*:lambda:)?${region}${account}function:)?${name}$`),
  new RegExp(`^(?:arn:[^:]*:lambda:)?${region}${account}${name}$`)
]

/** Reads `functionName` as it stands in the path, decoded, and the `Qualifier` parameter. */
export const parseFunctionReference = (
  functionName: string,
  qualifier: string | undefined,
  owner: Owner
): Result.Result<FunctionReference, FunctionReferenceRefused> => {
  const violations = [...qualifierViolations(qualifier), ...nameViolations(functionName)]
  const parts = violations.length === 0 ? read(functionName) : undefined
  if (parts === undefined) return Result.fail(new ParametersInvalid({ violations }))

  if (parts.qualifier !== undefined && qualifier !== undefined && parts.qualifier !== qualifier) {
    return Result.fail(new QualifierMismatch())
  }
  if (parts.region !== undefined && parts.region !== owner.region) {
    return Result.fail(new RegionUnreachable({ region: parts.region, ownRegion: owner.region }))
  }
  if (parts.account !== undefined && parts.account !== owner.accountId) return Result.fail(new AccountDenied())

  const asked = qualifier ?? parts.qualifier
  return Result.succeed(asked === undefined ? { name: parts.name } : { name: parts.name, qualifier: asked })
}

const read = (functionName: string) => {
  for (const reading of readings) {
    const parts = reading.exec(functionName)?.groups
    // `name` is in every reading.
    if (parts !== undefined) return { ...parts, name: parts.name! } as NameParts
  }
  return undefined
}

interface NameParts {
  readonly name: string
  readonly qualifier?: string
  readonly region?: string
  readonly account?: string
}

const nameViolations = (value: string): ReadonlyArray<Violation> => {
  const violation = (constraint: string): Violation => ({ value, field: "functionName", constraint })
  return [
    ...(wellFormedName.test(value) ? [] : [violation(mustMatch(functionNamePattern))]),
    ...(value.length > maxFunctionNameLength ? [violation(mustNotExceed(maxFunctionNameLength))] : [])
  ]
}

const qualifierViolations = (value: string | undefined): ReadonlyArray<Violation> => {
  if (value === undefined) return []
  const violation = (constraint: string): Violation => ({ value, field: "qualifier", constraint })
  return [
    ...(wellFormedQualifier.test(value) ? [] : [violation(mustMatch(qualifierPattern))]),
    ...(value.length > maxQualifierLength ? [violation(mustNotExceed(maxQualifierLength))] : []),
    ...(value.length < 1 ? [violation("Member must have length greater than or equal to 1")] : [])
  ]
}

const mustMatch = (pattern: string) => `Member must satisfy regular expression pattern: ${pattern}`
const mustNotExceed = (length: number) => `Member must have length less than or equal to ${length}`
