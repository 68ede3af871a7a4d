/** The gateway's own sign-in over HTTP: a user and a password in, a token out. Who may have one is `SignIn`'s to say. */
import { Effect, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import { SignIn } from "../../src/auth/SignIn.ts"
import type { Owner } from "../../src/domain/FunctionName.ts"
import { readBody } from "./payload.ts"
import { respond } from "./respond.ts"
import { signInOperation } from "./signInOperation.ts"

export interface SignInRouteOptions {
  readonly owner: Owner
  /** Other methods than POST are not this route's. */
  readonly path: string
}

/** More than any name and password. */
const maxBodyBytes = 64 * 1024

export const signIn = (runtime: ManagedRuntime.ManagedRuntime<SignIn, never>, { owner, path }: SignInRouteOptions) =>
  new Elysia({ name: "sign-in" }).post(path, ({ request }) => respond(runtime, request, owner, answer(request)), {
    parse: "none",
    detail: signInOperation
  })

/** Says who is refused: a program that has no key, or the user of one that has. */
const userHeader = { PADMA_USER_AUTHORIZED: "true" }

const unauthorized = (headers: Readonly<Record<string, string>> = {}) =>
  Response.json({ message: "Unauthorized" }, { status: 401, headers })

const answer = Effect.fnUntraced(function* (request: Request) {
  const service = yield* SignIn
  // Nothing is told of the body to a program that has no key.
  if (!service.knowsKey(request.headers.get("x-api-key") ?? "")) {
    yield* Effect.logInfo("A sign-in was refused: the API key is not known")
    return unauthorized()
  }
  const type = request.headers.get("content-type")
  if (type !== null && !/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
    return malformed("the content type is not application/json")
  }
  const body = yield* readBody(request, maxBodyBytes, () => "too large" as const).pipe(
    Effect.catch((error) => Effect.succeed(error === "too large" ? "the body is too large" : "the body was cut short"))
  )
  const asked = typeof body === "string" ? body : credentialsOf(body)
  if (typeof asked === "string") return malformed(asked)
  return yield* service.enter(asked.user, asked.password).pipe(
    Effect.map((token) =>
      Response.json({ AuthenticationResult: { IdToken: token } }, { headers: { ...userHeader, ...notStored } })
    ),
    Effect.catch(() =>
      Effect.as(Effect.logInfo("A sign-in was refused: wrong user or password"), unauthorized(userHeader))
    )
  )
})

const notStored = { "Cache-Control": "no-store" }

const malformed = (detail: string) => Response.json({ message: "Validation Error", detail }, { status: 422 })

/** The user and the password, or what keeps them from being read: never what was given, which may be a password. */
const credentialsOf = (body: Uint8Array): { readonly user: string; readonly password: string } | string => {
  let given: unknown
  try {
    given = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body))
  } catch {
    return "the body is not JSON"
  }
  const parameters = fieldOf(given, "AuthParameters")
  const user = fieldOf(parameters, "USERNAME")
  const password = fieldOf(parameters, "PASSWORD")
  if (typeof parameters !== "object" || parameters === null) return "AuthParameters: Expected an object"
  if (typeof user !== "string") return "AuthParameters.USERNAME: Expected a text"
  if (typeof password !== "string") return "AuthParameters.PASSWORD: Expected a text"
  return { user, password }
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
