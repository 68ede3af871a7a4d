/**
 * Asks a function whether a caller may have a route, once for all calls with the same identity for as long as its answer
 * holds. What it is asked, and what its answers mean, is in the modules beside this one.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto"
import { Clock, Duration, Effect, Result, type Scope } from "effect"
import type { Owner } from "../domain/FunctionName.ts"
import type { Invocation } from "../domain/Invocation.ts"
import type { LambdaAuthorizer } from "../domain/Route.ts"
import { formatTraceId, newTraceId, nextHop, parseTraceId } from "../domain/TraceId.ts"
import { LambdaInvoker } from "../invoke/LambdaInvoker.ts"
import type { Authorized, CallRefused, RouteCall } from "../routing/RouteAuthorizer.ts"
import { decide } from "./AccessPolicy.ts"
import { makeAnswerCache } from "./AnswerCache.ts"
import { type AuthorizerAnswer, readAnswer } from "./authorizerAnswers.ts"
import { authorizerEvent, callArns } from "./authorizerEvents.ts"
import { headerOf, identityOf } from "./identity.ts"
import { denied, unauthorized, undecided } from "./refusals.ts"

export type AuthorizeByFunction = (
  authorizer: LambdaAuthorizer,
  call: RouteCall
) => Effect.Effect<Authorized, CallRefused>

/** API Gateway's limit, whatever the function's own. */
const timeout = Duration.seconds(10)
const maxAnswers = 10_000

/** Nobody was let in or kept out. */
type NoAnswer =
  /** The function says in its error that it does not know the caller. */
  { readonly _tag: "Unauthorized" } | { readonly _tag: "Failed"; readonly reason: string }

export const makeFunctionAuthorizer = (
  owner: Owner
): Effect.Effect<AuthorizeByFunction, never, LambdaInvoker | Scope.Scope> =>
  Effect.gen(function* () {
    const invoker = yield* LambdaInvoker
    const cache = yield* makeAnswerCache<AuthorizerAnswer, NoAnswer>(maxAnswers)
    // One that was changed is another one, and what the old one has said is not asked for again.
    const numbers = new WeakMap<LambdaAuthorizer, number>()
    let last = 0
    const numberOf = (authorizer: LambdaAuthorizer): number => {
      const number = numbers.get(authorizer) ?? ++last
      numbers.set(authorizer, number)
      return number
    }

    const ask = Effect.fnUntraced(function* (
      authorizer: LambdaAuthorizer,
      call: RouteCall,
      identity: ReadonlyArray<string>
    ) {
      const invocation = invocationOf(authorizer, call, authorizerEvent(authorizer, call, owner, identity))
      const result = yield* invoker.invoke(invocation).pipe(
        Effect.mapError((error) => failed(error.message || error._tag)),
        Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(failed("it took longer than 10 seconds")) })
      )
      if (result.functionError !== undefined) {
        const noAnswer = isUnauthorized(result.payload)
          ? unknownCaller
          : failed(`it failed with ${result.errorType ?? "an error"}`)
        return yield* Effect.fail(noAnswer)
      }
      return yield* Effect.fromResult(Result.mapError(readAnswer(result.payload, authorizer, call.api.kind), failed))
    })

    return Effect.fnUntraced(function* (authorizer, call) {
      const { api } = call
      const identity = identitiesOf(authorizer, call)
      if (typeof identity === "string") return yield* unauthorized(api, identity)
      const started = yield* Clock.currentTimeMillis
      let latencyMillis = 0
      const asking = Effect.tap(ask(authorizer, call, identity), () =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          latencyMillis = now - started
        })
      )
      const isKept = Duration.isGreaterThan(authorizer.ttl, Duration.zero) && identity.length > 0
      const answered = isKept
        ? cache.get(keyOf([numberOf(authorizer), api.id, api.stage, ...identity]), authorizer.ttl, asking)
        : asking
      const answer = yield* Effect.mapError(answered, (none) =>
        none._tag === "Unauthorized"
          ? unauthorized(api, `${authorizer.functionName} does not know the caller`)
          : undecided(api, `the authorizer ${authorizer.functionName} gave no answer: ${none.reason}`)
      )
      const decision =
        typeof answer.allows === "boolean"
          ? answer.allows
            ? "allow"
            : "deny"
          : decide(answer.allows, callArns(call, owner))
      if (decision !== "allow") {
        return yield* denied(api, `${authorizer.functionName} does not allow it`, decision === "explicit-deny")
      }
      return authorizedBy(answer, call, latencyMillis)
    })
  })

const failed = (reason: string): NoAnswer => ({ _tag: "Failed", reason })
const unknownCaller: NoAnswer = { _tag: "Unauthorized" }

/** The value of each source, or one line that says what is missing. */
const identitiesOf = (authorizer: LambdaAuthorizer, call: RouteCall): ReadonlyArray<string> | string => {
  const { identitySources, kind, tokenPattern } = authorizer
  const values: Array<string> = []
  for (const source of identitySources) {
    const value = identityOf(call, source)
    if (value === undefined) return `it has no ${source}`
    values.push(value)
  }
  if (kind !== "token") return values
  const token = values[0]
  if (token === undefined) return "its authorizer has no identity source"
  return tokenPattern === undefined || matchesWhole(tokenPattern, token)
    ? values
    : "its token is not of the form asked for"
}

/** A pattern that is none matches nothing. */
const matchesWhole = (pattern: string, text: string): boolean => {
  try {
    return new RegExp(`^(?:${pattern})$`).test(text)
  } catch {
    return false
  }
}

/** A digest: tokens are not kept, and long ones take no more room. */
const keyOf = (parts: ReadonlyArray<string | number>): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("base64")

const invocationOf = (authorizer: LambdaAuthorizer, call: RouteCall, event: unknown): Invocation => {
  const trace = parseTraceId(headerOf(call, "x-amzn-trace-id") ?? "")
  const here = trace ?? newTraceId(call.timeMillis, randomBytes(12).toString("hex"))
  return {
    requestId: randomUUID(),
    // What is no name of a function is one that no function has: the invoker finds that out.
    functionName: authorizer.functionName as Invocation["functionName"],
    payload: new TextEncoder().encode(JSON.stringify(event)),
    traceId: formatTraceId(nextHop(here, randomBytes(8).toString("hex"))),
    ...(authorizer.qualifier === undefined ? {} : { qualifier: authorizer.qualifier })
  }
}

/** The one error that means something: to the letter, as functions throw it. */
const isUnauthorized = (payload: Uint8Array): boolean => {
  try {
    const error: unknown = JSON.parse(new TextDecoder().decode(payload))
    return (
      typeof error === "object" && error !== null && "errorMessage" in error && error.errorMessage === "Unauthorized"
    )
  } catch {
    return false
  }
}

const authorizedBy = (answer: AuthorizerAnswer, call: RouteCall, latencyMillis: number): Authorized => {
  const { apiKey, context, principalId } = answer
  const key = apiKey === undefined ? {} : { apiKey }
  if (call.route?.payloadFormat === "2.0") return { context: { lambda: context }, ...key }
  const principal = principalId === undefined ? {} : { principalId }
  return { context: { ...principal, ...context, integrationLatency: latencyMillis }, ...key }
}
