/** Whether this process lives, and whether it can do its work. Neither asks anything that could hang. */
import { DateTime, Effect, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import type { Owner } from "../../src/domain/FunctionName.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { type Health, healthOperation, type Readiness, readinessOperation } from "./healthOperations.ts"
import { refuseMethod } from "./methods.ts"
import { respond } from "./respond.ts"

export const health = (runtime: ManagedRuntime.ManagedRuntime<FunctionRegistry, never>, owner: Owner) =>
  new Elysia({ name: "health" })
    .get("/health", ({ request }) => respond(runtime, request, owner, alive), { detail: healthOperation })
    .all("/health", refuseMethod(owner, "GET, HEAD"), { parse: "none", detail: { hide: true } })
    .get("/health/ready", ({ request }) => respond(runtime, request, owner, ready), { detail: readinessOperation })
    .all("/health/ready", refuseMethod(owner, "GET, HEAD"), { parse: "none", detail: { hide: true } })

const timestamp = Effect.map(DateTime.now, DateTime.formatIso)

const alive = Effect.map(timestamp, (timestamp) =>
  Response.json({ status: "healthy", timestamp } satisfies typeof Health.Type)
)

const ready = Effect.gen(function* () {
  const registry = yield* FunctionRegistry
  const problems = yield* registry.problems
  const report: typeof Readiness.Type = {
    status: problems.length === 0 ? "ready" : "unready",
    timestamp: yield* timestamp,
    problems
  }
  return Response.json(report, { status: problems.length === 0 ? 200 : 503 })
})
