/** The private face, beside the container engine: what gateways in other processes ask. Decides nothing but who may. */
import { createHash, timingSafeEqual } from "node:crypto"
import { Clock, Effect, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import type { MetricsReport } from "../../src/metrics/MetricsReport.ts"
import type { ContainerMetrics } from "../../src/provision/ContainerMetrics.ts"
import type { Manager } from "../../src/provision/Manager.ts"
import { containers } from "./containers.ts"
import { plainError } from "./errors.ts"
import { metrics } from "./metrics.ts"
import { healthOperation } from "./operations.ts"

export interface ManagerPluginOptions {
  /** What a gateway sends as `Authorization: Bearer`. */
  readonly token: string
  /** Whether a gateway is in the same app, which has the routes of the metrics then. By default there is none. */
  readonly besideGateway?: boolean
}

export type ManagerServices = Manager | MetricsReport | ContainerMetrics

export const manager = (
  runtime: ManagedRuntime.ManagedRuntime<ManagerServices, never>,
  options: ManagerPluginOptions
) => {
  const refuse = (request: Request) => (isAuthorized(request, options.token) ? undefined : unauthorized())
  const ownPath = options.besideGateway === true ? /^\/containers([/?]|$)/ : /^\/(containers|metrics)([/?]|$)/
  return (
    new Elysia({ name: "manager" })
      // Before anything of the request is read: who is not a gateway learns nothing, not even which paths there are.
      .onRequest(({ request }) => {
        const path = request.url.indexOf("/", request.url.indexOf("//") + 2)
        if (ownPath.test(request.url.slice(path))) return refuse(request)
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
            Effect.map(Clock.currentTimeMillis, (now) => ({
              status: "healthy",
              timestamp: new Date(now).toISOString()
            }))
          ),
        { detail: healthOperation }
      )
      .use(containers(runtime, refuse))
      .use(options.besideGateway === true ? new Elysia() : metrics(runtime, refuse))
  )
}

/** Where this plugin's routes are; what else it has, every plugin of an app may have too. */
export const isManagerPath = (path: string): boolean => /^\/containers(\/|$)/.test(path)

const unauthorized = () => plainError(401, "Unauthorized")

/** Compares digests, whose length says nothing about the token's, in a time that does not depend on where they differ. */
const isAuthorized = (request: Request, token: string): boolean => {
  const given = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? ""
  const digest = (text: string) => createHash("sha256").update(text).digest()
  return token !== "" && timingSafeEqual(digest(given), digest(token))
}
