/**
 * Functions made through the API, as workers run them, over those of another registry: where both have one of a name,
 * the API's counts. Aliases of either lead to versions here. Asking costs no SQL.
 */
import { Duration, Effect, Layer, Random, Schema } from "effect"
import { CodeStore } from "../control/CodeStore.ts"
import { ConcurrencyLimits, withLimits } from "../control/ConcurrencyLimits.ts"
import { type AliasRecord, latest, type VersionRecord } from "../control/FunctionRecord.ts"
import { FunctionStore } from "../control/FunctionStore.ts"
import { Layers } from "../control/Layers.ts"
import { CodeFolder, CodeImage, FunctionConfig } from "../domain/FunctionConfig.ts"
import { FunctionName, type Qualifier } from "../domain/FunctionName.ts"
import type { FunctionDefaults } from "./FunctionDefaults.ts"
import { FunctionNotFound, FunctionRegistry } from "./FunctionRegistry.ts"

export interface StoredOptions {
  readonly defaults: FunctionDefaults
  /** No function's timeout is longer, whatever it says. */
  readonly maxTimeout: Duration.Duration
}

/** The registry beneath is the one that this layer is given. */
export const layer = (options: StoredOptions) => Layer.effect(FunctionRegistry, make(options))

interface Cached {
  readonly record: VersionRecord
  readonly config: FunctionConfig
}

const make = Effect.fnUntraced(function* (options: StoredOptions) {
  const beneath = yield* FunctionRegistry
  const store = yield* FunctionStore
  const codes = yield* CodeStore
  const layers = yield* Layers
  const limits = yield* ConcurrencyLimits

  yield* codes.keep(() =>
    store.names().flatMap((name) => [...(store.versions(name)?.values() ?? [])].flatMap(packageOf))
  )

  /** By name and version. What is here is as the store and the limits have it. */
  const fresh = new Map<string, Map<string, Cached>>()
  /** What was there before a change: where the change was about something else, it is there again. */
  const stale = new Map<string, ReadonlyMap<string, Cached>>()
  /** Functions from elsewhere that have limits of their own here, by name. */
  const limited = new Map<string, { readonly from: FunctionConfig; readonly config: FunctionConfig }>()

  const forget = (name: string): void => {
    const known = fresh.get(name)
    fresh.delete(name)
    if (!store.versions(name)) stale.delete(name)
    else if (known !== undefined) stale.set(name, new Map([...(stale.get(name) ?? []), ...known]))
  }
  store.onChange(forget)
  limits.onChange((name) => {
    limited.delete(name)
    forget(name)
  })

  const configOf = Effect.fnUntraced(function* (name: string, record: VersionRecord) {
    const known = fresh.get(name)?.get(record.version)
    if (known?.record === record) return known.config
    const used = record.settings.Layers?.map(({ Arn }) => Arn)
    const layersPath = used === undefined ? undefined : yield* layers.mergedFolder(used)
    // From here on without a `yield*`: limits and cache are of one moment.
    const made = withLimits(functionConfig(name, record, codes.folderOf, layersPath, options), limits)
    const before = fresh.get(name)?.get(record.version) ?? stale.get(name)?.get(record.version)
    const config = before !== undefined && encode(before.config) === encode(made) ? before.config : made
    if (store.versions(name)?.get(record.version) === record) {
      fresh.set(name, new Map(fresh.get(name)).set(record.version, { record, config }))
    }
    return config
  })

  const ofBeneath = (from: FunctionConfig): FunctionConfig => {
    const known = limited.get(from.name)
    if (known?.from === from) return known.config
    const config = withLimits(from, limits)
    if (config !== from) limited.set(from.name, { from, config })
    return config
  }

  const get = (name: string, qualifier?: Qualifier) =>
    Effect.suspend(() => {
      const alias = qualifier === undefined ? undefined : store.aliases(name).get(qualifier)
      if (alias === undefined) return version(name, qualifier)
      const others = Object.entries(alias.weights)
      return others.length === 0
        ? version(name, alias.version)
        : Effect.flatMap(Random.next, (chance) => version(name, shareOf(alias, chance)))
    })

  const version = (name: string, wanted: Qualifier = latest) => {
    const versions = store.versions(name)
    if (versions === undefined) return Effect.map(beneath.get(name, wanted), ofBeneath)
    const record = versions.get(wanted)
    if (record === undefined) return Effect.fail(new FunctionNotFound({ functionName: name, qualifier: wanted }))
    const known = fresh.get(name)?.get(wanted)
    return known?.record === record ? Effect.succeed(known.config) : configOf(name, record)
  }

  const peek = (name: string, qualifier: Qualifier = latest): FunctionConfig | undefined => {
    const versions = store.versions(name)
    if (versions === undefined) {
      const found = store.aliases(name).has(qualifier) ? undefined : beneath.peek?.(name, qualifier)
      return found === undefined ? undefined : ofBeneath(found)
    }
    const known = fresh.get(name)?.get(qualifier)
    return known !== undefined && known.record === versions.get(qualifier) ? known.config : undefined
  }

  const list = Effect.gen(function* () {
    const own = yield* Effect.forEach(store.names(), (name) =>
      Effect.forEach([...(store.versions(name)?.values() ?? [])], (record) => configOf(name, record))
    )
    const others = (yield* beneath.list).filter(({ name }) => store.versions(name) === undefined)
    return [...own.flat(), ...others.map(ofBeneath)]
  })

  return FunctionRegistry.of({ get, peek, list, problems: beneath.problems })
})

const packageOf = ({ code }: VersionRecord): ReadonlyArray<string> => ("imageUri" in code ? [] : [code.sha256])

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(FunctionConfig)))

/** The version that gets this one; `chance` is between 0 and 1. */
const shareOf = ({ version, weights }: AliasRecord, chance: number): string => {
  let left = chance
  for (const [other, weight] of Object.entries(weights)) {
    left -= weight
    if (left < 0) return other
  }
  return version
}

const functionConfig = (
  name: string,
  { code, settings, version }: VersionRecord,
  folderOf: (sha256: string) => string,
  layersPath: string | undefined,
  { defaults, maxTimeout }: StoredOptions
): FunctionConfig => {
  const { ImageConfig: image, LoggingConfig: logging } = settings
  return new FunctionConfig({
    name: FunctionName.make(name),
    version,
    code:
      "imageUri" in code
        ? new CodeImage({ uri: code.imageUri })
        : new CodeFolder({ path: folderOf(code.sha256), revision: code.sha256.slice(0, 16) }),
    description: settings.Description,
    ...(settings.Runtime === undefined ? {} : { runtime: settings.Runtime }),
    ...(settings.Handler === undefined ? {} : { handler: settings.Handler }),
    ...(layersPath === undefined ? {} : { layersPath }),
    ...(image === undefined
      ? {}
      : {
          imageConfig: {
            ...(image.EntryPoint === undefined ? {} : { entryPoint: image.EntryPoint }),
            ...(image.Command === undefined ? {} : { command: image.Command }),
            ...(image.WorkingDirectory === undefined ? {} : { workingDirectory: image.WorkingDirectory })
          }
        }),
    ephemeralStorageMegabytes: settings.EphemeralStorage,
    loggingFormat: logging.LogFormat,
    ...(logging.ApplicationLogLevel === undefined ? {} : { applicationLogLevel: logging.ApplicationLogLevel }),
    ...(logging.SystemLogLevel === undefined ? {} : { systemLogLevel: logging.SystemLogLevel }),
    environment: settings.Environment ?? {},
    timeout: Duration.min(Duration.seconds(settings.Timeout), maxTimeout),
    memoryMegabytes: settings.MemorySize,
    transport: "runtime-api",
    maxCapacity: defaults.maxCapacity,
    // Of a published version only what is provisioned is kept warm.
    minCapacity: version === latest ? Math.min(defaults.minCapacity, defaults.maxCapacity) : 0,
    acquireTimeout: defaults.acquireTimeout,
    maxQueued: defaults.maxQueued,
    idleTimeout: defaults.idleTimeout,
    ...(settings.DeadLetterTargetArn === undefined ? {} : { deadLetterTarget: settings.DeadLetterTargetArn })
  })
}
