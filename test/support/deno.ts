/** The Deno that comes with the development packages: the program itself, so that signals reach it. */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { root } from "./irori.ts"

/** Where its installation script did not run, the program is in the package of the machine's kind only. */
const candidates = (): ReadonlyArray<string> => {
  const packages = join(root, "node_modules/@deno")
  const kinds = existsSync(packages) ? readdirSync(packages) : []
  return [join(root, "node_modules/deno/deno"), ...kinds.map((kind) => join(packages, kind, "deno"))]
}

/** Runs a script with the packages that are installed, and fetches nothing. Undefined where there is no Deno. */
export const denoCommand: ReadonlyArray<string> | undefined = (() => {
  const program = candidates().find((path) => existsSync(path))
  return program === undefined
    ? undefined
    : [program, "run", "--allow-all", "--cached-only", "--node-modules-dir=manual", "--quiet"]
})()
