/**
 * Functions of a template, over those of another registry: where both have one of a name, the template's counts. An
 * alias or a version that the template makes of a function is the function as it is.
 */
import { Duration, Effect, Layer, Schema } from "effect"
import { ConcurrencyLimits, minUnreserved } from "../control/ConcurrencyLimits.ts"
import { CodeFolder, FunctionConfig } from "../domain/FunctionConfig.ts"
import { FunctionName } from "../domain/FunctionName.ts"
import type { Template, TemplateFunction } from "../template/Template.ts"
import { TemplateFile } from "../template/TemplateFile.ts"
import { type PlacedCode, templateCode } from "../template/templateCode.ts"
import type { FunctionDefaults } from "./FunctionDefaults.ts"
import { FunctionNotFound, FunctionRegistry, FunctionUnusable, type RegistryProblem } from "./FunctionRegistry.ts"

export interface TemplateRegistryOptions {
  /** Absolute: for code that is made out of the template. It is made, and what is in it is removed. */
  readonly folder: string
  /** For functions that say nothing of their own. */
  readonly defaults: FunctionDefaults
  /** No function's timeout is longer, whatever the template says. Default: Lambda's, 15 minutes. */
  readonly maxTimeout?: Duration.Duration
}

/** The registry beneath is the one that this layer is given. */
export const layer = (options: TemplateRegistryOptions) => Layer.effect(FunctionRegistry, make(options))

interface Entry {
  readonly config: FunctionConfig
  readonly qualifiers: ReadonlySet<string>
}

/** What a template comes to at one moment. */
interface Placed {
  readonly entries: ReadonlyMap<string, Entry>
  /** One line each: why it cannot run. */
  readonly unusable: ReadonlyMap<string, string>
  /** Of code and layers. What is wrong with the template itself it knows. */
  readonly problems: ReadonlyArray<RegistryProblem>
  readonly warnings: ReadonlyArray<RegistryProblem>
}

const nothing: Placed = { entries: new Map(), unusable: new Map(), problems: [], warnings: [] }

const make = Effect.fnUntraced(function* (options: TemplateRegistryOptions) {
  const beneath = yield* FunctionRegistry
  const file = yield* TemplateFile
  const limits = yield* ConcurrencyLimits
  const place = yield* templateCode(options.folder)
  let placed = nothing

  const read = Effect.fnUntraced(function* (template: Template) {
    const entries = new Map<string, Entry>()
    const unusable = new Map([...template.unusable].map(([name, { detail }]) => [name, detail]))
    const problems: Array<RegistryProblem> = []
    const warnings: Array<RegistryProblem> = []
    for (const found of template.functions.values()) {
      const code = yield* Effect.result(place(template, found))
      if (code._tag === "Failure") {
        const detail = `${found.place}: ${found.logicalId}: ${code.failure.detail}`
        unusable.set(found.name, detail)
        problems.push({ functionName: found.name, detail })
        continue
      }
      for (const warning of code.success.warnings) {
        warnings.push({ functionName: found.name, detail: `${found.place}: ${found.logicalId}: ${warning}` })
      }
      const config = configOf(found, code.success, options)
      const known = placed.entries.get(found.name)?.config
      const kept = known !== undefined && encode(known) === encode(config) ? known : config
      entries.set(found.name, { config: kept, qualifiers: new Set(["$LATEST", ...found.qualifiers]) })
    }
    return { entries, unusable, problems, warnings } satisfies Placed
  })

  const report = (after: Placed, before: Placed) =>
    Effect.gen(function* () {
      const known = new Set([...before.problems, ...before.warnings].map(({ detail }) => detail))
      for (const { detail, functionName = "" } of [...after.problems, ...after.warnings]) {
        if (known.has(detail)) continue
        yield* Effect.logWarning(detail).pipe(Effect.annotateLogs({ function_name: functionName }))
      }
      const names = [...new Set([...after.entries.keys(), ...before.entries.keys()])]
      const changed = names.filter((name) => after.entries.get(name)?.config !== before.entries.get(name)?.config)
      if (before !== nothing && changed.length > 0) yield* Effect.logInfo(`Functions changed: ${changed.join(", ")}`)
    })

  yield* file.subscribe(
    Effect.fnUntraced(function* (template) {
      const after = yield* read(template)
      yield* report(after, placed)
      const reservations = new Map<string, number>()
      for (const { name, reservedConcurrency } of template.functions.values()) {
        if (reservedConcurrency !== undefined) reservations.set(name, reservedConcurrency)
      }
      return () => {
        placed = after
        const tooMany = limits.declare(reservations)
        placed = { ...after, problems: [...after.problems, ...tooMany.map(tooMuchReserved)] }
      }
    })
  )

  const get = (functionName: string, qualifier = "$LATEST") =>
    Effect.suspend((): Effect.Effect<FunctionConfig, FunctionNotFound | FunctionUnusable> => {
      const found = placed.entries.get(functionName)
      if (found?.qualifiers.has(qualifier) === true) return Effect.succeed(found.config)
      if (found !== undefined) return Effect.fail(new FunctionNotFound({ functionName, qualifier }))
      const detail = placed.unusable.get(functionName)
      if (detail !== undefined) return Effect.fail(new FunctionUnusable({ functionName, detail }))
      return beneath.get(functionName, qualifier).pipe(
        Effect.catchTag("FunctionNotFound", (notFound) => {
          const broken = file.broken()
          // Nobody knows what a template that was never read would have said.
          const isUnread = broken !== undefined && placed.entries.size === 0
          return Effect.fail(isUnread ? new FunctionUnusable({ functionName, detail: broken }) : notFound)
        })
      )
    })

  const peek = (name: string, qualifier = "$LATEST"): FunctionConfig | undefined => {
    const found = placed.entries.get(name)
    if (found !== undefined) return found.qualifiers.has(qualifier) ? found.config : undefined
    return placed.unusable.has(name) ? undefined : beneath.peek?.(name, qualifier)
  }

  return FunctionRegistry.of({
    get,
    peek,
    list: Effect.map(beneath.list, (others) => {
      const own = [...placed.entries.values()].map(({ config }) => config)
      const all = [...own, ...others.filter(({ name }) => !placed.entries.has(name) && !placed.unusable.has(name))]
      return all.sort((a, b) => (a.name < b.name ? -1 : 1))
    }),
    problems: Effect.map(beneath.problems, (others) => [...file.problems(), ...placed.problems, ...others])
  })
})

const tooMuchReserved = (functionName: string): RegistryProblem => ({
  functionName,
  detail: `What '${functionName}' reserves is not reserved: of IRORI_ACCOUNT_CONCURRENCY, ${minUnreserved} are to be left for all others`
})

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(FunctionConfig)))

const configOf = (
  found: TemplateFunction,
  { code, layersPath }: PlacedCode,
  { defaults, maxTimeout = Duration.minutes(15) }: TemplateRegistryOptions
): FunctionConfig => {
  const provisioned = found.provisionedConcurrency ?? 0
  // None at all is for whoever counts the callers to refuse: a pool has room for one.
  const maxCapacity = Math.max(1, found.reservedConcurrency ?? Math.max(defaults.maxCapacity, provisioned))
  return new FunctionConfig({
    name: FunctionName.make(found.name),
    version: "$LATEST",
    code,
    ...(found.description === undefined ? {} : { description: found.description }),
    ...(found.runtime === undefined ? {} : { runtime: found.runtime }),
    ...(found.handler === undefined ? {} : { handler: found.handler }),
    ...(layersPath === undefined || !(code instanceof CodeFolder) ? {} : { layersPath }),
    ...(found.imageConfig === undefined ? {} : { imageConfig: found.imageConfig }),
    ...(found.ephemeralStorageMegabytes === undefined
      ? {}
      : { ephemeralStorageMegabytes: found.ephemeralStorageMegabytes }),
    ...(found.loggingFormat === undefined ? {} : { loggingFormat: found.loggingFormat }),
    ...(found.applicationLogLevel === undefined ? {} : { applicationLogLevel: found.applicationLogLevel }),
    ...(found.systemLogLevel === undefined ? {} : { systemLogLevel: found.systemLogLevel }),
    ...(provisioned > 0 ? { initializationType: "provisioned-concurrency" as const } : {}),
    environment: found.environment,
    timeout: Duration.min(Duration.seconds(found.timeoutSeconds), maxTimeout),
    memoryMegabytes: found.memoryMegabytes,
    transport: "runtime-api",
    maxCapacity,
    minCapacity: Math.min(maxCapacity, Math.max(provisioned, defaults.minCapacity)),
    acquireTimeout: defaults.acquireTimeout,
    maxQueued: defaults.maxQueued,
    idleTimeout: defaults.idleTimeout,
    ...(found.deadLetterTarget === undefined ? {} : { deadLetterTarget: found.deadLetterTarget }),
    ...(found.eventInvoke === undefined ? {} : { eventInvoke: found.eventInvoke }),
    ...(found.url === undefined ? {} : { url: found.url })
  })
}
