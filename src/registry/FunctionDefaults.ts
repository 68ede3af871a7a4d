/** What a function has that says nothing of its own about how many workers it may have and how long anybody waits. */
import type { Duration } from "effect"

export interface FunctionDefaults {
  readonly maxCapacity: number
  readonly minCapacity: number
  readonly acquireTimeout: Duration.Duration
  readonly idleTimeout: Duration.Duration
  readonly maxQueued: number
}
