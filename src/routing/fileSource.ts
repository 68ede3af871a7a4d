/**
 * APIs out of a file that is read again whenever it changes. What the file may say is its reader's to know. A file that
 * breaks keeps what it said last, and is a problem until it is mended.
 */
import { readFileSync } from "node:fs"
import { Effect, type Scope } from "effect"
import type { Api } from "../domain/Route.ts"
import type { RegistryProblem } from "../registry/FunctionRegistry.ts"
import { watchFile } from "../registry/watchFolder.ts"
import { addFileSource } from "../reload/FileSources.ts"
import type { RouteSource } from "./RouteTable.ts"

/** What a file says. */
export interface ReadApis {
  readonly apis: ReadonlyArray<Api>
  /** What of it cannot be served. */
  readonly problems: ReadonlyArray<RegistryProblem>
  /** What is odd, and keeps nothing from being served. */
  readonly warnings: ReadonlyArray<RegistryProblem>
}

export interface FileSourceOptions {
  readonly path: string
  /** Whether it is a problem that the file is not there. By default it is none: then there are no routes. */
  readonly isRequired?: boolean
  /** Whether changes are taken over while this runs. */
  readonly watch?: boolean
  /** The file's content, or one line that says why none of it can be used. */
  readonly read: (text: string, path: string) => ReadApis | string
}

interface Loaded extends ReadApis {
  /** Said of the file as it is now, in place of the problems of the one that is served. */
  readonly broken?: string
}

const nothing: Loaded = { apis: [], problems: [], warnings: [] }

export const fileSource = (options: FileSourceOptions): Effect.Effect<RouteSource, never, Scope.Scope> =>
  Effect.gen(function* () {
    let loaded = load(options, nothing)
    for (const problem of said(loaded)) yield* Effect.logWarning(problem)

    const reload = Effect.gen(function* () {
      const before = loaded
      loaded = load(options, before)
      const known = new Set(said(before))
      for (const problem of said(loaded)) if (!known.has(problem)) yield* Effect.logWarning(problem)
      if (loaded.apis !== before.apis) yield* Effect.logInfo(`Routes changed: ${options.path} was read again`)
    })
    if (options.watch === true) yield* watchFile(options.path, reload)
    yield* addFileSource({ path: options.path, reload })

    return {
      apis: () => loaded.apis,
      problems: () => (loaded.broken === undefined ? loaded.problems : [{ detail: loaded.broken }])
    }
  })

const said = ({ broken, problems, warnings }: Loaded): ReadonlyArray<string> =>
  broken === undefined ? [...problems, ...warnings].map(({ detail }) => detail) : [broken]

const load = (options: FileSourceOptions, before: Loaded): Loaded => {
  const { path } = options
  let text: string
  try {
    text = readFileSync(path, "utf8")
  } catch (cause) {
    const isAbsent = cause instanceof Error && "code" in cause && cause.code === "ENOENT"
    if (isAbsent && options.isRequired !== true) return before.apis.length === 0 ? nothing : { ...nothing, apis: [] }
    return { ...before, broken: `${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}` }
  }
  const read = options.read(text, path)
  if (typeof read === "string") return { ...before, broken: read }
  return { ...read, apis: JSON.stringify(read.apis) === JSON.stringify(before.apis) ? before.apis : read.apis }
}
