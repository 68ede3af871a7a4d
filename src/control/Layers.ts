/** Layers, as far as functions need them: what they keep of those they name, and where the contents are. */
import { createHash, randomUUID } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, readdir, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { Context, Effect, Layer, Schema } from "effect"
import type { Owner } from "../domain/FunctionName.ts"
import { CodeStore } from "./CodeStore.ts"
import { FunctionStore } from "./FunctionStore.ts"
import { type LayerRecord, LayerStore, parseLayerArn } from "./LayerStore.ts"
import { mergeFolders } from "./mergeFolders.ts"
import { InvalidParameterValue } from "./refusals.ts"

export class LayersFolderUnusable extends Schema.TaggedError<LayersFolderUnusable>()("LayersFolderUnusable", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export interface LayersOptions {
  readonly owner: Owner
  /** Absolute: for contents of several layers in one. It is made. */
  readonly folder: string
}

/** What a function keeps of a layer that it names. */
export interface UsedLayer {
  readonly Arn: string
  /** Of the layer's ZIP. */
  readonly CodeSize: number
}

export class Layers extends Context.Service<
  Layers,
  {
    /** What a function that names these versions, in this order, keeps of them. Refuses as Lambda does. */
    readonly use: (arns: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<UsedLayer>, InvalidParameterValue>
    /** Of the contents of all these together. */
    readonly unzippedBytes: (arns: ReadonlyArray<string>) => number
    /**
     * Absolute: a folder with the contents of them all, later ones winning; the same one for the same layers. Also for
     * layers that were deleted since a function began to use them.
     */
    readonly mergedFolder: (arns: ReadonlyArray<string>) => Effect.Effect<string>
  }
>()("irori/control/Layers") {
  static readonly layer = (options: LayersOptions) => Layer.effect(Layers, make(options))
  /** Where there are none. */
  static readonly layerNone = Layer.succeed(Layers, {
    use: ([arn]) =>
      arn === undefined
        ? Effect.succeed([])
        : Effect.fail(new InvalidParameterValue({ detail: `Layer version ${arn} does not exist.` })),
    unzippedBytes: () => 0,
    mergedFolder: (arns) => Effect.die(new Error(`There are no layers: ${arns.join(", ")}`))
  })
}

/** Of one function. */
export const maxLayers = 5

const make = Effect.fnUntraced(function* ({ folder, owner }: LayersOptions) {
  const store = yield* LayerStore
  const codes = yield* CodeStore
  const functions = yield* FunctionStore

  /** Also of layers that were deleted. Functions name none that there never was. */
  const recall = (arn: string): LayerRecord | undefined => {
    const parts = parseLayerArn(arn)
    return parts?.version === undefined ? undefined : store.recall(parts.name, parts.version)
  }
  const nameOf = (records: ReadonlyArray<LayerRecord>): string =>
    createHash("sha256")
      .update(records.map(({ sha256 }) => sha256).join("\n"))
      .digest("hex")
  const recordsOf = (arns: ReadonlyArray<string>): ReadonlyArray<LayerRecord> =>
    arns.map(recall).filter((record) => record !== undefined)

  const inUse = new Set<string>()
  for (const name of functions.names()) {
    for (const { settings } of functions.versions(name)?.values() ?? []) {
      inUse.add(nameOf(recordsOf((settings.Layers ?? []).map(({ Arn }) => Arn))))
    }
  }
  yield* Effect.tryPromise({
    try: () => clear(folder, inUse),
    catch: (cause) =>
      new LayersFolderUnusable({
        detail: `The folder ${folder} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })

  /** What is refused of one of them, as Lambda looks at them: one after the other. */
  const refuse = (arn: string, before: ReadonlyArray<string>): string | undefined => {
    const parts = parseLayerArn(arn)
    if (parts?.accountId === owner.accountId && parts.region !== owner.region) {
      return `Layers are not in the same region as the function. Layers are expected to be in region ${owner.region}.`
    }
    const isThere =
      parts?.accountId === owner.accountId &&
      parts.version !== undefined &&
      store.find(parts.name, parts.version) !== undefined
    if (!isThere) return `Layer version ${arn} does not exist.`
    const other = before.find((known) => parseLayerArn(known)?.name === parts.name)
    return other === undefined
      ? undefined
      : `Two different versions of the same layer are not allowed to be referenced in the same function. ${other} and ${arn} are versions of the same layer.`
  }

  const merged = async (records: ReadonlyArray<LayerRecord>): Promise<string> => {
    const path = join(folder, nameOf(records))
    if (existsSync(path)) return path
    const made = join(folder, `tmp-${randomUUID()}`)
    try {
      await mergeFolders(
        records.map(({ sha256 }) => codes.folderOf(sha256)),
        made
      )
      await rename(made, path).catch((cause) => {
        // Somebody else was faster.
        if (!existsSync(path)) throw cause
      })
    } finally {
      await rm(made, { recursive: true, force: true })
    }
    return path
  }

  return Layers.of({
    use: Effect.fnUntraced(function* (arns) {
      if (arns.length > maxLayers) {
        return yield* new InvalidParameterValue({ detail: `Cannot reference more than ${maxLayers} layers.` })
      }
      for (const [index, arn] of arns.entries()) {
        const detail = refuse(arn, arns.slice(0, index))
        if (detail !== undefined) return yield* new InvalidParameterValue({ detail })
      }
      return arns.map((Arn) => ({ Arn, CodeSize: recall(Arn)?.sizeBytes ?? 0 }))
    }),
    unzippedBytes: (arns) => recordsOf(arns).reduce((sum, { unzippedBytes }) => sum + unzippedBytes, 0),
    mergedFolder: (arns) =>
      Effect.suspend(() => {
        const records = recordsOf(arns)
        if (records.length < arns.length) return Effect.die(new Error(`A layer is missing of ${arns.join(", ")}`))
        const [only, ...others] = records
        return only !== undefined && others.length === 0
          ? Effect.succeed(codes.folderOf(only.sha256))
          : Effect.promise(() => merged(records))
      }).pipe(Effect.uninterruptible)
  })
})

/** Makes the folder, and removes what no function uses and what a process that was killed has left half done. */
const clear = async (folder: string, inUse: ReadonlySet<string>): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: 0o755 })
  for (const name of await readdir(folder)) {
    if (!inUse.has(name)) await rm(join(folder, name), { recursive: true, force: true })
  }
}
