/** What a caller is told who may not have a route: the same decision, in the words of each product (`LAMBDA-CONTRACT.md` section 14). */
import type { Api } from "../domain/Route.ts"
import { CallRefused } from "../routing/RouteAuthorizer.ts"

type Headers = Readonly<Record<string, string>>

const refusal = (status: number, body: CallRefused["body"], headers: Headers, reason: string) =>
  new CallRefused({ status, body, headers, reason })

/** Of REST APIs alone. */
const errorType = ({ kind }: Api, name: string): Headers => (kind === "rest" ? { "x-amzn-errortype": name } : {})

/** Who the caller is was not shown. `challenge` is what an HTTP API says of how it is shown. */
export const unauthorized = (api: Api, reason: string, challenge?: string, message = "Unauthorized"): CallRefused => {
  const told = api.kind === "http" && challenge !== undefined ? { "www-authenticate": challenge } : {}
  return refusal(401, { message }, { ...errorType(api, "UnauthorizedException"), ...told }, reason)
}

export const forbidden = (api: Api, reason: string, challenge?: string): CallRefused => {
  const told = api.kind === "http" && challenge !== undefined ? { "www-authenticate": challenge } : {}
  return refusal(403, { message: "Forbidden" }, { ...errorType(api, "ForbiddenException"), ...told }, reason)
}

/** A policy says no, or does not say yes. */
export const denied = (api: Api, reason: string, isExplicit: boolean): CallRefused => {
  if (api.kind === "http") return forbidden(api, reason)
  const told = `User is not authorized to access this resource${isExplicit ? " with an explicit deny" : ""}`
  return refusal(403, { Message: told }, errorType(api, "AccessDeniedException"), reason)
}

/** The signature does not hold, which a REST API explains and an HTTP API does not. */
export const unsigned = (api: Api, reason: string, type: string, message: string): CallRefused =>
  api.kind === "http" ? forbidden(api, reason) : refusal(403, { message }, errorType(api, type), reason)

/** The one who was to decide could not. */
export const undecided = (api: Api, reason: string): CallRefused =>
  api.kind === "http"
    ? refusal(500, { message: "Internal Server Error" }, {}, reason)
    : refusal(500, { message: null }, errorType(api, "AuthorizerConfigurationException"), reason)

export const tooManyRequests = (api: Api, reason: string): CallRefused =>
  refusal(429, { message: "Too Many Requests" }, errorType(api, "TooManyRequestsException"), reason)

export const limitExceeded = (api: Api, reason: string): CallRefused =>
  refusal(429, { message: "Limit Exceeded" }, errorType(api, "LimitExceededException"), reason)
