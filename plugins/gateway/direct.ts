/** What the gateway answers without its routes: plain invocations, and plain requests to APIs. */
import { Effect, type ManagedRuntime } from "effect"
import type { FunctionName } from "../../src/domain/FunctionName.ts"
import type { Direct } from "../../src/http/HttpServer.ts"
import { AsyncInvoker } from "../../src/invoke/AsyncInvoker.ts"
import { makeDeadlines } from "../../src/invoke/Deadlines.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { RouteTable } from "../../src/routing/RouteTable.ts"
import type { DirectServices } from "./DirectCall.ts"
import { accessLog } from "./exchange.ts"
import { mayBeFunctionUrl } from "./functionUrlTarget.ts"
import type { GatewayOptions } from "./index.ts"
import { isOwnPath } from "./paths.ts"
import { warmInvoke } from "./warmInvoke.ts"
import { warmProxy } from "./warmProxy.ts"

export type DirectNeeds = LambdaInvoker | AsyncInvoker | FunctionRegistry | RouteTable

/**
 * For the server that the app is behind whose `routes` these are. Undefined where nothing can be invoked without a fiber.
 * What is under way when the scope ends is nobody's any more.
 */
export const direct = Effect.fnUntraced(function* (
  runtime: ManagedRuntime.ManagedRuntime<DirectNeeds, never>,
  options: GatewayOptions,
  routes: ReadonlyArray<{ readonly path: string }>
) {
  const deadlines = yield* makeDeadlines
  const needs = Effect.all([LambdaInvoker, AsyncInvoker, FunctionRegistry, RouteTable])
  const [{ start }, { accept }, registry, table] = yield* Effect.promise(() => runtime.runPromise(needs))
  if (start === undefined) return undefined
  const isKnown = (name: FunctionName) => registry.peek?.(name) !== undefined
  const log = accessLog(runtime)
  const services: DirectServices = { runtime, owner: options.owner, log, start, accept, isKnown, deadlines }
  const own = firstSegments(routes)
  const isOwn = (path: string) => own.has(firstSegment(path)) || isOwnPath(path, options)
  const invoked = warmInvoke(services, options)
  const proxied = warmProxy(services, table, isOwn, options)
  // Function URLs come before everything else, and any path may be one's.
  const answer: Direct = (head) => invoked(head) ?? (mayBeFunctionUrl(head) ? undefined : proxied(head))
  return answer
})

const firstSegment = (path: string): string => {
  const end = path.indexOf("/", 1)
  return end === -1 ? path.slice(1) : path.slice(1, end)
}

/** All but of the route that takes what no other does. */
const firstSegments = (routes: ReadonlyArray<{ readonly path: string }>): ReadonlySet<string> => {
  const named = routes.filter(({ path }) => path !== "/*").map(({ path }) => firstSegment(path))
  const open = named.find((segment) => /[:*]/.test(segment))
  if (open !== undefined) throw new Error(`the route /${open} could be any path`)
  return new Set(named)
}
