/**
 * One function's workers: which are idle, which are lent, which are starting, and who waits. A pure, deterministic
 * core: every method says what happened, and returns what is to be done about it. It does no I/O, has no clock and no
 * Effect, so every method is atomic and a history of calls always ends in the same state.
 *
 * A worker is *idle* or *lent* from `started` on, until it is in a `Stop` or is reported lost. A waiter is answered
 * exactly once, by a `Lend` or a `Refuse`, unless it left.
 */
import type { StartFailure, Worker, WorkerId } from "../domain/Worker.ts"

/** The part of a function's settings that the pool goes by. */
export interface PoolLimits {
  readonly maxCapacity: number
  readonly minCapacity: number
  readonly maxQueued: number
  readonly idleTimeoutMillis: number
}

export type Refusal =
  | { readonly _tag: "QueueFull" | "TimedOut" | "Closed" }
  | { readonly _tag: "StartFailed"; readonly failure: StartFailure }

/** What is to be done. `W` is the driver's handle on one who waits. */
export type Action<W> =
  | { readonly _tag: "Lend"; readonly waiter: W; readonly worker: Worker }
  | { readonly _tag: "Refuse"; readonly waiter: W; readonly refusal: Refusal }
  /** Start one worker, and report it with the same epoch. */
  | { readonly _tag: "Start"; readonly epoch: number }
  | { readonly _tag: "Stop"; readonly worker: Worker }

interface Idle {
  readonly worker: Worker
  readonly epoch: number
  readonly sinceMillis: number
}

export class WorkerPool<W> {
  #limits: PoolLimits
  /** Counts the changes of the function's code or configuration. A worker of an older one is not lent again. */
  #epoch = 0
  #closed = false
  /** Least recently used first: lent from the end, pruned from the front. */
  readonly #idle: Array<Idle> = []
  readonly #lent = new Map<WorkerId, { readonly worker: Worker; readonly epoch: number }>()
  /** Starts under way, by epoch. */
  readonly #starting = new Map<number, number>()
  /** First come, first served. */
  readonly #waiters = new Set<W>()
  /** Those of them whose time is up. */
  readonly #overdue = new Set<W>()

  constructor(limits: PoolLimits) {
    this.#limits = limits
  }

  /** Lends the most recently used idle worker; undefined when there is none. */
  take(): Worker | undefined {
    const idle = this.#idle.pop()
    if (idle === undefined) return undefined
    this.#lent.set(idle.worker.id, idle)
    return idle.worker
  }

  /** Someone needs a worker. */
  acquire(waiter: W): Array<Action<W>> {
    if (this.#closed) return [{ _tag: "Refuse", waiter, refusal: { _tag: "Closed" } }]
    const idle = this.take()
    if (idle !== undefined) return [{ _tag: "Lend", waiter, worker: idle }]
    if (this.#waiters.size >= this.#limits.maxQueued) {
      return [{ _tag: "Refuse", waiter, refusal: { _tag: "QueueFull" } }]
    }
    this.#waiters.add(waiter)
    return this.#starts()
  }

  /** A waiter's time is up. It is refused, unless a start under way is for it: then it gets what comes of that. */
  overdue(waiter: W): Array<Action<W>> {
    if (!this.#waiters.has(waiter)) return []
    this.#overdue.add(waiter)
    return this.#refuseOverdue()
  }

  /** A waiter left. False when it had been answered already: then it has a worker, or a refusal. */
  leave(waiter: W): boolean {
    return this.#dequeue(waiter)
  }

  /** A lent worker comes back, fit for use. One that is not lent is ignored. */
  release(worker: Worker, nowMillis: number): Array<Action<W>> {
    const lent = this.#lent.get(worker.id)
    if (lent === undefined) return []
    this.#lent.delete(worker.id)
    return this.#place(lent.worker, lent.epoch, nowMillis)
  }

  /** A lent worker comes back and must not be used again. One that is not lent is ignored. */
  evict(worker: Worker): Array<Action<W>> {
    if (!this.#lent.delete(worker.id)) return []
    return [{ _tag: "Stop", worker }, ...this.#starts()]
  }

  /** A worker is gone. One that is lent stays lent until its borrower has seen it too, and gives it back. */
  lost(id: WorkerId): Array<Action<W>> {
    const index = this.#idle.findIndex(({ worker }) => worker.id === id)
    if (index === -1) return []
    const [gone] = this.#idle.splice(index, 1)
    return [{ _tag: "Stop", worker: gone!.worker }, ...this.#starts()]
  }

  /** A start succeeded. */
  started(worker: Worker, epoch: number, nowMillis: number): Array<Action<W>> {
    this.#countStart(epoch, -1)
    return this.#place(worker, epoch, nowMillis)
  }

  /**
   * A start failed. Whoever waited longest is told, if the start was made for the function as it is now; the others
   * get another try.
   */
  startFailed(epoch: number, failure: StartFailure): Array<Action<W>> {
    this.#countStart(epoch, -1)
    if (epoch !== this.#epoch) return [...this.#starts(), ...this.#refuseOverdue()]
    const [waiter] = this.#waiters
    // With nobody waiting nothing is started in its place: what `minCapacity` lacks waits for the next `fill`.
    if (waiter === undefined) return []
    this.#dequeue(waiter)
    return [{ _tag: "Refuse", waiter, refusal: { _tag: "StartFailed", failure } }, ...this.#starts()]
  }

  /** A worker that was running before this pool was: idle, as far as there is room. */
  adopt(worker: Worker, nowMillis: number): Array<Action<W>> {
    if (this.#closed || this.size >= this.#limits.maxCapacity) return [{ _tag: "Stop", worker }]
    return this.#place(worker, this.#epoch, nowMillis)
  }

  /** The function's code or configuration changed: idle workers go now, lent ones when they come back. */
  configure(limits: PoolLimits): Array<Action<W>> {
    this.#limits = limits
    this.#epoch++
    const stale = this.#idle.splice(0).map(({ worker }): Action<W> => ({ _tag: "Stop", worker }))
    return [...stale, ...this.#starts(), ...this.#refuseOverdue()]
  }

  /** Takes out workers idle for the idle timeout or longer, but for those that `minCapacity` keeps. */
  prune(nowMillis: number): Array<Action<W>> {
    const before = nowMillis - this.#limits.idleTimeoutMillis
    const surplus = this.size - this.#limits.minCapacity
    const old = this.#idle.findIndex(({ sinceMillis }) => sinceMillis > before)
    const count = Math.max(0, Math.min(surplus, old === -1 ? this.#idle.length : old))
    return this.#idle.splice(0, count).map(({ worker }) => ({ _tag: "Stop", worker }))
  }

  /** Starts what `minCapacity` lacks. */
  fill(): Array<Action<W>> {
    return this.#starts()
  }

  /** No more workers are lent: who waits is refused, idle workers stop now, lent and starting ones as they come. */
  close(): Array<Action<W>> {
    this.#closed = true
    const waiting = [...this.#waiters]
    for (const waiter of waiting) this.#dequeue(waiter)
    return [
      ...waiting.map((waiter): Action<W> => ({ _tag: "Refuse", waiter, refusal: { _tag: "Closed" } })),
      ...this.#idle.splice(0).map(({ worker }): Action<W> => ({ _tag: "Stop", worker }))
    ]
  }

  /** Workers that exist or are being started. Never above `maxCapacity`, but for those that a lowered one left lent. */
  get size(): number {
    return this.#idle.length + this.#lent.size + this.starting
  }

  get idle(): number {
    return this.#idle.length
  }

  get lent(): number {
    return this.#lent.size
  }

  get starting(): number {
    let count = 0
    for (const starts of this.#starting.values()) count += starts
    return count
  }

  get waiting(): number {
    return this.#waiters.size
  }

  /** Of every worker that is idle or lent. */
  ids(): ReadonlyArray<WorkerId> {
    return [...this.#idle.map(({ worker }) => worker.id), ...this.#lent.keys()]
  }

  /** Gives a worker to whoever waited longest, keeps it for the next one, or lets it go. */
  #place(worker: Worker, epoch: number, nowMillis: number): Array<Action<W>> {
    const over = this.size >= this.#limits.maxCapacity
    if (this.#closed || epoch !== this.#epoch || over) return [{ _tag: "Stop", worker }, ...this.#starts()]
    const [waiter] = this.#waiters
    if (waiter === undefined) {
      this.#idle.push({ worker, epoch, sinceMillis: nowMillis })
      return []
    }
    this.#dequeue(waiter)
    this.#lent.set(worker.id, { worker, epoch })
    return [{ _tag: "Lend", waiter, worker }, ...this.#refuseOverdue()]
  }

  /** As many starts as there are waiters without one or places that `minCapacity` keeps, and as there is room for. */
  #starts(): Array<Action<W>> {
    if (this.#closed) return []
    const current = this.#starting.get(this.#epoch) ?? 0
    const usable = current + this.#idle.length + this.#lent.size
    const wanted = Math.max(this.#waiters.size - current, this.#limits.minCapacity - usable)
    const count = Math.max(0, Math.min(wanted, this.#limits.maxCapacity - this.size))
    this.#countStart(this.#epoch, count)
    return Array.from({ length: count }, () => ({ _tag: "Start", epoch: this.#epoch }))
  }

  #countStart(epoch: number, change: number): void {
    const count = (this.#starting.get(epoch) ?? 0) + change
    if (count === 0) this.#starting.delete(epoch)
    else this.#starting.set(epoch, count)
  }

  /** Refuses those whose time is up and for whom no start is under way: one start covers one waiter, oldest first. */
  #refuseOverdue(): Array<Action<W>> {
    if (this.#overdue.size === 0) return []
    let covered = this.#starting.get(this.#epoch) ?? 0
    const refused: Array<Action<W>> = []
    for (const waiter of this.#waiters) {
      if (covered-- > 0 || !this.#overdue.has(waiter)) continue
      this.#dequeue(waiter)
      refused.push({ _tag: "Refuse", waiter, refusal: { _tag: "TimedOut" } })
    }
    return refused
  }

  #dequeue(waiter: W): boolean {
    this.#overdue.delete(waiter)
    return this.#waiters.delete(waiter)
  }
}
