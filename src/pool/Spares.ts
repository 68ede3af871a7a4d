/**
 * How many idle workers a hot function is to have ahead of its callers, so that the next one waits for no start: as
 * many as callers have had to wait of late. A pool that keeps so many idle replaces a worker as it is taken. Pure: the
 * time comes in.
 */

export interface SparesOptions {
  /** The most spare workers of a function; 0: none ever. */
  readonly maxSpares: number
  /** How long ago a caller counts. */
  readonly windowMillis: number
  /** How many calls within the window make a function hot; one that is called less has no spares. */
  readonly hotCalls: number
}

export class Spares {
  readonly #options: SparesOptions
  readonly #calls: LastTimes
  readonly #waits: LastTimes

  constructor(options: SparesOptions) {
    this.#options = options
    this.#calls = new LastTimes(options.hotCalls)
    this.#waits = new LastTimes(options.maxSpares)
  }

  /** The function is called; `waits` when no idle worker was there, so that its caller waits for one to start. */
  called(nowMillis: number, waits: boolean): void {
    this.#calls.add(nowMillis)
    if (waits) this.#waits.add(nowMillis)
  }

  /** How many workers are to be idle now, those that are starting without a caller included. */
  wanted(nowMillis: number): number {
    const since = nowMillis - this.#options.windowMillis
    return this.#calls.countAfter(since) < this.#options.hotCalls ? 0 : this.#waits.countAfter(since)
  }
}

/** The latest `size` of a row of times; what came before them is forgotten. */
class LastTimes {
  readonly #times: Array<number> = []
  readonly #size: number
  #next = 0

  constructor(size: number) {
    this.#size = size
  }

  add(time: number): void {
    if (this.#size === 0) return
    this.#times[this.#next] = time
    this.#next = (this.#next + 1) % this.#size
  }

  countAfter(time: number): number {
    return this.#times.reduce((count, each) => (each > time ? count + 1 : count), 0)
  }
}
