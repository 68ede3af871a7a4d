/**
 * When a function is run by the clock, as its declaration says it. What an expression means is `schedules/`'s to know;
 * so is what the function is told.
 */
import { Schema } from "effect"
import { FunctionName, type Qualifier } from "./FunctionName.ts"

/**
 * Whose words these are. `rule`: a scheduled rule of EventBridge, SAM's `Schedule`: UTC, `rate` and `cron`. `schedule`: one
 * of EventBridge Scheduler, SAM's `ScheduleV2`: time zones, `at`, a start and an end. They tell the function different
 * default events.
 */
export const ScheduleKind = Schema.Literals(["rule", "schedule"])
export type ScheduleKind = typeof ScheduleKind.Type

export const Schedule = Schema.Struct({
  /** The rule's or schedule's name, the end of its ARN. One function has no two of one name. */
  name: Schema.NonEmptyString,
  kind: ScheduleKind,
  functionName: FunctionName,
  /** An alias or a version of it. */
  qualifier: Schema.optionalKey(Schema.NonEmptyString),
  /** `rate(…)`, `cron(…)` or `at(…)`. */
  expression: Schema.NonEmptyString,
  /** An IANA name such as `Europe/Berlin`; UTC where it is absent. Of a `schedule`. */
  timezone: Schema.optionalKey(Schema.NonEmptyString),
  /** `2030-01-31T08:00:00Z`: before the one and after the other it is not due. Of a `schedule`. */
  start: Schema.optionalKey(Schema.NonEmptyString),
  end: Schema.optionalKey(Schema.NonEmptyString),
  /** JSON: the function's event. Where it is absent the function is told which schedule it is, and when. */
  input: Schema.optionalKey(Schema.String),
  isEnabled: Schema.Boolean,
  /** The group in a `schedule`'s ARN; `default` where it is absent. */
  group: Schema.optionalKey(Schema.NonEmptyString)
})
export type Schedule = typeof Schedule.Type

/** Tells a schedule from all others, and stays while it is changed. */
export const scheduleKey = ({ functionName, name, qualifier }: ScheduleIdentity): string =>
  `${functionName}:${qualifier ?? ""}/${name}`

export interface ScheduleIdentity {
  readonly functionName: FunctionName
  readonly qualifier?: Qualifier
  readonly name: string
}
