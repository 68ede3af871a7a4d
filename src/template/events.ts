/** Reads the `Events` of a function: requests to APIs, and schedules. Others are for AWS, and named as such. */
import { Schema } from "effect"
import { FunctionName } from "../domain/FunctionName.ts"
import { isRecord } from "../domain/json.ts"
import type { Schedule } from "../domain/Schedule.ts"
import type { ApiEvent } from "./apiResources.ts"
import type { Fields } from "./Fields.ts"
import type { Remarks } from "./Intrinsics.ts"
import { functionTargetOf, propertiesPath, type Reading, resolvedFields } from "./Reading.ts"
import { implicitHttpApi, implicitRestApi, type Resource } from "./templateNames.ts"

export interface ReadEvents {
  readonly requests: ReadonlyArray<ApiEvent>
  readonly schedules: ReadonlyArray<Schedule>
}

interface Target {
  readonly name: string
  readonly qualifier: string | undefined
}

export const eventsOf = (
  reading: Reading,
  resource: Resource,
  { name, qualifier }: Target,
  remarks: Remarks
): ReadEvents => {
  const requests: Array<ApiEvent> = []
  const schedules: Array<Schedule> = []
  const { Events } = resource.properties
  const target = { functionName: name, ...(qualifier === undefined ? {} : { qualifier }) }
  for (const [key, event] of Object.entries(isRecord(Events) ? Events : {})) {
    const path = [...propertiesPath(resource), "Events", key]
    const type = isRecord(event) && typeof event.Type === "string" ? event.Type : ""
    const given = isRecord(event) ? event.Properties : undefined
    const settings = () => resolvedFields(reading, given, [...path, "Properties"], remarks)
    switch (type) {
      case "Api":
        requests.push({
          kind: "rest",
          ...target,
          place: reading.place(path),
          settings: settings(),
          implicitApi: implicitRestApi
        })
        break
      case "HttpApi":
        requests.push({
          kind: "http",
          ...target,
          place: reading.place(path),
          settings: settings(),
          implicitApi: implicitHttpApi
        })
        break
      case "Schedule":
      case "ScheduleV2": {
        const schedule = scheduleOf(type, `${resource.logicalId}${key}`, name, qualifier, settings())
        if (schedule !== undefined) schedules.push(schedule)
        break
      }
      default:
        remarks.warn(path, `the event ${key} (${type === "" ? "without a type" : type}) does not come here`)
    }
  }
  return { requests, schedules }
}

const scheduleOf = (
  type: "Schedule" | "ScheduleV2",
  defaultName: string,
  functionName: string,
  qualifier: string | undefined,
  settings: Fields
): Schedule | undefined => {
  const expression = settings.text(type === "Schedule" ? "Schedule" : "ScheduleExpression")
  if (expression === undefined || expression === "") {
    settings.remarks.refuse(settings.path, "its expression is missing")
    return undefined
  }
  if (!Schema.is(FunctionName)(functionName)) return undefined
  return {
    name: settings.text("Name") ?? defaultName,
    kind: type === "Schedule" ? "rule" : "schedule",
    functionName,
    ...(qualifier === undefined ? {} : { qualifier }),
    expression,
    ...inputOf(settings.text("Input")),
    ...(type === "Schedule" ? {} : schedulerSettings(settings)),
    isEnabled: settings.flag("Enabled") ?? settings.text("State") !== "DISABLED"
  }
}

const inputOf = (input: string | undefined) => (input === undefined ? {} : { input })

const schedulerSettings = (settings: Fields) => {
  const [timezone, group] = [settings.text("ScheduleExpressionTimezone"), settings.text("GroupName")]
  const [start, end] = [settings.text("StartDate"), settings.text("EndDate")]
  return {
    ...(timezone === undefined ? {} : { timezone }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...(group === undefined ? {} : { group })
  }
}

/** Of a rule or a schedule that is a resource of its own; those of them that are not about time are for AWS. */
export const scheduleResource = (resource: Resource, settings: Fields): ReadonlyArray<Schedule> => {
  const expression = settings.text("ScheduleExpression")
  const isRule = resource.type === "AWS::Events::Rule"
  const { Target, Targets } = settings.values
  const targets = isRule ? Targets : [Target]
  if (expression === undefined || !Array.isArray(targets)) {
    settings.remarks.warn(settings.path, "what it waits for does not come here")
    return []
  }
  return targets.flatMap((target: unknown, index): ReadonlyArray<Schedule> => {
    const arn = isRecord(target) && typeof target.Arn === "string" ? target.Arn : ""
    const found = arn.includes(":lambda:") ? functionTargetOf(arn) : undefined
    if (found === undefined || !isRecord(target) || !Schema.is(FunctionName)(found.functionName)) {
      settings.remarks.warn(settings.path, "it has a target that is no function")
      return []
    }
    const name = settings.text("Name") ?? resource.logicalId
    return [
      {
        name: index === 0 ? name : `${name}-${index}`,
        kind: isRule ? "rule" : "schedule",
        functionName: found.functionName,
        ...(found.qualifier === undefined ? {} : { qualifier: found.qualifier }),
        expression,
        ...inputOf(typeof target.Input === "string" ? target.Input : undefined),
        ...(isRule ? {} : schedulerSettings(settings)),
        isEnabled: settings.text("State") !== "DISABLED"
      }
    ]
  })
}
