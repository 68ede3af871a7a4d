/**
 * Whose idle worker is missed least: greedy-dual-size-frequency, as FaasCache has it for functions (Fuerst and Sharma,
 * "FaasCache: Keeping Serverless Computing Alive with Greedy-Dual Caching", ASPLOS '21, section 4). A worker is worth
 * keeping the more, the more often its function is used, the dearer it is to start, and the smaller it is. Pure.
 */

/** An idle worker that may be removed. */
export interface Candidate {
  /** Of its function and version. */
  readonly key: string
  readonly sinceMillis: number
}

interface Known {
  uses: number
  /** A moving average of how long a start took. */
  costMillis: number
  megabytes: number
  /** The clock when it was used last. */
  usedAt: number
}

/** How much of the average the latest start is. */
const latestShare = 0.3

export class GreedyDual {
  readonly #functions = new Map<string, Known>()
  /** Rises to the priority of each that is removed: what was not used since then ages by it. */
  #clock = 0

  /** The function is used. */
  touch(key: string): void {
    const known = this.#known(key)
    known.uses++
    known.usedAt = this.#clock
  }

  /** A worker of it came up, in so many milliseconds. */
  started(key: string, millis: number, megabytes: number): void {
    const known = this.#known(key)
    known.costMillis = known.costMillis === 0 ? millis : (1 - latestShare) * known.costMillis + latestShare * millis
    known.megabytes = megabytes
  }

  /** Its last worker is gone: how often it was used while there were any says no more. */
  gone(key: string): void {
    const known = this.#functions.get(key)
    if (known !== undefined) known.uses = 0
  }

  /** The one of `candidates` with the least priority; of equal ones the one that has been idle longest. */
  victim<C extends Candidate>(candidates: Iterable<C>): C | undefined {
    let coldest: C | undefined
    let least = Number.POSITIVE_INFINITY
    for (const candidate of candidates) {
      const priority = this.#priority(candidate.key)
      const isColder = coldest === undefined || candidate.sinceMillis < coldest.sinceMillis
      if (priority < least || (priority === least && isColder)) [coldest, least] = [candidate, priority]
    }
    if (coldest !== undefined) this.#clock = Math.max(this.#clock, least)
    return coldest
  }

  #priority(key: string): number {
    const { costMillis, megabytes, usedAt, uses } = this.#known(key)
    return usedAt + (uses * costMillis) / megabytes
  }

  #known(key: string): Known {
    const known = this.#functions.get(key)
    if (known !== undefined) return known
    const created = { uses: 0, costMillis: 0, megabytes: 1, usedAt: this.#clock }
    this.#functions.set(key, created)
    return created
  }
}
