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

interface Entry {
  reached: (() => void) | undefined
}

/** Ends with the scope: what was not reached by then never is. */
export const makeDeadlines: Effect.Effect<Deadlines, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const fork = yield* FiberSet.makeRuntime<never>()
  /** By the tick at whose end they are due. */
  const byTick = new Map<number, Set<Entry>>()
  let isWatching = false

  const tickOf = (millis: number) => Math.ceil(millis / tickMillis)
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  /** Answers with what was thrown by those that were told: a bug, which is to cost nobody else a limit. */
  const tell = (): ReadonlyArray<unknown> => {
    const faults: Array<unknown> = []
    const current = Math.floor(now() / tickMillis)
    for (const [tick, entries] of byTick) {
      if (tick > current) continue
      byTick.delete(tick)
      for (const entry of entries) {
        const { reached } = entry
        entry.reached = undefined
        try {
          reached?.()
        } catch (fault) {
          faults.push(fault)
        }
      }
    }
    isWatching = byTick.size > 0
    return faults
  }

  const look = Effect.suspend(() =>
    Effect.forEach(tell(), (fault) => Effect.logError("What a limit of time was for failed unexpectedly", fault), {
      discard: true
    })
  )

  const watch = look.pipe(Effect.delay(tickMillis), Effect.repeat({ while: () => isWatching }))

  return {
    set: (millis, reached) => {
      const entry: Entry = { reached }
      const tick = tickOf(now() + millis)
      const entries = byTick.get(tick)
      if (entries === undefined) byTick.set(tick, new Set([entry]))
      else entries.add(entry)
      if (!isWatching) {
        isWatching = true
        fork(watch)
      }
      return () => {
        if (entry.reached === undefined) return
        entry.reached = undefined
        const remaining = byTick.get(tick)
        remaining?.delete(entry)
        if (remaining?.size === 0) byTick.delete(tick)
      }
    }
  }
})
