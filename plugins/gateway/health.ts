/** Whether this process lives, and whether it can do its work. Neither answer is ever waited for long. */
import { DateTime, Effect, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import type { Owner } from "../../src/domain/FunctionName.ts"
import { ProvisionClient } from "../../src/provision/ProvisionClient.ts"
import { Reloader } from "../../src/reload/Reloader.ts"
import { type Health, healthOperation, type Readiness, readinessOperation } from "./healthOperations.ts"
import { refuseMethod } from "./methods.ts"
import { respond } from "./respond.ts"

export const health = (runtime: ManagedRuntime.ManagedRuntime<Reloader | ProvisionClient, never>, owner: Owner) =>
  new Elysia({ name: "health" })
    .get("/health", ({ request }) => respond(runtime, request, owner, alive), { detail: healthOperation })
    .all("/health", refuseMethod(owner, "GET, HEAD"), { parse: "none", detail: { hide: true } })
    .get("/health/ready", ({ request }) => respond(runtime, request, owner, ready), { detail: readinessOperation })
    .all("/health/ready", refuseMethod(owner, "GET, HEAD"), { parse: "none", detail: { hide: true } })

const timestamp = Effect.map(DateTime.now, DateTime.formatIso)

const alive = Effect.map(timestamp, (timestamp) =>
  Response.json({ status: "healthy", timestamp } satisfies typeof Health.Type)
)

/** A manager that says nothing for so long is none to rely on. */
const managerTimeout = "2 seconds"

const managerProblem = ProvisionClient.use((manager) => manager.sync).pipe(
  Effect.as([]),
  Effect.timeout(managerTimeout),
  Effect.catch((error) =>
    Effect.succeed([{ detail: error._tag === "ManagerUnreachable" ? error.message : "The manager does not answer." }])
  )
)

const ready = Effect.gen(function* () {
  const problems = [...(yield* Reloader.use((reloader) => reloader.problems)), ...(yield* managerProblem)]
  const report: typeof Readiness.Type = {
    status: problems.length === 0 ? "ready" : "unready",
    timestamp: yield* timestamp,
    problems
  }
  return Response.json(report, { status: problems.length === 0 ? 200 : 503 })
})
