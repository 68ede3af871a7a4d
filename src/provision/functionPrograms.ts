/** Decides which program of this machine runs a function, or says in one line why none can. */
import { statSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Runtime } from "../runtimes/Runtime.ts"
import { runtimes } from "../runtimes/runtimes.ts"
import { findProgram, isExecutable } from "./findProgram.ts"
import { failed, refused, unavailable } from "./startFailures.ts"

export interface FunctionProgram {
  readonly runtime: Runtime
  /** The function's code. */
  readonly taskRoot: string
  /** All its layers in one folder. */
  readonly layersPath?: string
  /** Absolute path of the program. */
  readonly file: string
}

/** What is started: the program, or the wrapper that the function has it started by. */
export const commandOf = (
  { file, layersPath, runtime, taskRoot }: FunctionProgram,
  config: FunctionConfig
): { readonly program: string; readonly args: ReadonlyArray<string> } => {
  const args = runtime.process.args(file, config)
  const wrapper = config.environment.AWS_LAMBDA_EXEC_WRAPPER ?? ""
  // A bootstrap of its own starts wrappers itself, if it knows any.
  if (wrapper === "" || runtime.process.programs.length === 0) return { program: file, args }
  return { program: inWorker(wrapper, { "/opt/": layersPath, "/var/task/": taskRoot }), args: [file, ...args] }
}

/** A path of Lambda's, where this machine has it. */
const inWorker = (path: string, folders: Readonly<Record<string, string | undefined>>): string => {
  for (const [prefix, folder] of Object.entries(folders)) {
    if (folder !== undefined && path.startsWith(prefix)) return join(folder, path.slice(prefix.length))
  }
  return path
}

/** `chosen` are the programs that settings name, by runtime. What was found is looked up again once it is gone. */
export const functionPrograms = (path: string, chosen: Readonly<Record<string, string>>) => {
  const found = new Map<string, string>()

  const interpreterOf = Effect.fnUntraced(function* ({ id, process }: Runtime) {
    const known = found.get(id)
    if (known !== undefined && isExecutable(known)) return known
    const choice = chosen[id]
    const file = yield* findProgram(choice === undefined ? process.programs : [choice], process.locate, path)
    if (file === undefined) {
      return yield* unavailable(
        choice === undefined ? process.missing : `'${choice}', which is to run ${id}, was not found or does not run.`
      )
    }
    found.set(id, file)
    return file
  })

  return Effect.fnUntraced(function* (config: FunctionConfig) {
    const { runtime, taskRoot } = yield* whatToRun(config)
    const { layersPath } = config
    const program = { runtime, taskRoot, ...(layersPath === undefined ? {} : { layersPath }) }
    if (runtime.process.programs.length > 0) return { ...program, file: yield* interpreterOf(runtime) }
    const folders = layersPath === undefined ? [taskRoot] : [taskRoot, layersPath]
    const files = folders.map((folder) => join(folder, "bootstrap"))
    const file = files.find(isExecutable)
    return file === undefined ? yield* noBootstrap(files) : { ...program, file }
  })
}

/** The runtime and the code's folder, where a machine room of processes can run the function at all. */
const whatToRun = Effect.fnUntraced(function* (config: FunctionConfig) {
  if (config.code._tag === "CodeImage") {
    return yield* unavailable(`'${config.name}' is a container image: only Docker can run it.`)
  }
  const runtime = runtimes.get(config.runtime ?? "")
  if (runtime === undefined) {
    return yield* unavailable(
      `'${config.name}' needs the runtime '${config.runtime ?? ""}'; there are ${[...runtimes.keys()].join(", ")}.`
    )
  }
  const taskRoot = config.code.path
  if (!isFolder(taskRoot)) return yield* refused(`The code of '${config.name}' is not there: no folder ${taskRoot}.`)
  const { layersPath } = config
  if (layersPath !== undefined && !isFolder(layersPath)) {
    return yield* refused(`The layers of '${config.name}' are not there: no folder ${layersPath}.`)
  }
  return { runtime, taskRoot }
})

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** To Lambda a function without its `bootstrap` is a function that fails to initialise. */
const noBootstrap = (files: ReadonlyArray<string>) => {
  const errorType = "Runtime.InvalidEntrypoint"
  const errorMessage = `Couldn't find valid bootstrap(s): [${files.join(" ")}]`
  return failed({
    reason: "InitError",
    errorType,
    document: JSON.stringify({ errorType, errorMessage }),
    detail: `${errorMessage}: it has to be there, and to be executable.`
  })
}
