/**
 * Functions from a folder: each folder in it is one, and `functions.yml` beside them says what differs. What the file
 * may say is `functionsFile.ts`'s to know, what kind of function a folder holds is `codeFolder.ts`'s.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { Duration, Effect, Layer, Schema } from "effect"
import { CodeFolder, CodeImage, type DeclaredUrl, FunctionConfig } from "../domain/FunctionConfig.ts"
import { FunctionName } from "../domain/FunctionName.ts"
import { reservedVariables } from "../provision/workerEnvironment.ts"
import { addFileSource } from "../reload/FileSources.ts"
import { type CodeShape, codeShape, isFolder } from "./codeFolder.ts"
import { codeRevision } from "./codeRevision.ts"
import type { FunctionDefaults } from "./FunctionDefaults.ts"
import { FunctionNotFound, FunctionRegistry, FunctionUnusable, type RegistryProblem } from "./FunctionRegistry.ts"
import { type Defaults, type Entry, readFunctionsFile } from "./functionsFile.ts"
import { watchFolder } from "./watchFolder.ts"

export interface FolderOptions {
  readonly folder: string
  /** For functions that say nothing of their own. */
  readonly defaults: FunctionDefaults
  /** No function's timeout is longer, whatever the file says. Default: Lambda's, 15 minutes. */
  readonly maxTimeout?: Duration.Duration
  /** Whether changes of the files are taken over while this runs. */
  readonly watch?: boolean
  /** What `${NAME}` in `functions.yml` is replaced with. */
  readonly environment: Readonly<Record<string, string>>
}

/** What a folder says at one moment. */
export interface LoadedFunctions {
  readonly usable: ReadonlyMap<string, FunctionConfig>
  /** One line each: why it cannot run. */
  readonly unusable: ReadonlyMap<string, string>
  /** Set when `functions.yml` cannot be read: then nobody knows what any function should be. */
  readonly broken?: string
  /** What keeps functions from running. */
  readonly problems: ReadonlyArray<RegistryProblem>
  /** What is odd, and keeps none from running. */
  readonly warnings: ReadonlyArray<RegistryProblem>
}

const fileName = "functions.yml"

export const layer = (options: FolderOptions) =>
  Layer.effect(
    FunctionRegistry,
    Effect.gen(function* () {
      let loaded = yield* Effect.sync(() => load(options))
      for (const problem of [...loaded.problems, ...loaded.warnings]) yield* report(problem)

      const reload = Effect.gen(function* () {
        const before = loaded
        loaded = merge(before, load(options))
        for (const problem of newIn(loaded, before)) yield* report(problem)
        const changed = changedIn(loaded, before)
        if (changed.length > 0) yield* Effect.logInfo(`Functions changed: ${changed.join(", ")}`)
      })
      if (options.watch === true) yield* watchFolder(options.folder, reload)
      yield* addFileSource({ path: options.folder, reload })

      return FunctionRegistry.of({
        peek: (functionName, qualifier = "$LATEST") => {
          const found = loaded.usable.get(functionName)
          return found?.version === qualifier ? found : undefined
        },
        get: (functionName, qualifier = "$LATEST") =>
          Effect.suspend((): Effect.Effect<FunctionConfig, FunctionNotFound | FunctionUnusable> => {
            const found = loaded.usable.get(functionName)
            if (found !== undefined && found.version === qualifier) return Effect.succeed(found)
            const detail = loaded.unusable.get(functionName) ?? (found === undefined ? loaded.broken : undefined)
            if (detail !== undefined) return Effect.fail(new FunctionUnusable({ functionName, detail }))
            return Effect.fail(new FunctionNotFound({ functionName, qualifier }))
          }),
        list: Effect.sync(() => [...loaded.usable.values()]),
        problems: Effect.sync(() => loaded.problems)
      })
    })
  )

/** What is served after a change: of a file that broke, what was served before; of functions that did not change, the same. */
const merge = (before: LoadedFunctions, after: LoadedFunctions): LoadedFunctions => {
  if (after.broken !== undefined && before.broken === undefined) return { ...before, problems: after.problems }
  const usable = new Map<string, FunctionConfig>()
  for (const [name, config] of after.usable) {
    const known = before.usable.get(name)
    usable.set(name, known !== undefined && encode(known) === encode(config) ? known : config)
  }
  return { ...after, usable }
}

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(FunctionConfig)))

const newIn = (after: LoadedFunctions, before: LoadedFunctions): ReadonlyArray<RegistryProblem> => {
  const known = new Set([...before.problems, ...before.warnings].map(({ detail }) => detail))
  return [...after.problems, ...after.warnings].filter(({ detail }) => !known.has(detail))
}

const changedIn = (after: LoadedFunctions, before: LoadedFunctions): ReadonlyArray<string> =>
  [...new Set([...after.usable.keys(), ...before.usable.keys()])].filter(
    (name) => after.usable.get(name) !== before.usable.get(name)
  )

const report = ({ detail, functionName }: RegistryProblem) =>
  Effect.logWarning(detail).pipe(Effect.annotateLogs(functionName === undefined ? {} : { function_name: functionName }))

/** Reads the folder and the file beside it. Never throws: what is wrong is in the result. */
export const load = (options: FolderOptions): LoadedFunctions => {
  const folder = resolve(options.folder)
  const folders = subFolders(folder)
  if (typeof folders === "string") return nothing({ detail: folders })
  const text = readText(join(folder, fileName))
  // LOG_LEVEL has a value even where nobody set it.
  const variables = { LOG_LEVEL: "INFO", ...options.environment }
  const file = text.error ?? readFunctionsFile(text.content, join(options.folder, fileName), variables)
  if (typeof file === "string") {
    const unusable = new Map(folders.map((name) => [name, file]))
    return { usable: new Map(), unusable, broken: file, problems: [{ detail: file }], warnings: [] }
  }

  const usable = new Map<string, FunctionConfig>()
  const unusable = new Map<string, string>()
  const problems: Array<RegistryProblem> = []
  const present = new Set(folders)
  for (const name of [...new Set([...folders, ...file.entries.keys()])].sort()) {
    const entry = file.entries.get(name) ?? {}
    const made =
      typeof entry === "string" ? entry : configOf(name, entry, file.defaults, present.has(name), folder, options)
    if (typeof made !== "string") usable.set(name, made)
    else {
      unusable.set(name, made)
      problems.push({ functionName: name, detail: made })
    }
  }
  return { usable, unusable, problems, warnings: [...reservedDefaults(file.defaults), ...file.warnings] }
}

const nothing = (problem: RegistryProblem): LoadedFunctions => ({
  usable: new Map(),
  unusable: new Map(),
  problems: [problem],
  warnings: []
})

/** The names of the folders that may be functions: hidden ones and installed packages are not. */
const subFolders = (folder: string): ReadonlyArray<string> | string => {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
      .map((entry) => entry.name)
      .filter((name) => !name.startsWith(".") && name !== "node_modules" && name !== fileName)
  } catch (cause) {
    return `The functions' folder ${folder} cannot be read: ${reasonOf(cause)}`
  }
}

const readText = (path: string): { readonly content: string; readonly error?: string } => {
  try {
    return { content: readFileSync(path, "utf8") }
  } catch (cause) {
    const absent = cause instanceof Error && "code" in cause && cause.code === "ENOENT"
    return { content: "", ...(absent ? {} : { error: `${path} cannot be read: ${reasonOf(cause)}` }) }
  }
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/**
 * A reserved variable in the defaults is left out with a warning. Refusing it would stop every function of those who
 * come with a generated file, which has `AWS_DEFAULT_REGION` there.
 */
const reservedDefaults = (defaults: Defaults): ReadonlyArray<RegistryProblem> =>
  Object.keys(defaults.environment ?? {})
    .filter((name) => reservedVariables.has(name))
    .map((name) => ({ detail: `${fileName}: defaults.environment.${name}: reserved, Lambda sets it; left out` }))

const textValues = (environment: Defaults["environment"]): Record<string, string> =>
  Object.fromEntries(Object.entries(environment ?? {}).map(([name, value]) => [name, String(value)]))

/** The settings of one function, or one line that says why it cannot run. */
const configOf = (
  name: string,
  entry: Entry,
  defaults: Defaults,
  hasFolder: boolean,
  folder: string,
  options: FolderOptions
): FunctionConfig | string => {
  if (!Schema.is(FunctionName)(name)) return `The folder '${name}' is no function name: 1 to 64 letters, digits, - or _`
  const path = entry.code !== undefined ? resolve(folder, entry.code) : hasFolder ? join(folder, name) : undefined
  const ofImage = entry.image !== undefined || path === undefined
  const shape: CodeShape | string | undefined = ofImage ? undefined : shapeOf(path, entry)
  if (typeof shape === "string") return `Function '${name}': ${shape}`
  if (!ofImage && entry.transport === "rie") return `Function '${name}': transport rie is for images`
  if (ofImage && entry.image === undefined && (entry.runtime ?? entry.handler) !== undefined) {
    return `Function '${name}': there is no folder ${join(folder, name)}; create it, or say 'code' or 'image'`
  }
  const scaling = { ...defaults.scaling, ...entry.scaling }
  const maxCapacity = scaling.max_capacity ?? options.defaults.maxCapacity
  const minCapacity = scaling.min_capacity ?? Math.min(options.defaults.minCapacity, maxCapacity)
  if (minCapacity > maxCapacity) {
    return `Function '${name}': min_capacity ${minCapacity} is above max_capacity ${maxCapacity}`
  }
  const common = Object.entries(textValues(defaults.environment)).filter(([key]) => !reservedVariables.has(key))
  return new FunctionConfig({
    name,
    version: "$LATEST",
    code: ofImage
      ? new CodeImage({ uri: entry.image ?? `${name}:latest` })
      : new CodeFolder({ path, revision: codeRevision(path) }),
    ...(entry.description === undefined ? {} : { description: entry.description }),
    ...(shape ?? {}),
    ...urlOf(entry),
    ...eventsOf(entry),
    environment: { ...Object.fromEntries(common), ...textValues(entry.environment) },
    timeout: Duration.min(Duration.seconds(entry.timeout ?? 3), options.maxTimeout ?? Duration.minutes(15)),
    memoryMegabytes: entry.memory_size ?? 128,
    transport: entry.transport ?? "runtime-api",
    maxCapacity,
    minCapacity,
    acquireTimeout: seconds(scaling.acquire_timeout) ?? options.defaults.acquireTimeout,
    maxQueued: options.defaults.maxQueued,
    idleTimeout: seconds(scaling.idle_timeout) ?? options.defaults.idleTimeout
  })
}

const urlOf = ({ cors, invoke_mode, url }: Entry): { readonly url?: DeclaredUrl } => {
  if (url === undefined) return {}
  const given = {
    AllowCredentials: cors?.allow_credentials,
    AllowHeaders: cors?.allow_headers,
    AllowMethods: cors?.allow_methods,
    AllowOrigins: cors?.allow_origins,
    ExposeHeaders: cors?.expose_headers,
    MaxAge: cors?.max_age
  }
  const policy = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return {
    url: { authType: url, invokeMode: invoke_mode ?? "BUFFERED", ...(cors === undefined ? {} : { cors: policy }) }
  }
}

const eventsOf = ({ async }: Entry): Pick<FunctionConfig, "eventInvoke" | "deadLetterTarget"> => {
  if (async === undefined) return {}
  return {
    eventInvoke: {
      ...(async.retries === undefined ? {} : { maxRetries: async.retries }),
      ...(async.max_age === undefined ? {} : { maxAgeSeconds: async.max_age }),
      ...(async.on_success === undefined ? {} : { onSuccess: async.on_success }),
      ...(async.on_failure === undefined ? {} : { onFailure: async.on_failure })
    },
    ...(async.dead_letter === undefined ? {} : { deadLetterTarget: async.dead_letter })
  }
}

const seconds = (value: number | undefined) => (value === undefined ? undefined : Duration.seconds(value))

/** What the entry says, and what the files say where it is silent. */
const shapeOf = (path: string, entry: Entry): CodeShape | string => {
  if (!isFolder(path)) return `there is no folder ${path}`
  const found = codeShape(path)
  if (entry.runtime === undefined) {
    return typeof found === "string"
      ? found
      : { ...found, ...(entry.handler === undefined ? {} : { handler: entry.handler }) }
  }
  const { handler, runtime } = entry
  if (handler !== undefined || runtime.startsWith("provided"))
    return { runtime, ...(handler === undefined ? {} : { handler }) }
  // A handler found in files of another language is of no use to this runtime.
  const family = (id: string) => id.replace(/[\d.]*x?$/, "")
  if (typeof found === "string") return found
  if (found.handler === undefined || family(found.runtime) !== family(runtime)) {
    return `runtime ${runtime} needs a handler, such as 'handler: index.handler'`
  }
  return { runtime, handler: found.handler }
}
