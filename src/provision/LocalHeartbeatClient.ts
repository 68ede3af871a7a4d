/** HeartbeatClient for a gateway that shares its process with the manager: nobody else's workers are there. */
import { Effect, Layer } from "effect"
import { HeartbeatClient } from "./HeartbeatClient.ts"
import { Provisioner } from "./Provisioner.ts"

export const layer = Layer.effect(
  HeartbeatClient,
  Effect.gen(function* () {
    const provisioner = yield* Provisioner
    return HeartbeatClient.of({
      send: (_name, workers) =>
        Effect.map(provisioner.list, (running) => {
          const known = new Set(running.map(({ id }) => id))
          return workers.filter((id) => !known.has(id))
        })
    })
  })
)
