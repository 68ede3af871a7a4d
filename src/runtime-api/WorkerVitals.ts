/** What whoever runs a worker can tell of it, for the report on an invocation. */
import { Effect, Scope } from "effect"
import type { WorkerId } from "../domain/Worker.ts"

export interface WorkerVitals {
  /** The most memory that the worker has had in its life, in bytes; undefined where that cannot be measured. */
  readonly maxMemoryBytes: Effect.Effect<number | undefined>
  /** How long after a worker has printed a line this process may read it, when neither is held up. */
  readonly outputLagMillis: number
}

export type AllVitals = Map<WorkerId, WorkerVitals>

/** Tells of a worker until the scope closes. */
export const tellVitals = (
  all: AllVitals,
  id: WorkerId,
  vitals: WorkerVitals
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => {
    all.set(id, vitals)
    // `acquireRelease` would hold its caller's services, and so their span, for as long.
    return Scope.addFinalizer(
      scope,
      Effect.sync(() => all.delete(id))
    )
  })
