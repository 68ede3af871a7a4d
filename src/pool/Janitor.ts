/**
 * Sweeps the pools: every `interval` removes workers that were idle too long, starts what should be warm and is not,
 * and sends a heartbeat for those that are left. One part's failure does not keep the others from their turn.
 */
import { type Duration, Effect, Layer, Schedule } from "effect"
import type { FunctionName } from "../domain/FunctionName.ts"
import type { WorkerId } from "../domain/Worker.ts"
import { HeartbeatClient } from "../provision/HeartbeatClient.ts"
import { PoolManager } from "./PoolManager.ts"

export const layer = (options: { readonly interval: Duration.Duration }) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const pools = yield* PoolManager
      const heartbeat = yield* HeartbeatClient

      const beat = (name: FunctionName, workers: ReadonlyArray<WorkerId>) =>
        heartbeat.send(name, workers).pipe(
          Effect.flatMap((gone) => pools.forget(gone)),
          part(`the heartbeat of '${name}'`)
        )

      const sweep = Effect.gen(function* () {
        yield* part("pruning idle workers")(pools.pruneIdle)
        yield* part("filling up to the least capacity")(pools.fill)
        const workers = yield* pools.workerIds
        yield* Effect.forEach([...workers], ([name, ids]) => beat(name, ids), { concurrency: 4, discard: true })
      }).pipe(Effect.withSpan("Janitor.sweep"))

      yield* Effect.delay(sweep, options.interval).pipe(Effect.repeat(Schedule.forever), Effect.forkScoped)
    })
  )

const part =
  (what: string) =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<void> =>
    Effect.asVoid(effect).pipe(
      Effect.catchCause((cause) => Effect.logWarning(`The janitor failed at ${what}; it goes on`, cause))
    )
