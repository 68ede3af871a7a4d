/** ContainerMetrics for a gateway whose manager is another process: asks the manager. */
import { Effect, Layer, Schema } from "effect"
import { ContainerMetrics, ContainerMetricsUnavailable, ContainersReport } from "./ContainerMetrics.ts"
import { ManagerClient, type ManagerClientOptions } from "./ManagerClient.ts"

const readReport = Schema.decodeUnknownEffect(Schema.fromJsonString(ContainersReport))

export const layer = (options: ManagerClientOptions) =>
  Layer.effect(
    ContainerMetrics,
    Effect.map(ManagerClient.make(options), (manager) => ({
      collect: Effect.mapError(
        manager.call({ method: "GET", path: "/metrics/containers" }, readReport),
        (error) => new ContainerMetricsUnavailable({ detail: error.message })
      )
    }))
  )
