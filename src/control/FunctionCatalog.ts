/**
 * Every function there is, whether it was made through the API or comes from a file, as the control plane tells of it.
 * Changes nothing. Which workers run a function is `FunctionRegistry`'s to say.
 */
import { createHash } from "node:crypto"
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { Context, Duration, Effect, Layer } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { functionArn, type Owner, type Qualifier } from "../domain/FunctionName.ts"
import type { FunctionReference } from "../domain/FunctionReference.ts"
import { fingerprint } from "../provision/fingerprint.ts"
import { FunctionRegistry, type FunctionUnusable } from "../registry/FunctionRegistry.ts"
import { type FunctionSettings, latest, type VersionRecord } from "./FunctionRecord.ts"
import { FunctionStore } from "./FunctionStore.ts"
import { InvalidParameterValue, ResourceNotFound } from "./refusals.ts"

export interface CatalogOptions {
  readonly owner: Owner
  /** What to edit for a function that comes from a file. */
  readonly functionsFile: string
}

export class FunctionCatalog extends Context.Service<
  FunctionCatalog,
  {
    readonly owner: Owner
    /** The version that the qualifier leads to, by default `$LATEST`. */
    readonly find: (reference: FunctionReference) => Effect.Effect<VersionRecord, ResourceNotFound | FunctionUnusable>
    /** `$LATEST` of one that may be changed here. Of a file's, says which file to edit instead. */
    readonly changeable: (
      reference: FunctionReference
    ) => Effect.Effect<VersionRecord, ResourceNotFound | InvalidParameterValue>
    /** Every version, `$LATEST` first. */
    readonly versions: (
      name: string
    ) => Effect.Effect<ReadonlyArray<VersionRecord>, ResourceNotFound | FunctionUnusable>
    /** Whether anything has this name, be it as it may. */
    readonly exists: (name: string) => Effect.Effect<boolean>
    /** In their order. Those of files are in it that can run. */
    readonly names: Effect.Effect<ReadonlyArray<string>>
  }
>()("irori/control/FunctionCatalog") {
  static readonly layer = (options: CatalogOptions) => Layer.effect(FunctionCatalog, make(options))
}

const make = Effect.fnUntraced(function* ({ functionsFile, owner }: CatalogOptions) {
  const store = yield* FunctionStore
  const registry = yield* FunctionRegistry
  /** A folder is looked through once for each of its revisions. */
  const sizes = new WeakMap<FunctionConfig, number>()

  const notFound = (name: string, qualifier?: Qualifier) =>
    new ResourceNotFound({ detail: `Function not found: ${functionArn(owner, name, qualifier)}` })

  const ofFile = (name: string, qualifier?: Qualifier) =>
    registry.get(name).pipe(
      Effect.map((config) => {
        const sizeBytes = sizes.get(config) ?? sizeOf(config)
        sizes.set(config, sizeBytes)
        return fileRecord(config, sizeBytes, functionsFile)
      }),
      Effect.catchTag("FunctionNotFound", () => Effect.fail(notFound(name, qualifier)))
    )

  const find = Effect.fnUntraced(function* ({ name, qualifier }: FunctionReference) {
    const asked = qualifier ?? latest
    const version = store.aliases(name).get(asked)?.version ?? asked
    const versions = store.versions(name)
    const found = versions?.get(version) ?? (versions === undefined ? yield* ofFile(name, qualifier) : undefined)
    return found === undefined || found.version !== version ? yield* notFound(name, qualifier) : found
  })

  const exists = (name: string) =>
    store.versions(name) !== undefined
      ? Effect.succeed(true)
      : registry.get(name).pipe(
          Effect.as(true),
          Effect.catchTag("FunctionNotFound", () => Effect.succeed(false)),
          Effect.catchTag("FunctionUnusable", () => Effect.succeed(true))
        )

  return FunctionCatalog.of({
    owner,
    find,
    exists,
    changeable: Effect.fnUntraced(function* ({ name, qualifier }) {
      const record = store.versions(name)?.get(latest)
      if (record !== undefined) return record
      if (!(yield* exists(name))) return yield* notFound(name, qualifier)
      return yield* new InvalidParameterValue({
        detail: `The function ${name} comes from a file: change its code where it is, and its settings in ${functionsFile}.`
      })
    }),
    versions: (name) => {
      const versions = store.versions(name)
      return versions !== undefined
        ? Effect.succeed([...versions.values()])
        : Effect.map(ofFile(name), (record) => [record])
    },
    names: Effect.map(registry.list, (configs) =>
      [...new Set([...store.names(), ...configs.map(({ name }) => name)])].sort()
    )
  })
})

/** A function of a file as if it had been made through the API. */
const fileRecord = (config: FunctionConfig, sizeBytes: number, functionsFile: string): VersionRecord => ({
  version: config.version,
  revisionId: uuidOf(fingerprint(config)),
  lastModifiedMillis: Math.round(
    statSync(config.code._tag === "CodeFolder" ? config.code.path : functionsFile, { throwIfNoEntry: false })
      ?.mtimeMs ?? 0
  ),
  state: "Active",
  update: "Successful",
  code:
    config.code._tag === "CodeImage"
      ? { imageUri: config.code.uri }
      : { sha256: sha256(`${config.code.path} ${config.code.revision ?? ""}`), sizeBytes },
  settings: fileSettings(config)
})

const fileSettings = (config: FunctionConfig): FunctionSettings => ({
  PackageType: config.code._tag === "CodeImage" ? "Image" : "Zip",
  Role: "",
  ...(config.runtime === undefined ? {} : { Runtime: config.runtime }),
  // Lambda demands one of every function that is no image; a program that is its own runtime needs none.
  ...(config.handler === undefined
    ? config.runtime === undefined
      ? {}
      : { Handler: "bootstrap" }
    : { Handler: config.handler }),
  Description: config.description ?? "",
  Timeout: Math.ceil(Duration.toSeconds(config.timeout)),
  MemorySize: config.memoryMegabytes,
  Architectures: ["x86_64"],
  EphemeralStorage: config.ephemeralStorageMegabytes ?? 512,
  TracingMode: "PassThrough",
  SnapStart: "None",
  LoggingConfig: { LogFormat: config.loggingFormat ?? "Text", LogGroup: `/aws/lambda/${config.name}` },
  ...(Object.keys(config.environment).length === 0 ? {} : { Environment: config.environment })
})

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** The same id for the same text. */
const uuidOf = (text: string): string =>
  sha256(text).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-4$3-8$4-$5")

/** Bytes of the files in a function's folder; of the first ten thousand, where there are more. */
const sizeOf = ({ code }: FunctionConfig): number => {
  if (code._tag === "CodeImage") return 0
  let [bytes, files] = [0, 0]
  const folders = [code.path]
  for (let folder = folders.shift(); folder !== undefined && files < 10_000; folder = folders.shift()) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) folders.push(path)
      else if (entry.isFile()) {
        files++
        bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0
      }
    }
  }
  return bytes
}
