/**
 * Extensions that are started beside the runtime: the executable files in `/opt/extensions`. A shell starts them and
 * then becomes the runtime; what they print, and how each ends, it marks in the worker's output with the file's name.
 */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Owner } from "../domain/FunctionName.ts"
import type { ExtensionSetup } from "../runtime-api/ExtensionHost.ts"
import { isExecutable } from "./findProgram.ts"

/** The names of the extensions in the layers of a function, in the order in which they are started. */
export const extensionsIn = (layersPath: string | undefined): ReadonlyArray<string> => {
  if (layersPath === undefined) return []
  const folder = join(layersPath, "extensions")
  return namesIn(folder).filter((name) => isExecutable(join(folder, name)))
}

/** None where there is no such folder. */
const namesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith("."))
      .toSorted()
  } catch {
    return []
  }
}

/** Of a line that is not the runtime's and the function's: the control character that separates records. */
const mark = "\x1e"

/**
 * A shell's script that starts the extensions in the folder `$1` and leaves its other arguments, the runtime's command
 * line, in `$@`. The names of its variables are none that a function may have.
 */
export const startExtensions = `
_folder=$1
shift
for _extension in "$_folder"/*; do
  [ -f "$_extension" ] && [ -x "$_extension" ] || continue
  _name=\${_extension##*/}
  {
    { "$_extension" </dev/null 2>&1; printf '\\n\\036%s\\n' "$?"; } |
      while IFS= read -r _line || [ -n "$_line" ]; do printf '\\036%s\\t%s\\n' "$_name" "$_line"; done
  } &
done
`

export type ExtensionLine = {
  /** The file's name. */
  readonly name: string
} & ({ readonly text: string } | { readonly exitCode: number })

/** What a line of a worker's output says of an extension; undefined for a line of the runtime's and the function's. */
export const extensionLine = (line: string): ExtensionLine | undefined => {
  const tab = line.indexOf("\t")
  if (!line.startsWith(mark) || tab < 2) return undefined
  const [name, text] = [line.slice(1, tab), line.slice(tab + 1)]
  return text.startsWith(mark) ? { name, exitCode: Number(text.slice(1)) } : { name, text }
}

export const extensionSetup = (
  config: FunctionConfig,
  owner: Owner,
  external: ReadonlyArray<string>
): ExtensionSetup => ({
  functionName: config.name,
  functionVersion: config.version,
  handler: config.handler ?? config.imageConfig?.command?.[0] ?? "",
  accountId: owner.accountId,
  initializationType: config.initializationType ?? "on-demand",
  memoryMegabytes: config.memoryMegabytes,
  ...(config.runtime === undefined ? {} : { runtime: config.runtime }),
  external,
  jsonLines: config.loggingFormat === "JSON"
})
