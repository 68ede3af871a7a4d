/**
 * Reads a SAM or CloudFormation template into Irori's words. It is pure: what it needs beside the text is given to it.
 * What a template holds that is not for Irori is named once, with its line, and keeps nothing else from running.
 */
import type { Owner } from "../domain/FunctionName.ts"
import { isRecord } from "../domain/json.ts"
import type { Schedule } from "../domain/Schedule.ts"
import { type ApiEvent, isApi, readApis } from "./apiResources.ts"
import { eventsOf, scheduleResource } from "./events.ts"
import type { Fields } from "./Fields.ts"
import { eventInvokeOf, functionOf, unreadOfFunctions, urlOf } from "./functionResource.ts"
import { globalSections, withGlobals } from "./globals.ts"
import { type Intrinsics, makeIntrinsics, textOf } from "./Intrinsics.ts"
import { layerPathOf } from "./layerResource.ts"
import { type ParsedTemplate, parseTemplate } from "./parseTemplate.ts"
import { functionTargetOf, propertiesOf, propertiesPath, type Reading, remarksOf } from "./Reading.ts"
import type { Template, TemplateFunction, TemplateLayer, UnusableFunction } from "./Template.ts"
import { isFunction, isLayer, type Resource, templateNames } from "./templateNames.ts"

export interface TemplateOptions {
  readonly owner: Owner
  /** `AWS::StackName` */
  readonly stackName: string
  /** In place of the parameters' defaults. */
  readonly parameters: Readonly<Record<string, string>>
  /** What a person is told. */
  readonly fileName: string
  /** Absolute: what paths in the template start from. */
  readonly folder: string
  /** A file beside the template, by its absolute path; undefined where it cannot be read. */
  readonly readFile: (path: string) => string | undefined
}

/** The template, or one line that says why none of it can be used. */
export const readTemplate = (text: string, options: TemplateOptions): Template | string => {
  const parsed = parseTemplate(text, options.fileName)
  if (typeof parsed === "string") return parsed
  if (!isRecord(parsed.content.Resources)) return `${parsed.place([])}: Expected the section 'Resources'`
  const reading = open(parsed, options)
  refuseParameters(parsed, options, reading)
  const functions = readFunctions(reading)
  const layers = readLayers(reading)
  const extras = readExtras(reading)
  const usable = new Map<string, TemplateFunction>()
  for (const [name, found] of functions.usable) usable.set(name, withExtras(found, extras.get(name) ?? []))
  const implicit = (logicalId: string, type: string): Resource => ({
    logicalId,
    type,
    properties: withShared(parsed, type, type === "AWS::Serverless::Api" ? { StageName: "Prod" } : {}),
    metadata: {}
  })
  const { apis, files } = readApis(reading, functions.requests, implicit)
  const schedules = [...functions.schedules, ...readSchedules(reading)]
  listOthers(reading)
  return {
    functions: usable,
    unusable: functions.unusable,
    layers,
    apis,
    schedules,
    files,
    problems: [
      ...[...reading.problems].map((detail) => ({ detail })),
      ...[...functions.unusable].flatMap(([functionName, { detail, isElsewhere }]) =>
        isElsewhere ? [] : [{ functionName, detail }]
      )
    ],
    warnings: [
      ...[...reading.warnings].map((detail) => ({ detail })),
      ...[...functions.unusable].flatMap(([functionName, { detail, isElsewhere }]) =>
        isElsewhere ? [{ functionName, detail }] : []
      )
    ]
  }
}

const open = (parsed: ParsedTemplate, options: TemplateOptions): Reading => {
  const resources = new Map<string, Resource>()
  const unset = () => {
    throw new Error("names are resolved before there is anything to resolve them with")
  }
  let intrinsics: Intrinsics = { resolve: unset, condition: unset }
  const names = templateNames(
    { content: parsed.content, resources, resolve: (value, path, remarks) => intrinsics.resolve(value, path, remarks) },
    options
  )
  intrinsics = makeIntrinsics(names)
  const reading: Reading = {
    owner: options.owner,
    folder: options.folder,
    resources,
    intrinsics,
    nameOf: names.nameOf,
    place: parsed.place,
    warnings: new Set(),
    problems: new Set(),
    readFile: options.readFile
  }
  for (const [logicalId, given] of Object.entries(isRecord(parsed.content.Resources) ? parsed.content.Resources : {})) {
    const path = ["Resources", logicalId]
    const type = isRecord(given) && typeof given.Type === "string" ? given.Type : undefined
    if (!isRecord(given) || type === undefined) {
      reading.warnings.add(`${parsed.place(path)}: ${logicalId} is no resource: it has no Type`)
      continue
    }
    const remarks = remarksOf(reading, { logicalId, type })
    if (
      typeof given.Condition === "string" &&
      !intrinsics.condition(given.Condition, [...path, "Condition"], remarks)
    ) {
      continue
    }
    resources.set(logicalId, {
      logicalId,
      type,
      properties: withShared(parsed, type, isRecord(given.Properties) ? given.Properties : {}),
      metadata: isRecord(given.Metadata) ? given.Metadata : {}
    })
  }
  return reading
}

const withShared = ({ content }: ParsedTemplate, type: string, own: Readonly<Record<string, unknown>>) => {
  const section = globalSections[type]
  const shared = section !== undefined && isRecord(content.Globals) ? content.Globals[section] : undefined
  const merged = withGlobals(shared, own)
  return isRecord(merged) ? merged : own
}

/** A value that a parameter may not have, and a name that is none. */
const refuseParameters = (
  { content, place }: ParsedTemplate,
  { parameters }: TemplateOptions,
  { problems, warnings }: Reading
) => {
  const declared = isRecord(content.Parameters) ? content.Parameters : {}
  for (const [name, given] of Object.entries(parameters)) {
    const parameter = declared[name]
    if (!isRecord(parameter)) {
      warnings.add(`${place(["Parameters"])}: there is no parameter ${name}, which IRORI_TEMPLATE_PARAMETERS has`)
      continue
    }
    const { AllowedValues, AllowedPattern } = parameter
    const isAllowed = !Array.isArray(AllowedValues) || AllowedValues.map(textOf).includes(given)
    if (!isAllowed || (typeof AllowedPattern === "string" && !matches(AllowedPattern, given))) {
      problems.add(
        `${place(["Parameters", name])}: the parameter ${name} does not allow its value of IRORI_TEMPLATE_PARAMETERS`
      )
    }
  }
}

const matches = (pattern: string, text: string): boolean => {
  try {
    return new RegExp(`^(?:${pattern})$`).test(text)
  } catch {
    // Java's patterns know things that JavaScript's do not.
    return true
  }
}

const readFunctions = (reading: Reading) => {
  const usable = new Map<string, TemplateFunction>()
  const unusable = new Map<string, UnusableFunction>()
  const requests: Array<ApiEvent> = []
  const schedules: Array<Schedule> = []
  for (const resource of reading.resources.values()) {
    if (!isFunction(resource)) continue
    const refusals = new Set<string>()
    const remarks = remarksOf(reading, resource, refusals)
    const place = reading.place(["Resources", resource.logicalId])
    const name = reading.nameOf(resource, "FunctionName")
    const other = usable.get(name)?.logicalId
    if (other !== undefined) {
      reading.problems.add(`${place}: ${resource.logicalId} (${resource.type}): ${other} has the name ${name} already`)
      continue
    }
    const properties = propertiesOf(reading, resource, remarks, unreadOfFunctions)
    const found = functionOf(resource, properties, { name, place, folder: reading.folder })
    if (found !== undefined && "elsewhere" in found) {
      const detail = `${place}: ${resource.logicalId} (${resource.type}): ${found.elsewhere}, and cannot run here`
      unusable.set(name, { detail, isElsewhere: true })
    } else if (found === undefined || refusals.size > 0) {
      unusable.set(name, { detail: [...refusals].join("; "), isElsewhere: false })
    } else usable.set(name, found)
    if (resource.type !== "AWS::Serverless::Function") continue
    // What is wrong with an event is no reason not to run the function.
    const events = eventsOf(
      reading,
      resource,
      { name, qualifier: properties.text("AutoPublishAlias") },
      remarksOf(reading, resource)
    )
    requests.push(...events.requests)
    schedules.push(...events.schedules)
  }
  return { usable, unusable, requests, schedules }
}

const readLayers = (reading: Reading): ReadonlyMap<string, TemplateLayer> => {
  const layers = new Map<string, TemplateLayer>()
  for (const resource of reading.resources.values()) {
    if (!isLayer(resource)) continue
    const remarks = remarksOf(reading, resource)
    const path = layerPathOf(resource, propertiesOf(reading, resource, remarks), reading.folder)
    const arn = textOf(reading.intrinsics.resolve({ Ref: resource.logicalId }, propertiesPath(resource), remarks))
    if (path === undefined || arn === undefined) continue
    layers.set(arn, { logicalId: resource.logicalId, place: reading.place(["Resources", resource.logicalId]), path })
  }
  return layers
}

/** What resources of their own say of a function, in the order in which they come. */
type Extra = Partial<Pick<TemplateFunction, "eventInvoke" | "provisionedConcurrency" | "qualifiers" | "url">>

const readExtras = (reading: Reading): ReadonlyMap<string, ReadonlyArray<Extra>> => {
  const extras = new Map<string, Array<Extra>>()
  for (const resource of reading.resources.values()) {
    if (!extraTypes.has(resource.type)) continue
    const properties = propertiesOf(reading, resource, remarksOf(reading, resource))
    const key = resource.type === "AWS::Lambda::Url" ? "TargetFunctionArn" : "FunctionName"
    const target = functionTargetOf(properties.text(key) ?? "")
    const extra = extraOf(resource, properties)
    if (target === undefined || extra === undefined) continue
    extras.set(target.functionName, [...(extras.get(target.functionName) ?? []), extra])
  }
  return extras
}

const extraTypes = new Set([
  ...["AWS::Lambda::Alias", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Permission"],
  ...["AWS::Lambda::Url", "AWS::Lambda::Version"]
])

/** An alias and a version are the function as it is, and what is said of one is said of all. */
const extraOf = (resource: Resource, properties: Fields): Extra | undefined => {
  switch (resource.type) {
    case "AWS::Lambda::Version":
    case "AWS::Lambda::Alias": {
      const provisioned =
        properties.record("ProvisionedConcurrencyConfig") ?? properties.record("ProvisionedConcurrencyConfiguration")
      const count = provisioned?.whole("ProvisionedConcurrentExecutions", 1, 10_000)
      const name = resource.type === "AWS::Lambda::Version" ? "1" : properties.text("Name")
      return {
        qualifiers: name === undefined ? [] : [name],
        ...(count === undefined ? {} : { provisionedConcurrency: count })
      }
    }
    case "AWS::Lambda::Url": {
      const url = urlOf(properties)
      return url === undefined ? undefined : { url }
    }
    case "AWS::Lambda::EventInvokeConfig": {
      const eventInvoke = eventInvokeOf(properties)
      return eventInvoke === undefined ? undefined : { eventInvoke }
    }
    default:
      // A permission: nobody is asked for one here, and a URL that is declared is permitted.
      return undefined
  }
}

const withExtras = (found: TemplateFunction, extras: ReadonlyArray<Extra>): TemplateFunction => {
  const provisioned = [found, ...extras].reduce(
    (sum, { provisionedConcurrency = 0 }) => sum + provisionedConcurrency,
    0
  )
  const whole = { ...found }
  for (const extra of extras) Object.assign(whole, extra)
  return {
    ...whole,
    qualifiers: [...new Set([found, ...extras].flatMap(({ qualifiers = [] }) => qualifiers))],
    ...(provisioned === 0 ? {} : { provisionedConcurrency: provisioned })
  }
}

const scheduleTypes = new Set(["AWS::Events::Rule", "AWS::Scheduler::Schedule"])

const readSchedules = (reading: Reading): ReadonlyArray<Schedule> =>
  [...reading.resources.values()].flatMap((resource) => {
    if (!scheduleTypes.has(resource.type)) return []
    return scheduleResource(resource, propertiesOf(reading, resource, remarksOf(reading, resource)))
  })

/** What runs here without them. */
const needless = [/^AWS::IAM::/, /^AWS::Logs::LogGroup$/, /^AWS::CDK::Metadata$/]

/** Where functions reach a service that somebody else runs. */
const endpoints: Readonly<Record<string, string>> = {
  "AWS::DynamoDB::": "AWS_ENDPOINT_URL_DYNAMODB",
  "AWS::Serverless::SimpleTable": "AWS_ENDPOINT_URL_DYNAMODB",
  "AWS::S3::": "AWS_ENDPOINT_URL_S3",
  "AWS::SQS::": "AWS_ENDPOINT_URL_SQS",
  "AWS::SNS::": "AWS_ENDPOINT_URL_SNS"
}

const listOthers = (reading: Reading): void => {
  for (const resource of reading.resources.values()) {
    const { logicalId, type } = resource
    const isRead = isFunction(resource) || isLayer(resource) || isApi(resource)
    if (isRead || extraTypes.has(type) || scheduleTypes.has(type) || needless.some((one) => one.test(type))) continue
    const variable = Object.entries(endpoints).find(([prefix]) => type.startsWith(prefix))?.[1]
    reading.warnings.add(
      `${reading.place(["Resources", logicalId])}: ${logicalId} (${type}) is not made here${
        variable === undefined ? "" : `: functions reach one by ${variable} in their environment`
      }`
    )
  }
}
