/** Which of a schedule's due times that have gone by are made up for. Pure. */

/** `skip`: none that was missed. `once`: the last one stands for all. `all`: each, up to `maxMadeUp` of the last. */
export const missedPolicies = ["skip", "once", "all"] as const
export type MissedPolicy = (typeof missedPolicies)[number]

/** Later than this a due time counts as missed: nobody was there. EventBridge is no more exact than that. */
export const graceMillis = 60_000
/** Of a schedule that is due every minute, those of more than half a day. */
export const maxMadeUp = 1000

export interface Passed {
  /** To be fired, in this order. */
  readonly fired: ReadonlyArray<number>
  /** Not all that were missed are made up for. */
  readonly isSome: boolean
}

/** Of the times after `pastMillis` and up to `nowMillis` at which it was due. `next` answers with the first after a time. */
export const passed = (
  next: (afterMillis: number) => number | undefined,
  pastMillis: number,
  nowMillis: number,
  policy: MissedPolicy
): Passed => {
  const first = next(pastMillis)
  if (first === undefined || first > nowMillis) return { fired: [], isSome: false }
  if (first >= nowMillis - graceMillis) return { fired: all(next, first, nowMillis), isSome: false }
  if (policy === "skip") {
    const onTime = next(nowMillis - graceMillis - 1)
    return { fired: onTime === undefined ? [] : all(next, onTime, nowMillis), isSome: true }
  }
  const fired: Array<number> = []
  const most = policy === "once" ? 1 : maxMadeUp
  let until = nowMillis
  while (fired.length < most) {
    const last = lastOf(next, pastMillis, until)
    if (last === undefined) break
    fired.unshift(last)
    until = last - 1
  }
  return { fired, isSome: lastOf(next, pastMillis, until) !== undefined }
}

const all = (next: (afterMillis: number) => number | undefined, first: number, nowMillis: number) => {
  const times: Array<number> = []
  for (let due: number | undefined = first; due !== undefined && due <= nowMillis; due = next(due)) times.push(due)
  return times
}

/** The last one after `after` and up to `until`; found by halves, since there may be very many. */
const lastOf = (
  next: (afterMillis: number) => number | undefined,
  after: number,
  until: number
): number | undefined => {
  const isDue = (due: number | undefined): due is number => due !== undefined && due <= until
  let found = next(after)
  if (!isDue(found)) return undefined
  // The last one is `found`, or after it and not after `before`.
  for (let before = until; before > found; ) {
    const middle: number = found + Math.floor((before - found) / 2)
    const later = next(middle)
    if (isDue(later)) found = later
    else if (middle === found) break
    else before = middle
  }
  return found
}
