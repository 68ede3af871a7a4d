/**
 * Keeps pools, machine and registry of one mind: every `interval` it compares what functions there are with what the
 * pools serve, removes workers that were idle too long and workers that no pool has, and sends a heartbeat for those
 * that are left. One part's failure does not keep the others from their turn.
 */
import { Clock, type Duration, Effect, Layer, Metric, Schedule } from "effect"
import type { FunctionName } from "../domain/FunctionName.ts"
import type { WorkerId } from "../domain/Worker.ts"
import { janitorLastSweep, janitorSweeps } from "../metrics/metrics.ts"
import { HeartbeatClient } from "../provision/HeartbeatClient.ts"
import { ProvisionClient } from "../provision/ProvisionClient.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { PoolManager } from "./PoolManager.ts"

export const layer = (options: { readonly interval: Duration.Duration }) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const pools = yield* PoolManager
      const heartbeat = yield* HeartbeatClient
      const manager = yield* ProvisionClient
      const registry = yield* FunctionRegistry
      /** Workers that no pool had when the last sweep looked. */
      let strays: ReadonlySet<WorkerId> = new Set()

      const held = Effect.map(pools.workerIds, (ids) => new Set([...ids.values()].flat()))

      /** One that is just being started is no stray: it has until the next sweep to come into its pool. */
      const removeStrays = Effect.gen(function* () {
        const running = yield* manager.sync
        const known = yield* held
        const unknown = running.map(({ id }) => id).filter((id) => !known.has(id))
        const again = unknown.filter((id) => strays.has(id))
        strays = new Set(unknown)
        yield* Effect.forEach(again, (id) => Effect.andThen(sayStray(id), manager.remove(id)), { discard: true })
      })

      const beat = (name: FunctionName, workers: ReadonlyArray<WorkerId>) =>
        heartbeat.send(name, workers).pipe(
          Effect.flatMap((gone) => pools.forget(gone)),
          part(`the heartbeat of '${name}'`)
        )

      const sweep = Effect.gen(function* () {
        yield* part("comparing pools and functions")(Effect.flatMap(registry.list, pools.reconcile))
        yield* part("pruning idle workers")(pools.pruneIdle)
        yield* part("looking for workers that no pool has")(removeStrays)
        const workers = yield* pools.workerIds
        yield* Effect.forEach([...workers], ([name, ids]) => beat(name, ids), { concurrency: 4, discard: true })
        yield* Metric.update(janitorSweeps, 1)
        yield* Metric.update(janitorLastSweep, (yield* Clock.currentTimeMillis) / 1000)
      }).pipe(Effect.withSpan("Janitor.sweep"))

      yield* Effect.delay(sweep, options.interval).pipe(Effect.repeat(Schedule.forever), Effect.forkScoped)
    })
  )

const sayStray = (id: WorkerId) => Effect.logWarning(`Worker '${id}' is in no pool, and is removed`)

const part =
  (what: string) =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<void> =>
    Effect.asVoid(effect).pipe(
      Effect.catchCause((cause) => Effect.logWarning(`The janitor failed at ${what}; it goes on`, cause))
    )
