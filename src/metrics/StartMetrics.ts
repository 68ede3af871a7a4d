/** Counts starts of workers and takes their time: between whoever orders them and who carries them out. */
import { Clock, Effect, Exit, Layer, Metric } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { StartFailure } from "../domain/Worker.ts"
import { ProvisionClient } from "../provision/ProvisionClient.ts"
import { Provisioner } from "../provision/Provisioner.ts"
import { coldStarts, workerStartDuration, workerStartFailures } from "./metrics.ts"

/** For a process whose machine starts workers: to be put over its provisioner, in whose place it comes. */
export const layerProvisioner = Layer.effect(
  Provisioner,
  Effect.map(Provisioner, (machine) => ({ ...machine, start: measured(machine.start) }))
)

/** For one whose manager is another process. */
export const layerProvisionClient = Layer.effect(
  ProvisionClient,
  Effect.map(ProvisionClient, (client) => ({ ...client, provision: measured(client.provision) }))
)

const measured =
  <Rest extends ReadonlyArray<unknown>, A, E extends { readonly failure: StartFailure }>(
    start: (config: FunctionConfig, ...rest: Rest) => Effect.Effect<A, E>
  ) =>
  (config: FunctionConfig, ...rest: Rest): Effect.Effect<A, E> =>
    Effect.flatMap(Clock.monotonicTimeNanos, (begun) =>
      Effect.onExit(start(config, ...rest), (exit) => {
        if (Exit.isSuccess(exit)) {
          return Effect.gen(function* () {
            const seconds = Number((yield* Clock.monotonicTimeNanos) - begun) / 1e9
            yield* Metric.update(coldStarts(config.name), 1)
            yield* Metric.update(workerStartDuration(config.name), seconds)
          })
        }
        // Whoever gave it up made no failure of it.
        const error = Exit.findErrorOption(exit)
        if (error._tag === "None") return Effect.void
        return Metric.update(workerStartFailures(config.name, error.value.failure.reason), 1)
      })
    )
