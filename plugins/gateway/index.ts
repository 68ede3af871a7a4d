/** The public face: Lambda's Invoke API and the health of the process. Turns HTTP into calls, and decides nothing. */
import type { ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import type { SignIn } from "../../src/auth/SignIn.ts"
import type { Owner } from "../../src/domain/FunctionName.ts"
import type { TrustedProxies } from "../../src/http/TrustedProxies.ts"
import type { AsyncInvoker } from "../../src/invoke/AsyncInvoker.ts"
import type { FailedEvents } from "../../src/invoke/async/FailedEvents.ts"
import type { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import type { MetricsReport } from "../../src/metrics/MetricsReport.ts"
import type { ContainerMetrics } from "../../src/provision/ContainerMetrics.ts"
import type { ProvisionClient } from "../../src/provision/ProvisionClient.ts"
import type { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import type { Reloader } from "../../src/reload/Reloader.ts"
import type { RouteAuthorizer } from "../../src/routing/RouteAuthorizer.ts"
import type { RouteTable } from "../../src/routing/RouteTable.ts"
import { refuseCaller } from "./auth.ts"
import { errorResponse, Fault, OperationUnknown, PathUnreadable } from "./errors.ts"
import { accessLog, exchange, exchangeOf } from "./exchange.ts"
import { failedEvents } from "./failedEvents.ts"
import { health } from "./health.ts"
import { invoke } from "./invoke.ts"
import { invokeAsync } from "./invokeAsync.ts"
import { invokeWithResponseStream } from "./invokeWithResponseStream.ts"
import { metrics } from "./metrics.ts"
import { isOwnPath, isReadable } from "./paths.ts"
import { isRouted, proxy } from "./proxy.ts"
import { reload } from "./reload.ts"
import { logFault } from "./respond.ts"
import { signIn } from "./signIn.ts"

export interface GatewayOptions {
  readonly owner: Owner
  /** The largest event of an invocation whose answer is waited for; Lambda's is 6291456. */
  readonly maxPayloadBytes: number
  /** The largest event of an asynchronous invocation; Lambda's is 1048576. */
  readonly maxEventBytes: number
  /** What callers must show; absent, nobody is asked. */
  readonly apiKey?: string
  /** Paths of other plugins in the same app, who know themselves who may call them and what failed. By default none. */
  readonly isForeign?: (path: string) => boolean
  /** Whose word counts of where a request came from. By default nobody's. */
  readonly proxies?: TrustedProxies
  /** Where tokens are asked for; absent, nowhere. */
  readonly signInPath?: string
}

export type GatewayServices =
  | LambdaInvoker
  | AsyncInvoker
  | FailedEvents
  | FunctionRegistry
  | ProvisionClient
  | MetricsReport
  | ContainerMetrics
  | RouteTable
  | RouteAuthorizer
  | Reloader
  | SignIn

export const gateway = (runtime: ManagedRuntime.ManagedRuntime<GatewayServices, never>, options: GatewayOptions) => {
  const log = accessLog(runtime)
  const isOwn = (path: string) => isOwnPath(path, options)
  return (
    new Elysia({ name: "gateway" })
      .use(exchange(runtime))
      // Thrown, not returned: what is returned here goes past the access log.
      .onRequest(({ request }) => {
        if (!isReadable(request.url)) throw new PathUnreadable()
      })
      .onRequest(({ request, set }) => {
        if (options.apiKey === undefined) return
        const path = pathOf(request.url)
        if (options.isForeign?.(path) === true) return
        // It asks for a key of its own.
        if (request.method === "POST" && path === options.signInPath) return
        const unknown = refuseCaller(request.headers, path, options.apiKey)
        // What is an API's is for its authorizers to guard.
        if (unknown === undefined || isRouted(runtime, request, isOwn)) return
        const response = errorResponse(unknown, options.owner)
        set.status = response.status
        // What is returned here goes past the hooks, and who was turned away is what a log is read for.
        const userAgent = request.headers.get("user-agent") ?? undefined
        log(exchangeOf(request), { method: request.method, path, userAgent }, response.status)
        return response
      })
      .onError({ as: "global" }, ({ code, error, request, path, set }) => {
        // A status that a route has thrown on purpose.
        if (typeof code === "number") return
        if (options.isForeign?.(path) === true && !(error instanceof PathUnreadable)) return
        const response = explain(runtime, options.owner, { code, error, request, path })
        set.status = response.status
        return response
      })
      .use(health(runtime, options.owner))
      .use(metrics(runtime, options.owner))
      .use(invoke(runtime, options))
      .use(invokeWithResponseStream(runtime, options))
      .use(invokeAsync(runtime, options))
      .use(failedEvents(runtime, options.owner))
      .use(reload(runtime, options.owner))
      .use(
        options.signInPath === undefined
          ? new Elysia()
          : signIn(runtime, { owner: options.owner, path: options.signInPath })
      )
      .use(proxy(runtime, { ...options, isOwn }))
  )
}

/** What no route has answered: an unknown path, a malformed request, a bug. */
const explain = (
  runtime: ManagedRuntime.ManagedRuntime<never, never>,
  owner: Owner,
  failed: { readonly code: string; readonly error: unknown; readonly request: Request; readonly path: string }
): Response => {
  if (failed.error instanceof PathUnreadable) return errorResponse(failed.error, owner)
  const isLambdaApi = apiPath.test(failed.path)
  switch (failed.code) {
    case "NOT_FOUND":
      return isLambdaApi
        ? errorResponse(new OperationUnknown({ method: failed.request.method, path: failed.path }), owner)
        : Response.json({ message: "Not Found" }, { status: 404 })
    case "PARSE":
    case "VALIDATION":
    case "INVALID_COOKIE_SIGNATURE":
      return Response.json({ message: "Bad Request" }, { status: 400 })
    default:
      logFault(runtime, exchangeOf(failed.request), failed.error)
      return isLambdaApi
        ? errorResponse(new Fault(), owner)
        : Response.json({ message: "Internal Server Error" }, { status: 500 })
  }
}

/** All of Lambda's paths begin with the date of their version. */
const apiPath = /^\/\d{4}-\d{2}-\d{2}\//

const pathOf = (url: string): string => url.slice(url.indexOf("/", url.indexOf("//") + 2)).split("?", 1)[0] ?? ""
