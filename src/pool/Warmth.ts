/**
 * What is learned of one function's callers, and what that says about its workers: how many to have ahead of callers
 * while it is hot, and when it is quiet how long to keep one, or when to have one back. Pure: the time comes in.
 */
import { IdleHistogram } from "./IdleHistogram.ts"
import { Spares, type SparesOptions } from "./Spares.ts"

export interface WarmthOptions {
  /** Absent: no spares. */
  readonly spares?: SparesOptions
  /** Whether idle times are learned. */
  readonly adaptive: boolean
}

/** What to do about the workers of a function that is quiet. */
export interface Advice {
  /** Idle ones may go after so long; undefined: after the time that is set. */
  readonly idleTimeoutMillis?: number
  /** So many stay however long they are idle. */
  readonly keep: number
  /** So many are to be idle, started where they are not. */
  readonly spares: number
}

export class Warmth {
  readonly #spares: Spares | undefined
  readonly #histogram: IdleHistogram | undefined
  /** Since when nothing of the function runs; undefined while something does, and before its first call. */
  #quietSince: number | undefined

  constructor(options: WarmthOptions) {
    this.#spares = options.spares === undefined ? undefined : new Spares(options.spares)
    this.#histogram = options.adaptive ? new IdleHistogram() : undefined
  }

  /** The function is called; `waits` when no idle worker was there for it. */
  called(nowMillis: number, waits: boolean): void {
    this.#spares?.called(nowMillis, waits)
    if (this.#quietSince !== undefined) this.#histogram?.record(nowMillis - this.#quietSince)
    this.#quietSince = undefined
  }

  /** The last of its invocations that were running has ended. */
  fellQuiet(nowMillis: number): void {
    this.#quietSince = nowMillis
  }

  advice(nowMillis: number): Advice {
    const spares = this.#spares?.wanted(nowMillis) ?? 0
    const known = this.#quietSince === undefined ? undefined : this.#histogram?.keepAlive()
    if (known === undefined || this.#quietSince === undefined) return { keep: 0, spares }
    const quietMillis = nowMillis - this.#quietSince
    const isExpected = quietMillis >= known.preWarmMillis && quietMillis < known.keepAliveMillis
    return isExpected ? { keep: 1, spares: Math.max(1, spares) } : { idleTimeoutMillis: 0, keep: 0, spares }
  }
}
