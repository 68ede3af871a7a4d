/**
 * Where the code and the layers of a template's functions are on the disk: folders as they are, ZIP files unpacked and
 * checked like any package, inline code written to a file, several layers laid over each other.
 */
import { createHash, randomUUID } from "node:crypto"
import { existsSync, statSync } from "node:fs"
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { CodeStore } from "../control/CodeStore.ts"
import { Layers } from "../control/Layers.ts"
import { mergeFolders } from "../control/mergeFolders.ts"
import { CodeFolder, CodeImage } from "../domain/FunctionConfig.ts"
import { codeRevision } from "../registry/codeRevision.ts"
import type { Template, TemplateFunction } from "./Template.ts"

/** There is something wrong with the code or a layer of a function. */
export class CodeUnusable extends Schema.TaggedError<CodeUnusable>()("CodeUnusable", {
  detail: Schema.String
}) {}

export interface PlacedCode {
  readonly code: CodeFolder | CodeImage
  /** Absolute. */
  readonly layersPath?: string
  /** What is left out of the function. */
  readonly warnings: ReadonlyArray<string>
}

interface Folder {
  readonly path: string
  readonly revision: string
}

/** `folder` is made; absolute. What nobody has needed since the last start is removed from it. */
export const templateCode = Effect.fnUntraced(function* (folder: string) {
  const codes = yield* CodeStore
  const layers = yield* Layers
  /** Packages that functions use, by the ZIP they are out of. */
  const packages = new Map<string, { readonly seen: string; readonly sha256: string }>()
  yield* codes.keep(() => [...packages.values()].map(({ sha256 }) => sha256))
  yield* Effect.promise(() => clear(folder))

  const zip = Effect.fnUntraced(function* (path: string, seen: string) {
    const known = packages.get(path)
    if (known?.seen === seen) return known.sha256
    const bytes = yield* Effect.tryPromise({
      try: () => readFile(path),
      catch: (cause) => unusable(`${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`)
    })
    const { sha256 } = yield* codes
      .store(bytes)
      .pipe(Effect.mapError(({ message }) => unusable(`${path} cannot be used: ${message}`)))
    packages.set(path, { seen, sha256 })
    return sha256
  })

  /** What is at `path`: a folder as it is, a ZIP unpacked. */
  const local = Effect.fnUntraced(function* (path: string) {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) return yield* unusable(`there is no ${path}`)
    if (found.isDirectory()) return { path, revision: codeRevision(path) }
    if (!/\.(zip|jar)$/i.test(path)) return yield* unusable(`${path} is neither a folder nor a ZIP file`)
    const sha256 = yield* zip(path, `${found.size} ${found.mtimeMs}`)
    return { path: codes.folderOf(sha256), revision: sha256.slice(0, 16) }
  })

  const codeOf = Effect.fnUntraced(function* ({ code }: TemplateFunction) {
    switch (code._tag) {
      case "Image":
        return new CodeImage({ uri: code.uri })
      case "Local":
        return new CodeFolder(yield* local(code.path))
      case "Inline": {
        const hash = hashOf(`${code.fileName}\n${code.text}`)
        const path = join(folder, hash)
        yield* made(folder, path, async (fresh) => {
          await mkdir(fresh, { mode: 0o755 })
          await writeFile(join(fresh, code.fileName), code.text, { mode: 0o644 })
        })
        return new CodeFolder({ path, revision: hash.slice(0, 16) })
      }
    }
  })

  /** One that was published through the API, if there is one of the ARN; undefined where it is nobody's here. */
  const published = (arn: string) =>
    layers.use([arn]).pipe(
      Effect.andThen(layers.mergedFolder([arn])),
      Effect.map((path): Folder | undefined => ({ path, revision: hashOf(path) })),
      Effect.catch(() => Effect.succeed(undefined))
    )

  const layersOf = Effect.fnUntraced(function* (template: Template, arns: ReadonlyArray<string>) {
    const folders: Array<Folder> = []
    const warnings: Array<string> = []
    for (const arn of arns) {
      const own = template.layers.get(arn)
      const found = own === undefined ? yield* published(arn) : yield* local(own.path)
      if (found !== undefined) folders.push(found)
      else warnings.push(`the layer ${arn} is not here and is left out; one published under this ARN would be used`)
    }
    const [only, ...others] = folders
    if (only === undefined || others.length === 0)
      return { layersPath: only?.path, layersRevision: only?.revision, warnings }
    const hash = hashOf(folders.map(({ path, revision }) => `${path} ${revision}`).join("\n"))
    const path = join(folder, hash)
    yield* made(folder, path, (fresh) =>
      mergeFolders(
        folders.map(({ path }) => path),
        fresh
      )
    )
    return { layersPath: path, layersRevision: hash, warnings }
  })

  return Effect.fnUntraced(function* (template: Template, found: TemplateFunction) {
    const code = yield* codeOf(found)
    const { layersPath, layersRevision, warnings } = yield* layersOf(template, found.layers)
    return {
      // A layer that is a folder is mounted as it is: that its contents changed shows in the revision.
      code:
        code._tag === "CodeFolder" && layersRevision !== undefined
          ? new CodeFolder({ path: code.path, revision: hashOf(`${code.revision} ${layersRevision}`).slice(0, 16) })
          : code,
      ...(layersPath === undefined ? {} : { layersPath }),
      warnings
    } satisfies PlacedCode
  })
})

const unusable = (detail: string) => new CodeUnusable({ detail })

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex")

/** Makes `path` whole or not at all; one that is there is what it is to be. */
const made = (folder: string, path: string, make: (fresh: string) => Promise<void>) =>
  Effect.tryPromise({
    try: async () => {
      if (existsSync(path)) return
      const fresh = join(folder, `tmp-${randomUUID()}`)
      try {
        await make(fresh)
        // Workers are other users, whatever this process masks.
        await chmod(fresh, 0o755)
        await rename(fresh, path).catch((cause) => {
          if (!existsSync(path)) throw cause
        })
      } finally {
        await rm(fresh, { recursive: true, force: true })
      }
    },
    catch: (cause) => unusable(`${path} cannot be made: ${cause instanceof Error ? cause.message : String(cause)}`)
  }).pipe(Effect.uninterruptible)

const clear = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: 0o755 })
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true })
}
