/** Starts and stops workers on this machine. One implementation per kind of machine room: Docker, processes. */
import { Context, type Effect, type PubSub, Schema } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { type GatewayId, StartFailure, type Worker, type WorkerExit, WorkerId } from "../domain/Worker.ts"

/** No worker came up, and nothing of it is left behind. */
export class StartFailed extends Schema.TaggedError<StartFailed>()("StartFailed", {
  failure: StartFailure,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.failure.detail
  }
}

/** There is no such worker, or it cannot be paused or resumed: it is not to be used again. */
export class WorkerGone extends Schema.TaggedError<WorkerGone>()("WorkerGone", {
  id: WorkerId,
  detail: Schema.String
}) {
  override get message() {
    return this.detail
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
     * Interrupting it removes what it had begun. `gateway` is whom it is for, as the worker will say.
     */
    readonly start: (config: FunctionConfig, gateway?: GatewayId) => Effect.Effect<Worker, StartFailed>
    /** Ends a worker at once and waits until it is gone. One that is already gone, or never was, is no error. */
    readonly stop: (id: WorkerId) => Effect.Effect<void>
    /** Stops the clock of an idle worker: it takes no CPU until it is resumed. Pausing one twice does nothing. */
    readonly pause: (id: WorkerId) => Effect.Effect<void, WorkerGone>
    /** Lets a paused worker go on; when it has returned, the worker runs. One that is not paused is no error. */
    readonly resume: (id: WorkerId) => Effect.Effect<void, WorkerGone>
    /**
     * Whether a worker is still at an event whose sender has gone, as far as that shows from outside: it is not to be
     * given another. False of one whose events go through this process, which knows by itself.
     */
    readonly isAbandoned: (id: WorkerId) => Effect.Effect<boolean>
    /** The workers that are running now. */
    readonly list: Effect.Effect<ReadonlyArray<Worker>>
    /** Every death is published once, after the worker has left `list`. */
    readonly deaths: PubSub.PubSub<WorkerDeath>
  }
>()("irori/provision/Provisioner") {}
