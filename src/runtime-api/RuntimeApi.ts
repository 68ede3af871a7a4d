/**
 * The Lambda Runtime API (`2018-06-01`) as workers see it: a listener of its own for each worker, so that which worker
 * calls is known from the port, and its event needs no looking up. What the calls mean is `RuntimeSession`'s.
 */
import { Clock, Context, Effect, Layer, Scope } from "effect"
import type { AnswerSink } from "../domain/AnswerSink.ts"
import type { StartFailure, WorkerExit, WorkerId } from "../domain/Worker.ts"
import { HttpClient } from "../invoke/HttpClient.ts"
import { type ByteStream, type ListenFailed, streams } from "../net/ByteStream.ts"
import type { ExtensionHost } from "./ExtensionHost.ts"
import type { Outcome, RuntimeEvent } from "./RuntimeSession.ts"
import { WorkerListener } from "./WorkerListener.ts"
import { WorkerOutput } from "./WorkerOutput.ts"
import type { AllVitals } from "./WorkerVitals.ts"

export interface RuntimeApiListener {
  /** Of `AWS_LAMBDA_RUNTIME_API`, whose host is the address the worker reaches this machine by. */
  readonly port: number
  /** Says which address the worker has. Connections from it are served, others are cut; until then both wait. */
  readonly admit: (address: string) => void
  /** Takes in a connection that is known to be the worker's, whatever its address. */
  readonly welcome: (stream: ByteStream) => void
  /** The worker is being started: from here on its initialisation is timed, by default from when this was opened. */
  readonly starting: () => void
  /** Waits for the first `next` of the runtime and of all extensions; fails when one gives up or ends before. */
  readonly initialized: Effect.Effect<void, StartFailure>
  /** Gives the worker an event; `done` is called once. A streamed answer goes to `sink` before that, if there is one. */
  readonly deliver: (event: RuntimeEvent, done: (outcome: Outcome) => void, sink?: AnswerSink) => void
  /** The worker is gone: what it had under way is lost. */
  readonly end: (exit: WorkerExit | undefined, why: string) => void
  /** True while the event given last still waits to be fetched. */
  readonly undelivered: () => boolean
  /** How long the initialisation took, as long as it was for the event that comes next: undefined after the first one. */
  readonly coldStartMillis: () => number | undefined
  /** The worker's extensions: told of before it starts, and given a moment before it is stopped. */
  readonly extensions: ExtensionHost
}

export class RuntimeApi extends Context.Service<
  RuntimeApi,
  {
    /** Opens the API for one worker, before it starts, on an ephemeral port of `host`; closed with the scope. */
    readonly open: (id: WorkerId, host: string) => Effect.Effect<RuntimeApiListener, ListenFailed, Scope.Scope>
    /** The listener of a worker, as long as it is open. */
    readonly find: (id: WorkerId) => RuntimeApiListener | undefined
    /** What workers print, those without a listener included; written by whoever reads it. */
    readonly output: WorkerOutput
    /** How workers are, those without a listener included; told by whoever runs them. */
    readonly vitals: AllVitals
  }
>()("irori/runtime-api/RuntimeApi") {
  static readonly layer = Layer.effect(
    RuntimeApi,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const context = yield* Effect.context()
      const listeners = new Map<WorkerId, RuntimeApiListener>()
      const output = new WorkerOutput()
      const vitals: AllVitals = new Map()
      const client = yield* HttpClient.make
      const { listen } = yield* streams
      const warn = (message: string, fields: Record<string, unknown>) =>
        Effect.runForkWith(context)(Effect.logWarning(message).pipe(Effect.annotateLogs(fields)))

      const services = {
        clock,
        client,
        output,
        context,
        refused: (worker: WorkerId, address: string) =>
          warn("Cut a connection to a worker's Runtime API from another address", { worker, address })
      }

      // What closes with a worker holds the services that it was opened with for as long: so these are no caller's, and
      // there is no span.
      const open = Effect.fnUntraced(function* (id: WorkerId, host: string) {
        const scope = yield* Effect.scope
        const worker = new WorkerListener(id, scope, services)
        const listening = listen({ host, port: 0 }, (stream) => worker.gate.arrive(stream))
        const opened = yield* Effect.updateContext(listening, (_: Context.Context<never>) =>
          Context.add(context, Scope.Scope, scope)
        )
        worker.port = opened.port
        listeners.set(id, worker)
        yield* Scope.addFinalizer(
          scope,
          Effect.sync(() => {
            listeners.delete(id)
            worker.close()
          })
        )
        return worker satisfies RuntimeApiListener
      }, Effect.uninterruptible)

      return RuntimeApi.of({ open, find: (id) => listeners.get(id), output, vitals })
    })
  )
}
