/**
 * Who may start next. Events of one function wait in a lane of its own, so that a flood of one is no other's; a lane
 * runs no more at once than its function may, less while it is being throttled, and all lanes together no more than
 * there can be workers. Knows numbers only: no I/O, no Effect, no event.
 */

export interface Lane {
  readonly key: string
  /** Its function's limit. */
  max: number
  /** What it takes of it: halved by each throttle, one more by each event that ran. */
  pace: number
  running: number
  /** In the store, due or not. */
  waiting: number
  /** Of those the first to become due, in Unix milliseconds; it may become due later, but not earlier. */
  nextDueMillis: number
  /** Nothing starts before. */
  pausedUntilMillis: number
  /** Its events are being taken out of the store. */
  isClaiming: boolean
}

/** Leave to take up to `count` due events of a lane. `settle` must follow. */
export interface Claim {
  readonly lane: Lane
  readonly count: number
}

/** What has been throttled would be again, if the next one came at once. */
const throttlePauseMillis = 1000

export class Lanes {
  #maxRunning: number
  /** In the order in which they have their turn: the one that had it goes to the end. */
  readonly #lanes = new Map<string, Lane>()
  #running = 0

  constructor(maxRunning: number) {
    this.#maxRunning = maxRunning
  }

  get running(): number {
    return this.#running
  }

  /** Nothing starts from here on. */
  stop(): void {
    this.#maxRunning = 0
  }

  find(key: string): Lane | undefined {
    return this.#lanes.get(key)
  }

  lane(key: string): Lane {
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const lane: Lane = {
      key,
      max: 1,
      pace: 1,
      running: 0,
      waiting: 0,
      nextDueMillis: Number.POSITIVE_INFINITY,
      pausedUntilMillis: 0,
      isClaiming: false
    }
    this.#lanes.set(key, lane)
    return lane
  }

  /** Its function may have so many at once. */
  resize(lane: Lane, max: number): void {
    // One that was at its limit follows it.
    lane.pace = lane.pace >= lane.max ? Math.max(1, max) : Math.min(lane.pace, Math.max(1, max))
    lane.max = Math.max(1, max)
  }

  /** Whether an event that comes now starts at once, since nobody is before it. It then counts as running. */
  admit(lane: Lane, nowMillis: number): boolean {
    if (lane.isClaiming || lane.nextDueMillis <= nowMillis || this.#room(lane, nowMillis) < 1) return false
    lane.running++
    this.#running++
    return true
  }

  /** So many more wait in the store; the first of them is due then. */
  queued(lane: Lane, dueMillis: number, count = 1): void {
    lane.waiting += count
    lane.nextDueMillis = Math.min(lane.nextDueMillis, dueMillis)
  }

  /** Each claim's events count as running from here on. */
  claims(nowMillis: number): ReadonlyArray<Claim> {
    const claims: Array<Claim> = []
    for (const lane of [...this.#lanes.values()]) {
      if (this.#running >= this.#maxRunning) break
      if (lane.waiting === 0 || lane.isClaiming || lane.nextDueMillis > nowMillis) continue
      const count = Math.min(lane.waiting, this.#room(lane, nowMillis))
      if (count < 1) continue
      lane.isClaiming = true
      lane.running += count
      this.#running += count
      this.#lanes.delete(lane.key)
      this.#lanes.set(lane.key, lane)
      claims.push({ lane, count })
    }
    return claims
  }

  /** A claim has got `taken` events; what else waits in the lane is due at `nextDueMillis`. */
  settle({ count, lane }: Claim, taken: number, nextDueMillis: number): void {
    lane.isClaiming = false
    lane.waiting -= taken
    lane.nextDueMillis = nextDueMillis
    this.#leave(lane, count - taken)
  }

  /** A claim could not be carried out. */
  abandon({ count, lane }: Claim, nowMillis: number): void {
    lane.isClaiming = false
    lane.pausedUntilMillis = nowMillis + throttlePauseMillis
    this.#leave(lane, count)
  }

  /** One that ran has ended. */
  ended(lane: Lane, outcome: "ran" | "throttled" | "neither", nowMillis: number): void {
    if (outcome === "ran") {
      lane.pace = Math.min(lane.max, lane.pace + 1)
      lane.pausedUntilMillis = 0
    } else if (outcome === "throttled") {
      lane.pace = Math.max(1, Math.floor(lane.pace / 2))
      lane.pausedUntilMillis = nowMillis + throttlePauseMillis
    }
    this.#leave(lane, 1)
  }

  /** When a lane that has room will have something to start; infinity when none will before something else happens. */
  nextWakeMillis(): number {
    let wake = Number.POSITIVE_INFINITY
    if (this.#running >= this.#maxRunning) return wake
    for (const lane of this.#lanes.values()) {
      if (lane.waiting === 0 || lane.isClaiming || lane.running >= lane.pace) continue
      wake = Math.min(wake, Math.max(lane.nextDueMillis, lane.pausedUntilMillis))
    }
    return wake
  }

  #room(lane: Lane, nowMillis: number): number {
    if (lane.pausedUntilMillis > nowMillis) return 0
    return Math.min(lane.pace - lane.running, this.#maxRunning - this.#running)
  }

  #leave(lane: Lane, count: number): void {
    lane.running -= count
    this.#running -= count
    if (lane.running === 0 && lane.waiting === 0 && !lane.isClaiming) this.#lanes.delete(lane.key)
  }
}
