/** How much one API key has used of one plan: its calls of the last moments, and those of the day, week or month. */
import type { QuotaPeriod } from "./apiKeysFile.ts"

/** Calls that may be made: so many at once, and so many more each second. */
export class TokenBucket {
  #tokens: number
  #atMillis: number

  constructor(burst: number, nowMillis: number) {
    this.#tokens = burst
    this.#atMillis = nowMillis
  }

  /** Whether there is a call left, which it takes. */
  take({ burst, rate }: { readonly rate: number; readonly burst: number }, nowMillis: number): boolean {
    const seconds = Math.max(0, nowMillis - this.#atMillis) / 1000
    this.#tokens = Math.min(burst, this.#tokens + seconds * rate)
    this.#atMillis = nowMillis
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}

/** What is on the disk of a period's calls. */
export interface StoredUsage {
  /** When the period began; Unix. */
  readonly periodMillis: number
  readonly calls: number
}

/**
 * Counts calls of a period. The disk is written to ahead of them, for several at once: after a crash some count that were
 * not made, but none that was made is forgotten.
 */
export class QuotaCounter {
  #periodMillis: number
  #calls: number
  #written: number

  constructor(stored: StoredUsage) {
    this.#periodMillis = stored.periodMillis
    this.#calls = stored.calls
    this.#written = stored.calls
  }

  /** Whether there is a call left, which it takes. `write` is done when it returns. */
  take(
    { limit, period }: { readonly limit: number; readonly period: QuotaPeriod },
    nowMillis: number,
    write: (usage: StoredUsage) => void
  ): boolean {
    const begun = periodStart(period, nowMillis)
    if (begun !== this.#periodMillis) {
      this.#periodMillis = begun
      this.#calls = 0
      this.#written = 0
    }
    if (this.#calls >= limit) return false
    if (this.#calls >= this.#written) {
      const ahead = Math.min(limit, this.#calls + Math.min(100, Math.max(1, Math.floor(limit / 100))))
      write({ periodMillis: begun, calls: ahead })
      this.#written = ahead
    }
    this.#calls++
    return true
  }

  /** What was really used. */
  get usage(): StoredUsage {
    return { periodMillis: this.#periodMillis, calls: this.#calls }
  }
}

/** Midnight, Sunday's midnight, or that of the month's first day; UTC. */
export const periodStart = (period: QuotaPeriod, nowMillis: number): number => {
  const now = new Date(nowMillis)
  const [year, month, date] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()]
  switch (period) {
    case "DAY":
      return Date.UTC(year, month, date)
    case "WEEK":
      return Date.UTC(year, month, date - now.getUTCDay())
    case "MONTH":
      return Date.UTC(year, month, 1)
  }
}
