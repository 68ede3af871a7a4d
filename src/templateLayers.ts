/** Which template functions, routes and schedules come from, and which folder of functions is served beside it. */
import { existsSync, realpathSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { Option } from "effect"
import type { Settings } from "./Config.ts"
import * as FolderFunctionRegistry from "./registry/FolderFunctionRegistry.ts"
import { FunctionRegistry } from "./registry/FunctionRegistry.ts"
import { TemplateFile } from "./template/TemplateFile.ts"

/** The one that the settings name, or else one in the folder of functions or where this was started; if there is one. */
export const templatePathOf = ({ functionsDir, template }: Settings): string | undefined =>
  Option.getOrElse(template, () =>
    [functionsDir, "."]
      .flatMap((folder) => [join(folder, "template.yaml"), join(folder, "template.yml")])
      .find((path) => existsSync(path))
  )

export const templateFile = (settings: Settings) => {
  const path = templatePathOf(settings)
  if (path === undefined) return TemplateFile.layerNone
  const { accountId, region, templateParameters } = settings
  return TemplateFile.layer({ path, owner: { accountId, region }, parameters: templateParameters, watch: true })
}

/** Whether the folder of functions is one that somebody has chosen, or all there is. */
export const isFolderMeant = (settings: Settings): boolean =>
  settings.environment.IRORI_FUNCTIONS_DIR !== undefined || templatePathOf(settings) === undefined

/**
 * Whether the folder of functions is served. A template in it says what its folders are, unless a `functions.yml` is
 * beside it; and a template that is given alone is all there is.
 */
export const isFolderServed = (settings: Settings): boolean => {
  const { functionsDir } = settings
  const path = templatePathOf(settings)
  if (path === undefined) return true
  if (!isFolderMeant(settings)) return false
  return !isSameFolder(dirname(path), functionsDir) || existsSync(join(functionsDir, "functions.yml"))
}

/** Functions of folders. */
export const folderRegistry = (settings: Settings) => {
  const { environment, functionsDir } = settings
  if (!isFolderServed(settings)) return FunctionRegistry.layerMemory([])
  return FolderFunctionRegistry.layer({
    folder: functionsDir,
    defaults: settings,
    maxTimeout: settings.invokeTimeout,
    watch: true,
    environment
  })
}

/** Folders whose code is mounted because a template is there. */
export const templateRoots = (settings: Settings): ReadonlyArray<string> => {
  const path = templatePathOf(settings)
  return path === undefined ? [] : [dirname(resolve(path))]
}

const isSameFolder = (left: string, right: string): boolean => {
  try {
    return realpathSync(left) === realpathSync(right)
  } catch {
    return resolve(left) === resolve(right)
  }
}

/** Where functions come from that were not made through the API, for people. */
export const sourcesOf = (settings: Settings): ReadonlyArray<string> => {
  const path = templatePathOf(settings)
  return [...(path === undefined ? [] : [path]), ...(isFolderServed(settings) ? [settings.functionsDir] : [])]
}
