/** All that this process measures of itself, for whoever comes to read it. */
import { Context, type Effect } from "effect"

export class MetricsReport extends Context.Service<
  MetricsReport,
  {
    /** In Prometheus' text format. Gauges are looked up at this moment; nothing is waited for. */
    readonly prometheus: Effect.Effect<string>
  }
>()("irori/metrics/MetricsReport") {}
