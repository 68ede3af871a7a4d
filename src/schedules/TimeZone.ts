/**
 * A time zone's clock: which local time an instant is, and at which instant the clock first shows a local time. Where the
 * clock is put forward, some times are never shown; where it is put back, some are shown twice.
 */

const hourMillis = 3_600_000
const dayMillis = 24 * hourMillis

export interface TimeZone {
  /** What the zone's clock shows at `millis`, as the milliseconds of the instant at which UTC's shows the same. */
  readonly localOf: (millis: number) => number
  /** The first instant at which it shows `local`; undefined where it never does. */
  readonly instantOf: (local: number) => number | undefined
}

export const utc: TimeZone = { localOf: (millis) => millis, instantOf: (local) => local }

/** Undefined for a name that is none. */
export const timeZone = (name: string): TimeZone | undefined => {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      hourCycle: "h23",
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric"
    })
  } catch {
    return undefined
  }
  // `+02:00` is an offset and no zone, as AWS has it.
  if (/^[+-]/.test(name)) return undefined
  const offsetAt = offsets(format)
  return {
    localOf: (millis) => millis + offsetAt(millis),
    instantOf: (local) => {
      // No zone is a day or more away from UTC, and none changes twice within two days.
      const before = local - offsetAt(local - dayMillis)
      const after = local - offsetAt(local + dayMillis)
      const shown = [before, after].filter((millis) => millis + offsetAt(millis) === local)
      return shown.length === 0 ? undefined : Math.min(...shown)
    }
  }
}

/** What is asked of the calendar is kept: it takes long to answer, and is mostly the same. */
const maxKept = 512

const offsets = (format: Intl.DateTimeFormat) => {
  const kept = new Map<number, number>()
  const read = (millis: number): number => {
    const parts = new Map(format.formatToParts(millis).map(({ type, value }) => [type, Number(value)]))
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0
    const shown = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"))
    return shown - Math.floor(millis / 1000) * 1000
  }
  return (millis: number): number => {
    // Clocks are put forward and back at full quarters of an hour of UTC, in every zone since 1972.
    const quarter = Math.floor(millis / (hourMillis / 4))
    const known = kept.get(quarter)
    if (known !== undefined) return known
    if (kept.size >= maxKept) kept.clear()
    const offset = read(quarter * (hourMillis / 4))
    kept.set(quarter, offset)
    return offset
  }
}
