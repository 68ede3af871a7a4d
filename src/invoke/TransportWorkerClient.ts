/** WorkerClient that sends each event the way its worker takes it, or by whom its log can be told. */
import { Context, Effect, Layer } from "effect"
import type { Transport } from "../domain/FunctionConfig.ts"
import { type DirectClient, WorkerClient } from "./WorkerClient.ts"

export const layer = <R1, R2>(clients: {
  readonly "runtime-api": Layer.Layer<WorkerClient, never, R1>
  readonly rie: Layer.Layer<WorkerClient, never, R2>
  /** Which of them takes the events whose log is asked for, where it is another process that has the workers' output. */
  readonly tails?: Transport
}) =>
  Layer.effect(
    WorkerClient,
    Effect.gen(function* () {
      const byTransport: Record<Transport, WorkerClient["Service"]> = {
        "runtime-api": Context.get(yield* Layer.build(clients["runtime-api"]), WorkerClient),
        rie: Context.get(yield* Layer.build(clients.rie), WorkerClient)
      }
      const direct: DirectClient = {
        takes: (config, invocation) => byTransport[config.transport].direct?.takes(config, invocation) === true,
        // Only what it takes is started, and the one that takes it has a way.
        start: (worker, config, invocation, taker) =>
          byTransport[worker.transport].direct!.start(worker, config, invocation, taker)
      }
      return WorkerClient.of({
        send: (worker, config, invocation, sink) => {
          const transport = invocation.logTail === true ? (clients.tails ?? worker.transport) : worker.transport
          return byTransport[transport].send(worker, config, invocation, sink)
        },
        direct
      })
    })
  )
