/** Does something whenever files have changed, once for changes that come together. */
import { type FSWatcher, type WatchListener, watch } from "node:fs"
import { basename, dirname } from "node:path"
import { Effect, Queue, type Scope } from "effect"

/** A change is often several: a file is emptied and written, an editor renames, a checkout touches many. */
const quiet = "100 millis"

type Watching = Effect.Effect<void, never, Scope.Scope>

/** Runs `onChange` after changes beneath a folder; one that cannot be watched is said once, and served as it is. */
export const watchFolder = (folder: string, onChange: Effect.Effect<void>): Watching =>
  watching((notice) => watch(folder, { recursive: true }, notice), onChange, `the functions in ${folder}`)

/** The same for one file, which need not be there; its folder must be. */
export const watchFile = (path: string, onChange: Effect.Effect<void>): Watching =>
  watching(
    (notice) =>
      watch(dirname(path), (event, name) => {
        if (name === null || name === basename(path)) notice(event, name)
      }),
    onChange,
    path
  )

/** Until the scope closes. */
const watching = (
  open: (notice: WatchListener<string>) => FSWatcher,
  onChange: Effect.Effect<void>,
  what: string
): Watching =>
  Effect.gen(function* () {
    const changes = yield* Queue.sliding<void>(1)
    yield* Effect.acquireRelease(
      Effect.try({
        try: () => {
          const watcher = open(() => Queue.offerUnsafe(changes, undefined))
          // What is watched is gone: what was read of it stays.
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
        `Changes of ${what} are seen at the next start only: ${cause instanceof Error ? cause.message : String(cause)}`
      )
    )
  )
