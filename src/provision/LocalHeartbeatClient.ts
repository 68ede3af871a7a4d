/** HeartbeatClient for a gateway that shares its process with the manager, which treats it like any other. */
import { Effect, Layer } from "effect"
import { HeartbeatClient } from "./HeartbeatClient.ts"
import { localGateway } from "./LocalProvisionClient.ts"
import { Manager } from "./Manager.ts"

export const layer = Layer.effect(
  HeartbeatClient,
  Effect.map(Manager, (manager) =>
    HeartbeatClient.of({ send: (name, workers) => manager.heartbeat(name, workers, localGateway) })
  )
)
