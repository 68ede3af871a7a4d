/**
 * Files that something is served out of, for whoever wants all of them read again. Each is added by what reads it, which
 * also watches it; where nobody collects them they are not added.
 */
import { Context, Effect, Layer } from "effect"
import type { RegistryProblem } from "../registry/FunctionRegistry.ts"

export interface FileSource {
  /** For people. Several sources may be of one file. */
  readonly path: string
  /** Takes over what the file says now; of one that is broken, nothing. Done when all goes by it. */
  readonly reload: Effect.Effect<void>
  /** What is wrong with it, where nobody else says so. By default nothing. */
  readonly problems?: () => ReadonlyArray<RegistryProblem>
}

export class FileSources extends Context.Service<
  FileSources,
  {
    /** For as long as the sources are there. */
    readonly add: (source: FileSource) => Effect.Effect<void>
    /** In the order in which they were added. */
    readonly all: () => ReadonlyArray<FileSource>
  }
>()("irori/reload/FileSources") {
  static readonly layer = Layer.sync(FileSources, () => {
    const sources: Array<FileSource> = []
    return FileSources.of({
      add: (source) => Effect.sync(() => void sources.push(source)),
      all: () => sources
    })
  })
}

export const addFileSource = (source: FileSource): Effect.Effect<void> =>
  Effect.flatMap(Effect.serviceOption(FileSources), (sources) =>
    sources._tag === "None" ? Effect.void : sources.value.add(source)
  )
