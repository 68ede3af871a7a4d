/** What this process and its workers measure: for monitoring, and for gateways that are asked. */
import { Effect, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import { MetricsReport } from "../../src/metrics/MetricsReport.ts"
import { ContainerMetrics } from "../../src/provision/ContainerMetrics.ts"
import { respond } from "./containers.ts"
import { containerMetricsOperation, metricsOperation, prometheusType } from "./metricsOperations.ts"

/** `refuse` answers those who may not. */
export const metrics = (
  runtime: ManagedRuntime.ManagedRuntime<MetricsReport | ContainerMetrics, never>,
  refuse: (request: Request) => Response | undefined
) =>
  new Elysia({ name: "manager-metrics" })
    .onBeforeHandle(({ request }) => refuse(request))
    .get("/metrics", ({ request }) => respond(runtime, request, prometheus), { detail: metricsOperation })
    .get("/metrics/containers", ({ request }) => respond(runtime, request, containerReport), {
      detail: containerMetricsOperation
    })

const prometheus = Effect.map(
  MetricsReport.use((report) => report.prometheus),
  (text) => new Response(text, { headers: { "Content-Type": prometheusType } })
)

const containerReport = Effect.map(
  ContainerMetrics.use((metrics) => metrics.collect),
  (report) => Response.json(report)
)
