/** HeartbeatClient for a gateway whose manager is another process. */
import { Effect, Layer, Schema } from "effect"
import { HeartbeatClient } from "./HeartbeatClient.ts"
import { ManagerClient, type ManagerClientOptions } from "./ManagerClient.ts"
import { HeartbeatRequest, HeartbeatResponse } from "./ManagerProtocol.ts"
import { ManagerUnreachable } from "./ProvisionClient.ts"

const encodeRequest = Schema.encodeSync(Schema.toCodecJson(HeartbeatRequest))
const readHeard = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(HeartbeatResponse)))

export const layer = (options: ManagerClientOptions) =>
  Layer.effect(
    HeartbeatClient,
    Effect.gen(function* () {
      const manager = yield* ManagerClient.make(options)
      return HeartbeatClient.of({
        send: (name, workers) => {
          const body = encodeRequest({ function_name: name, container_names: workers })
          return manager.call({ method: "POST", path: "/containers/heartbeat", body }, readHeard).pipe(
            Effect.map(({ unknown }) => unknown),
            Effect.mapError((cause) => new ManagerUnreachable({ cause }))
          )
        }
      })
    })
  )
