/** The private face, beside the container engine: what gateways in other processes ask. Decides nothing but who may. */
import { createHash, timingSafeEqual } from "node:crypto"
import { Clock, Effect } from "effect"
import { Elysia } from "elysia"
import { containers, type ManagerRuntime } from "./containers.ts"
import { plainError } from "./errors.ts"
import { healthOperation } from "./operations.ts"

export interface ManagerPluginOptions {
  /** What a gateway sends as `Authorization: Bearer`. */
  readonly token: string
}

export const manager = (runtime: ManagerRuntime, options: ManagerPluginOptions) =>
  new Elysia({ name: "manager" })
    // Before anything of the request is read: who is not a gateway learns nothing, not even which paths there are.
    .onRequest(({ request }) => {
      const path = request.url.indexOf("/", request.url.indexOf("//") + 2)
      if (request.url.startsWith("/containers", path) && !isAuthorized(request, options.token)) return unauthorized()
    })
    .onError({ as: "global" }, ({ code, error }) => {
      switch (code) {
        case "NOT_FOUND":
          return plainError(404, "Not Found")
        case "PARSE":
          return plainError(400, "The body is no JSON.")
        case "VALIDATION": {
          const [first] = error.all
          const path = first !== undefined && "path" in first && typeof first.path === "string" ? first.path : ""
          return plainError(422, [path, first?.summary ?? "Invalid request"].filter((part) => part !== "").join(": "))
        }
        default:
          runtime.runFork(Effect.logError("A request failed for a reason that is no caller's fault", error))
          return plainError(500, "Internal server error")
      }
    })
    .get(
      "/health",
      () =>
        runtime.runPromise(
          Effect.map(Clock.currentTimeMillis, (now) => ({ status: "healthy", timestamp: new Date(now).toISOString() }))
        ),
      { detail: healthOperation }
    )
    .use(containers(runtime, (request) => (isAuthorized(request, options.token) ? undefined : unauthorized())))

/** Where this plugin's routes are; what else it has, every plugin of an app may have too. */
export const isManagerPath = (path: string): boolean => path.startsWith("/containers")

const unauthorized = () => plainError(401, "Unauthorized")

/** Compares digests, whose length says nothing about the token's, in a time that does not depend on where they differ. */
const isAuthorized = (request: Request, token: string): boolean => {
  const given = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? ""
  const digest = (text: string) => createHash("sha256").update(text).digest()
  return token !== "" && timingSafeEqual(digest(given), digest(token))
}
