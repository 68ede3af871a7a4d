/** Reads functions, routes and schedules again out of their files, and says what that has changed. */
import { DateTime, Effect, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import type { Owner } from "../../src/domain/FunctionName.ts"
import { Reloader } from "../../src/reload/Reloader.ts"
import { refuseMethod } from "./methods.ts"
import { type ReloadReport, reloadOperation } from "./reloadOperation.ts"
import { respond } from "./respond.ts"

const path = "/irori/reload"

export const reload = (runtime: ManagedRuntime.ManagedRuntime<Reloader, never>, owner: Owner) =>
  new Elysia({ name: "reload" })
    // Whatever comes with it is not read.
    .post(path, ({ request }) => respond(runtime, request, owner, answer), { parse: "none", detail: reloadOperation })
    .all(path, refuseMethod(owner, "POST"), { parse: "none", detail: { hide: true } })

const answer = Effect.gen(function* () {
  const reloaded = yield* Reloader.use((reloader) => reloader.reload)
  const report: typeof ReloadReport.Type = { timestamp: DateTime.formatIso(yield* DateTime.now), ...reloaded }
  return Response.json(report)
})
