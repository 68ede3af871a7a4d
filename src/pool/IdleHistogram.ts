/**
 * How long a function's workers are worth keeping, learned from how long it was idle before: the hybrid histogram
 * policy of Shahrad et al., "Serverless in the Wild: Characterizing and Optimizing the Serverless Workload at a Large
 * Cloud Provider" (USENIX ATC '20), section 4.2. Where a histogram says nothing, neither does this: whoever asks then
 * keeps workers for the time that is set. Pure, of constant size, and without a clock.
 */
import { Schema } from "effect"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const minuteMillis = 60_000
/** Four hours of one minute each; what is idle for longer is out of bounds. */
export const bins = 240
/** The head of the histogram, before which nobody calls, and the tail, after which nobody does. */
const head = 0.05
const tail = 0.99
/** Both windows are this much wider than what was seen. */
const margin = 0.1
/** How uneven the bins have to be, as their coefficient of variation: all alike (0) they say nothing. */
const leastVariation = 2
/** Fewer idle times say nothing. */
export const leastSamples = 10
/** With a larger share of them out of bounds, those in bounds are not what the function is like. */
const mostOutOfBounds = 0.5
/** From so many on, each counts half: what a function was like long ago wears off. */
export const mostSamples = 1000

/** What is kept of a histogram; JSON. */
export const IdleHistogramState = Schema.Struct({
  /** Minute and count of each bin that is not empty. */
  minutes: Schema.Array(Schema.Tuple([Count.check(Schema.isLessThan(bins)), Count])),
  outOfBounds: Count
})
export type IdleHistogramState = typeof IdleHistogramState.Type

/** Both counted from the moment the function's last invocation ended. */
export interface KeepAlive {
  /** Nobody will call before: a worker may be removed at once and started again by then. 0: it is to be kept. */
  readonly preWarmMillis: number
  /** Nobody will call later: a worker may go for good. */
  readonly keepAliveMillis: number
}

export class IdleHistogram {
  readonly #counts = new Uint32Array(bins)
  #total = 0
  /** Of the counts, kept up to date so that nothing has to be summed. */
  #squares = 0
  #outOfBounds = 0

  constructor(state: IdleHistogramState = { minutes: [], outOfBounds: 0 }) {
    for (const [minute, count] of state.minutes) this.#add(minute, count)
    this.#outOfBounds = state.outOfBounds
  }

  /** The function was called again after `idleMillis` without an invocation. */
  record(idleMillis: number): void {
    const minute = Math.floor(Math.max(0, idleMillis) / minuteMillis)
    if (minute < bins) this.#add(minute, 1)
    else this.#outOfBounds++
    if (this.samples >= mostSamples) this.#halve()
  }

  /** Undefined where what was recorded is too little, too much alike, or too often out of bounds. */
  keepAlive(): KeepAlive | undefined {
    const { samples } = this
    if (samples < leastSamples || this.#outOfBounds > mostOutOfBounds * samples) return undefined
    if (this.#variation() < leastVariation) return undefined
    return {
      preWarmMillis: (1 - margin) * minuteMillis * this.#minuteOf(head),
      keepAliveMillis: (1 + margin) * minuteMillis * (this.#minuteOf(tail) + 1)
    }
  }

  get samples(): number {
    return this.#total + this.#outOfBounds
  }

  toJSON(): IdleHistogramState {
    return {
      minutes: [...this.#counts].flatMap((count, minute) => (count === 0 ? [] : [[minute, count] as const])),
      outOfBounds: this.#outOfBounds
    }
  }

  /** The bin in which the lowest `share` of the idle times ends. */
  #minuteOf(share: number): number {
    let left = share * this.#total
    return this.#counts.findIndex((count) => {
      left -= count
      return count > 0 && left <= 0
    })
  }

  /** The standard deviation of the bins' counts over their mean. */
  #variation(): number {
    return Math.sqrt((bins * this.#squares) / this.#total ** 2 - 1)
  }

  #add(minute: number, count: number): void {
    const before = this.#counts[minute] ?? 0
    this.#counts[minute] = before + count
    this.#total += count
    this.#squares += (before + count) ** 2 - before ** 2
  }

  #halve(): void {
    for (const [minute, count] of this.#counts.entries()) this.#add(minute, Math.floor(count / 2) - count)
    this.#outOfBounds = Math.floor(this.#outOfBounds / 2)
  }
}
