/**
 * When a schedule is due: `rate(…)`, `cron(…)` and `at(…)` as EventBridge and EventBridge Scheduler read them. Pure: the
 * time it is given is the only one it knows.
 */
import { Result } from "effect"
import type { Schedule } from "../domain/Schedule.ts"
import { type Cron, firstYear, lastYear, parseCron } from "./cron.ts"
import { type TimeZone, timeZone, utc } from "./TimeZone.ts"

export interface Timing {
  /**
   * The first time after `afterMillis` at which it is due; undefined where there is none. `anchorMillis` is when the
   * schedule came to be: what a rate counts from.
   */
  readonly next: (afterMillis: number, anchorMillis: number) => number | undefined
}

type Declared = Pick<Schedule, "expression" | "kind" | "timezone" | "start" | "end">

const minuteMillis = 60_000
const dayMillis = 86_400_000

/** Fails with one line for a person. */
export const parseTiming = (schedule: Declared): Result.Result<Timing, string> =>
  Result.gen(function* () {
    const { kind } = schedule
    if (kind === "rule" && (schedule.timezone ?? schedule.start ?? schedule.end) !== undefined) {
      return yield* Result.fail("a rule has no time zone, no start and no end: a schedule (ScheduleV2) has")
    }
    const zone = schedule.timezone === undefined ? utc : timeZone(schedule.timezone)
    if (zone === undefined) return yield* Result.fail(`there is no time zone '${schedule.timezone}'`)
    const start = yield* instantOf("start", schedule.start)
    const end = yield* instantOf("end", schedule.end)
    if (start !== undefined && end !== undefined && end <= start)
      return yield* Result.fail("the end is before the start")
    const [, word, inner = ""] = /^(rate|cron|at)\((.*)\)$/.exec(schedule.expression.trim()) ?? []
    switch (word) {
      case "rate":
        return within(yield* rate(inner, kind, start), start, end)
      case "cron":
        return within(cronIn(yield* parseCron(inner), zone), start, end)
      case "at":
        if (kind === "rule") return yield* Result.fail("at(…) is for schedules (ScheduleV2), and for no rule")
        return yield* at(inner, zone)
      default:
        return yield* Result.fail(
          `'${schedule.expression}' is none of rate(…), cron(…)${kind === "rule" ? "" : ", at(…)"}`
        )
    }
  })

const within = (timing: Timing, start: number | undefined, end: number | undefined): Timing => ({
  next: (afterMillis, anchorMillis) => {
    const due = timing.next(start === undefined ? afterMillis : Math.max(afterMillis, start - 1), anchorMillis)
    return due === undefined || (end !== undefined && due > end) ? undefined : due
  }
})

const unitMillis: Readonly<Record<string, number>> = { minute: minuteMillis, hour: 60 * minuteMillis, day: dayMillis }

/**
 * A rule is due for the first time when one interval has passed; a schedule at its start, or at once where it has none.
 * A day is 24 hours.
 */
const rate = (inner: string, kind: Schedule["kind"], start: number | undefined): Result.Result<Timing, string> => {
  const [, count, unit = "", plural] = /^\s*(\d{1,9})\s+(minute|hour|day)(s?)\s*$/.exec(inner) ?? []
  const wrong = (why: string) => Result.fail(`rate(${inner}): ${why}`)
  if (count === undefined) return wrong("expected a whole number and minutes, hours or days, as in rate(5 minutes)")
  const value = Number(count)
  if (value === 0) return wrong("expected a number above 0")
  if (kind === "rule" && (value === 1) !== (plural === "")) {
    return wrong(`expected ${value === 1 ? unit : `${unit}s`}: one has no s at its end, several have`)
  }
  const interval = value * unitMillis[unit]!
  return Result.succeed({
    next: (afterMillis, anchorMillis) => {
      const first = kind === "rule" ? anchorMillis + interval : (start ?? anchorMillis)
      if (afterMillis < first) return first
      return first + (Math.floor((afterMillis - first) / interval) + 1) * interval
    }
  })
}

/** What the clock never shows is left out; what it shows twice is due once, the first time. */
const cronIn = (cron: Cron, zone: TimeZone): Timing => ({
  next: (afterMillis) => {
    const today = new Date(zone.localOf(Math.max(afterMillis, Date.UTC(firstYear, 0, 2))))
    let year = today.getUTCFullYear()
    let month = today.getUTCMonth() + 1
    let day = today.getUTCDate()
    for (; year <= lastYear; year++, month = 1, day = 1) {
      if (!cron.years.has(year)) continue
      for (; month <= 12; month++, day = 1) {
        if (!cron.months.has(month)) continue
        for (const length = new Date(Date.UTC(year, month, 0)).getUTCDate(); day <= length; day++) {
          if (!cron.hasDay({ year, month, day })) continue
          const due = firstAfter(cron, zone, Date.UTC(year, month - 1, day), afterMillis)
          if (due !== undefined) return due
        }
      }
    }
    return undefined
  }
})

const firstAfter = ({ hours, minutes }: Cron, zone: TimeZone, localDay: number, afterMillis: number) => {
  for (const hour of hours) {
    for (const minute of minutes) {
      const due = zone.instantOf(localDay + (hour * 60 + minute) * minuteMillis)
      if (due !== undefined && due > afterMillis) return due
    }
  }
  return undefined
}

const at = (inner: string, zone: TimeZone): Result.Result<Timing, string> => {
  const written = /^\s*(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\s*$/.exec(inner)?.[1]
  const local = written === undefined ? Number.NaN : Date.parse(`${written}Z`)
  if (written === undefined || Number.isNaN(local) || !new Date(local).toISOString().startsWith(written)) {
    return Result.fail(`at(${inner}): expected a date and a time, as in at(2030-01-31T08:00:00)`)
  }
  const due = zone.instantOf(local)
  if (due === undefined) return Result.fail(`at(${inner}): the time zone's clock never shows that time`)
  return Result.succeed({ next: (afterMillis) => (due > afterMillis ? due : undefined) })
}

const instantOf = (name: string, text: string | undefined): Result.Result<number | undefined, string> => {
  if (text === undefined) return Result.succeed(undefined)
  const millis = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/.test(text)
    ? Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)
    : Number.NaN
  return Number.isNaN(millis)
    ? Result.fail(`the ${name} '${text}' is no time such as 2030-01-31T08:00:00Z`)
    : Result.succeed(millis)
}
