import { describe, expect, it } from "vitest"
import type { InLine } from "../../src/domain/Line.ts"
import type { Worker } from "../../src/domain/Worker.ts"
import { Budget } from "../../src/pool/Budget.ts"
import { type Action, WorkerPool } from "../../src/pool/WorkerPool.ts"
import { worker } from "../support/functions.ts"

class Caller implements InLine<Caller> {
  before: Caller | undefined = undefined
  after: Caller | undefined = undefined
  isInLine = false
  readonly sinceMillis: number
  readonly answered: (nowMillis: number) => void

  constructor(sinceMillis: number, answered: (nowMillis: number) => void) {
    this.sinceMillis = sinceMillis
    this.answered = answered
  }
}

/** A function's pool, and time that goes from one event to the next. All times in milliseconds. */
class Simulation {
  readonly pool: WorkerPool<Caller>
  /** How long those waited who got a worker, and those who were refused. */
  readonly served: Array<number> = []
  readonly refused: Array<number> = []
  /** As `served`, of those alone who called from `settled` on. */
  readonly servedLater: Array<number> = []
  readonly #settled: number
  readonly #serviceMillis: number
  readonly #startMillis: number
  readonly #events: Array<{ readonly at: number; readonly happens: () => void }> = []
  #now = 0
  #started = 0

  constructor(options: {
    readonly workers: number
    readonly serviceMillis: number
    readonly startMillis?: number
    readonly refusesOverload?: boolean
    readonly settled?: number
  }) {
    this.#settled = options.settled ?? 0
    this.#serviceMillis = options.serviceMillis
    this.#startMillis = options.startMillis ?? 0
    const limits = {
      maxCapacity: options.workers,
      minCapacity: 0,
      maxQueued: 1000,
      refusesOverload: options.refusesOverload ?? true,
      idleTimeoutMillis: 300_000,
      megabytes: 128
    }
    this.pool = new WorkerPool<Caller>(limits, new Budget({ workers: 100, megabytes: 100_000 }))
  }

  /** Somebody calls; `answered` is called at the end of the invocation, or when it is refused. */
  call(at: number, answered: (nowMillis: number) => void = () => {}): this {
    this.#at(at, () => {
      const idle = this.pool.take()
      const caller = new Caller(at, answered)
      if (idle === undefined) this.#perform(this.pool.acquire(caller, at))
      else this.#lend(caller, idle)
    })
    return this
  }

  /** So many calls, `every` so many milliseconds after the one before. */
  storm(from: number, count: number, every: () => number): this {
    const next = (at: number, left: number) => {
      if (left === 0) return
      this.#at(at, () => next(at + every(), left - 1))
      this.call(at)
    }
    next(from, count)
    return this
  }

  run(): this {
    for (let event = this.#events.pop(); event !== undefined; event = this.#events.pop()) {
      this.#now = event.at
      event.happens()
    }
    return this
  }

  /** The last one first; of those at the same time, the one that was made last is. */
  #at(at: number, happens: () => void): void {
    const place = this.#events.findLastIndex((event) => event.at > at)
    this.#events.splice(place + 1, 0, { at, happens })
  }

  #perform(actions: ReadonlyArray<Action<Caller>>): void {
    for (const action of actions) {
      if (action._tag === "Lend") this.#lend(action.waiter, action.worker)
      if (action._tag === "Refuse") {
        this.refused.push(this.#now - action.waiter.sinceMillis)
        action.waiter.answered(this.#now)
      }
      if (action._tag === "Start") {
        const ready = this.#now + this.#startMillis
        this.#at(ready, () => this.#perform(this.pool.started(worker(`w${++this.#started}`), action.epoch, ready)))
      }
    }
  }

  #lend(caller: Caller, lent: Worker): void {
    this.served.push(this.#now - caller.sinceMillis)
    if (caller.sinceMillis >= this.#settled) this.servedLater.push(this.#now - caller.sinceMillis)
    const done = this.#now + this.#serviceMillis
    this.#at(done, () => {
      this.#perform(this.pool.release(lent, done))
      caller.answered(done)
    })
  }
}

const quantile = (numbers: ReadonlyArray<number>, of: number) =>
  numbers.toSorted((one, other) => one - other)[Math.ceil(numbers.length * of) - 1]

/** Gaps between those who know nothing of each other, a `perMilli`th of them a millisecond on average; always the same. */
const atRandom = (perMilli: number) => {
  let state = 42
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return -Math.log(state / 2_147_483_647) / perMilli
  }
}

/** Does 80 a second. */
const four = { workers: 4, serviceMillis: 50 }

describe("a function that is called", () => {
  it.each([
    { perSecond: 160, of: four },
    { perSecond: 800, of: four },
    { perSecond: 8000, of: four },
    { perSecond: 8, of: { workers: 4, serviceMillis: 5000 } },
    { perSecond: 2000, of: { workers: 1, serviceMillis: 5 } }
  ])("$perSecond times a second, which is too much for $of, serves in time whom it serves", ({ of, perSecond }) => {
    const settled = Math.max(1000, 40 * of.serviceMillis)
    const seconds = settled / 10
    const storm = new Simulation({ ...of, settled }).storm(0, perSecond * seconds, atRandom(perSecond / 1000)).run()
    expect(Math.max(...storm.servedLater)).toBeLessThanOrEqual(of.serviceMillis)
    expect(quantile(storm.refused, 0.98), "at once").toBe(0)
    const capacity = (of.workers * 1000 * seconds) / of.serviceMillis
    expect(storm.served.length, "as many as it can").toBeGreaterThan(0.98 * capacity)
  })

  it("by a thousand at once serves them all", () => {
    const burst = new Simulation(four).storm(0, 1000, () => 0).run()
    expect([burst.served.length, burst.refused]).toEqual([1000, []])
  })

  it("by five hundred within a quarter of a second serves them all", () => {
    const burst = new Simulation(four).storm(0, 500, () => 0.5).run()
    expect([burst.served.length, burst.refused]).toEqual([500, []])
  })

  it("by many who call again once they are answered refuses none of them", () => {
    const simulation = new Simulation(four)
    const again = (now: number) => {
      if (now < 60_000) simulation.call(now, again)
    }
    for (let caller = 0; caller < 500; caller++) simulation.call(caller / 10, again)
    expect(simulation.run().refused).toEqual([])
    expect(simulation.served.length).toBeGreaterThan(4700)
  })

  it("nearly as often as it can be, by people who know nothing of each other, refuses none of them", () => {
    const busy = new Simulation(four).storm(0, 80 * 0.95 * 600, atRandom(0.08 * 0.95)).run()
    expect(Math.max(...busy.served), "they do wait, now and then").toBeGreaterThan(100)
    expect(busy.refused).toEqual([])
  })

  it("often while its workers are being started refuses nobody, if they will be enough", () => {
    const cold = new Simulation({ workers: 20, serviceMillis: 50, startMillis: 4000 })
    expect(cold.storm(0, 200 * 10, atRandom(0.2)).run().refused).toEqual([])
  })

  it("too often for a while takes a burst again soon after it", () => {
    const storm = new Simulation(four).storm(0, 8000, () => 1.25).run()
    const refused = storm.refused.length
    expect(refused).toBeGreaterThan(7000)
    storm.storm(10_400, 500, () => 0).run()
    expect(storm.refused.length).toBe(refused)
  })

  it("too often has its callers wait until its queue is full, where it is to", () => {
    const storm = new Simulation({ ...four, refusesOverload: false }).storm(0, 8000, () => 1.25).run()
    expect(quantile(storm.served, 0.99)).toBeGreaterThan(12_000)
    expect(storm.refused.every((waited) => waited === 0)).toBe(true)
  })
})
