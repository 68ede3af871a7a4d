/** The invocation that a schedule makes when it is due: the same for the same time, however often it is made. */
import { createHash } from "node:crypto"
import type { Owner } from "../domain/FunctionName.ts"
import type { Invocation } from "../domain/Invocation.ts"
import { type Schedule, scheduleKey } from "../domain/Schedule.ts"
import { formatTraceId, newTraceId } from "../domain/TraceId.ts"
import { scheduledEvent } from "../events/ScheduledEvent.ts"

export const firing = (schedule: Schedule, dueMillis: number, owner: Owner): Invocation => {
  const of = (what: string) =>
    createHash("sha256")
      .update(JSON.stringify([what, scheduleKey(schedule), dueMillis, owner]))
      .digest("hex")
  const event = scheduledEvent({ schedule, dueMillis, id: uuid(of("event")) }, owner)
  return {
    requestId: uuid(of("request")),
    functionName: schedule.functionName,
    ...(schedule.qualifier === undefined ? {} : { qualifier: schedule.qualifier }),
    payload: new TextEncoder().encode(event),
    traceId: formatTraceId(newTraceId(dueMillis, of("trace").slice(0, 24)))
  }
}

/** Version 8 of RFC 9562: what is in it is nobody else's business. */
const uuid = (hex: string): string =>
  [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${"89ab"[Number.parseInt(hex.slice(16, 17), 16) % 4]}${hex.slice(17, 20)}`,
    hex.slice(20, 32)
  ].join("-")
