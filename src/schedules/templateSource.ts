/** The schedules of a SAM or CloudFormation template. */
import { Effect } from "effect"
import { TemplateFile } from "../template/TemplateFile.ts"
import type { ScheduleSource } from "./ScheduleSource.ts"

export const templateSource: Effect.Effect<ScheduleSource, never, TemplateFile> = Effect.gen(function* () {
  const file = yield* TemplateFile
  const listeners: Array<() => void> = []
  yield* file.onChange(
    Effect.sync(() => {
      for (const changed of listeners) changed()
    })
  )
  return {
    schedules: () => file.current().schedules,
    problems: () => {
      const broken = file.broken()
      return broken === undefined ? [] : [{ detail: broken }]
    },
    onChange: (changed) => void listeners.push(changed)
  }
})
