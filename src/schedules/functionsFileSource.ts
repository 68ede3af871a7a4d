/**
 * The schedules in `functions.yml`, beneath the functions that they run. The file is read here for them alone: what else
 * it says, and what is wrong with it, is the registry's to know and to report.
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { FunctionName } from "../domain/FunctionName.ts"
import type { Schedule } from "../domain/Schedule.ts"
import type { RegistryProblem } from "../registry/FunctionRegistry.ts"
import { readFunctionsFile, type ScheduleEntry } from "../registry/functionsFile.ts"
import { watchFile } from "../registry/watchFolder.ts"
import { addFileSource } from "../reload/FileSources.ts"
import type { ScheduleSource } from "./ScheduleSource.ts"

export interface FunctionsFileOptions {
  /** Where `functions.yml` is. */
  readonly folder: string
  /** What `${NAME}` in it is replaced with. */
  readonly environment: Readonly<Record<string, string>>
  /** Whether changes are taken over while this runs. */
  readonly watch?: boolean
}

interface Loaded {
  readonly schedules: ReadonlyArray<Schedule>
  readonly problems: ReadonlyArray<RegistryProblem>
}

export const functionsFileSource = (options: FunctionsFileOptions): Effect.Effect<ScheduleSource, never, Scope.Scope> =>
  Effect.gen(function* () {
    const path = join(options.folder, "functions.yml")
    let loaded = load(path, options, [])
    const listeners: Array<() => void> = []
    const reload = Effect.sync(() => {
      const before = loaded.schedules
      loaded = load(path, options, before)
      if (loaded.schedules !== before) for (const changed of listeners) changed()
    })
    if (options.watch === true) yield* watchFile(path, reload)
    yield* addFileSource({ path, reload })
    return {
      schedules: () => loaded.schedules,
      problems: () => loaded.problems,
      onChange: (changed) => void listeners.push(changed)
    }
  })

const load = (path: string, { environment }: FunctionsFileOptions, before: ReadonlyArray<Schedule>): Loaded => {
  let text: string
  try {
    text = readFileSync(path, "utf8")
  } catch (cause) {
    const isAbsent = cause instanceof Error && "code" in cause && cause.code === "ENOENT"
    return isAbsent ? { schedules: [], problems: [] } : { schedules: before, problems: [{ detail: String(cause) }] }
  }
  const file = readFunctionsFile(text, path, { LOG_LEVEL: "INFO", ...environment })
  if (typeof file === "string") return { schedules: before, problems: [{ detail: file }] }
  const schedules: Array<Schedule> = []
  const problems: Array<RegistryProblem> = []
  for (const [functionName, entry] of file.entries) {
    if (typeof entry === "string") problems.push({ functionName, detail: entry })
    else for (const schedule of entry.schedules ?? []) schedules.push(scheduleOf(functionName, schedule))
  }
  return { schedules: JSON.stringify(schedules) === JSON.stringify(before) ? before : schedules, problems }
}

/** What only EventBridge Scheduler has makes it one of its schedules; anything else is a rule. */
const scheduleOf = (functionName: string, entry: ScheduleEntry): Schedule => {
  const { enabled, end, expression, input, name, start, timezone } = entry
  const isSchedule = (timezone ?? start ?? end) !== undefined || expression.startsWith("at(")
  return {
    name: name ?? `${functionName}-${fingerprint(entry)}`,
    kind: isSchedule ? "schedule" : "rule",
    functionName: FunctionName.make(functionName),
    expression,
    isEnabled: enabled ?? true,
    ...(timezone === undefined ? {} : { timezone }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...(input === undefined ? {} : { input: jsonOf(input) })
  }
}

/** Stays the same wherever in the list the schedule stands. */
const fingerprint = ({ expression, timezone }: ScheduleEntry): string =>
  createHash("sha256")
    .update(JSON.stringify([expression, timezone]))
    .digest("hex")
    .slice(0, 8)

/** A text that is JSON already, as templates have it, stands for what it says. */
const jsonOf = (input: unknown): string => {
  if (typeof input !== "string") return JSON.stringify(input)
  try {
    JSON.parse(input)
    return input
  } catch {
    return JSON.stringify(input)
  }
}
