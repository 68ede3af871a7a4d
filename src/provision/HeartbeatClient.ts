/** Tells the manager which workers are still in use, so that it does not take them for orphans. */
import { Context, type Effect } from "effect"
import type { FunctionName } from "../domain/FunctionName.ts"
import type { WorkerId } from "../domain/Worker.ts"
import type { ManagerUnreachable } from "./ProvisionClient.ts"

export class HeartbeatClient extends Context.Service<
  HeartbeatClient,
  {
    /** Answers with those of `workers` that the manager does not have: they are gone. */
    readonly send: (
      name: FunctionName,
      workers: ReadonlyArray<WorkerId>
    ) => Effect.Effect<ReadonlyArray<WorkerId>, ManagerUnreachable>
  }
>()("irori/provision/HeartbeatClient") {}
