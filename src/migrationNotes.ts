/** What those are told at the start who come with the files of a system that generated its configuration from a template. */
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Effect, Layer } from "effect"
import { parse } from "yaml"
import type { Settings } from "./Config.ts"
import { isRecord } from "./domain/json.ts"
import { templatePathOf } from "./templateLayers.ts"

const fileName = "generator.yml"

/** One line each. */
export const migrationNotes = (settings: Settings): ReadonlyArray<string> => {
  const template = templatePathOf(settings)
  const folders = [...(template === undefined ? [] : [dirname(template)]), settings.functionsDir]
  const file = folders.map((folder) => join(folder, fileName)).find((path) => existsSync(path))
  return [
    ...(file === undefined ? [] : [generatorNote(file, settings.templateParameters)]),
    // There, every route was for those who had signed in.
    ...(template === undefined || settings.signIn === undefined
      ? []
      : [`The sign-in guards the routes of routing.yml; those of ${template} are guarded as its Auth says, else open.`])
  ]
}

export const layer = (settings: Settings) =>
  Layer.effectDiscard(Effect.forEach(migrationNotes(settings), (note) => Effect.logWarning(note)))

const generatorNote = (path: string, given: Readonly<Record<string, string>>): string => {
  const missing = Object.entries(parametersOf(path)).filter(([name]) => !Object.hasOwn(given, name))
  const what = `${path} is not used: a template is served as it is, and nothing is generated.`
  if (missing.length === 0) return what
  const setting = missing.map(([name, value]) => `${name}=${String(value)}`).join(",")
  return `${what} For its parameters, set IRORI_TEMPLATE_PARAMETERS="${setting}".`
}

/** None of a file that cannot be read: it is not used anyhow. */
const parametersOf = (path: string): Readonly<Record<string, unknown>> => {
  try {
    const content: unknown = parse(readFileSync(path, "utf8"))
    const parameters = isRecord(content) ? content.parameters : undefined
    return isRecord(parameters) ? parameters : {}
  } catch {
    return {}
  }
}
