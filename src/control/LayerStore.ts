/**
 * The versions of layers that were published: records in the control database and, the same, in memory. One that was
 * deleted is kept while a function uses it, and shown to nobody else. What may be done to one is for `LayerVersions` to
 * decide.
 */
import { Context, Effect, Layer, Schema } from "effect"
import type { Owner } from "../domain/FunctionName.ts"
import { CodeStore } from "./CodeStore.ts"
import { ControlDatabase, type SqlDatabase, type Tables } from "./Database.ts"
import { FunctionStore } from "./FunctionStore.ts"

const Policy = Schema.Struct({
  revisionId: Schema.String,
  statements: Schema.Array(
    Schema.Struct({
      Sid: Schema.String,
      Effect: Schema.Literal("Allow"),
      Principal: Schema.Union([Schema.Literal("*"), Schema.Struct({ AWS: Schema.String })]),
      Action: Schema.String,
      Resource: Schema.String,
      Condition: Schema.optionalKey(Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.String)))
    })
  )
})

export const LayerRecord = Schema.Struct({
  name: Schema.String,
  version: Schema.Int,
  /** Hexadecimal, of the ZIP: its name in the code store. */
  sha256: Schema.String,
  sizeBytes: Schema.Int,
  unzippedBytes: Schema.Int,
  description: Schema.String,
  /** Unix. */
  createdMillis: Schema.Int,
  /** Absent is what was never given. */
  runtimes: Schema.optionalKey(Schema.Array(Schema.String)),
  architectures: Schema.optionalKey(Schema.Array(Schema.String)),
  license: Schema.optionalKey(Schema.String),
  policy: Schema.optionalKey(Policy),
  isDeleted: Schema.Boolean
})
export type LayerRecord = typeof LayerRecord.Type

export const layerArn = ({ accountId, region }: Owner, name: string, version?: number): string =>
  `arn:aws:lambda:${region}:${accountId}:layer:${name}${version === undefined ? "" : `:${version}`}`

/** The parts of the ARN of a layer or, with a version, of one of its versions; undefined where it is none. */
export const parseLayerArn = (arn: string) => {
  const parts = /^arn:[a-zA-Z0-9-]+:lambda:([a-z0-9-]+):(\d{12}):layer:([a-zA-Z0-9-_]+)(?::(\d+))?$/.exec(arn)
  if (parts === null) return undefined
  const [, region = "", accountId = "", name = "", version] = parts
  return { region, accountId, name, ...(version === undefined ? {} : { version: Number(version) }) }
}

export class LayerStore extends Context.Service<
  LayerStore,
  {
    /** By name, in their order; of each what was not deleted, by its number, the newest last. */
    readonly layers: () => ReadonlyMap<string, ReadonlyArray<LayerRecord>>
    /** One that was deleted is not found. */
    readonly find: (name: string, version: number) => LayerRecord | undefined
    /** Also one that was deleted, for as long as a function uses it. */
    readonly recall: (name: string, version: number) => LayerRecord | undefined
    /** Stores what has no number yet, under the next one of its layer. No number is used twice. */
    readonly publish: (record: Omit<LayerRecord, "version">) => LayerRecord
    /** Takes the place of the record there is. */
    readonly put: (record: LayerRecord) => void
  }
>()("irori/control/LayerStore") {
  static readonly layer = (options: { readonly owner: Owner }) => Layer.effect(LayerStore, make(options.owner))
}

const tables: Tables = {
  name: "layers",
  steps: [
    `CREATE TABLE layer_versions (
       name TEXT NOT NULL,
       version INTEGER NOT NULL,
       record TEXT NOT NULL,
       PRIMARY KEY (name, version)
     ) STRICT;
     CREATE TABLE layer_numbers (name TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT`
  ]
}

const json = Schema.fromJsonString(LayerRecord)
const encode = Schema.encodeSync(json)
const decode = Schema.decodeUnknownSync(json)

const make = Effect.fnUntraced(function* (owner: Owner) {
  const database = yield* ControlDatabase
  const functions = yield* FunctionStore
  const codes = yield* CodeStore
  yield* database.prepare(tables)

  const isUsed = usedBy(functions, owner)
  const records = load(database)
  const keyOf = (name: string, version: number) => `${name}:${version}`

  const put = (record: LayerRecord): void => {
    database.run("INSERT OR REPLACE INTO layer_versions VALUES (?, ?, ?)", record.name, record.version, encode(record))
    records.set(keyOf(record.name, record.version), record)
  }

  // Those that were deleted go when no function has them any more: at the latest when Irori starts again.
  const used = isUsed()
  for (const [key, { isDeleted, name, version }] of records) {
    if (!isDeleted || used(name, version)) continue
    database.run("DELETE FROM layer_versions WHERE name = ? AND version = ?", name, version)
    records.delete(key)
  }

  yield* codes.keep(() => {
    const inUse = isUsed()
    return [...records.values()]
      .filter(({ isDeleted, name, version }) => !isDeleted || inUse(name, version))
      .map(({ sha256 }) => sha256)
  })

  return LayerStore.of({
    layers: () => {
      const present = [...records.values()].filter(({ isDeleted }) => !isDeleted)
      const ordered = present.sort((a, b) => (a.name === b.name ? a.version - b.version : a.name < b.name ? -1 : 1))
      return Map.groupBy(ordered, ({ name }) => name)
    },
    find: (name, version) => {
      const record = records.get(keyOf(name, version))
      return record?.isDeleted === false ? record : undefined
    },
    recall: (name, version) => records.get(keyOf(name, version)),
    publish: (record) =>
      database.transaction(() => {
        const row = database.get("SELECT last FROM layer_numbers WHERE name = ?", record.name)
        const version = Number(row?.last ?? 0) + 1
        database.run("INSERT OR REPLACE INTO layer_numbers VALUES (?, ?)", record.name, version)
        const published = { ...record, version }
        put(published)
        return published
      }),
    put
  })
})

const load = ({ all }: SqlDatabase): Map<string, LayerRecord> =>
  new Map(
    all("SELECT record FROM layer_versions").map((row) => {
      const record = decode(row.record)
      return [`${record.name}:${record.version}`, record] as const
    })
  )

/** Looks at every function, and answers of the versions of layers whether one uses them. */
const usedBy = (functions: FunctionStore["Service"], owner: Owner) => () => {
  const arns = new Set<string>()
  for (const name of functions.names()) {
    for (const { settings } of functions.versions(name)?.values() ?? []) {
      for (const { Arn } of settings.Layers ?? []) arns.add(Arn)
    }
  }
  return (name: string, version: number) => arns.has(layerArn(owner, name, version))
}
