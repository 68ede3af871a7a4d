/** What kind of function the files of a folder make, as its author would expect from their names. */
import { accessSync, constants, statSync } from "node:fs"
import { join } from "node:path"

export interface CodeShape {
  readonly runtime: string
  /** Absent for a program that is its own runtime. */
  readonly handler?: string
}

const nodeFile = /^(index|handler)\.(mjs|js|cjs)$/
const nodeFiles = ["index.mjs", "index.js", "index.cjs", "handler.mjs", "handler.js", "handler.cjs"]

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true

export const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The shape of the function in `folder`, or one line that says why there is none. */
export const codeShape = (folder: string): CodeShape | string => {
  const bootstrap = join(folder, "bootstrap")
  // An executable of this name is a runtime, whatever lies beside it.
  if (isFile(bootstrap) && isExecutable(bootstrap)) return { runtime: "provided.al2023" }
  const node = nodeFiles.find((name) => isFile(join(folder, name)))
  const stem = node === undefined ? undefined : nodeFile.exec(node)?.[1]
  if (stem !== undefined) return { runtime: "nodejs22.x", handler: `${stem}.handler` }
  if (isFile(join(folder, "lambda_function.py"))) {
    return { runtime: "python3.13", handler: "lambda_function.lambda_handler" }
  }
  if (isFile(bootstrap)) return `${bootstrap} is not executable: chmod +x it`
  return `${folder} has no index.mjs (or .js, .cjs), handler.mjs (or .js, .cjs), lambda_function.py or bootstrap`
}
