/** ContainerMetrics where some workers are containers and some are processes. */
import { Effect, Layer } from "effect"
import { ContainerMetrics, fromMeasurements, type Measurement } from "./ContainerMetrics.ts"
import type { Ownership } from "./containerTemplate.ts"
import type { DockerAdaptor } from "./DockerAdaptor.ts"
import { measureContainers } from "./DockerContainerMetrics.ts"
import { measureProcesses } from "./ProcessContainerMetrics.ts"
import { Provisioner } from "./Provisioner.ts"

export const layer = (owner: Ownership): Layer.Layer<ContainerMetrics, never, Provisioner | DockerAdaptor> =>
  Layer.effect(
    ContainerMetrics,
    Effect.gen(function* () {
      const machine = yield* Provisioner
      const measure = yield* measureContainers(owner)
      return yield* fromMeasurements(
        Effect.gen(function* () {
          const workers = yield* machine.list
          const [containers, processes] = yield* Effect.all([Effect.result(measure), measureProcesses(workers)], {
            concurrency: 2
          })
          const found = containers._tag === "Success" ? containers.success : []
          const seen = new Set(found.map(({ container_name }) => container_name))
          const rest = workers.flatMap(({ id }): ReadonlyArray<Measurement> => {
            if (seen.has(id)) return []
            const sample = processes.get(id)
            if (sample !== undefined) return [sample]
            const error =
              containers._tag === "Failure"
                ? containers.failure.message
                : `Worker ${id} has neither a container nor a process.`
            return [{ container_id: id, container_name: id, error }]
          })
          return [...found, ...rest]
        })
      )
    })
  )
