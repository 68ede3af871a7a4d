/**
 * Limits of time for very many things at once, of which hardly any is ever reached: one fiber looks every `tick` at
 * those that are due, in place of a timer for each. What is due is told up to one tick late, and never early.
 */
import { Clock, Effect, FiberSet, type Scope } from "effect"
import { type InLine, Line } from "../domain/Line.ts"

const tickMillis = 20

export interface Limit {
  /** Takes it away. After it was reached that does nothing. */
  clear(): void
}

/** One who is under a limit, where a function made for it would be one more thing to hold until then. */
export interface Limited {
  timeIsUp(): void
}

export interface Deadlines {
  /** Tells `limited` once, `millis` from now or up to a tick later, unless the limit is cleared before. */
  readonly set: (millis: number, limited: Limited | (() => void)) => Limit
}

class Entry implements Limit, InLine<Entry> {
  readonly dueMillis: number
  readonly #line: Line<Entry>
  readonly #limited: Limited | (() => void)
  before: Entry | undefined = undefined
  after: Entry | undefined = undefined
  isInLine = false

  constructor(line: Line<Entry>, dueMillis: number, limited: Limited | (() => void)) {
    this.dueMillis = dueMillis
    this.#line = line
    this.#limited = limited
    line.add(this)
  }

  clear(): void {
    this.#line.delete(this)
  }

  reach(): void {
    this.#line.delete(this)
    if (typeof this.#limited === "function") this.#limited()
    else this.#limited.timeIsUp()
  }
}

/** Ends with the scope: what was not reached by then never is. */
export const makeDeadlines: Effect.Effect<Deadlines, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const fork = yield* FiberSet.makeRuntime<never>()
  /** All limits of one length, so that the first one set is the first one due: setting and clearing take no search. */
  const lines = new Map<number, Line<Entry>>()
  let isWatching = false

  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  /** Answers with what was thrown by those that were told: a bug, which is to cost nobody else a limit. */
  const tell = (): ReadonlyArray<unknown> => {
    const faults: Array<unknown> = []
    const current = now()
    for (const [millis, line] of lines) {
      for (let entry = line.first; entry !== undefined && entry.dueMillis <= current; entry = line.first) {
        try {
          entry.reach()
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

  const lineOf = (millis: number): Line<Entry> => {
    const known = lines.get(millis)
    if (known !== undefined) return known
    const line = new Line<Entry>()
    lines.set(millis, line)
    return line
  }

  return {
    set: (millis, limited) => {
      const entry = new Entry(lineOf(millis), now() + millis, limited)
      if (!isWatching) {
        isWatching = true
        fork(watch)
      }
      return entry
    }
  }
})
