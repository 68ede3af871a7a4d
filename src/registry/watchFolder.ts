/** Does something whenever files beneath a folder have changed, once for changes that come together. */
import { watch } from "node:fs"
import { Effect, Queue, type Scope } from "effect"

/** A change is often several: a file is emptied and written, an editor renames, a checkout touches many. */
const quiet = "100 millis"

/** Runs `onChange` until the scope closes; a folder that cannot be watched is said once, and served as it is. */
export const watchFolder = (folder: string, onChange: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const changes = yield* Queue.sliding<void>(1)
    yield* Effect.acquireRelease(
      Effect.try({
        try: () => {
          const watcher = watch(folder, { recursive: true }, () => Queue.offerUnsafe(changes, undefined))
          // The folder itself is gone: what was read of it stays.
          watcher.on("error", () => watcher.close())
          return watcher
        },
        catch: (cause) => cause
      }),
      (watcher) => Effect.sync(() => watcher.close())
    )
    const react = Effect.gen(function* () {
      yield* Queue.take(changes)
      yield* Effect.sleep(quiet)
      yield* Queue.clear(changes)
      yield* onChange
    })
    yield* Effect.forkScoped(Effect.forever(react))
  }).pipe(
    Effect.catch((cause) =>
      Effect.logWarning(
        `Changes of the functions in ${folder} are seen at the next start only: ${cause instanceof Error ? cause.message : String(cause)}`
      )
    )
  )
