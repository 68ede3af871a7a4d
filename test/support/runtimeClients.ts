/** Packages of the functions on AWS's own runtime clients that `runtimeClients/build.sh` has built on this machine. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type ZipContent, zip } from "./zip.ts"

export type RuntimeClient = "go" | "python" | "rust"

const madeOf = (client: RuntimeClient): string => join(tmpdir(), "irori-test-cache", `runtime-client-${client}`, "made")

/** Why the function is not here; undefined where it is. */
export const notBuilt = (client: RuntimeClient): string | undefined =>
  existsSync(join(madeOf(client), "bootstrap"))
    ? undefined
    : `AWS's runtime client for ${client} is not built here: \`test/support/runtimeClients/build.sh\``

export const packageOf = (client: RuntimeClient): Promise<Buffer> => {
  const made = madeOf(client)
  const files: Record<string, ZipContent> = {}
  for (const path of readdirSync(made, { recursive: true, encoding: "utf8" })) {
    const { mode } = statSync(join(made, path))
    if (statSync(join(made, path)).isFile()) files[path] = { text: readFileSync(join(made, path)), mode }
  }
  return zip(files)
}
