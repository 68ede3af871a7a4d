/**
 * Asks for a token of an issuer: a signature by one of its keys, for this API, within its time, with one of the route's
 * scopes (`LAMBDA-CONTRACT.md` section 14). Where the keys are from is the cache's business.
 */
import { Clock, Effect } from "effect"
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose"
import type { JwtAuthorizer } from "../domain/Route.ts"
import type { Authorized, CallRefused, RouteCall } from "../routing/RouteAuthorizer.ts"
import { identityOf, tokenOf } from "./identity.ts"
import type { JwksCache } from "./JwksCache.ts"
import { forbidden, unauthorized } from "./refusals.ts"

/** API Gateway takes no others. */
const algorithms = ["RS256", "RS384", "RS512"]

export const authorizeToken = Effect.fnUntraced(function* (
  cache: JwksCache["Service"],
  authorizer: JwtAuthorizer,
  call: RouteCall
): Effect.fn.Return<Authorized, CallRefused> {
  const { api, route } = call
  const invalid = (description: string, message?: string) =>
    unauthorized(
      api,
      `its token is not valid: ${description}`,
      `Bearer scope="" error="invalid_token" error_description="${description}"`,
      message
    )
  const given = identityOf(call, authorizer.identitySource)
  if (given === undefined) return yield* unauthorized(api, "it has no token", "Bearer")
  const token = tokenOf(given)
  const header = token === undefined ? undefined : headerOfToken(token)
  if (token === undefined || header === undefined) return yield* invalid("the token is malformed")
  if (!algorithms.includes(header.alg)) return yield* invalid("the signing method is not supported")

  const key = yield* cache
    .keyOf(authorizer.issuer, header.alg, header.kid)
    .pipe(
      Effect.mapError((error) =>
        error._tag === "KeyUnknown"
          ? invalid("no key of the issuer signed the token")
          : invalid("the issuer is not reachable")
      )
    )
  const now = yield* Clock.currentTimeMillis
  const { payload } = yield* Effect.tryPromise({
    try: () =>
      jwtVerify(token, key, {
        algorithms,
        issuer: authorizer.issuer,
        requiredClaims: ["exp"],
        currentDate: new Date(now)
      }),
    catch: (cause) =>
      cause instanceof errors.JWTExpired && api.kind === "rest"
        ? invalid("the token has expired", "The incoming token has expired")
        : invalid(descriptionOf(cause))
  })
  if (payload.iat !== undefined && payload.iat > now / 1000) return yield* invalid("the token is of the future")
  if (!isFor(payload, authorizer.audience)) return yield* invalid("the token is for another audience")

  const wanted = route?.scopes ?? []
  const granted = scopesOf(payload)
  const scopes = wanted.filter((scope) => granted.has(scope))
  if (wanted.length > 0 && scopes.length === 0) {
    const reason = `its token has none of the scopes ${wanted.join(", ")}`
    const challenge = `Bearer scope="${wanted.join(" ")}" error="insufficient_scope" error_description="the token does not have a scope of the route"`
    return yield* api.kind === "rest" ? unauthorized(api, reason) : forbidden(api, reason, challenge)
  }
  return { context: contextOf(call, payload, wanted.length === 0 ? null : scopes) }
})

/** Undefined for what is no token, or does not say with which key it was signed. */
const headerOfToken = (token: string): { readonly alg: string; readonly kid: string } | undefined => {
  try {
    const { alg, kid } = decodeProtectedHeader(token)
    return typeof alg === "string" && typeof kid === "string" && kid !== "" ? { alg, kid } : undefined
  } catch {
    return undefined
  }
}

/** Without anything that the token says: it goes into a header. */
const descriptionOf = (cause: unknown): string => {
  if (cause instanceof errors.JWTExpired) return "the token has expired"
  if (cause instanceof errors.JWSSignatureVerificationFailed) return "the signature does not hold"
  if (!(cause instanceof errors.JWTClaimValidationFailed)) return "the token is malformed"
  switch (cause.claim) {
    case "iss":
      return "the token is of another issuer"
    case "nbf":
      return "the token is not valid yet"
    default:
      return `the claim ${cause.claim} is missing or malformed`
  }
}

/** `client_id` counts where a token says nothing of whom it is for, as the access tokens of Cognito. */
const isFor = ({ aud, client_id }: JWTPayload, audience: ReadonlyArray<string>): boolean => {
  if (audience.length === 0) return true
  return [aud ?? client_id].flat().some((one) => typeof one === "string" && audience.includes(one))
}

const scopesOf = ({ scope, scp }: JWTPayload): ReadonlySet<string> =>
  new Set([scope, scp].flat().flatMap((one) => (typeof one === "string" ? one.split(" ") : [])))

const contextOf = ({ api, route }: RouteCall, payload: JWTPayload, scopes: ReadonlyArray<string> | null) => {
  const claims = Object.fromEntries(
    Object.entries(payload)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => [name, textOf(value, api.kind)])
  )
  if (api.kind === "rest") return { claims }
  return route?.payloadFormat === "2.0" ? { jwt: { claims, scopes } } : { claims, scopes }
}

/** Claims are strings in events: a list is `[a b]` in an HTTP API and `a,b` in a REST API. */
const textOf = (value: unknown, kind: RouteCall["api"]["kind"]): string => {
  if (typeof value === "string") return value
  if (!Array.isArray(value)) return JSON.stringify(value)
  const texts = value.map((one) => (typeof one === "string" ? one : JSON.stringify(one)))
  return kind === "rest" ? texts.join(",") : `[${texts.join(" ")}]`
}
