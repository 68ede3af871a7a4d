/** The schedules of a template. While it is broken, what it said last holds, and none of it is taken away. */
import { Effect } from "effect"
import { TemplateFile } from "../template/TemplateFile.ts"
import type { ScheduleSource } from "./ScheduleSource.ts"

export const templateSource: Effect.Effect<ScheduleSource, never, TemplateFile> = Effect.map(TemplateFile, (file) => ({
  schedules: () => file.current().schedules,
  problems: () => {
    const broken = file.broken()
    return broken === undefined ? [] : [{ detail: broken }]
  },
  onChange: file.onChange
}))
