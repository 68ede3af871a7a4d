/** ProvisionClient for a gateway that shares its process with the manager. */
import { Effect, Layer } from "effect"
import { GatewayId } from "../domain/Worker.ts"
import { ProvisionClient, ProvisionFailed } from "./ProvisionClient.ts"
import { Provisioner } from "./Provisioner.ts"

/** What the gateway in the manager's own process is called; others may use that manager too. */
export const localGateway = GatewayId.make("local")

export const layer = Layer.effect(
  ProvisionClient,
  Effect.gen(function* () {
    const provisioner = yield* Provisioner
    return ProvisionClient.of({
      provision: (config) =>
        Effect.mapError(
          provisioner.start(config, localGateway),
          ({ failure }) => new ProvisionFailed({ functionName: config.name, failure })
        ),
      remove: provisioner.stop,
      pause: provisioner.pause,
      resume: provisioner.resume,
      sync: Effect.map(provisioner.list, (running) => running.filter(({ gateway }) => gateway === localGateway))
    })
  })
)
