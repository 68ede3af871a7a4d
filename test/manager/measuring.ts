/** What a manager measures, as a test says. */
import { Effect, Layer } from "effect"
import { MetricsReport } from "../../src/metrics/MetricsReport.ts"
import { ContainerMetrics } from "../../src/provision/ContainerMetrics.ts"

export const measuring = (collect: ContainerMetrics["Service"]["collect"] = Effect.succeed({ containers: [] })) =>
  Layer.merge(
    Layer.succeed(MetricsReport, { prometheus: Effect.succeed("a_total 1\n") }),
    Layer.succeed(ContainerMetrics, { collect })
  )
