/**
 * The template that functions, routes and schedules come from: read again whenever it or what it names changes, and
 * taken over by all of them at one moment. A template that breaks keeps what it said last, and is a problem until it is
 * mended.
 */
import { readFileSync, statSync } from "node:fs"
import { basename, dirname, resolve } from "node:path"
import { Context, Effect, Exit, Layer, Queue, Scope, Semaphore } from "effect"
import type { Owner } from "../domain/FunctionName.ts"
import type { RegistryProblem } from "../registry/FunctionRegistry.ts"
import { watchFile, watchFolder } from "../registry/watchFolder.ts"
import { addFileSource } from "../reload/FileSources.ts"
import { readTemplate } from "./readTemplate.ts"
import { emptyTemplate, type Template } from "./Template.ts"

export interface TemplateFileOptions {
  readonly path: string
  readonly owner: Owner
  /** In place of the defaults of the template's parameters. */
  readonly parameters: Readonly<Record<string, string>>
  /** `AWS::StackName`; by default the name of the template's folder. */
  readonly stackName?: string
  /** Whether changes are taken over while this runs. */
  readonly watch?: boolean
}

/** Takes over a template: whoever makes something of it does so before anybody goes by it. */
export type Prepare = (template: Template) => Effect.Effect<() => void>

export class TemplateFile extends Context.Service<
  TemplateFile,
  {
    /** The one that is gone by; of a file that broke, the last that could be read. */
    readonly current: () => Template
    /** Why the file as it is now is not gone by. */
    readonly broken: () => string | undefined
    readonly problems: () => ReadonlyArray<RegistryProblem>
    /**
     * Prepares for the template there is, and from here on for each that comes, before it is gone by; what `prepare`
     * answers with is run at the moment it is. Also called where only files have changed that the template names.
     */
    readonly subscribe: (prepare: Prepare) => Effect.Effect<void>
    /** Calls `changed` after each change. */
    readonly onChange: (changed: () => void) => void
  }
>()("irori/template/TemplateFile") {
  static readonly layer = (options: TemplateFileOptions) => Layer.effect(TemplateFile, make(options))
  /** Where there is no template. */
  static readonly layerNone = Layer.succeed(TemplateFile, {
    current: () => emptyTemplate,
    broken: () => undefined,
    problems: () => [],
    subscribe: (prepare) => Effect.map(prepare(emptyTemplate), (takeOver) => takeOver()),
    onChange: () => {}
  })
}

/** How often it is looked whether what is watched is still what is there. */
const lookInterval = "2 seconds"

interface Loaded {
  readonly template: Template
  readonly broken?: string
}

const make = Effect.fnUntraced(function* (options: TemplateFileOptions) {
  const preparations: Array<Prepare> = []
  const listeners: Array<() => void> = []
  // A change that comes while another is taken over waits for it.
  const oneAtATime = Semaphore.makeUnsafe(1)
  const watched = new Map<string, { readonly identity: string; readonly ofPath: Scope.Closeable }>()
  const scope = yield* Effect.scope
  let loaded = load(options, emptyTemplate)
  for (const line of said(loaded)) yield* Effect.logWarning(line)

  const reload = Effect.gen(function* () {
    const before = loaded
    const after = load(options, before.template)
    const takeOvers = yield* Effect.forEach(preparations, (prepare) => prepare(after.template))
    loaded = after
    for (const takeOver of takeOvers) takeOver()
    const known = new Set(said(before))
    for (const line of said(after)) if (!known.has(line)) yield* Effect.logWarning(line)
    if (before.broken !== undefined && after.broken === undefined)
      yield* Effect.logInfo(`${options.path} is read again`)
    for (const listener of listeners) listener()
    if (options.watch === true) yield* watchAll
  }).pipe(
    Effect.catchCause((cause) => Effect.logError(`${options.path} could not be taken over`, cause)),
    oneAtATime.withPermit
  )

  const changes = yield* Queue.sliding<void>(1)
  // Not within the watching that has noticed it, which may end by it.
  const changed = Effect.sync(() => void Queue.offerUnsafe(changes, undefined))

  /** What the template names now is watched, and it itself; what is not there, or is another one by now, is not. */
  const watchAll: Effect.Effect<void> = Effect.suspend(() => {
    const wanted = new Map([resolve(options.path), ...namedBy(loaded.template)].map((path) => [path, identityOf(path)]))
    return Effect.gen(function* () {
      for (const [path, { identity, ofPath }] of watched) {
        if (wanted.get(path) === identity) continue
        watched.delete(path)
        yield* Scope.close(ofPath, Exit.void)
      }
      for (const [path, identity] of wanted) {
        if (watched.has(path) || identity === undefined) continue
        const ofPath = yield* Scope.fork(scope)
        watched.set(path, { identity, ofPath })
        yield* Scope.provide(isFolder(path) ? watchFolder(path, changed) : watchFile(path, changed), ofPath)
      }
    })
  })

  /** A build removes folders and makes them anew, and who watches the old ones hears nothing of it. */
  const look = Effect.suspend(() => {
    const paths = [resolve(options.path), ...namedBy(loaded.template)]
    return paths.every((path) => identityOf(path) === watched.get(path)?.identity) ? Effect.void : changed
  })

  if (options.watch === true) {
    yield* watchAll
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Queue.take(changes), reload)))
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(lookInterval), look)))
  }

  yield* addFileSource({ path: options.path, reload })

  return TemplateFile.of({
    current: () => loaded.template,
    broken: () => loaded.broken,
    problems: () => (loaded.broken === undefined ? loaded.template.problems : [{ detail: loaded.broken }]),
    subscribe: (prepare) =>
      Effect.gen(function* () {
        const takeOver = yield* prepare(loaded.template)
        takeOver()
        preparations.push(prepare)
      }).pipe(oneAtATime.withPermit),
    onChange: (listener) => void listeners.push(listener)
  })
})

/** The folder that is watched for `path`: another one with another number. */
const identityOf = (path: string): string | undefined => {
  const found = statSync(isFolder(path) ? path : dirname(path), { throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev} ${found.ino}`
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** One line each, of what is wrong or odd. */
const said = ({ broken, template }: Loaded): ReadonlyArray<string> =>
  broken === undefined ? [...template.problems, ...template.warnings].map(({ detail }) => detail) : [broken]

/** Absolute: files and folders that the template is about. A folder within another one is watched with it. */
const namedBy = ({ files, functions, layers }: Template): ReadonlyArray<string> => {
  const code = [...functions.values()].flatMap(({ code }) => (code._tag === "Local" ? [code.path] : []))
  const all = [...new Set([...code, ...[...layers.values()].map(({ path }) => path), ...files])]
  return all.filter((path) => !all.some((other) => path.startsWith(`${other}/`)))
}

const load = ({ owner, parameters, path, stackName }: TemplateFileOptions, before: Template): Loaded => {
  const text = readText(path)
  if (typeof text !== "string") return { template: before, broken: `${path} cannot be read: ${text.reason}` }
  const folder = dirname(resolve(path))
  const read = readTemplate(text, {
    owner,
    stackName: stackName ?? basename(folder),
    parameters,
    fileName: path,
    folder,
    readFile: (file) => {
      const found = readText(file)
      return typeof found === "string" ? found : undefined
    }
  })
  return typeof read === "string" ? { template: before, broken: read } : { template: sameParts(read, before) }
}

/** APIs and schedules are the same arrays for as long as they say the same. */
const sameParts = (read: Template, before: Template): Template => ({
  ...read,
  apis: same(read.apis, before.apis) ? before.apis : read.apis,
  schedules: same(read.schedules, before.schedules) ? before.schedules : read.schedules
})

const same = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right)

const readText = (path: string): string | { readonly reason: string } => {
  try {
    return readFileSync(path, "utf8")
  } catch (cause) {
    return { reason: cause instanceof Error ? cause.message : String(cause) }
  }
}
