/** A machine and its workers, as a test scripts them. */
import { Effect, Layer, PubSub } from "effect"
import type { AnswerSink } from "../../src/domain/AnswerSink.ts"
import type { FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import type { Invocation } from "../../src/domain/Invocation.ts"
import type { Worker, WorkerId } from "../../src/domain/Worker.ts"
import { type WorkerAnswer, WorkerClient, type WorkerLost } from "../../src/invoke/WorkerClient.ts"
import { fingerprint } from "../../src/provision/fingerprint.ts"
import { Provisioner, type StartFailed, type WorkerDeath, WorkerGone } from "../../src/provision/Provisioner.ts"
import { worker } from "../support/functions.ts"

export class FakeMachine {
  /** What was asked of it, in order. */
  readonly calls: Array<string> = []
  readonly running = new Map<WorkerId, Worker>()
  /** Of `running`, those that are there no more, though the machine has not seen it. */
  readonly gone = new Set<WorkerId>()
  /** Of `running`, those that are at an event whose sender has gone. */
  readonly abandoned = new Set<WorkerId>()
  readonly configs: Array<FunctionConfig> = []
  readonly events: Array<Invocation> = []
  /** What a start does before its worker runs; `nth` counts from 1. */
  onStart: (nth: number) => Effect.Effect<void, StartFailed> = () => Effect.void
  onEvent: (
    worker: Worker,
    invocation: Invocation,
    sink: AnswerSink | undefined
  ) => Effect.Effect<WorkerAnswer, WorkerLost> = (_, { payload }) => Effect.succeed({ payload })

  readonly provisioner = Layer.effect(
    Provisioner,
    Effect.map(PubSub.unbounded<WorkerDeath>(), (deaths) =>
      Provisioner.of({
        start: (config, gateway) =>
          Effect.suspend(() => {
            const nth = this.configs.push(config)
            const started = worker(`w-${nth}`, {
              functionName: config.name,
              version: config.version,
              transport: config.transport,
              port: 1000 + nth,
              fingerprint: fingerprint(config),
              ...(gateway === undefined ? {} : { gateway })
            })
            this.calls.push(`start ${started.id}`)
            return this.onStart(nth).pipe(
              Effect.onInterrupt(() => Effect.sync(() => this.calls.push(`give up ${started.id}`))),
              Effect.map(() => {
                this.running.set(started.id, started)
                return started
              })
            )
          }),
        stop: (id) =>
          Effect.sync(() => {
            this.calls.push(`stop ${id}`)
            this.running.delete(id)
          }),
        pause: (id) => this.#ask("pause", id),
        resume: (id) => this.#ask("resume", id),
        isAbandoned: (id) => Effect.sync(() => this.abandoned.has(id)),
        list: Effect.sync(() => [...this.running.values()]),
        deaths
      })
    )
  )

  #ask(what: string, id: WorkerId) {
    return Effect.suspend(() => {
      this.calls.push(`${what} ${id}`)
      return this.running.has(id) && !this.gone.has(id)
        ? Effect.void
        : new WorkerGone({ id, detail: `There is no ${id}.` })
    })
  }

  readonly workerClient = Layer.succeed(WorkerClient, {
    send: (worker, _config, invocation, sink) =>
      Effect.suspend(() => {
        this.events.push(invocation)
        return this.onEvent(worker, invocation, sink).pipe(
          Effect.onInterrupt(() => Effect.sync(() => this.calls.push(`leave ${worker.id}`)))
        )
      })
  })
}
