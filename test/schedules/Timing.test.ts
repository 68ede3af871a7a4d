import { Result } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Schedule } from "../../src/domain/Schedule.ts"
import { parseTiming } from "../../src/schedules/Timing.ts"

type Declared = Pick<Schedule, "timezone" | "start" | "end">

const timing = (expression: string, kind: Schedule["kind"] = "schedule", more: Declared = {}) =>
  Result.getOrThrowWith(parseTiming({ expression, kind, ...more }), (detail) => new Error(detail))

const refusal = (expression: string, kind: Schedule["kind"] = "rule", more: Declared = {}): string =>
  Result.match(parseTiming({ expression, kind, ...more }), { onFailure: (detail) => detail, onSuccess: () => "taken" })

/** The first times after `after`, as they are written in UTC. */
const times = (expression: string, after: string, count: number, more: Declared = {}): ReadonlyArray<string> => {
  const { next } = timing(expression, "schedule", more)
  const found: Array<string> = []
  for (let at = Date.parse(after); found.length < count; ) {
    const due = next(at, Date.parse(after))
    if (due === undefined) break
    found.push(new Date(due).toISOString().replace(".000", ""))
    at = due
  }
  return found
}

describe("rate", () => {
  it("of a rule is due each time an interval has passed since the rule came to be", () => {
    const { next } = timing("rate(5 minutes)", "rule")
    expect(next(1000, 1000)).toBe(301_000)
    expect(next(300_999, 1000)).toBe(301_000)
    expect(next(301_000, 1000)).toBe(601_000)
    expect(next(1_000_000, 1000)).toBe(1_201_000)
  })

  it("of a schedule is due at once, or at its start", () => {
    expect(timing("rate(2 hours)").next(999, 1000)).toBe(1000)
    const { next } = timing("rate(1 days)", "schedule", { start: "2030-01-01T06:00:00Z" })
    expect(next(0, 0)).toBe(Date.parse("2030-01-01T06:00:00Z"))
    expect(next(Date.parse("2030-01-01T06:00:00Z"), 0)).toBe(Date.parse("2030-01-02T06:00:00Z"))
  })

  it("counts a day as 24 hours, whatever the clock does", () => {
    const zone = { timezone: "Europe/Berlin", start: "2030-03-30T12:00:00Z", end: "2030-04-01T13:00:00Z" }
    expect(times("rate(1 day)", "2030-03-01T00:00:00Z", 5, zone)).toEqual([
      "2030-03-30T12:00:00Z",
      "2030-03-31T12:00:00Z",
      "2030-04-01T12:00:00Z"
    ])
  })

  it.each([
    "rate(1 minutes)",
    "rate(5 minute)",
    "rate(0 minutes)",
    "rate(-1 minutes)",
    "rate(1.5 hours)",
    "rate(5 seconds)",
    "rate(5minutes)",
    "rate(5 Minutes)",
    "rate()",
    "rate(5 weeks)",
    "rate 5 minutes"
  ])("of a rule is refused as %s", (expression) => {
    expect(refusal(expression)).toContain(expression.includes("(") ? expression : "none of rate")
  })
})

describe("cron", () => {
  it.each([
    // The examples of EventBridge's guide.
    ["cron(15 10 * * ? *)", ["2030-01-01T10:15:00Z", "2030-01-02T10:15:00Z"]],
    ["cron(0 18 ? * MON-FRI *)", ["2030-01-01T18:00:00Z", "2030-01-02T18:00:00Z"]],
    ["cron(0 8 1 * ? *)", ["2030-01-01T08:00:00Z", "2030-02-01T08:00:00Z"]],
    ["cron(0/15 * * * ? *)", ["2030-01-01T00:15:00Z", "2030-01-01T00:30:00Z"]],
    ["cron(0/10 * ? * MON-FRI *)", ["2030-01-01T00:10:00Z", "2030-01-01T00:20:00Z"]],
    ["cron(0/5 8-17 ? * MON-FRI *)", ["2030-01-01T08:00:00Z", "2030-01-01T08:05:00Z"]],
    ["cron(0 9 ? * 2#1 *)", ["2030-01-07T09:00:00Z", "2030-02-04T09:00:00Z"]],
    ["cron(0 0/12 * * ? *)", ["2030-01-01T12:00:00Z", "2030-01-02T00:00:00Z"]],
    ["cron(15 12 ? * 6L 2019-2031)", ["2030-01-25T12:15:00Z", "2030-02-22T12:15:00Z"]],
    // The last day of a month, of a week, and the weekdays nearest to dates.
    ["cron(0 0 L * ? *)", ["2030-01-31T00:00:00Z", "2030-02-28T00:00:00Z"]],
    ["cron(0 0 ? * L *)", ["2030-01-05T00:00:00Z", "2030-01-12T00:00:00Z"]],
    ["cron(0 0 LW * ? *)", ["2030-01-31T00:00:00Z", "2030-02-28T00:00:00Z", "2030-03-29T00:00:00Z"]],
    ["cron(0 0 1W JUN ? *)", ["2030-06-03T00:00:00Z", "2031-06-02T00:00:00Z"]],
    ["cron(0 0 15W 6,9 ? *)", ["2030-06-14T00:00:00Z", "2030-09-16T00:00:00Z"]],
    ["cron(0 0 31W 3 ? *)", ["2030-03-29T00:00:00Z", "2031-03-31T00:00:00Z"]],
    ["cron(0 0 31W 4,5 ? *)", ["2030-05-31T00:00:00Z", "2031-05-30T00:00:00Z"]],
    ["cron(0 0 ? * TUE#5 *)", ["2030-01-29T00:00:00Z", "2030-04-30T00:00:00Z"]],
    // Lists, names in any case, ranges round the end, leap years.
    ["cron(5,35 14 ? jan,Mar SUN,3 *)", ["2030-01-01T14:05:00Z", "2030-01-01T14:35:00Z", "2030-01-06T14:05:00Z"]],
    ["cron(0 22-1 ? * * *)", ["2030-01-01T01:00:00Z", "2030-01-01T22:00:00Z", "2030-01-01T23:00:00Z"]],
    ["cron(0 0 ? * FRI-SUN *)", ["2030-01-04T00:00:00Z", "2030-01-05T00:00:00Z", "2030-01-06T00:00:00Z"]],
    ["cron(0 0 29 2 ? *)", ["2032-02-29T00:00:00Z", "2036-02-29T00:00:00Z"]],
    ["cron(0 0 1 1 ? 2031,2199)", ["2031-01-01T00:00:00Z", "2199-01-01T00:00:00Z"]],
    ["cron(0 0 1 1 ? 2020/20)", ["2040-01-01T00:00:00Z", "2060-01-01T00:00:00Z"]],
    ["cron(50-10/10 3 1 1 ? 2031)", ["2031-01-01T03:00:00Z", "2031-01-01T03:10:00Z", "2031-01-01T03:50:00Z"]]
  ])("%s is due at %j", (expression, expected) => {
    expect(times(expression, "2030-01-01T00:00:00Z", expected.length)).toEqual(expected)
  })

  it("is not due again where its years are over, nor ever on a day that no month has", () => {
    expect(times("cron(0 0 1 1 ? 2029)", "2030-01-01T00:00:00Z", 1)).toEqual([])
    expect(times("cron(0 0 30 2 ? *)", "2030-01-01T00:00:00Z", 1)).toEqual([])
  })

  it.each([
    ["cron(0 0 * * *)", "six fields"],
    ["cron(0 0 0 * * ? *)", "six fields"],
    ["cron()", "six fields"],
    ["cron(0 0 * * * *)", "'?' in one of"],
    ["cron(0 0 ? * ? *)", "'?' in one of"],
    ["cron(0 0 1 * MON *)", "'?' in one of"],
    ["cron(60 0 * * ? *)", "'60' cannot be used as minutes"],
    ["cron(0 24 * * ? *)", "'24' cannot be used as hours"],
    ["cron(0 0 32 * ? *)", "'32' cannot be used as day of month"],
    ["cron(0 0 0 * ? *)", "'0' cannot be used as day of month"],
    ["cron(0 0 * 13 ? *)", "'13' cannot be used as month"],
    ["cron(0 0 ? * 0 *)", "'0' cannot be used as day of week"],
    ["cron(0 0 ? * 8 *)", "'8' cannot be used as day of week"],
    ["cron(0 0 ? * MON/2 *)", "'MON/2' cannot be used as day of week"],
    ["cron(0 0 * * ? 1969)", "'1969' cannot be used as year"],
    ["cron(0 0 * * ? 2200)", "'2200' cannot be used as year"],
    ["cron(0 0 * * ? 2031-2030)", "'2031-2030' cannot be used as year"],
    ["cron(0/0 0 * * ? *)", "'0/0' cannot be used as minutes"],
    ["cron(? 0 * * ? *)", "'?' cannot be used as minutes"],
    ["cron(0 L * * ? *)", "'L' cannot be used as hours"],
    ["cron(0 0 ? * 3#1,6#3 *)", "stands alone"],
    ["cron(0 0 ? * 3#6 *)", "'3#6' cannot be used as day of week"],
    ["cron(0 0 ? * 3#0 *)", "'3#0' cannot be used as day of week"],
    ["cron(0 0 32W * ? *)", "'32W' cannot be used as day of month"],
    ["cron(0 0 L-3 * ? *)", "'L-3' cannot be used as day of month"],
    ["cron(0 0 ? * W *)", "'W' cannot be used as day of week"],
    ["cron(0 0 * FOO ? *)", "'FOO' cannot be used as month"],
    ["cron(0 0 * MON ? *)", "'MON' cannot be used as month"],
    ["cron(0, 0 * * ? *)", "'' cannot be used as minutes"],
    ["cron(1- 0 * * ? *)", "'1-' cannot be used as minutes"],
    ["cron(*-5 0 * * ? *)", "'*-5' cannot be used as minutes"],
    ["CRON(0 0 * * ? *)", "none of rate"]
  ])("%s is refused: %s", (expression, why) => {
    expect(refusal(expression)).toContain(why)
  })
})

describe("a time zone", () => {
  const berlin = { timezone: "Europe/Berlin" }

  it("is where a cron expression's hours are", () => {
    expect(times("cron(30 7 * * ? *)", "2030-03-29T12:00:00Z", 3, berlin)).toEqual([
      "2030-03-30T06:30:00Z",
      "2030-03-31T05:30:00Z",
      "2030-04-01T05:30:00Z"
    ])
  })

  it("leaves out a time that its clock skips", () => {
    expect(times("cron(30 2 * * ? *)", "2030-03-30T12:00:00Z", 2, berlin)).toEqual([
      "2030-04-01T00:30:00Z",
      "2030-04-02T00:30:00Z"
    ])
  })

  it("is due once at a time that its clock shows twice", () => {
    expect(times("cron(30 2 * * ? *)", "2030-10-26T12:00:00Z", 2, berlin)).toEqual([
      "2030-10-27T00:30:00Z",
      "2030-10-28T01:30:00Z"
    ])
    expect(times("cron(0/30 1-3 27 10 ? 2030)", "2030-10-26T12:00:00Z", 9, berlin)).toEqual([
      "2030-10-26T23:00:00Z",
      "2030-10-26T23:30:00Z",
      "2030-10-27T00:00:00Z",
      "2030-10-27T00:30:00Z",
      "2030-10-27T02:00:00Z",
      "2030-10-27T02:30:00Z"
    ])
  })

  it("may be put forward by half an hour, or leave out a day", () => {
    expect(times("cron(15 2 6 10 ? 2030)", "2030-10-01T00:00:00Z", 1, { timezone: "Australia/Lord_Howe" })).toEqual([])
    expect(times("cron(45 2 6 10 ? 2030)", "2030-10-01T00:00:00Z", 1, { timezone: "Australia/Lord_Howe" })).toEqual([
      "2030-10-05T15:45:00Z"
    ])
    expect(times("cron(0 12 30 12 ? 2011)", "2011-12-01T00:00:00Z", 1, { timezone: "Pacific/Apia" })).toEqual([])
  })

  it.each(["Europe/Nowhere", "+02:00", "Berlin", " "])("is refused as '%s'", (timezone) => {
    expect(refusal("rate(1 minute)", "schedule", { timezone })).toBe(`there is no time zone '${timezone}'`)
  })

  it("is nothing that a rule has, nor are a start and an end", () => {
    expect(refusal("rate(1 minute)", "rule", berlin)).toContain("a rule has no time zone")
    expect(refusal("rate(1 minute)", "rule", { start: "2030-01-01T00:00:00Z" })).toContain("a rule has no time zone")
  })
})

describe("at", () => {
  it("is due once, by its time zone's clock", () => {
    expect(times("at(2030-07-01T08:30:15)", "2030-01-01T00:00:00Z", 2)).toEqual(["2030-07-01T08:30:15Z"])
    expect(times("at(2030-07-01T08:30:15)", "2030-01-01T00:00:00Z", 2, { timezone: "America/New_York" })).toEqual([
      "2030-07-01T12:30:15Z"
    ])
    expect(times("at(2029-07-01T08:30:15)", "2030-01-01T00:00:00Z", 2)).toEqual([])
  })

  it.each([
    "at(2030-02-30T00:00:00)",
    "at(2030-01-01)",
    "at(2030-01-01T00:00:00Z)",
    "at(now)",
    "at(2030-01-01T24:00:00)"
  ])("is refused as %s", (expression) => expect(refusal(expression, "schedule")).toContain(expression))

  it("is refused for a rule, and for a time that is never shown", () => {
    expect(refusal("at(2030-07-01T08:30:15)", "rule")).toContain("for no rule")
    expect(refusal("at(2030-03-31T02:30:00)", "schedule", { timezone: "Europe/Berlin" })).toContain("never shows")
  })
})

describe("a start and an end", () => {
  it("are the first and the last time that it may be due", () => {
    const bounds = { start: "2030-01-02T10:15:00Z", end: "2030-01-04T10:15:00Z" }
    expect(times("cron(15 10 * * ? *)", "2030-01-01T00:00:00Z", 9, bounds)).toEqual([
      "2030-01-02T10:15:00Z",
      "2030-01-03T10:15:00Z",
      "2030-01-04T10:15:00Z"
    ])
  })

  it("are refused where they are no times, or the wrong way round", () => {
    expect(refusal("rate(1 minute)", "schedule", { start: "tomorrow" })).toContain("the start 'tomorrow'")
    expect(
      refusal("rate(1 minute)", "schedule", { start: "2030-01-02T00:00:00Z", end: "2030-01-01T00:00:00Z" })
    ).toContain("the end is before the start")
  })
})

/** A field as text, and as the set of what it means. */
const field = (first: number, last: number) => {
  const value = fc.integer({ min: first, max: last })
  const all = (from: number, to: number, step = 1) =>
    Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step)
  const item = fc.oneof(
    value.map((one) => ({ text: `${one}`, values: [one] })),
    fc.tuple(value, value).map(([one, other]) => {
      const [from, to] = [Math.min(one, other), Math.max(one, other)]
      return { text: `${from}-${to}`, values: all(from, to) }
    }),
    fc.tuple(value, fc.integer({ min: 1, max: 20 })).map(([from, step]) => {
      return { text: `${from}/${step}`, values: all(from, last, step) }
    }),
    fc.integer({ min: 1, max: 20 }).map((step) => ({ text: `*/${step}`, values: all(first, last, step) })),
    fc.constant({ text: "*", values: all(first, last) })
  )
  return fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => ({
    text: items.map(({ text }) => text).join(","),
    values: new Set(items.flatMap((one) => one.values))
  }))
}

const minute = 60_000
const day = 86_400_000

/** What a wall clock of the zone shows, read with none of the code that is tested. */
const wallClock = (timeZone: string) => {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" })
  return (millis: number) => format.format(millis)
}

describe("next", () => {
  it("finds what a look at the clock every minute finds, in any zone and across its changes", () => {
    const zones = [
      "UTC",
      "Europe/Berlin",
      "America/New_York",
      "Australia/Lord_Howe",
      "Asia/Kathmandu",
      "America/Santiago"
    ]
    const clocks = new Map(zones.map((zone) => [zone, wallClock(zone)]))
    // Around the days on which some of these clocks change.
    const anchors = ["2030-03-10", "2030-03-31", "2030-04-07", "2030-09-08", "2030-10-06", "2030-10-27", "2030-11-03"]
    fc.assert(
      fc.property(
        field(0, 59),
        field(0, 23),
        field(1, 31),
        field(1, 12),
        fc.constantFrom(...zones),
        fc.constantFrom(...anchors),
        fc.integer({ min: -1 * day, max: 1 * day }),
        (minutes, hours, days, months, timezone, anchor, offset) => {
          const after = Date.parse(`${anchor}T00:00:00Z`) + offset
          const clock = clocks.get(timezone)!
          const { next } = timing(`cron(${minutes.text} ${hours.text} ${days.text} ${months.text} ? *)`, "schedule", {
            timezone
          })
          const found = next(after, after)
          const until = after + 1.5 * day
          let expected: number | undefined
          const shown = new Set<string>()
          // From a little earlier on, so that it is known what the clock has shown before.
          for (let at = Math.floor(after / minute) * minute - 180 * minute; at <= until; at += minute) {
            const text = clock(at)
            const [, mm, dd, h, m] = /^\d+-(\d+)-(\d+) (\d+):(\d+)$/.exec(text)!.map(Number)
            const isFirst = !shown.has(text)
            shown.add(text)
            if (!(at > after && isFirst && minutes.values.has(m!) && hours.values.has(h!))) continue
            if (days.values.has(dd!) && months.values.has(mm!)) {
              expected = at
              break
            }
          }
          if (expected !== undefined) expect(found).toBe(expected)
          else expect(found === undefined || found > until).toBe(true)
        }
      ),
      { numRuns: 60 }
    )
  })

  it("finds the days that a look at each day of some years finds, whatever the day is said by", () => {
    const isWeekDay = (at: number) => ![0, 6].includes(new Date(at).getUTCDay())
    const date = (at: number) => new Date(at).getUTCDate()
    const lastDate = (at: number) => {
      let last = at
      while (date(last + day) > 1) last += day
      return date(last)
    }
    /** The working day of the month that is nearest to the date, Fridays before Mondays only where they are as near. */
    const nearest = (at: number, wanted: number) => {
      if (wanted > lastDate(at)) return undefined
      const firstOfMonth = at - (date(at) - 1) * day
      const candidates = Array.from({ length: lastDate(at) }, (_, index) => firstOfMonth + index * day).filter(
        isWeekDay
      )
      const distance = (one: number) => Math.abs(date(one) - wanted)
      return candidates.reduce((best, one) => (distance(one) < distance(best) ? one : best))
    }
    type Days = { readonly dayOfMonth: string; readonly dayOfWeek: string; readonly has: (at: number) => boolean }
    const weekDay = fc.integer({ min: 1, max: 7 })
    const ofMonth = (dayOfMonth: string, has: Days["has"]): Days => ({ dayOfMonth, dayOfWeek: "?", has })
    const ofWeek = (dayOfWeek: string, has: Days["has"]): Days => ({ dayOfMonth: "?", dayOfWeek, has })
    const is = (at: number, wanted: number) => new Date(at).getUTCDay() === wanted - 1
    const days: fc.Arbitrary<Days> = fc.oneof(
      fc.constant(ofMonth("L", (at) => date(at) === lastDate(at))),
      fc.constant(ofMonth("LW", (at) => at === nearest(at, lastDate(at)))),
      fc.integer({ min: 1, max: 31 }).map((wanted) => ofMonth(`${wanted}W`, (at) => at === nearest(at, wanted))),
      weekDay.map((wanted) => ofWeek(`${wanted}`, (at) => is(at, wanted))),
      weekDay.map((wanted) => ofWeek(`${wanted}L`, (at) => is(at, wanted) && date(at) + 7 > lastDate(at))),
      fc
        .tuple(weekDay, fc.integer({ min: 1, max: 5 }))
        .map(([wanted, nth]) =>
          ofWeek(`${wanted}#${nth}`, (at) => is(at, wanted) && date(at) > (nth - 1) * 7 && date(at) <= nth * 7)
        )
    )
    fc.assert(
      fc.property(
        days,
        field(1, 12),
        fc.integer({ min: 2000, max: 2190 }),
        ({ dayOfMonth, dayOfWeek, has }, months, year) => {
          const { next } = timing(`cron(0 0 ${dayOfMonth} ${months.text} ${dayOfWeek} *)`)
          const from = Date.UTC(year, 0, 1)
          const expected: Array<number> = []
          for (let at = from; at < from + 800 * day; at += day) {
            if (months.values.has(new Date(at).getUTCMonth() + 1) && has(at)) expected.push(at)
          }
          const found: Array<number> = []
          for (let due = next(from - 1, 0); due !== undefined && due < from + 800 * day; due = next(due, 0))
            found.push(due)
          expect(found).toEqual(expected)
        }
      ),
      { numRuns: 40 }
    )
  })
})
