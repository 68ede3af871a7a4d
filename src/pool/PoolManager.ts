/**
 * The invocation backend: one `WorkerPool` per function and version, and the starting, stopping and answering that its
 * bookkeeping asks for.
 *
 * Workers start in this layer's scope, not in their caller's: a cold start is kept even when the one who asked for it
 * has gone. No state is held across a `yield*`: every change of a pool is one call of its core.
 */
import { Clock, Context, Duration, Effect, FiberSet, Layer, Schedule } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { FunctionName } from "../domain/FunctionName.ts"
import { keepLast } from "../domain/keepLast.ts"
import type { StartFailure, Worker, WorkerId } from "../domain/Worker.ts"
import { makeDeadlines } from "../invoke/Deadlines.ts"
import {
  type Borrower,
  InvocationBackend,
  NoCapacity,
  type Place,
  WorkerStartFailed
} from "../invoke/InvocationBackend.ts"
import { fingerprint } from "../provision/fingerprint.ts"
import { ProvisionClient } from "../provision/ProvisionClient.ts"
import { Budget, type Room } from "./Budget.ts"
import { Freezer } from "./Freezer.ts"
import { GreedyDual } from "./GreedyDual.ts"
import { Warmth, type WarmthOptions } from "./Warmth.ts"
import { type Action, type PoolLimits, type Refusal, WorkerPool } from "./WorkerPool.ts"
import { type Queue, type Waiter, WaitingBorrower, WaitingFiber } from "./waiters.ts"

/** What a pool holds at one moment. */
export interface PoolStats {
  readonly functionName: FunctionName
  readonly version: string
  readonly idle: number
  readonly lent: number
  readonly starting: number
  readonly waiting: number
  readonly maxCapacity: number
  /** Why the last start failed, until one succeeds or the function is changed. */
  readonly startFailure?: StartFailure
}

export interface PoolOptions {
  /** What all functions' workers together may take. */
  readonly budget: Room
  /** Whether workers outlive this layer, for the next process to adopt. Lent ones are removed in any case. */
  readonly leaveRunning: boolean
  /** Whether a function's callers are refused, but for a few, while they come faster than they can be served. */
  readonly refusesOverload: boolean
  /** Idle workers are paused when they have been idle for so long; absent: never. */
  readonly pauseAfter?: Duration.Duration
  /** What is learned of each function's callers; absent: nothing. */
  readonly warmth?: WarmthOptions
}

export class PoolManager extends Context.Service<
  PoolManager,
  {
    /**
     * These are the functions there are now: a changed one is served by new workers from here on, what `minCapacity`
     * lacks is started, and the workers of functions that are gone are removed as they come free.
     */
    readonly reconcile: (configs: ReadonlyArray<FunctionConfig>) => Effect.Effect<void>
    /** Takes in workers that were running before, as far as they are what `configs` would start now; removes the rest. */
    readonly adopt: (
      workers: ReadonlyArray<Worker>,
      configs: ReadonlyArray<FunctionConfig>
    ) => Effect.Effect<{ readonly adopted: number; readonly removed: number }>
    /** Removes workers that have been idle for their function's idle timeout, and pauses those idle for long enough. */
    readonly pruneIdle: Effect.Effect<void>
    /** Ids of every worker the pools hold, lent ones included. */
    readonly workerIds: Effect.Effect<ReadonlyMap<FunctionName, ReadonlyArray<WorkerId>>>
    /** These workers are gone. Ids of no pool's are ignored. */
    readonly forget: (ids: Iterable<WorkerId>) => Effect.Effect<void>
    readonly stats: Effect.Effect<ReadonlyArray<PoolStats>>
  }
>()("irori/pool/PoolManager") {
  static readonly layer = (options: PoolOptions) => Layer.effectContext(make(options))
}

interface Entry {
  readonly key: string
  config: FunctionConfig
  readonly pool: WorkerPool<Waiter>
  /** That of the pool, for borrowers. */
  readonly queue: Queue
  readonly warmth: Warmth | undefined
  startFailure: StartFailure | undefined
}

const nothingToLeave: Place = { leave: () => {} }

/** How often the removal of a worker is tried again, until it is gone. */
const removeAgain = Schedule.exponential("100 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(30))))
)

/** What is left of the removals after so long, the provisioner ends when its own layer closes. */
const closeTimeout = "10 seconds"

const make = Effect.fnUntraced(function* (options: PoolOptions) {
  const provisioning = yield* ProvisionClient
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const entries = new Map<string, Entry>()
  /** Configurations that a later one has taken the place of: who still comes with one gets the later one's workers. */
  const superseded = new WeakSet<FunctionConfig>()
  /** Pools of functions that are gone, until their last worker has come back. */
  let retired: ReadonlyArray<Entry> = []
  const budget = new Budget(options.budget)
  const priorities = new GreedyDual()
  /** Pools that lack nothing but room in the budget, the one that has for longest first. */
  const starving = new Set<Entry>()

  // Starts end with the layer, first; removals are waited for, in the finalizer below.
  const removals = yield* FiberSet.make<void>()
  const remove = yield* FiberSet.runtime(removals)()
  const starts = yield* FiberSet.make<void>()
  const begin = yield* FiberSet.runtime(starts)()
  const freezer = yield* Freezer.make
  const deadlines = yield* makeDeadlines

  const entryOf = (config: FunctionConfig): Entry => {
    const key = keyOf(config.name, config.version)
    const entry = entries.get(key)
    if (entry === undefined) {
      const pool = new WorkerPool<Waiter>(limitsOf(config, options), budget)
      const warmth = options.warmth === undefined ? undefined : new Warmth(options.warmth)
      const queue: Queue = {
        overdue: (waiter) => perform(created, pool.overdue(waiter)),
        left: (waiter) => {
          pool.leave(waiter)
          perform(created, [])
        }
      }
      const created: Entry = { key, config, pool, queue, warmth, startFailure: undefined }
      entries.set(key, created)
      return created
    }
    if (entry.config !== config && !superseded.has(config)) {
      const before = entry.config
      superseded.add(before)
      entry.config = config
      // Where a worker would be made of the same, those there are will do.
      const same = fingerprint(before) === fingerprint(config)
      if (!same) entry.startFailure = undefined
      perform(
        entry,
        same ? entry.pool.resize(limitsOf(config, options)) : entry.pool.configure(limitsOf(config, options))
      )
    }
    return entry
  }

  const perform = (entry: Entry, actions: ReadonlyArray<Action<Waiter>>): void => {
    for (const action of actions) {
      switch (action._tag) {
        case "Lend":
          action.waiter.lent(action.worker)
          break
        case "Refuse":
          action.waiter.refused(refusalError(entry.config.name, action.refusal))
          break
        case "Start":
          begin(start(entry, action.epoch))
          break
        case "Stop":
          budget.leaving(action.megabytes)
          remove(
            Effect.andThen(
              stop(action.worker),
              Effect.sync(() => {
                budget.left(action.megabytes)
                feed()
              })
            )
          )
          break
        case "Overload":
          begin(
            Effect.logWarning(
              `'${entry.config.name}' is called faster than it can be served: ${action.waiting} callers wait, and most are ` +
                "refused until that has passed"
            )
          )
          break
      }
    }
    if (entry.pool.size === 0) priorities.gone(entry.key)
    if (entry.pool.starved > 0) starving.add(entry)
    else starving.delete(entry)
    // Whatever happened, a worker may have gone idle that is missed less than one that cannot start.
    if (starving.size > 0) makeRoom()
  }

  /** There is room again: those that starve may start what it is enough for. */
  const feed = (): void => {
    for (const entry of [...starving]) perform(entry, entry.pool.fill())
  }

  /** Has the coldest idle workers removed until all that starve will fit, or nothing is left to remove. */
  const makeRoom = (): void => {
    while (starving.size > 0 && !budget.willFit(lackOf(starving))) {
      const candidates = [...entries.values()].flatMap((entry) => {
        const coldest = entry.pool.coldest
        return coldest === undefined ? [] : [{ ...coldest, key: entry.key, entry }]
      })
      const victim = priorities.victim(candidates)
      if (victim === undefined) return
      perform(victim.entry, victim.entry.pool.surrender(victim.worker.id))
    }
  }

  const start = (entry: Entry, epoch: number) => {
    const since = now()
    const failed = (failure: StartFailure) =>
      Effect.sync(() => {
        entry.startFailure = failure
        perform(entry, entry.pool.startFailed(epoch, failure))
        feed()
      })
    return provisioning.provision(entry.config).pipe(
      Effect.matchEffect({
        onSuccess: (worker) =>
          Effect.sync(() => {
            // However fast the clock says it was, no start is for nothing.
            entry.startFailure = undefined
            priorities.started(entry.key, Math.max(1, now() - since), entry.config.memoryMegabytes)
            perform(entry, entry.pool.started(worker, epoch, now()))
          }),
        onFailure: ({ failure }) =>
          Effect.andThen(
            Effect.logWarning(`A worker for '${entry.config.name}' did not start: ${failure.detail}`),
            failed(failure)
          )
      }),
      // A bug in a provisioner must not cost the pool a place, nor its caller an answer.
      Effect.catchDefect((defect) =>
        Effect.andThen(
          Effect.logError("Starting a worker failed unexpectedly", defect),
          failed({ reason: "Refused", detail: "Starting it failed unexpectedly." })
        )
      )
    )
  }

  const stop = (worker: Worker) =>
    Effect.suspend(() => {
      freezer.forget(worker.id)
      // Said once: it may go on for as long as a manager is away.
      let log: typeof Effect.logWarning = Effect.logWarning
      return provisioning.remove(worker.id).pipe(
        Effect.tapError((error) => {
          const said = log(`Worker '${worker.id}' could not be removed; it is tried again: ${error.message}`)
          log = Effect.logDebug
          return said
        }),
        Effect.retry(removeAgain),
        Effect.ignore
      )
    })

  /** Somebody calls the function: the idle worker that is lent to them, if there is one. */
  const take = (entry: Entry): Worker | undefined => {
    priorities.touch(entry.key)
    const idle = entry.pool.take()
    if (entry.warmth !== undefined) learn(entry, entry.warmth, idle === undefined)
    return idle
  }

  const acquireWorker = (config: FunctionConfig) =>
    Effect.suspend(() => {
      const entry = entryOf(config)
      const idle = take(entry)
      if (idle === undefined) return wait(entry)
      return freezer.isFrozen(idle.id) ? thawed(config, idle) : Effect.succeed(idle)
    })

  /** As `acquireWorker`, without a fiber. A frozen worker is thawed by an effect, so that one is not for this. */
  const lend = (config: FunctionConfig, borrower: Borrower): Place | undefined => {
    const entry = entryOf(config)
    const warmest = entry.pool.warmest
    if (warmest !== undefined && freezer.isFrozen(warmest.id)) return undefined
    const idle = take(entry)
    if (idle !== undefined) {
      borrower.lent(idle)
      return nothingToLeave
    }
    const waiter = new WaitingBorrower(borrower, entry.queue)
    perform(entry, entry.pool.acquire(waiter, now()))
    if (!waiter.isWaiting) return nothingToLeave
    waiter.limit = deadlines.set(Duration.toMillis(entry.config.acquireTimeout), waiter)
    return waiter
  }

  const learn = (entry: Entry, warmth: Warmth, waits: boolean): void => {
    warmth.called(now(), waits)
    perform(entry, entry.pool.expect(warmth.advice(now()).spares))
  }

  const giveBack = (worker: Worker, step: (pool: WorkerPool<Waiter>) => ReadonlyArray<Action<Waiter>>): void => {
    const key = keyOf(worker.functionName, worker.version)
    const give = (entry: Entry) => {
      perform(entry, step(entry.pool))
      if (entry.pool.lent === 0 && entry.pool.waiting === 0) entry.warmth?.fellQuiet(now())
    }
    // Any pool of its function's may have lent it: one that has not does nothing about it.
    const entry = entries.get(key)
    if (entry !== undefined) give(entry)
    for (const old of retired) if (old.key === key) give(old)
  }

  const release = (worker: Worker): void => giveBack(worker, (pool) => pool.release(worker, now()))

  const evict = (worker: Worker): void => giveBack(worker, (pool) => pool.evict(worker))

  /** A worker that cannot be thawed is removed, and its borrower gets another one. */
  const thawed = (config: FunctionConfig, worker: Worker): Effect.Effect<Worker, NoCapacity | WorkerStartFailed> =>
    Effect.interruptible(freezer.thaw(worker.id)).pipe(
      Effect.onInterrupt(() => evictWorker(worker)),
      Effect.matchEffect({
        onSuccess: () => Effect.succeed(worker),
        onFailure: () => Effect.andThen(evictWorker(worker), acquireWorker(config))
      })
    )

  const wait = Effect.fnUntraced(function* (entry: Entry) {
    const waiter = new WaitingFiber()
    perform(entry, entry.pool.acquire(waiter, now()))
    return yield* waiter.answer.pipe(
      Effect.timeoutOrElse({
        duration: entry.config.acquireTimeout,
        orElse: () => {
          perform(entry, entry.pool.overdue(waiter))
          return waiter.answer
        }
      }),
      Effect.interruptible,
      // Interrupted after it was answered: what it was given goes back.
      Effect.onError(() => {
        if (!entry.pool.leave(waiter)) return Effect.ignore(Effect.flatMap(waiter.answer, releaseWorker))
        return Effect.sync(() => perform(entry, []))
      })
    )
  }, Effect.uninterruptible)

  const releaseWorker = (worker: Worker) => Effect.sync(() => release(worker))

  const evictWorker = (worker: Worker) => Effect.sync(() => evict(worker))

  const inEveryPool = (step: (pool: WorkerPool<Waiter>) => ReadonlyArray<Action<Waiter>>) =>
    Effect.sync(() => {
      for (const entry of entries.values()) perform(entry, step(entry.pool))
    })

  const prune = Effect.sync(() => {
    for (const entry of entries.values()) {
      const advice = entry.warmth?.advice(now())
      if (advice !== undefined) perform(entry, entry.pool.expect(advice.spares))
      perform(entry, entry.pool.prune(now(), advice?.idleTimeoutMillis, advice?.keep))
    }
  })

  const pause = Effect.suspend(() => {
    const { pauseAfter } = options
    if (pauseAfter === undefined) return Effect.void
    const before = now() - Duration.toMillis(pauseAfter)
    const idle = [...entries.values()].flatMap(({ pool }) => pool.idleSince(before))
    return Effect.sync(() => {
      for (const { worker } of idle) freezer.freeze(worker.id)
    })
  })

  const reconcile = (configs: ReadonlyArray<FunctionConfig>) =>
    Effect.sync(() => {
      const present = new Set(configs.map(({ name, version }) => keyOf(name, version)))
      for (const config of configs) {
        if (config.minCapacity === 0 && !entries.has(keyOf(config.name, config.version))) continue
        const entry = entryOf(config)
        perform(entry, entry.pool.fill())
      }
      for (const entry of [...entries.values()]) {
        if (present.has(entry.key)) continue
        // What is lent of it ends as it comes back; the function's name may come back too, with a pool of its own.
        perform(entry, entry.pool.close())
        entries.delete(entry.key)
        retired = [...retired, entry]
      }
      retired = retired.filter(({ pool }) => pool.size > 0)
    })

  const adopt = (workers: ReadonlyArray<Worker>, configs: ReadonlyArray<FunctionConfig>) =>
    Effect.sync(() => {
      const byKey = new Map(configs.map((config) => [keyOf(config.name, config.version), config]))
      let adopted = 0
      for (const worker of workers) {
        const config = byKey.get(keyOf(worker.functionName, worker.version))
        if (config === undefined || worker.fingerprint !== fingerprint(config)) {
          remove(stop(worker))
          continue
        }
        adopted++
        const entry = entryOf(config)
        perform(entry, entry.pool.adopt(worker, now()))
      }
      return { adopted, removed: workers.length - adopted }
    })

  const close = options.leaveRunning
    ? Effect.void
    : Effect.andThen(
        inEveryPool((pool) => pool.close()),
        FiberSet.awaitEmpty(removals)
      )
  yield* Effect.addFinalizer(() => Effect.timeoutOption(close, closeTimeout))

  return Context.make(InvocationBackend, {
    acquireWorker,
    releaseWorker,
    evictWorker,
    warm: { lend, release, evict }
  }).pipe(
    Context.add(PoolManager, {
      reconcile,
      adopt,
      pruneIdle: Effect.andThen(prune, pause),
      forget: (ids) =>
        Effect.suspend(() => {
          const gone = [...ids]
          for (const id of gone) freezer.forget(id)
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

/** Put together when a worker is lent and when it comes back. */
const keyOf = keepLast((name: FunctionName, version: string): string => `${name}:${version}`)

const limitsOf = (config: FunctionConfig, { refusesOverload }: PoolOptions): PoolLimits => ({
  maxCapacity: config.maxCapacity,
  minCapacity: Math.min(config.minCapacity, config.maxCapacity),
  maxQueued: config.maxQueued,
  refusesOverload,
  idleTimeoutMillis: Duration.toMillis(config.idleTimeout),
  megabytes: config.memoryMegabytes
})

/** All that the pools lack of the budget. */
const lackOf = (entries: Iterable<Entry>): Room => {
  let [workers, megabytes] = [0, 0]
  for (const { config, pool } of entries) {
    workers += pool.starved
    megabytes += pool.starved * config.memoryMegabytes
  }
  return { workers, megabytes }
}

const refusalError = (functionName: FunctionName, refusal: Refusal) =>
  refusal._tag === "StartFailed"
    ? new WorkerStartFailed({ functionName, failure: refusal.failure })
    : new NoCapacity({ functionName, reason: refusal._tag })

const statsOf = ({ config, pool, startFailure }: Entry): PoolStats => ({
  functionName: config.name,
  version: config.version,
  idle: pool.idle,
  lent: pool.lent,
  starting: pool.starting,
  waiting: pool.waiting,
  maxCapacity: config.maxCapacity,
  ...(startFailure === undefined ? {} : { startFailure })
})
