/** ContainerMetrics for workers in containers: what the engine says of each. */
import { Effect, Layer } from "effect"
import {
  ContainerMetrics,
  ContainerMetricsUnavailable,
  type ContainerSample,
  fromMeasurements,
  type Measurement,
  nowSeconds
} from "./ContainerMetrics.ts"
import { instanceLabels, label, type Ownership } from "./containerTemplate.ts"
import { type ContainerSummary, DockerAdaptor } from "./DockerAdaptor.ts"
import type { DockerError } from "./DockerError.ts"

export const layer = (owner: Ownership) =>
  Layer.effect(
    ContainerMetrics,
    Effect.flatMap(measureContainers(owner), (measure) =>
      fromMeasurements(Effect.mapError(measure, (error) => new ContainerMetricsUnavailable({ detail: error.message })))
    )
  )

/** Every container of the installation. The adaptor sees to it that not too many are asked for at once. */
export const measureContainers = (
  owner: Ownership
): Effect.Effect<Effect.Effect<ReadonlyArray<Measurement>, DockerError>, never, DockerAdaptor> =>
  Effect.map(DockerAdaptor, (docker) => {
    const measure = (container: ContainerSummary) =>
      Effect.gen(function* () {
        const stats = yield* docker.stats(container.name)
        return {
          container_id: container.id,
          function_name: container.labels[label.function] ?? "",
          container_name: container.name,
          state: states[stats.state] ?? "UNKNOWN",
          memory_current: stats.memoryBytes,
          memory_max: stats.maxMemoryBytes,
          oom_events: stats.outOfMemory ? 1 : 0,
          cpu_usage_ns: stats.cpuNanos,
          exit_code: stats.exitCode,
          restart_count: stats.restarts,
          exit_time: stats.endedAtMillis / 1000,
          collected_at: yield* nowSeconds
        } satisfies ContainerSample
      }).pipe(
        // It went away between the list and the question.
        Effect.catchTag("DockerNotFound", () => Effect.succeed(undefined)),
        Effect.catch((error) =>
          Effect.succeed({ container_id: container.id, container_name: container.name, error: error.message })
        )
      )
    return docker.list(instanceLabels(owner)).pipe(
      Effect.flatMap(Effect.forEach(measure, { concurrency: "unbounded" })),
      Effect.map((found) => found.filter((one) => one !== undefined))
    )
  })

/** By the engine's words. */
const states: Readonly<Record<string, ContainerSample["state"]>> = {
  running: "RUNNING",
  paused: "PAUSED",
  created: "STOPPED",
  removing: "STOPPED",
  exited: "STOPPED",
  dead: "STOPPED"
}
