/** Asks the manager for workers, and to take them away: the pool's only way out. */
import { Context, type Effect, Schema } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { FunctionName } from "../domain/FunctionName.ts"
import { StartFailure, type Worker, type WorkerId } from "../domain/Worker.ts"
import type { WorkerGone } from "./Provisioner.ts"

/** The manager refused, failed or could not be reached. */
export class ProvisionFailed extends Schema.TaggedError<ProvisionFailed>()("ProvisionFailed", {
  functionName: FunctionName,
  failure: StartFailure
}) {}

/** The manager did not answer, or not as it should. What it was asked to do may have happened. */
export class ManagerUnreachable extends Schema.TaggedError<ManagerUnreachable>()("ManagerUnreachable", {
  cause: Schema.Defect()
}) {
  override get message() {
    return this.cause instanceof Error ? this.cause.message : String(this.cause)
  }
}

export class ProvisionClient extends Context.Service<
  ProvisionClient,
  {
    /** Starts one worker and waits until it is ready for its first event. */
    readonly provision: (config: FunctionConfig) => Effect.Effect<Worker, ProvisionFailed>
    /** Removes a worker. Removing one that is already gone succeeds. */
    readonly remove: (id: WorkerId) => Effect.Effect<void, ManagerUnreachable>
    /** Stops the clock of an idle worker. */
    readonly pause: (id: WorkerId) => Effect.Effect<void, WorkerGone | ManagerUnreachable>
    /** Lets a paused worker go on; when it has returned, the worker runs. */
    readonly resume: (id: WorkerId) => Effect.Effect<void, WorkerGone | ManagerUnreachable>
    /**
     * The workers that are running now: after a restart, those that may be adopted. Waits a while for a manager that
     * is not there.
     */
    readonly sync: Effect.Effect<ReadonlyArray<Worker>, ManagerUnreachable>
  }
>()("irori/provision/ProvisionClient") {}
