/** Starts and stops workers on this machine. One implementation per kind of machine room: Docker, processes. */
import { Context, type Effect, type PubSub, Schema } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { StartFailure, type Worker, type WorkerExit, type WorkerId } from "../domain/Worker.ts"

/** No worker came up, and nothing of it is left behind. */
export class StartFailed extends Schema.TaggedError<StartFailed>()("StartFailed", {
  failure: StartFailure,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.failure.detail
  }
}

/** A worker that ended without having been asked to. */
export interface WorkerDeath {
  readonly id: WorkerId
  readonly exit: WorkerExit
}

export class Provisioner extends Context.Service<
  Provisioner,
  {
    /**
     * Starts one worker and waits until it is ready for its first event, initialisation included.
     * Interrupting it removes what it had begun.
     */
    readonly start: (config: FunctionConfig) => Effect.Effect<Worker, StartFailed>
    /** Ends a worker at once and waits until it is gone. One that is already gone, or never was, is no error. */
    readonly stop: (id: WorkerId) => Effect.Effect<void>
    /** The workers that are running now. */
    readonly list: Effect.Effect<ReadonlyArray<Worker>>
    /** Every death is published once, after the worker has left `list`. */
    readonly deaths: PubSub.PubSub<WorkerDeath>
  }
>()("irori/provision/Provisioner") {}
