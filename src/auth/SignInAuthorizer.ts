/** Asks for a token of the gateway's own sign-in, and says whose it is in the words of a Cognito user pool. */
import { Effect } from "effect"
import type { Authorized, CallRefused, RouteCall } from "../routing/RouteAuthorizer.ts"
import { headerOf, tokenOf } from "./identity.ts"
import { unauthorized } from "./refusals.ts"
import type { SignIn } from "./SignIn.ts"

export const authorizeSignedIn = (
  signIn: SignIn["Service"],
  call: RouteCall
): Effect.Effect<Authorized, CallRefused> => {
  const refuse = (reason: string) => Effect.fail(unauthorized(call.api, reason, "Bearer"))
  const header = headerOf(call, "authorization")
  if (header === undefined) return refuse("it has no token")
  const token = tokenOf(header)
  if (token === undefined) return refuse("its authorization is no bearer token")
  return signIn.verify(token).pipe(
    Effect.map((user) => {
      const said = { claims: { "cognito:username": user, username: user }, "cognito:username": user }
      // A REST API has the claims as they are, an HTTP API beneath the kind of authorizer.
      return { context: call.route?.payloadFormat === "2.0" ? { lambda: said } : said }
    }),
    Effect.catch(({ reason }) => refuse(`its token is not valid: ${reason}`))
  )
}
