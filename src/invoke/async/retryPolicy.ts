/**
 * When an event is tried again that did not succeed, and when it is given up (`LAMBDA-CONTRACT.md` section 9). Pure; all
 * times are Unix milliseconds or spans of them.
 */
import type { Condition } from "./EventStore.ts"

export interface RetryPolicy {
  /** How often a function that failed may run again. */
  readonly maxRetries: number
  readonly maxAgeMillis: number
  /** The pause before each of the retries; the last one holds for all that follow. */
  readonly retryDelaysMillis: ReadonlyArray<number>
}

interface Progress {
  readonly acceptedMillis: number
  /** How often the function has run to an answer. */
  readonly attempts: number
  /** How often in a row it was not run. */
  readonly throttles: number
}

export type Verdict =
  | { readonly _tag: "Again"; readonly dueMillis: number }
  | { readonly _tag: "GiveUp"; readonly condition: Exclude<Condition, "Success"> }

/** After a throttle or a fault of the platform, which are no attempts of the function's. */
const firstBackoffMillis = 1000
const maxBackoffMillis = 5 * 60_000

/** The function has failed, for the `attempts`th time. */
export const afterFailure = (policy: RetryPolicy, progress: Progress, nowMillis: number): Verdict => {
  if (progress.attempts > policy.maxRetries) return { _tag: "GiveUp", condition: "RetriesExhausted" }
  const delays = policy.retryDelaysMillis
  return unlessTooOld(policy, progress, nowMillis + (delays[Math.min(progress.attempts, delays.length) - 1] ?? 0))
}

/** It was not run, for the `throttles`th time in a row. */
export const afterThrottle = (policy: RetryPolicy, progress: Progress, nowMillis: number): Verdict => {
  // Beyond 2^9 s it is the maximum in any case.
  const backoff = Math.min(firstBackoffMillis * 2 ** Math.min(progress.throttles - 1, 10), maxBackoffMillis)
  return unlessTooOld(policy, progress, nowMillis + backoff)
}

/** Whether it is too old to be run at all, as after a long stop. */
export const isTooOld = ({ maxAgeMillis }: RetryPolicy, { acceptedMillis }: Progress, nowMillis: number): boolean =>
  nowMillis - acceptedMillis >= maxAgeMillis

const unlessTooOld = (policy: RetryPolicy, progress: Progress, dueMillis: number): Verdict =>
  isTooOld(policy, progress, dueMillis)
    ? { _tag: "GiveUp", condition: "EventAgeExceeded" }
    : { _tag: "Again", dueMillis }
