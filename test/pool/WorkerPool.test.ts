import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { InLine } from "../../src/domain/Line.ts"
import type { Worker } from "../../src/domain/Worker.ts"
import { Budget } from "../../src/pool/Budget.ts"
import { type Action, WorkerPool } from "../../src/pool/WorkerPool.ts"
import { worker } from "../support/functions.ts"

/** One who waits for a worker. */
class Caller implements InLine<Caller> {
  readonly name: string
  before: Caller | undefined = undefined
  after: Caller | undefined = undefined
  isInLine = false

  constructor(name: string) {
    this.name = name
  }
}

/**
 * A pool under a random history, and a second, simpler account of the same: who waits, who holds what, which starts
 * are under way. Every action of the pool is checked against that account.
 */
class Model {
  readonly pool: WorkerPool<Caller>
  max: number
  min: number
  maxQueued: number
  epoch = 0
  closed = false
  now = 0
  #workers = 0
  #callers = 0
  waiting: Array<Caller> = []
  readonly overdue = new Set<Caller>()
  readonly answered = new Set<Caller>()
  readonly lent = new Map<string, { worker: Worker; epoch: number }>()
  readonly idle = new Map<string, { worker: Worker; epoch: number; since: number }>()
  readonly stopped = new Set<string>()
  /** Being removed: their room in the budget is still taken. */
  readonly leaving: Array<number> = []
  starting: Array<number> = []
  readonly budget: Budget
  readonly budgetWorkers: number

  constructor(max: number, min: number, maxQueued: number, budgetWorkers: number) {
    this.max = max
    this.min = min
    this.maxQueued = maxQueued
    this.budgetWorkers = budgetWorkers
    this.budget = new Budget({ workers: budgetWorkers, megabytes: 100 * budgetWorkers })
    this.pool = new WorkerPool(this.limits(), this.budget)
  }

  limits() {
    return {
      maxCapacity: this.max,
      minCapacity: this.min,
      maxQueued: this.maxQueued,
      refusesOverload: true,
      idleTimeoutMillis: 100,
      megabytes: 100
    }
  }

  /** Applies the pool's actions. `incoming` is the worker that the event brought, if any: lend it, keep it or stop it. */
  apply(actions: ReadonlyArray<Action<Caller>>, incoming?: { worker: Worker; epoch: number }): void {
    let left = incoming
    for (const action of actions) {
      switch (action._tag) {
        case "Lend": {
          expect(this.waiting[0], "the one who waited longest is served").toBe(action.waiter)
          expect(this.lent.has(action.worker.id), "a worker is lent to one caller").toBe(false)
          expect(this.stopped.has(action.worker.id), "a stopped worker is not lent").toBe(false)
          const known = left?.worker.id === action.worker.id ? left : this.idle.get(action.worker.id)
          expect(known?.epoch, "a worker of an older epoch is not lent").toBe(this.epoch)
          if (left?.worker.id === action.worker.id) left = undefined
          this.idle.delete(action.worker.id)
          this.lent.set(action.worker.id, { worker: action.worker, epoch: this.epoch })
          this.#answer(action.waiter)
          break
        }
        case "Refuse":
          if (action.refusal._tag === "TimedOut") expect(this.overdue.has(action.waiter)).toBe(true)
          if (action.refusal._tag === "StartFailed") expect(this.waiting[0]).toBe(action.waiter)
          if (action.refusal._tag === "Closed") expect(this.closed).toBe(true)
          this.#answer(action.waiter)
          break
        case "Start":
          expect(this.closed).toBe(false)
          expect(action.epoch).toBe(this.epoch)
          this.starting.push(action.epoch)
          break
        case "Stop":
          expect(this.lent.has(action.worker.id), "a lent worker is not stopped under its borrower").toBe(false)
          expect(this.stopped.has(action.worker.id), "a worker is stopped once").toBe(false)
          if (left?.worker.id === action.worker.id) left = undefined
          this.idle.delete(action.worker.id)
          this.stopped.add(action.worker.id)
          this.leaving.push(action.megabytes)
          this.budget.leaving(action.megabytes)
          break
      }
    }
    if (left !== undefined) this.idle.set(left.worker.id, { ...left, since: this.now })
    this.check()
  }

  #answer(waiter: Caller): void {
    expect(this.answered.has(waiter), "a waiter is answered once").toBe(false)
    expect(this.waiting).toContain(waiter)
    this.waiting = this.waiting.filter((other) => other !== waiter)
    this.overdue.delete(waiter)
    this.answered.add(waiter)
  }

  check(): void {
    const { pool } = this
    expect([pool.idle, pool.lent, pool.starting, pool.waiting]).toEqual([
      this.idle.size,
      this.lent.size,
      this.starting.length,
      this.waiting.length
    ])
    expect([...pool.ids()].sort()).toEqual([...this.idle.keys(), ...this.lent.keys()].sort())
    const current = this.starting.filter((epoch) => epoch === this.epoch).length
    expect(this.budget.used, "room is taken by what starts, is there, or is being removed").toEqual({
      workers: pool.size + this.leaving.length,
      megabytes: 100 * (pool.size + this.leaving.length)
    })
    if (this.idle.size > 0) expect(this.waiting.length, "nobody waits beside an idle worker").toBe(0)
    const room = this.max - pool.size
    const lacking = this.closed ? 0 : Math.max(0, Math.min(this.waiting.length - current, room))
    expect(pool.starved, "who waits has a start under way, unless there is no room for it").toBe(lacking)
    if (lacking > 0) expect(this.budget.used.workers).toBeGreaterThanOrEqual(this.budgetWorkers)
    this.waiting.forEach((waiter, place) => {
      if (place >= current) expect(this.overdue.has(waiter), "nobody waits past a deadline without a start").toBe(false)
    })
    if (this.closed) expect(this.waiting.length + this.idle.size).toBe(0)
  }

  /** Checked where capacity could grow: a lowered maximum leaves what is there. */
  within(before: number): void {
    if (this.pool.size > before) expect(this.pool.size, "lent + idle + starting ≤ max").toBeLessThanOrEqual(this.max)
  }

  /** Those who wait and have no start under way for them. */
  queued(): number {
    return this.waiting.length - this.starting.filter((epoch) => epoch === this.epoch).length
  }

  acquire(): void {
    const caller = new Caller(`c${this.#callers++}`)
    this.waiting.push(caller)
    this.apply(this.pool.acquire(caller, this.now))
  }

  start(epoch: number): { worker: Worker; epoch: number } {
    this.starting.splice(this.starting.indexOf(epoch), 1)
    return { worker: worker(`w${this.#workers++}`), epoch }
  }
}

type Step = (model: Model, pick: number) => void

const pickOf = <A>(items: Iterable<A>, pick: number): A | undefined => {
  const all = [...items]
  return all.length === 0 ? undefined : all[pick % all.length]
}

const steps: Record<string, Step> = {
  acquire: (model) => {
    const before = model.queued()
    model.acquire()
    // A change, or a failed start, puts those back into the queue whom a start was under way for.
    expect(model.queued(), "the queue has its length").toBeLessThanOrEqual(Math.max(model.maxQueued, before))
  },
  "a removal is done": (model) => {
    const megabytes = model.leaving.shift()
    if (megabytes === undefined) return
    model.budget.left(megabytes)
    model.apply(model.pool.fill())
  },
  surrender: (model) => {
    const coldest = model.pool.coldest
    if (coldest === undefined) return
    const before = model.pool.size
    model.apply(model.pool.surrender(coldest.worker.id))
    expect(model.stopped.has(coldest.worker.id)).toBe(true)
    expect(before, "the least capacity is not given away").toBeGreaterThan(model.min)
  },
  "spares are expected": (model, pick) => model.apply(model.pool.expect(pick % 3)),
  release: (model, pick) => {
    const lease = pickOf(model.lent.values(), pick)
    if (lease === undefined) return
    model.lent.delete(lease.worker.id)
    model.apply(model.pool.release(lease.worker, model.now), lease)
  },
  "release again": (model, pick) => {
    const idle = pickOf(model.idle.values(), pick)
    if (idle !== undefined) model.apply(model.pool.release(idle.worker, model.now))
  },
  evict: (model, pick) => {
    const lease = pickOf(model.lent.values(), pick)
    if (lease === undefined) return
    model.lent.delete(lease.worker.id)
    model.apply(model.pool.evict(lease.worker))
    expect(model.stopped.has(lease.worker.id)).toBe(true)
  },
  "caller leaves": (model, pick) => {
    const waiter = pickOf(model.waiting, pick)
    if (waiter === undefined) return
    model.waiting = model.waiting.filter((other) => other !== waiter)
    model.overdue.delete(waiter)
    expect(model.pool.leave(waiter)).toBe(true)
    expect(model.pool.leave(waiter)).toBe(false)
    model.check()
  },
  "time is up": (model, pick) => {
    const waiter = pickOf(model.waiting, pick)
    if (waiter === undefined) return
    model.overdue.add(waiter)
    model.apply(model.pool.overdue(waiter))
  },
  "start succeeds": (model, pick) => {
    const epoch = pickOf(model.starting, pick)
    if (epoch === undefined) return
    const started = model.start(epoch)
    model.apply(model.pool.started(started.worker, epoch, model.now), started)
  },
  "start fails": (model, pick) => {
    const epoch = pickOf(model.starting, pick)
    if (epoch === undefined) return
    model.start(epoch)
    const first = model.waiting[0]
    model.apply(model.pool.startFailed(epoch, { reason: "Refused", detail: "no" }))
    if (epoch === model.epoch && first !== undefined) expect(model.answered.has(first)).toBe(true)
  },
  "idle worker dies": (model, pick) => {
    const idle = pickOf(model.idle.values(), pick)
    if (idle !== undefined) model.apply(model.pool.lost(idle.worker.id))
  },
  "lent worker dies": (model, pick) => {
    const lease = pickOf(model.lent.values(), pick)
    if (lease !== undefined) model.apply(model.pool.lost(lease.worker.id))
  },
  "code changes": (model) => {
    model.epoch++
    model.apply(model.pool.configure(model.limits()))
    for (const { epoch } of model.idle.values()) expect(epoch).toBe(model.epoch)
  },
  "capacity changes": (model, pick) => {
    model.epoch++
    model.max = 1 + (pick % 5)
    model.min = Math.min(pick % 3, model.max)
    model.apply(model.pool.configure(model.limits()))
  },
  "time passes, prune": (model, pick) => {
    model.now += pick % 150
    const before = model.pool.size
    const fresh = [...model.idle.values()].filter(({ since }) => since > model.now - 100)
    model.apply(model.pool.prune(model.now))
    for (const { worker } of fresh) expect(model.idle.has(worker.id), "only what was idle long enough goes").toBe(true)
    expect(model.pool.size, "what the least capacity keeps stays").toBeGreaterThanOrEqual(Math.min(model.min, before))
    const old = [...model.idle.values()].filter(({ since }) => since <= model.now - 100)
    if (old.length > 0)
      expect(model.pool.size, "all else that was idle long enough goes").toBeLessThanOrEqual(model.min)
  },
  fill: (model) => {
    model.apply(model.pool.fill())
    if (!model.closed) {
      const usable = model.pool.idle + model.pool.lent + model.starting.filter((e) => e === model.epoch).length
      const isFull = model.pool.size >= model.max || model.budget.used.workers >= model.budgetWorkers
      if (!isFull) expect(usable).toBeGreaterThanOrEqual(model.min)
    }
  },
  "capacity changes, and nothing else": (model, pick) => {
    model.max = 1 + (pick % 5)
    model.min = Math.min(model.min, model.max)
    model.apply(model.pool.resize(model.limits()))
    if (model.idle.size > 0) expect(model.pool.size).toBeLessThanOrEqual(model.max)
  },
  adopt: (model, pick) => {
    if (model.budget.used.workers >= model.budgetWorkers) return
    const found = worker(`adopted${model.now}-${pick}-${model.stopped.size}-${model.idle.size}-${model.lent.size}`)
    if (model.idle.has(found.id) || model.lent.has(found.id) || model.stopped.has(found.id)) return
    model.apply(model.pool.adopt(found, model.now), { worker: found, epoch: model.epoch })
  },
  close: (model, pick) => {
    if (pick % 10 !== 0) return
    model.closed = true
    model.apply(model.pool.close())
  }
}

const names = Object.keys(steps)
const weights = [...names, ..."acquire acquire acquire release release start_succeeds start_succeeds".split(" ")].map(
  (name) => name.replace("_", " ")
)

const history = fc.record({
  max: fc.integer({ min: 1, max: 5 }),
  min: fc.integer({ min: 0, max: 2 }),
  maxQueued: fc.integer({ min: 0, max: 6 }),
  budget: fc.integer({ min: 1, max: 8 }),
  steps: fc.array(fc.tuple(fc.constantFrom(...weights), fc.nat(1000)), { maxLength: 60 })
})

describe("WorkerPool", () => {
  it("keeps its promises over 10 000 random histories", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(history, ({ budget, max, maxQueued, min, steps: taken }) => {
        const model = new Model(max, Math.min(min, max), maxQueued, budget)
        for (const [name, pick] of taken) {
          const before = model.pool.size
          steps[name]!(model, pick)
          model.within(before)
        }
      }),
      { numRuns: 10_000 }
    )
  })

  const limits = {
    maxCapacity: 2,
    minCapacity: 0,
    maxQueued: 10,
    refusesOverload: true,
    idleTimeoutMillis: 100,
    megabytes: 128
  }
  const plenty = () => new Budget({ workers: 100, megabytes: 100_000 })
  const withIdle = (...ids: ReadonlyArray<string>) => {
    const pool = new WorkerPool<Caller>({ ...limits, maxCapacity: ids.length }, plenty())
    for (const id of ids) pool.adopt(worker(id), 0)
    return pool
  }

  it("lends the worker used last first", () => {
    const pool = withIdle("w1", "w2")
    expect(pool.take()?.id).toBe("w2")
  })

  it("starts as many workers as there are waiters without one, not more", () => {
    const [a, b, c] = [new Caller("a"), new Caller("b"), new Caller("c")] as const
    const pool = new WorkerPool<Caller>({ ...limits, maxCapacity: 10 }, plenty())
    expect(pool.acquire(a, 0)).toEqual([{ _tag: "Start", epoch: 0 }])
    expect(pool.acquire(b, 0)).toEqual([{ _tag: "Start", epoch: 0 }])
    pool.leave(a)
    expect(pool.acquire(c, 0)).toEqual([])
  })

  it("keeps a start whose caller left", () => {
    const a = new Caller("a")
    const pool = new WorkerPool<Caller>(limits, plenty())
    pool.acquire(a, 0)
    pool.leave(a)
    expect(pool.started(worker("w1"), 0, 0)).toEqual([])
    expect(pool.take()?.id).toBe("w1")
  })

  it("gives a freed worker to whoever waits, though a start is under way for it", () => {
    const a = new Caller("a")
    const pool = withIdle("w1")
    const lent = pool.take()!
    const both = new WorkerPool<Caller>(limits, plenty())
    both.adopt(lent, 0)
    both.take()
    both.acquire(a, 0)
    expect(both.release(lent, 0)).toEqual([{ _tag: "Lend", waiter: a, worker: lent }])
  })

  it("lets a waiter whose time is up have the start that is under way for it", () => {
    const [a, b] = [new Caller("a"), new Caller("b")] as const
    const pool = new WorkerPool<Caller>({ ...limits, maxCapacity: 1 }, plenty())
    pool.acquire(a, 0)
    pool.acquire(b, 0)
    expect(pool.overdue(a)).toEqual([])
    expect(pool.overdue(b)).toEqual([{ _tag: "Refuse", waiter: b, refusal: { _tag: "TimedOut" } }])
    expect(pool.started(worker("w1"), 0, 0)).toMatchObject([{ _tag: "Lend", waiter: a }])
  })

  it("does not start again and again what nobody waits for and cannot start", () => {
    const pool = new WorkerPool<Caller>({ ...limits, minCapacity: 1 }, plenty())
    expect(pool.fill()).toHaveLength(1)
    expect(pool.startFailed(0, { reason: "Refused", detail: "no" })).toEqual([])
  })

  it("refuses a waiter whose time is up when what was started for it is more than there may be by now", () => {
    const [a, b] = [new Caller("a"), new Caller("b")] as const
    const pool = new WorkerPool<Caller>(limits, plenty())
    pool.acquire(a, 0)
    pool.adopt(worker("w1"), 0)
    pool.acquire(b, 0)
    pool.resize({ ...limits, maxCapacity: 1 })
    expect(pool.overdue(b)).toEqual([])
    expect(pool.started(worker("w2"), 0, 0)).toMatchObject([
      { _tag: "Stop", worker: { id: "w2" } },
      { _tag: "Refuse", waiter: b, refusal: { _tag: "TimedOut" } }
    ])
  })
})
