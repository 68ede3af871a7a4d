/**
 * A place that schedules come from, such as a file. It keeps up what it says by itself, and keeps saying the last thing
 * that could be read.
 */
import type { Schedule } from "../domain/Schedule.ts"
import type { RegistryProblem } from "../registry/FunctionRegistry.ts"

export interface ScheduleSource {
  /** The same array for as long as nothing changes. */
  readonly schedules: () => ReadonlyArray<Schedule>
  /** What keeps schedules from being known, at the moment: while there is any, none counts as taken away. */
  readonly problems: () => ReadonlyArray<RegistryProblem>
  /** Calls `changed` after each change, until the scope of whoever made the source ends. */
  readonly onChange: (changed: () => void) => void
}
