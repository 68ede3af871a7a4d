/**
 * Cron expressions in AWS's syntax: minutes, hours, day of month, month, day of week, year. Reads them, refusing what
 * AWS refuses, and says whether a day is one of theirs. Where on the time line a day's hours are is not for here.
 */
import { Result } from "effect"

export interface Cron {
  /** Ascending, as all of these. */
  readonly minutes: ReadonlyArray<number>
  readonly hours: ReadonlyArray<number>
  readonly months: ReadonlySet<number>
  readonly years: ReadonlySet<number>
  readonly hasDay: (day: CalendarDay) => boolean
}

export interface CalendarDay {
  readonly year: number
  /** From 1, as the day. */
  readonly month: number
  readonly day: number
}

/** AWS knows no years before or after these. */
export const firstYear = 1970
export const lastYear = 2199

interface Field {
  readonly name: string
  readonly first: number
  readonly last: number
  /** In the order of their numbers. */
  readonly names?: ReadonlyArray<string>
  readonly hasSteps: boolean
}

const minutesField: Field = { name: "minutes", first: 0, last: 59, hasSteps: true }
const hoursField: Field = { name: "hours", first: 0, last: 23, hasSteps: true }
const dayOfMonthField: Field = { name: "day of month", first: 1, last: 31, hasSteps: true }
const monthField: Field = {
  name: "month",
  first: 1,
  last: 12,
  names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
  hasSteps: true
}
/** 1 is Sunday. AWS has no steps here. */
const dayOfWeekField: Field = {
  name: "day of week",
  first: 1,
  last: 7,
  names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
  hasSteps: false
}
const yearField: Field = { name: "year", first: firstYear, last: lastYear, hasSteps: true }

/** `fields` is what stands in the parentheses. Fails with one line for a person. */
export const parseCron = (fields: string): Result.Result<Cron, string> => {
  const parts = fields.split(/[ \t]+/).filter((part) => part !== "")
  const [minutes, hours, dayOfMonth, month, dayOfWeek, year] = parts
  if (parts.length !== 6 || minutes === undefined || hours === undefined || dayOfMonth === undefined) {
    return Result.fail(
      `cron expects six fields, minutes hours day-of-month month day-of-week year, not ${parts.length}`
    )
  }
  if (month === undefined || dayOfWeek === undefined || year === undefined)
    return Result.fail("cron expects six fields")
  if ((dayOfMonth === "?") === (dayOfWeek === "?")) {
    return Result.fail("cron expects '?' in one of day of month and day of week, and something else in the other")
  }
  return Result.gen(function* () {
    const days = dayOfMonth === "?" ? yield* weekDays(dayOfWeek) : yield* monthDays(dayOfMonth)
    return {
      minutes: [...(yield* valuesOf(minutesField, minutes))].sort(ascending),
      hours: [...(yield* valuesOf(hoursField, hours))].sort(ascending),
      months: yield* valuesOf(monthField, month),
      years: yield* valuesOf(yearField, year),
      hasDay: days
    }
  })
}

const ascending = (left: number, right: number) => left - right

/** The values of a field: `*`, and lists of numbers, names, ranges and steps. */
const valuesOf = (field: Field, text: string): Result.Result<ReadonlySet<number>, string> =>
  Result.gen(function* () {
    const values = new Set<number>()
    for (const item of text.split(",")) {
      for (const value of yield* itemOf(field, item)) values.add(value)
    }
    return values
  })

const itemOf = (field: Field, item: string): Result.Result<ReadonlyArray<number>, string> => {
  const [, begin = "", end, step] = /^(\*|[0-9A-Za-z]+)(?:-([0-9A-Za-z]+))?(?:\/(\d{1,4}))?$/.exec(item) ?? []
  const wrong = () => Result.fail(`cron: '${item}' cannot be used as ${field.name}`)
  if (begin === "" || (begin === "*" && end !== undefined)) return wrong()
  if (step !== undefined && (!field.hasSteps || Number(step) === 0)) return wrong()
  const from = begin === "*" ? field.first : numberOf(field, begin)
  const isOpen = begin === "*" || (end === undefined && step !== undefined)
  const to = isOpen ? field.last : numberOf(field, end ?? begin)
  if (from === undefined || to === undefined) return wrong()
  // A range may go round the end, as from Friday to Monday; years do not come round.
  if (to < from && field === yearField) return wrong()
  const size = field.last - field.first + 1
  const length = to < from ? to - from + size : to - from
  const values: Array<number> = []
  for (let offset = 0; offset <= length; offset += Number(step ?? 1)) {
    values.push(field.first + ((from - field.first + offset) % size))
  }
  return Result.succeed(values)
}

const numberOf = ({ first, last, names }: Field, text: string): number | undefined => {
  const index = names?.indexOf(text.toUpperCase()) ?? -1
  if (index !== -1) return first + index
  const value = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN
  return value >= first && value <= last ? value : undefined
}

type IsDay = (day: CalendarDay) => boolean

/** Of one item: which days it means. */
const anyOf = (
  text: string,
  dayOf: (item: string) => Result.Result<IsDay, string> | undefined,
  field: Field
): Result.Result<IsDay, string> =>
  Result.gen(function* () {
    const days: Array<IsDay> = []
    for (const item of text.split(",")) {
      const special = dayOf(item)
      if (special !== undefined) days.push(yield* special)
      else {
        const values = new Set(yield* itemOf(field, item))
        days.push((day) => values.has(field === dayOfWeekField ? weekDayOf(day) : day.day))
      }
    }
    return (day: CalendarDay) => days.some((isDay) => isDay(day))
  })

/** `L`: the last; `W`: the weekday nearest to a date, in the same month. */
const monthDays = (text: string) =>
  anyOf(
    text,
    (item) => {
      if (item === "L") return Result.succeed((day) => day.day === lastDayOf(day))
      if (item === "LW") return Result.succeed((day) => day.day === nearestWeekDay(day, lastDayOf(day)))
      const [, date] = /^(\d{1,2})W$/.exec(item) ?? []
      if (date === undefined) return undefined
      const wanted = Number(date)
      if (wanted < 1 || wanted > 31) return Result.fail(`cron: '${item}' cannot be used as day of month`)
      return Result.succeed((day) => wanted <= lastDayOf(day) && day.day === nearestWeekDay(day, wanted))
    },
    dayOfMonthField
  )

/** `L`: Saturday; `6L`: the last Friday of the month; `6#3`: the third one. */
const weekDays = (text: string): Result.Result<IsDay, string> => {
  if (text.includes("#") && text.includes(",")) {
    return Result.fail(`cron: '${text}': a day of week with '#' stands alone`)
  }
  return anyOf(
    text,
    (item) => {
      if (item === "L") return Result.succeed((day) => weekDayOf(day) === 7)
      const [, name = "", mark, count] = /^([0-9A-Za-z]+?)(?:(L)|#(\d))$/.exec(item) ?? []
      if (mark === undefined && count === undefined) return undefined
      const weekDay = numberOf(dayOfWeekField, name)
      const nth = Number(count ?? 1)
      if (weekDay === undefined || nth < 1 || nth > 5) {
        return Result.fail(`cron: '${item}' cannot be used as day of week`)
      }
      return Result.succeed(
        mark === "L"
          ? (day) => weekDayOf(day) === weekDay && day.day + 7 > lastDayOf(day)
          : (day) => weekDayOf(day) === weekDay && Math.ceil(day.day / 7) === nth
      )
    },
    dayOfWeekField
  )
}

/** 1 is Sunday. */
const weekDayOf = ({ day, month, year }: CalendarDay): number =>
  new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 1

const lastDayOf = ({ month, year }: CalendarDay): number => new Date(Date.UTC(year, month, 0)).getUTCDate()

const nearestWeekDay = ({ month, year }: CalendarDay, wanted: number): number => {
  const weekDay = weekDayOf({ year, month, day: wanted })
  if (weekDay === 7) return wanted === 1 ? 3 : wanted - 1
  if (weekDay === 1) return wanted === lastDayOf({ year, month, day: wanted }) ? wanted - 2 : wanted + 1
  return wanted
}
