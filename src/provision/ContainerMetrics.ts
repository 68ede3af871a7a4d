/** What each worker takes of its machine: memory, CPU time, and how it fares. */
import { Clock, Context, Effect, Schema } from "effect"

/** One worker, container or process. */
export const ContainerSample = Schema.Struct({
  container_id: Schema.String,
  function_name: Schema.String,
  container_name: Schema.String,
  state: Schema.Literals(["RUNNING", "PAUSED", "STOPPED", "UNKNOWN"]),
  /** Bytes. */
  memory_current: Schema.Finite,
  /** Bytes; 0 where there is no limit. */
  memory_max: Schema.Finite,
  /** Whether the machine has ended a process of it for want of memory: 1, else 0. */
  oom_events: Schema.Int,
  /** Nanoseconds since it started, of all CPUs. */
  cpu_usage_ns: Schema.Finite,
  /** 0 while it runs. */
  exit_code: Schema.Int,
  restart_count: Schema.Int,
  /** Unix seconds; 0 while it runs. */
  exit_time: Schema.Finite,
  /** Unix seconds. */
  collected_at: Schema.Finite
})
export type ContainerSample = typeof ContainerSample.Type

/** One that is there and could not be measured. */
export const ContainerUnmeasured = Schema.Struct({
  container_id: Schema.String,
  container_name: Schema.String,
  /** One line for a person. */
  error: Schema.String
})
export type ContainerUnmeasured = typeof ContainerUnmeasured.Type

export type Measurement = ContainerSample | ContainerUnmeasured

export const ContainersReport = Schema.Struct({
  containers: Schema.Array(Schema.Union([ContainerSample, ContainerUnmeasured])),
  /** How many could not be measured; absent where there is none to be measured. */
  failures: Schema.optionalKey(Schema.Int)
})
export type ContainersReport = typeof ContainersReport.Type

/** There are workers, and none of them could be measured; or nobody knows whether there are. */
export class ContainerMetricsUnavailable extends Schema.TaggedError<ContainerMetricsUnavailable>()(
  "ContainerMetricsUnavailable",
  { detail: Schema.String }
) {
  override get message() {
    return `Container metrics are unavailable: ${this.detail}`
  }
}

export class ContainerMetrics extends Context.Service<
  ContainerMetrics,
  {
    /** Measures every worker of the machine, which takes about a second. What it finds may be some seconds old. */
    readonly collect: Effect.Effect<ContainersReport, ContainerMetricsUnavailable>
  }
>()("irori/provision/ContainerMetrics") {}

/** So long one measurement serves everybody who asks, so that asking often does not keep the engine busy. */
const freshness = "5 seconds"

/** Reports what `measure` finds; those who ask while it is under way wait for the same one. */
export const fromMeasurements = (measure: Effect.Effect<ReadonlyArray<Measurement>, ContainerMetricsUnavailable>) =>
  measure.pipe(
    Effect.flatMap((containers): Effect.Effect<ContainersReport, ContainerMetricsUnavailable> => {
      if (containers.length === 0) return Effect.succeed({ containers })
      const failed = containers.filter((one) => "error" in one)
      return failed.length === containers.length
        ? Effect.fail(new ContainerMetricsUnavailable({ detail: failed[0]!.error }))
        : Effect.succeed({ containers, failures: failed.length })
    }),
    Effect.cachedWithTTL(freshness),
    Effect.map((collect) => ContainerMetrics.of({ collect }))
  )

export const nowSeconds = Effect.map(Clock.currentTimeMillis, (millis) => millis / 1000)
