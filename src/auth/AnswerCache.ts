/**
 * Keeps answers for a while by key, so many at most; those who ask for one at the same time are asked for together. A
 * failure is not kept.
 */
import { Clock, Deferred, Duration, Effect, Exit, type Scope } from "effect"

export interface AnswerCache<A, E> {
  /**
   * The answer that is kept under `key`, or else that of `ask`, which goes on for the others, and to be kept, when the
   * caller leaves.
   */
  readonly get: (key: string, ttl: Duration.Duration, ask: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** The answer that was asked for longest ago makes room. What is being asked for ends with the scope. */
export const makeAnswerCache = <A, E>(maxAnswers: number): Effect.Effect<AnswerCache<A, E>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope): AnswerCache<A, E> => {
    const kept = new Map<string, { readonly answer: A; readonly untilMillis: number }>()
    const asked = new Map<string, Deferred.Deferred<A, E>>()

    const keep = (key: string, answer: A, untilMillis: number) => {
      kept.delete(key)
      kept.set(key, { answer, untilMillis })
      if (kept.size <= maxAnswers) return
      for (const oldest of kept.keys()) {
        kept.delete(oldest)
        return
      }
    }

    /** Whatever becomes of it, those who wait learn of it. */
    const run = (key: string, ttl: Duration.Duration, ask: Effect.Effect<A, E>, done: Deferred.Deferred<A, E>) =>
      ask.pipe(
        Effect.onExit(
          Effect.fnUntraced(function* (exit) {
            const now = yield* Clock.currentTimeMillis
            if (Exit.isSuccess(exit)) keep(key, exit.value, now + Duration.toMillis(ttl))
            asked.delete(key)
            yield* Deferred.done(done, exit)
          })
        ),
        Effect.exit
      )

    /** Nothing comes between the note that it is being asked for and the asking. */
    const start = (key: string, ttl: Duration.Duration, ask: Effect.Effect<A, E>) =>
      Effect.uninterruptible(
        Effect.suspend(() => {
          const done = Deferred.makeUnsafe<A, E>()
          asked.set(key, done)
          return Effect.as(Effect.forkIn(Effect.interruptible(run(key, ttl, ask, done)), scope), done)
        })
      )

    return {
      get: Effect.fnUntraced(function* (key, ttl, ask) {
        const now = yield* Clock.currentTimeMillis
        const known = kept.get(key)
        if (known !== undefined && now < known.untilMillis) {
          kept.delete(key)
          kept.set(key, known)
          return known.answer
        }
        const others = asked.get(key)
        if (others !== undefined) return yield* Deferred.await(others)
        return yield* Deferred.await(yield* start(key, ttl, ask))
      })
    }
  })
