/**
 * Limits of time for very many things at once, of which hardly any is ever reached: one fiber looks every `tick` at
 * those that are due, in place of a timer for each. What is due is told up to one tick late, and never early.
 */
import { Clock, Effect, FiberSet, type Scope } from "effect"

const tickMillis = 20

/** Takes the limit away. After it was reached that does nothing. */
export type Clear = () => void

export interface Deadlines {
  /** Calls `reached` once, `millis` from now or up to a tick later, unless it is cleared before. */
  readonly set: (millis: number, reached: () => void) => Clear
}

/** All limits of one length, so that the first one set is the first one due: setting and clearing take no search. */
class Line {
  first: Entry | undefined
  last: Entry | undefined

  append(dueMillis: number, reached: () => void): Entry {
    const entry: Entry = { dueMillis, reached, before: this.last, after: undefined }
    if (this.last === undefined) this.first = entry
    else this.last.after = entry
    this.last = entry
    return entry
  }

  /** No more than once for an entry. */
  remove({ after, before }: Entry): void {
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.last = before
    else after.before = before
  }
}

interface Entry {
  readonly dueMillis: number
  /** Until it was reached or cleared. */
  reached: (() => void) | undefined
  before: Entry | undefined
  after: Entry | undefined
}

/** Ends with the scope: what was not reached by then never is. */
export const makeDeadlines: Effect.Effect<Deadlines, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const fork = yield* FiberSet.makeRuntime<never>()
  /** By the length of their limits. */
  const lines = new Map<number, Line>()
  let isWatching = false

  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  /** Answers with what was thrown by those that were told: a bug, which is to cost nobody else a limit. */
  const tell = (): ReadonlyArray<unknown> => {
    const faults: Array<unknown> = []
    const current = now()
    for (const [millis, line] of lines) {
      for (let entry = line.first; entry !== undefined && entry.dueMillis <= current; entry = line.first) {
        const { reached } = entry
        entry.reached = undefined
        line.remove(entry)
        try {
          reached?.()
        } catch (fault) {
          faults.push(fault)
        }
      }
      if (line.first === undefined) lines.delete(millis)
    }
    isWatching = lines.size > 0
    return faults
  }

  const look = Effect.suspend(() =>
    Effect.forEach(tell(), (fault) => Effect.logError("What a limit of time was for failed unexpectedly", fault), {
      discard: true
    })
  )

  const watch = look.pipe(Effect.delay(tickMillis), Effect.repeat({ while: () => isWatching }))

  const lineOf = (millis: number): Line => {
    const known = lines.get(millis)
    if (known !== undefined) return known
    const line = new Line()
    lines.set(millis, line)
    return line
  }

  return {
    set: (millis, reached) => {
      const line = lineOf(millis)
      const entry = line.append(now() + millis, reached)
      if (!isWatching) {
        isWatching = true
        fork(watch)
      }
      return () => {
        if (entry.reached === undefined) return
        entry.reached = undefined
        line.remove(entry)
      }
    }
  }
})
