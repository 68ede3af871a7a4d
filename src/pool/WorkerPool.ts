/**
 * One function's workers: which are idle, which are lent, which are starting, and who waits. A pure, deterministic
 * core: every method says what happened, and returns what is to be done about it. It does no I/O, has no clock and no
 * Effect, so every method is atomic and a history of calls always ends in the same state.
 *
 * A worker is *idle* or *lent* from `started` on, until it is in a `Stop`. A waiter is answered exactly once, by a
 * `Lend` or a `Refuse`, unless it left. Room in the budget is taken with each `Start`, and given back by the driver when
 * a `Stop` has been carried out, or here when the start failed.
 */

import { type InLine, Line } from "../domain/Line.ts"
import type { StartFailure, Worker, WorkerId } from "../domain/Worker.ts"
import type { Budget } from "./Budget.ts"
import { Overload } from "./Overload.ts"

/** The part of a function's settings that the pool goes by. */
export interface PoolLimits {
  readonly maxCapacity: number
  readonly minCapacity: number
  readonly maxQueued: number
  /** Whether all but a few are refused while callers come faster than they can be served, and have for a while. */
  readonly refusesOverload: boolean
  readonly idleTimeoutMillis: number
  /** What one worker takes of the budget. */
  readonly megabytes: number
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
  /** Remove a worker, and then give its room in the budget back. */
  | { readonly _tag: "Stop"; readonly worker: Worker; readonly megabytes: number }
  /** Callers come faster than they can be served: most are refused from here on, until that has passed. */
  | { readonly _tag: "Overload"; readonly waiting: number }

interface Held {
  readonly worker: Worker
  readonly epoch: number
  readonly megabytes: number
  /** When it was last given back, or started. */
  sinceMillis: number
}

export type Idle = Readonly<Held>

/** There is nothing to be done, as after most releases. */
const nothing: ReadonlyArray<never> = []

export class WorkerPool<W extends InLine<W>> {
  readonly #budget: Budget
  #limits: PoolLimits
  /** Counts the changes of the function's code or configuration. A worker of an older one is not lent again. */
  #epoch = 0
  #closed = false
  /** How many idle workers to have ahead of callers, beside what `minCapacity` says. */
  #spares = 0
  /** Least recently used first: lent from the end, pruned from the front. */
  readonly #idle: Array<Held> = []
  readonly #lent = new Map<WorkerId, Held>()
  /** Starts under way, by epoch, with what each takes of the budget. */
  readonly #starting = new Map<number, { count: number; readonly megabytes: number }>()
  /** First come, first served. */
  readonly #waiters = new Line<W>()
  /** Those of them whose time is up. */
  readonly #overdue = new Set<W>()
  readonly #overload = new Overload()

  constructor(limits: PoolLimits, budget: Budget) {
    this.#limits = limits
    this.#budget = budget
  }

  /** Lends the most recently used idle worker; undefined when there is none. */
  take(): Worker | undefined {
    const idle = this.#idle.pop()
    if (idle === undefined) return undefined
    this.#lent.set(idle.worker.id, idle)
    return idle.worker
  }

  /** The worker that `take` would lend. */
  get warmest(): Worker | undefined {
    return this.#idle.at(-1)?.worker
  }

  /** Someone needs a worker. */
  acquire(waiter: W, nowMillis: number): ReadonlyArray<Action<W>> {
    if (this.#closed) return [{ _tag: "Refuse", waiter, refusal: { _tag: "Closed" } }]
    const idle = this.take()
    if (idle !== undefined) return [{ _tag: "Lend", waiter, worker: idle }, ...this.#starts()]
    this.#waiters.add(waiter)
    const starts = this.#starts()
    // Only those are queued for whom no start is under way.
    if (this.#waiters.size - this.#startingNow() <= this.#places(nowMillis)) {
      this.#overload.waits(this.#waiters.size, nowMillis)
      return starts
    }
    this.#overload.refused(nowMillis)
    this.#dequeue(waiter)
    return [...starts, queueFull(waiter)]
  }

  /** A waiter's time is up. It is refused, unless a start under way is for it: then it gets what comes of that. */
  overdue(waiter: W): ReadonlyArray<Action<W>> {
    if (!waiter.isInLine) return []
    this.#overdue.add(waiter)
    return this.#refuseOverdue()
  }

  /** A waiter left. False when it had been answered already: then it has a worker, or a refusal. */
  leave(waiter: W): boolean {
    return this.#dequeue(waiter)
  }

  /** A lent worker comes back, fit for use. One that is not lent is ignored. */
  release(worker: Worker, nowMillis: number): ReadonlyArray<Action<W>> {
    const lent = this.#lent.get(worker.id)
    if (lent === undefined) return []
    this.#lent.delete(worker.id)
    return this.#place(lent, nowMillis)
  }

  /** A lent worker comes back and must not be used again. One that is not lent is ignored. */
  evict(worker: Worker): ReadonlyArray<Action<W>> {
    const lent = this.#lent.get(worker.id)
    if (lent === undefined) return []
    this.#lent.delete(worker.id)
    return [stop(lent), ...this.#starts()]
  }

  /** A worker is gone. One that is lent stays lent until its borrower has seen it too, and gives it back. */
  lost(id: WorkerId): ReadonlyArray<Action<W>> {
    const gone = this.#takeOut(id)
    return gone === undefined ? [] : [stop(gone), ...this.#starts()]
  }

  /** An idle worker makes room for another function's. One that is not idle any more is ignored. */
  surrender(id: WorkerId): ReadonlyArray<Action<W>> {
    const gone = this.#takeOut(id)
    return gone === undefined ? [] : [stop(gone)]
  }

  /** A start succeeded. */
  started(worker: Worker, epoch: number, nowMillis: number): ReadonlyArray<Action<W>> {
    const megabytes = this.#starting.get(epoch)?.megabytes ?? this.#limits.megabytes
    this.#countStarts(epoch, -1)
    return this.#place({ worker, epoch, megabytes, sinceMillis: nowMillis }, nowMillis)
  }

  /**
   * A start failed. Whoever waited longest is told, if the start was made for the function as it is now; the others
   * get another try.
   */
  startFailed(epoch: number, failure: StartFailure): ReadonlyArray<Action<W>> {
    this.#budget.release(this.#starting.get(epoch)?.megabytes ?? this.#limits.megabytes)
    this.#countStarts(epoch, -1)
    if (epoch !== this.#epoch) return [...this.#starts(), ...this.#refuseOverdue()]
    const waiter = this.#waiters.first
    // With nobody waiting nothing is started in its place: what `minCapacity` lacks waits for the next `fill`.
    if (waiter === undefined) return []
    this.#dequeue(waiter)
    return [{ _tag: "Refuse", waiter, refusal: { _tag: "StartFailed", failure } }, ...this.#starts()]
  }

  /** A worker that was running before this pool was: idle, as far as there is room. */
  adopt(worker: Worker, nowMillis: number): ReadonlyArray<Action<W>> {
    const held = { worker, epoch: this.#epoch, megabytes: this.#limits.megabytes, sinceMillis: nowMillis }
    this.#budget.count(held.megabytes)
    return this.#place(held, nowMillis)
  }

  /** The function's code or configuration changed: idle workers go now, lent ones when they come back. */
  configure(limits: PoolLimits): ReadonlyArray<Action<W>> {
    this.#limits = limits
    this.#epoch++
    return [...this.#idle.splice(0).map(stop), ...this.#starts(), ...this.#refuseOverdue()]
  }

  /** How many may be is changed, and nothing that a worker is made of: those there are stay. */
  resize(limits: PoolLimits): ReadonlyArray<Action<W>> {
    this.#limits = limits
    const surplus = Math.max(0, Math.min(-this.#room(), this.#idle.length))
    return [...this.#idle.splice(0, surplus).map(stop), ...this.#starts()]
  }

  /** Has `spares` workers idle ahead of callers, as far as there is room. */
  expect(spares: number): ReadonlyArray<Action<W>> {
    this.#spares = spares
    return this.#starts()
  }

  /**
   * Takes out workers idle for `idleTimeoutMillis` or longer (that of the limits, where nothing better is known), but
   * for those that `minCapacity` or `keep` keeps.
   */
  prune(nowMillis: number, idleTimeoutMillis = this.#limits.idleTimeoutMillis, keep = 0): ReadonlyArray<Action<W>> {
    const before = nowMillis - idleTimeoutMillis
    const old = this.#idle.findIndex(({ sinceMillis }) => sinceMillis > before)
    const surplus = this.size - Math.max(keep, this.#limits.minCapacity)
    const count = Math.max(0, Math.min(surplus, old === -1 ? this.#idle.length : old))
    return this.#idle.splice(0, count).map(stop)
  }

  /** Starts what waiters, `minCapacity` and spares lack, as far as there is room. */
  fill(): ReadonlyArray<Action<W>> {
    return this.#starts()
  }

  /** No more workers are lent: who waits is refused, idle workers stop now, lent and starting ones as they come. */
  close(): ReadonlyArray<Action<W>> {
    this.#closed = true
    const waiting = [...this.#waiters]
    for (const waiter of waiting) this.#dequeue(waiter)
    return [
      ...waiting.map((waiter): Action<W> => ({ _tag: "Refuse", waiter, refusal: { _tag: "Closed" } })),
      ...this.#idle.splice(0).map(stop)
    ]
  }

  /** The idle worker that would be missed least: the one used longest ago, unless `minCapacity` keeps it. */
  get coldest(): Idle | undefined {
    return this.#surplus() > 0 ? this.#idle[0] : undefined
  }

  /** Idle workers since `beforeMillis` or longer, the one used longest ago first. */
  idleSince(beforeMillis: number): ReadonlyArray<Idle> {
    return this.#idle.filter(({ sinceMillis }) => sinceMillis <= beforeMillis)
  }

  /** How many waiters have no start under way, for want of room in the budget alone. */
  get starved(): number {
    if (this.#closed) return 0
    return Math.max(0, Math.min(this.#waiters.size - this.#startingNow(), this.#room()))
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
    let all = 0
    for (const { count } of this.#starting.values()) all += count
    return all
  }

  get waiting(): number {
    return this.#waiters.size
  }

  /** Of every worker that is idle or lent. */
  ids(): ReadonlyArray<WorkerId> {
    return [...this.#idle.map(({ worker }) => worker.id), ...this.#lent.keys()]
  }

  /** Gives a worker to whoever waited longest, keeps it for the next one, or lets it go. */
  #place(held: Held, nowMillis: number): ReadonlyArray<Action<W>> {
    if (this.#closed || held.epoch !== this.#epoch || this.#room() <= 0) {
      // A start that was under way for somebody may have been this one.
      return [stop(held), ...this.#starts(), ...this.#refuseOverdue()]
    }
    const waiter = this.#waiters.first
    if (waiter === undefined) {
      held.sinceMillis = nowMillis
      this.#idle.push(held)
      return nothing
    }
    this.#dequeue(waiter)
    this.#lent.set(held.worker.id, held)
    return [{ _tag: "Lend", waiter, worker: held.worker }, ...this.#refuseOverdue(), ...this.#refuseOverload(nowMillis)]
  }

  /** As many starts as are wanted, and as there is room for here and in the budget. */
  #starts(): ReadonlyArray<Action<W>> {
    if (this.#closed) return []
    const starting = this.#startingNow()
    const unserved = this.#waiters.size - starting
    const usable = starting + this.#idle.length + this.#lent.size
    const wanted = Math.max(unserved, this.#limits.minCapacity - usable, unserved + this.#spares - this.#idle.length)
    const most = Math.min(wanted, this.#room())
    let count = 0
    while (count < most && this.#budget.reserve(this.#limits.megabytes)) count++
    this.#countStarts(this.#epoch, count)
    return Array.from({ length: count }, () => ({ _tag: "Start", epoch: this.#epoch }))
  }

  #room(): number {
    return this.#limits.maxCapacity - this.size
  }

  #surplus(): number {
    return this.size - this.#limits.minCapacity
  }

  #startingNow(): number {
    return this.#starting.get(this.#epoch)?.count ?? 0
  }

  #countStarts(epoch: number, change: number): void {
    const known = this.#starting.get(epoch) ?? { count: 0, megabytes: this.#limits.megabytes }
    known.count += change
    if (known.count === 0) this.#starting.delete(epoch)
    else this.#starting.set(epoch, known)
  }

  #takeOut(id: WorkerId): Idle | undefined {
    const index = this.#idle.findIndex(({ worker }) => worker.id === id)
    return index === -1 ? undefined : this.#idle.splice(index, 1)[0]
  }

  /** Refuses those whose time is up and for whom no start is under way: one start covers one waiter, oldest first. */
  #refuseOverdue(): ReadonlyArray<Action<W>> {
    if (this.#overdue.size === 0) return nothing
    let covered = this.#startingNow()
    const refused: Array<Action<W>> = []
    for (const waiter of this.#waiters) {
      if (covered-- > 0 || !this.#overdue.has(waiter)) continue
      this.#dequeue(waiter)
      refused.push({ _tag: "Refuse", waiter, refusal: { _tag: "TimedOut" } })
    }
    return refused
  }

  /** How many may be queued. */
  #places(nowMillis: number): number {
    const { maxQueued } = this.#limits
    return this.#overload.isOn(nowMillis) ? Math.min(maxQueued, Overload.room(this.#lent.size)) : maxQueued
  }

  /** Once callers have come faster than they are served for long enough, those go too who came last. */
  #refuseOverload(nowMillis: number): ReadonlyArray<Action<W>> {
    if (!this.#limits.refusesOverload) return nothing
    if (this.#starting.size > 0) this.#overload.unknown()
    if (!this.#overload.served(this.#waiters.size, this.#lent.size, nowMillis)) return nothing
    const waiting = [...this.#waiters]
    const surplus = waiting.slice(Overload.room(this.#lent.size))
    for (const waiter of surplus) this.#dequeue(waiter)
    return [{ _tag: "Overload", waiting: waiting.length }, ...surplus.map(queueFull)]
  }

  #dequeue(waiter: W): boolean {
    if (this.#overdue.size > 0) this.#overdue.delete(waiter)
    return this.#waiters.delete(waiter)
  }
}

const queueFull = <W>(waiter: W): Action<W> => ({ _tag: "Refuse", waiter, refusal: { _tag: "QueueFull" } })

const stop = ({
  worker,
  megabytes
}: Held): { readonly _tag: "Stop"; readonly worker: Worker; readonly megabytes: number } => ({
  _tag: "Stop",
  worker,
  megabytes
})
