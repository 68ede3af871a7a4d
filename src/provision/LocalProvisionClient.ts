/** ProvisionClient for a gateway that shares its process with the manager. */
import { Effect, Layer } from "effect"
import { ProvisionClient, ProvisionFailed } from "./ProvisionClient.ts"
import { Provisioner } from "./Provisioner.ts"

export const layer = Layer.effect(
  ProvisionClient,
  Effect.gen(function* () {
    const provisioner = yield* Provisioner
    return ProvisionClient.of({
      provision: (config) =>
        Effect.mapError(
          provisioner.start(config),
          ({ failure }) => new ProvisionFailed({ functionName: config.name, failure })
        ),
      remove: provisioner.stop,
      pause: provisioner.pause,
      resume: provisioner.resume,
      sync: provisioner.list
    })
  })
)
