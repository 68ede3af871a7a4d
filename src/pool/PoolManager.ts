/**
 * The invocation backend: one `WorkerPool` per function and version, and the starting, stopping and answering that its
 * bookkeeping asks for.
 *
 * Workers start in this layer's scope, not in their caller's: a cold start is kept even when the one who asked for it
 * has gone. No state is held across a `yield*`: every change of a pool is one call of its core.
 */
import { Clock, Context, Deferred, Duration, Effect, FiberSet, Layer, Schedule } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { FunctionName } from "../domain/FunctionName.ts"
import type { Worker, WorkerId } from "../domain/Worker.ts"
import { InvocationBackend, NoCapacity, WorkerStartFailed } from "../invoke/InvocationBackend.ts"
import { ProvisionClient } from "../provision/ProvisionClient.ts"
import { type Action, type PoolLimits, type Refusal, WorkerPool } from "./WorkerPool.ts"

/** What a pool holds at one moment. */
export interface PoolStats {
  readonly functionName: FunctionName
  readonly version: string
  readonly idle: number
  readonly lent: number
  readonly starting: number
  readonly waiting: number
  readonly maxCapacity: number
}

export class PoolManager extends Context.Service<
  PoolManager,
  {
    /** Takes workers that have been idle for their function's idle timeout out of the pools, and removes them. */
    readonly pruneIdle: Effect.Effect<void>
    /** Starts what is lacking of every function's `minCapacity`. */
    readonly fill: Effect.Effect<void>
    /** Ids of every worker the pools hold, lent ones included. */
    readonly workerIds: Effect.Effect<ReadonlyMap<FunctionName, ReadonlyArray<WorkerId>>>
    /** These workers are gone. Ids of no pool's are ignored. */
    readonly forget: (ids: Iterable<WorkerId>) => Effect.Effect<void>
    readonly stats: Effect.Effect<ReadonlyArray<PoolStats>>
  }
>()("irori/pool/PoolManager") {
  static readonly layer = Layer.suspend(() => Layer.effectContext(make))
}

type Waiter = Deferred.Deferred<Worker, NoCapacity | WorkerStartFailed>

interface Entry {
  config: FunctionConfig
  readonly pool: WorkerPool<Waiter>
}

/** How often the removal of a worker is tried again, until it is gone. */
const removeAgain = Schedule.exponential("100 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(30))))
)

const make = Effect.gen(function* () {
  const provisioning = yield* ProvisionClient
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const entries = new Map<string, Entry>()
  /** Configurations that a later one has taken the place of: who still comes with one gets the later one's workers. */
  const superseded = new WeakSet<FunctionConfig>()

  // Starts end with the layer, first; removals are waited for, in the finalizer below.
  const removals = yield* FiberSet.make<void>()
  const remove = yield* FiberSet.runtime(removals)()
  const starts = yield* FiberSet.make<void>()
  const begin = yield* FiberSet.runtime(starts)()

  const entryOf = (config: FunctionConfig): Entry => {
    const key = keyOf(config.name, config.version)
    const entry = entries.get(key)
    if (entry === undefined) {
      const created = { config, pool: new WorkerPool<Waiter>(limitsOf(config)) }
      entries.set(key, created)
      return created
    }
    if (entry.config !== config && !superseded.has(config)) {
      superseded.add(entry.config)
      entry.config = config
      perform(entry, entry.pool.configure(limitsOf(config)))
    }
    return entry
  }

  const perform = (entry: Entry, actions: ReadonlyArray<Action<Waiter>>): void => {
    for (const action of actions) {
      switch (action._tag) {
        case "Lend":
          Deferred.doneUnsafe(action.waiter, Effect.succeed(action.worker))
          break
        case "Refuse":
          Deferred.doneUnsafe(action.waiter, Effect.fail(refusalError(entry.config.name, action.refusal)))
          break
        case "Start":
          begin(start(entry, action.epoch))
          break
        case "Stop":
          remove(stop(action.worker))
          break
      }
    }
  }

  const start = (entry: Entry, epoch: number) =>
    provisioning.provision(entry.config).pipe(
      Effect.matchEffect({
        onSuccess: (worker) => Effect.sync(() => perform(entry, entry.pool.started(worker, epoch, now()))),
        onFailure: ({ failure }) =>
          Effect.logWarning(`A worker for '${entry.config.name}' did not start: ${failure.detail}`).pipe(
            Effect.andThen(Effect.sync(() => perform(entry, entry.pool.startFailed(epoch, failure))))
          )
      }),
      // A bug in a provisioner must not cost the pool a place, nor its caller an answer.
      Effect.catchDefect((defect) =>
        Effect.logError("Starting a worker failed unexpectedly", defect).pipe(
          Effect.andThen(
            Effect.sync(() =>
              perform(
                entry,
                entry.pool.startFailed(epoch, { reason: "Refused", detail: "Starting it failed unexpectedly." })
              )
            )
          )
        )
      )
    )

  const stop = (worker: Worker) =>
    provisioning.remove(worker.id).pipe(
      Effect.tapError((error) =>
        Effect.logWarning(`Removing worker '${worker.id}' failed; it is tried again`, error.cause)
      ),
      Effect.retry(removeAgain),
      Effect.ignore
    )

  const acquireWorker = (config: FunctionConfig) =>
    Effect.suspend(() => {
      const entry = entryOf(config)
      const idle = entry.pool.take()
      return idle === undefined ? wait(entry) : Effect.succeed(idle)
    })

  const wait = Effect.fnUntraced(function* (entry: Entry) {
    const waiter: Waiter = Deferred.makeUnsafe()
    perform(entry, entry.pool.acquire(waiter))
    return yield* Deferred.await(waiter).pipe(
      Effect.timeoutOrElse({
        duration: entry.config.acquireTimeout,
        orElse: () => {
          perform(entry, entry.pool.overdue(waiter))
          return Deferred.await(waiter)
        }
      }),
      Effect.interruptible,
      // Interrupted after it was answered: what it was given goes back.
      Effect.onError(() =>
        entry.pool.leave(waiter) ? Effect.void : Effect.ignore(Effect.flatMap(Deferred.await(waiter), releaseWorker))
      )
    )
  }, Effect.uninterruptible)

  const releaseWorker = (worker: Worker) =>
    Effect.sync(() => {
      const entry = entries.get(keyOf(worker.functionName, worker.version))
      if (entry !== undefined) perform(entry, entry.pool.release(worker, now()))
    })

  const evictWorker = (worker: Worker) =>
    Effect.sync(() => {
      const entry = entries.get(keyOf(worker.functionName, worker.version))
      if (entry !== undefined) perform(entry, entry.pool.evict(worker))
    })

  const inEveryPool = (step: (pool: WorkerPool<Waiter>) => ReadonlyArray<Action<Waiter>>) =>
    Effect.sync(() => {
      for (const entry of entries.values()) perform(entry, step(entry.pool))
    })

  yield* Effect.addFinalizer(() =>
    inEveryPool((pool) => pool.close()).pipe(
      Effect.andThen(FiberSet.awaitEmpty(removals)),
      // The provisioner ends what is left when its own layer closes.
      Effect.timeoutOption("10 seconds")
    )
  )

  return Context.make(InvocationBackend, { acquireWorker, releaseWorker, evictWorker }).pipe(
    Context.add(PoolManager, {
      pruneIdle: Effect.suspend(() => inEveryPool((pool) => pool.prune(now()))),
      fill: inEveryPool((pool) => pool.fill()),
      forget: (ids) =>
        Effect.suspend(() => {
          const gone = [...ids]
          return inEveryPool((pool) => gone.flatMap((id) => pool.lost(id)))
        }),
      workerIds: Effect.sync(() => {
        const ids = new Map<FunctionName, ReadonlyArray<WorkerId>>()
        for (const { config, pool } of entries.values()) {
          ids.set(config.name, [...(ids.get(config.name) ?? []), ...pool.ids()])
        }
        return ids
      }),
      stats: Effect.sync(() => [...entries.values()].map(statsOf))
    })
  )
})

const keyOf = (name: FunctionName, version: string): string => `${name}:${version}`

const limitsOf = (config: FunctionConfig): PoolLimits => ({
  maxCapacity: config.maxCapacity,
  minCapacity: config.minCapacity,
  maxQueued: config.maxQueued,
  idleTimeoutMillis: Duration.toMillis(config.idleTimeout)
})

const refusalError = (functionName: FunctionName, refusal: Refusal) =>
  refusal._tag === "StartFailed"
    ? new WorkerStartFailed({ functionName, failure: refusal.failure })
    : new NoCapacity({ functionName, reason: refusal._tag })

const statsOf = ({ config, pool }: Entry): PoolStats => ({
  functionName: config.name,
  version: config.version,
  idle: pool.idle,
  lent: pool.lent,
  starting: pool.starting,
  waiting: pool.waiting,
  maxCapacity: config.maxCapacity
})
