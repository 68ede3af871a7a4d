/** What this process and its workers measure, for monitoring to come and read. */
import { Effect, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import type { Owner } from "../../src/domain/FunctionName.ts"
import { MetricsReport } from "../../src/metrics/MetricsReport.ts"
import { ContainerMetrics } from "../../src/provision/ContainerMetrics.ts"
import { refuseMethod } from "./methods.ts"
import { containerMetricsOperation, metricsOperation, prometheusType } from "./metricsOperations.ts"
import { respond } from "./respond.ts"

export const metrics = (
  runtime: ManagedRuntime.ManagedRuntime<MetricsReport | ContainerMetrics, never>,
  owner: Owner
) =>
  new Elysia({ name: "metrics" })
    .get("/metrics", ({ request }) => respond(runtime, request, owner, prometheus), { detail: metricsOperation })
    .all("/metrics", refuseMethod(owner, "GET, HEAD"), { parse: "none", detail: { hide: true } })
    .get("/metrics/containers", ({ request }) => respond(runtime, request, owner, containers), {
      detail: containerMetricsOperation
    })
    .all("/metrics/containers", refuseMethod(owner, "GET, HEAD"), { parse: "none", detail: { hide: true } })

const prometheus = Effect.map(
  MetricsReport.use((report) => report.prometheus),
  (text) => new Response(text, { headers: { "Content-Type": prometheusType } })
)

const containers = Effect.map(
  ContainerMetrics.use((metrics) => metrics.collect),
  (report) => Response.json(report)
)
