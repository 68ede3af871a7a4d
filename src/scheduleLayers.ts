/** Where schedules come from: the part of `layers.ts` that is about what runs by the clock. */
import type { Effect, Scope } from "effect"
import type { Settings } from "./Config.ts"
import type { Owner } from "./domain/FunctionName.ts"
import { functionsFileSource } from "./schedules/functionsFileSource.ts"
import { Scheduler } from "./schedules/Scheduler.ts"
import type { ScheduleSource } from "./schedules/ScheduleSource.ts"
import { templateSource } from "./schedules/templateSource.ts"
import type { TemplateFile } from "./template/TemplateFile.ts"
import { isFolderServed } from "./templateLayers.ts"

export const scheduling = (settings: Settings, owner: Owner) => {
  const { environment, functionsDir, missedSchedules } = settings
  const sources: Array<Effect.Effect<ScheduleSource, never, Scope.Scope | TemplateFile>> = [templateSource]
  if (isFolderServed(settings)) {
    sources.unshift(functionsFileSource({ folder: functionsDir, environment, watch: true }))
  }
  return Scheduler.layer({ owner, missed: missedSchedules, sources })
}
