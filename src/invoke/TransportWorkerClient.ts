/** WorkerClient that sends each event the way its worker takes it. */
import { Context, Effect, Layer } from "effect"
import type { Transport } from "../domain/FunctionConfig.ts"
import { WorkerClient } from "./WorkerClient.ts"

export const layer = <R1, R2>(clients: {
  readonly "runtime-api": Layer.Layer<WorkerClient, never, R1>
  readonly rie: Layer.Layer<WorkerClient, never, R2>
}) =>
  Layer.effect(
    WorkerClient,
    Effect.gen(function* () {
      const byTransport: Record<Transport, WorkerClient["Service"]> = {
        "runtime-api": Context.get(yield* Layer.build(clients["runtime-api"]), WorkerClient),
        rie: Context.get(yield* Layer.build(clients.rie), WorkerClient)
      }
      return WorkerClient.of({
        send: (worker, config, invocation, sink) => byTransport[worker.transport].send(worker, config, invocation, sink)
      })
    })
  )
