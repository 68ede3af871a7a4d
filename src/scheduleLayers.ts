/** Where schedules come from: the part of `layers.ts` that is about what runs by the clock. */
import type { Settings } from "./Config.ts"
import type { Owner } from "./domain/FunctionName.ts"
import { functionsFileSource } from "./schedules/functionsFileSource.ts"
import { Scheduler } from "./schedules/Scheduler.ts"
import { templateSource } from "./schedules/templateSource.ts"

export const scheduling = ({ environment, functionsDir, missedSchedules }: Settings, owner: Owner) =>
  Scheduler.layer({
    owner,
    missed: missedSchedules,
    sources: [functionsFileSource({ folder: functionsDir, environment, watch: true }), templateSource]
  })
