/** Rings when the next thing is due; whoever makes something due earlier wakes it. */
import { Clock, Effect, Queue } from "effect"

export interface Alarm {
  /** Something is due at that time, which may be earlier than all else. In Unix milliseconds. */
  readonly set: (dueMillis: number) => void
  /** Rings for ever, whenever `nextMillis` is past. After a ring it must have something later to say. */
  readonly run: (nextMillis: () => number, ring: Effect.Effect<void>) => Effect.Effect<never>
}

/** The wall clock may be put forward, and nobody is told. */
const maxSleepMillis = 60_000

export const make: Effect.Effect<Alarm> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const wakes = yield* Queue.sliding<void>(1)
  let setForMillis = Number.POSITIVE_INFINITY
  return {
    set: (dueMillis) => {
      if (dueMillis >= setForMillis) return
      setForMillis = dueMillis
      Queue.offerUnsafe(wakes, undefined)
    },
    run: (nextMillis, ring) =>
      Effect.gen(function* () {
        for (;;) {
          setForMillis = nextMillis()
          const restMillis = setForMillis - clock.currentTimeMillisUnsafe()
          if (restMillis > 0) {
            const due =
              restMillis === Number.POSITIVE_INFINITY
                ? Effect.never
                : Effect.sleep(Math.min(restMillis, maxSleepMillis))
            yield* Effect.raceFirst(Queue.take(wakes), due)
          } else yield* ring
        }
      })
  }
})
