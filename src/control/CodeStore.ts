/**
 * The packages of functions and layers: each once, by the hash of its ZIP, unpacked beside the ZIP itself. A package is
 * there whole or not at all, whenever the process ends. Who needs which is said by those who keep records of them.
 */
import { randomUUID } from "node:crypto"
import { existsSync, renameSync, rmSync } from "node:fs"
import { mkdir, open, readdir, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { Clock, Context, Duration, Effect, Layer, Schedule, Schema } from "effect"
import { InvalidParameterValue, RequestTooLarge } from "./refusals.ts"
import { syncFolder, unpackZip } from "./unpackZip.ts"
import { readZipDirectory, ZipRefused } from "./zipEntries.ts"

/** Lambda's limits of a package. */
export const maxZippedBytes = 52_428_800
export const maxUnzippedBytes = 262_144_000
/** Lambda names none. What is below 250 MB and has more files than this is made to fill the disk's table of them. */
const limits = { maxEntries: 65_535, maxUnzippedBytes }

/** Workers may use code for a while that no function has any more. */
const graceTime = "15 minutes"

export class CodeStoreUnusable extends Schema.TaggedError<CodeStoreUnusable>()("CodeStoreUnusable", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export interface StoredCode {
  /** Hexadecimal, of the ZIP. */
  readonly sha256: string
  /** Of the ZIP. */
  readonly sizeBytes: number
  readonly unzippedBytes: number
}

export class CodeStore extends Context.Service<
  CodeStore,
  {
    /**
     * Keeps a package; on the disk when it succeeds. One that is there already is not unpacked again. Goes on when it is
     * interrupted. Whoever calls this has 15 minutes to be among those who need it.
     */
    readonly store: (zip: Uint8Array) => Effect.Effect<StoredCode, InvalidParameterValue | RequestTooLarge>
    /** Absolute: where the contents of a package are. */
    readonly folderOf: (sha256: string) => string
    /** Absolute: the ZIP as it was given. */
    readonly zipOf: (sha256: string) => string
    /** From here on what `inUse` names is kept, for as long as it does. */
    readonly keep: (inUse: () => Iterable<string>) => Effect.Effect<void>
    /** Removes what nobody has needed for 15 minutes. Done every few minutes by itself. */
    readonly collect: Effect.Effect<void>
  }
>()("irori/control/CodeStore") {
  /** In `folder`, which is made; absolute. */
  static readonly layer = (folder: string) => Layer.effect(CodeStore, make(folder))
}

const leftover = /^tmp-/
const packageName = /^[0-9a-f]{64}$/

const make = Effect.fnUntraced(function* (folder: string) {
  yield* Effect.tryPromise({
    try: () => prepare(folder),
    catch: (cause) =>
      new CodeStoreUnusable({
        detail: `The folder ${folder} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })
  const sources: Array<() => Iterable<string>> = []
  /** Since when nobody has needed a package, as far as anybody has looked. */
  const unneededSince = new Map<string, number>()
  const folderOf = (sha256: string) => join(folder, sha256)
  const zipOf = (sha256: string) => join(folder, `${sha256}.zip`)
  const temporary = () => join(folder, `tmp-${randomUUID()}`)

  const isThere = (sha256: string): boolean => {
    unneededSince.delete(sha256)
    return existsSync(folderOf(sha256))
  }

  const store = Effect.fnUntraced(function* (zip: Uint8Array) {
    if (zip.length > maxZippedBytes) {
      return yield* new RequestTooLarge({ detail: `Zipped size must be smaller than ${maxZippedBytes} bytes` })
    }
    const sha256 = yield* Effect.promise(() => hashOf(zip))
    const unzippedBytes = yield* refusing(async () => {
      if (isThere(sha256)) return (await readZipDirectory(zip, limits)).unzippedBytes
      const made = temporary()
      try {
        await mkdir(made, { mode: 0o700 })
        const unpacked = await unpackZip(zip, join(made, "code"), limits)
        await writeSynced(join(made, "zip"), zip)
        await rename(join(made, "zip"), zipOf(sha256))
        // From here on the package is there.
        if (!isThere(sha256)) await rename(join(made, "code"), folderOf(sha256)).catch(unlessThere)
        await syncFolder(folder)
        return unpacked.unzippedBytes
      } finally {
        await rm(made, { recursive: true, force: true })
      }
    })
    return { sha256, sizeBytes: zip.length, unzippedBytes } satisfies StoredCode
  }, Effect.uninterruptible)

  const collect = Effect.gen(function* () {
    const found = yield* Effect.promise(() => readdir(folder))
    const now = yield* Clock.currentTimeMillis
    const inUse = new Set(sources.flatMap((source) => [...source()]))
    const removed: Array<string> = []
    // Nothing comes between looking and taking a package out of its place.
    for (const sha256 of new Set(found.map((name) => name.replace(/\.zip$/, "")))) {
      if (!packageName.test(sha256)) continue
      if (inUse.has(sha256)) {
        unneededSince.delete(sha256)
        continue
      }
      const since = unneededSince.get(sha256) ?? now
      unneededSince.set(sha256, since)
      if (now - since < Duration.toMillis(graceTime)) continue
      unneededSince.delete(sha256)
      const away = temporary()
      if (existsSync(folderOf(sha256))) renameSync(folderOf(sha256), away)
      rmSync(zipOf(sha256), { force: true })
      removed.push(away)
    }
    yield* Effect.promise(() => Promise.all(removed.map((path) => rm(path, { recursive: true, force: true }))))
    if (removed.length > 0) yield* Effect.logInfo(`Removed ${removed.length} packages that no function has any more`)
  }).pipe(Effect.uninterruptible)

  yield* collect.pipe(
    Effect.catchCause((cause) => Effect.logWarning("Packages that nobody needs were not removed", cause)),
    Effect.delay("5 minutes"),
    Effect.repeat(Schedule.forever),
    Effect.forkScoped
  )

  return CodeStore.of({
    store,
    folderOf,
    zipOf,
    keep: (inUse) => Effect.sync(() => void sources.push(inUse)),
    collect
  })
})

/** Makes the folder, and removes what a process that was killed has left half done. */
const prepare = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: 0o755 })
  for (const name of await readdir(folder)) {
    if (leftover.test(name)) await rm(join(folder, name), { recursive: true, force: true })
  }
}

/** Off this thread: fifty megabytes would keep workers waiting. */
const hashOf = async (bytes: Uint8Array): Promise<string> =>
  Buffer.from(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes))).toString("hex")

const writeSynced = async (path: string, bytes: Uint8Array): Promise<void> => {
  const handle = await open(path, "wx", 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The same package was stored by somebody else meanwhile. */
const unlessThere = (cause: unknown): void => {
  const isThere = cause instanceof Error && "code" in cause && (cause.code === "ENOTEMPTY" || cause.code === "EEXIST")
  if (!isThere) throw cause
}

const texts = {
  Malformed: "Could not unzip uploaded file. Please check your file, then try to upload again.",
  Empty: "Uploaded file must be a non-empty zip",
  TooLarge: `Unzipped size must be smaller than ${maxUnzippedBytes} bytes`
} satisfies Record<ZipRefused["reason"], string>

/** What a disk refuses is nobody's mistake here, and dies. */
const refusing = <A>(work: () => Promise<A>) =>
  Effect.tryPromise({ try: work, catch: (cause) => cause }).pipe(
    Effect.catch((cause) =>
      cause instanceof ZipRefused
        ? Effect.andThen(
            Effect.logInfo(`A package was refused: ${cause.message}`),
            Effect.fail(new InvalidParameterValue({ detail: texts[cause.reason] }))
          )
        : Effect.die(cause)
    )
  )
