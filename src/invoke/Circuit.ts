/**
 * One function's circuit: whether its callers are let through, by what became of those before them. A pure,
 * deterministic core: every method says what happened and when; it does no I/O, has no clock and no Effect.
 *
 * Closed, everybody is let through. Enough failures in a row open it, and nobody is until the recovery time is over.
 * Then it is half open: one caller at a time is let through, on trial. An answer closes it, a failure opens it again.
 */

export interface CircuitLimits {
  /** So many failures in a row open it. */
  readonly threshold: number
  /** How long it then stays open. */
  readonly recoveryMillis: number
}

export type CircuitState = "closed" | "open" | "half-open"

/** What became of one who was let through. `undecided`: nothing that says whether workers run. */
export type Verdict = "answered" | "failed" | "undecided"

/** A change of the state; `half-opened` comes of letting somebody through, the others of what became of it. */
export type Transition = "opened" | "half-opened" | "closed"

export type Admission =
  | { readonly admitted: true; readonly permit: number; readonly transition?: Transition }
  /** Zero while somebody is on trial, which may take any time. */
  | { readonly admitted: false; readonly retryAfterMillis: number }

export class Circuit {
  readonly #limits: CircuitLimits
  #state: CircuitState = "closed"
  #failures = 0
  /** Of the last opening. */
  #untilMillis = 0
  #onTrial = false
  /**
   * A permit is the number of the period it was given in. A period ends where the state changes and where a trial
   * begins, so that whoever was let through before has no say any more.
   */
  #period = 0

  constructor(limits: CircuitLimits) {
    this.#limits = limits
  }

  /** Failures since the last answer. */
  get failures(): number {
    return this.#failures
  }

  state(nowMillis: number): CircuitState {
    return this.#state === "open" && nowMillis >= this.#untilMillis ? "half-open" : this.#state
  }

  /** What `admit` gives while it is closed; undefined when it is not. */
  get closedPermit(): number | undefined {
    return this.#state === "closed" ? this.#period : undefined
  }

  admit(nowMillis: number): Admission {
    if (this.#state === "closed") return { admitted: true, permit: this.#period }
    if (this.#state === "open" && nowMillis < this.#untilMillis) {
      return { admitted: false, retryAfterMillis: this.#untilMillis - nowMillis }
    }
    if (this.#onTrial) return { admitted: false, retryAfterMillis: 0 }
    const wasOpen = this.#state === "open"
    this.#state = "half-open"
    this.#onTrial = true
    const permit = ++this.#period
    return wasOpen ? { admitted: true, permit, transition: "half-opened" } : { admitted: true, permit }
  }

  /** Once for each permit. `recoveryMillis`: how long it stays open if this opens it. */
  settle(
    permit: number,
    verdict: Verdict,
    nowMillis: number,
    recoveryMillis = this.#limits.recoveryMillis
  ): Transition | undefined {
    if (permit !== this.#period) return undefined
    this.#onTrial = false
    if (verdict === "undecided") return undefined
    if (verdict === "answered") {
      this.#failures = 0
      if (this.#state === "closed") return undefined
      this.#state = "closed"
      this.#period++
      return "closed"
    }
    this.#failures++
    if (this.#state === "closed" && this.#failures < this.#limits.threshold) return undefined
    this.#state = "open"
    this.#untilMillis = nowMillis + recoveryMillis
    this.#period++
    return "opened"
  }
}
