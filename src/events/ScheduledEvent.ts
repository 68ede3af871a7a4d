/**
 * What a function is told when its schedule is due: the input that the schedule has, or the event that EventBridge
 * (a rule) or EventBridge Scheduler (a schedule) makes up. Pure: the same for the same schedule and time.
 */
import type { Owner } from "../domain/FunctionName.ts"
import type { Schedule } from "../domain/Schedule.ts"

export interface Occurrence {
  readonly schedule: Schedule
  readonly dueMillis: number
  /** A UUID. */
  readonly id: string
}

export const scheduleArn = ({ group, kind, name }: Schedule, { accountId, region }: Owner): string =>
  kind === "rule"
    ? `arn:aws:events:${region}:${accountId}:rule/${name}`
    : `arn:aws:scheduler:${region}:${accountId}:schedule/${group ?? "default"}/${name}`

/** JSON. */
export const scheduledEvent = (occurrence: Occurrence, owner: Owner): string => {
  const { dueMillis, id, schedule } = occurrence
  if (schedule.input !== undefined) {
    return schedule.kind === "schedule" ? withAttributes(schedule.input, occurrence, owner) : schedule.input
  }
  const isRule = schedule.kind === "rule"
  return JSON.stringify({
    version: "0",
    id,
    "detail-type": "Scheduled Event",
    source: isRule ? "aws.events" : "aws.scheduler",
    account: owner.accountId,
    time: timestamp(dueMillis),
    region: owner.region,
    resources: [scheduleArn(schedule, owner)],
    // EventBridge Scheduler has a text there.
    detail: isRule ? {} : "{}"
  })
}

/** To the second. */
const timestamp = (millis: number): string => new Date(millis).toISOString().replace(/\.\d+Z$/, "Z")

/** EventBridge Scheduler's context attributes, wherever they stand in the input. */
const withAttributes = (input: string, { dueMillis, id, schedule }: Occurrence, owner: Owner): string => {
  const attributes: Readonly<Record<string, string>> = {
    "schedule-arn": scheduleArn(schedule, owner),
    "scheduled-time": timestamp(dueMillis),
    "execution-id": id,
    "attempt-number": "1"
  }
  return input.replace(/<aws\.scheduler\.([a-z-]+)>/g, (whole, name: string) => attributes[name] ?? whole)
}
