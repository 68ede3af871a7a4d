/** Every kind of authorizer behind `RouteAuthorizer`: which module is asked for which kind. */
import { Effect, Layer } from "effect"
import { type CallRefused, RouteAuthorizer, type RouteCall } from "../routing/RouteAuthorizer.ts"
import { makeFunctionAuthorizer } from "./FunctionAuthorizer.ts"
import { authorizeSigned, type SignatureOptions } from "./IamAuthorizer.ts"
import { headerOf } from "./identity.ts"
import { JwksCache } from "./JwksCache.ts"
import { forbidden, limitExceeded, tooManyRequests } from "./refusals.ts"
import { SignIn } from "./SignIn.ts"
import { authorizeSignedIn } from "./SignInAuthorizer.ts"
import { UsagePlans, type UsageRefused } from "./UsagePlans.ts"

export type AuthorizersOptions = SignatureOptions

export const layer = (options: AuthorizersOptions) =>
  Layer.effect(
    RouteAuthorizer,
    Effect.gen(function* () {
      const signIn = yield* SignIn
      const keys = yield* JwksCache
      const plans = yield* UsagePlans
      const askFunction = yield* makeFunctionAuthorizer(options.owner)
      return RouteAuthorizer.of({
        authorize: (_, authorizer, call) => {
          switch (authorizer.type) {
            case "sign-in":
              return authorizeSignedIn(signIn, call)
            case "jwt":
              return Effect.flatMap(jwtAuthorizer, ({ authorizeToken }) => authorizeToken(keys, authorizer, call))
            case "lambda":
              return askFunction(authorizer, call)
            case "iam":
              return authorizeSigned(options, call)
          }
        },
        count: (call, authorized) => {
          const { api } = call
          const given = api.apiKeySource === "authorizer" ? authorized.apiKey : headerOf(call, "x-api-key")
          if (given === undefined) return Effect.fail(forbidden(api, "it has no API key"))
          return plans.count(given, api.id, api.stage).pipe(
            Effect.map(({ id, value }) => ({ counted: { id, value } })),
            Effect.mapError((refused) => refusalOf(call, refused))
          )
        }
      })
    })
  )

/** Not in memory where no route asks for a token of an issuer. */
const jwtAuthorizer = Effect.promise(() => import("./JwtAuthorizer.ts"))

const refusalOf = ({ api }: RouteCall, { kind, reason }: UsageRefused): CallRefused => {
  switch (kind) {
    case "unknown":
      return forbidden(api, reason)
    case "throttled":
      return tooManyRequests(api, reason)
    case "exhausted":
      return limitExceeded(api, reason)
  }
}
