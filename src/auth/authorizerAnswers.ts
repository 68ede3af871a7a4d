/** What a function that decides who may call has answered: read once, and kept in this form for all whom it is for. */
import { Result } from "effect"
import { isRecord } from "../domain/json.ts"
import type { ApiKind, LambdaAuthorizer } from "../domain/Route.ts"
import { type AccessPolicy, readPolicy } from "./AccessPolicy.ts"

export interface AuthorizerAnswer {
  /** What decides for each call, or whether all may call. */
  readonly allows: AccessPolicy | boolean
  readonly principalId?: string
  /** What the function says of the caller; strings in a REST API. */
  readonly context: Readonly<Record<string, unknown>>
  /** The caller's API key. */
  readonly apiKey?: string
}

/** `payload` is the function's result. Fails with one line that says what is wrong with it. */
export const readAnswer = (
  payload: Uint8Array,
  authorizer: LambdaAuthorizer,
  kind: ApiKind
): Result.Result<AuthorizerAnswer, string> => {
  let answer: unknown
  try {
    answer = JSON.parse(new TextDecoder().decode(payload))
  } catch {
    return Result.fail("its answer is not JSON")
  }
  if (!isRecord(answer)) return Result.fail("its answer is no object")
  const context = contextOf(answer.context, kind)
  if (context === undefined) return Result.fail("its context is not of strings, numbers and booleans")
  if (authorizer.hasSimpleAnswers && authorizer.payloadFormat === "2.0") {
    const { isAuthorized } = answer
    if (typeof isAuthorized !== "boolean") return Result.fail("its answer has no isAuthorized")
    return Result.succeed({ allows: isAuthorized, context })
  }
  const { principalId, usageIdentifierKey } = answer
  const allows = readPolicy(answer.policyDocument)
  if (allows === undefined) return Result.fail("its answer has no policyDocument that can be read")
  if (kind === "rest" && (typeof principalId !== "string" || principalId === "")) {
    return Result.fail("its answer has no principalId")
  }
  return Result.succeed({
    allows,
    context,
    ...(typeof principalId === "string" ? { principalId } : {}),
    ...(typeof usageIdentifierKey === "string" ? { apiKey: usageIdentifierKey } : {})
  })
}

/** Undefined for a context that the product does not take. */
const contextOf = (given: unknown, kind: ApiKind): AuthorizerAnswer["context"] | undefined => {
  if (given === undefined || given === null) return {}
  if (!isRecord(given)) return undefined
  if (kind === "http") return given
  const entries = Object.entries(given).filter(([, value]) => value !== null)
  if (entries.some(([, value]) => typeof value === "object")) return undefined
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]))
}
