/** Reads `functions.yml`: what it may say, and where in it a mistake is. Knows nothing of folders or code. */
import { Result, Schema, SchemaIssue } from "effect"
import { type Document, isMap, isScalar } from "yaml"
import { DeclaredUrl, Transport } from "../domain/FunctionConfig.ts"
import { FunctionName } from "../domain/FunctionName.ts"
import { isRecord } from "../domain/json.ts"
import { reservedVariables } from "../provision/workerEnvironment.ts"
import type { RegistryProblem } from "./FunctionRegistry.ts"
import { readPlacedYaml } from "./placedYaml.ts"
import { substituteAll } from "./substituteVariables.ts"

/** A number, or the text of one: `timeout: ${TIMEOUT}` gives text. */
const Numeric = Schema.Union([Schema.Finite, Schema.FiniteFromString])
const whole = (minimum: number, maximum: number) =>
  Numeric.check(Schema.isInt(), Schema.isBetween({ minimum, maximum }))
/** Up to a week. */
const Seconds = Numeric.check(Schema.isBetween({ minimum: 0, maximum: 604_800 }))

const Scaling = Schema.Struct({
  max_capacity: Schema.optionalKey(whole(1, 10_000)),
  min_capacity: Schema.optionalKey(whole(0, 10_000)),
  acquire_timeout: Schema.optionalKey(Seconds),
  idle_timeout: Schema.optionalKey(Seconds)
})

const Names = Schema.Array(Schema.NonEmptyString)

/** As the API's `Cors`. */
const Cors = Schema.Struct({
  allow_credentials: Schema.optionalKey(Schema.Boolean),
  allow_headers: Schema.optionalKey(Names),
  allow_methods: Schema.optionalKey(Names),
  allow_origins: Schema.optionalKey(Names),
  expose_headers: Schema.optionalKey(Names),
  /** Seconds. */
  max_age: Schema.optionalKey(whole(0, 86_400))
})

const Schedules = Schema.Struct({
  /** The rule's; by default made of the function's name and the expression. */
  name: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^[.\-_A-Za-z0-9]{1,64}$/u))),
  /** `rate(…)`, `cron(…)` or `at(…)`. */
  expression: Schema.NonEmptyString,
  /** The function's event; by default EventBridge's. */
  input: Schema.optionalKey(Schema.Unknown),
  timezone: Schema.optionalKey(Schema.NonEmptyString),
  start: Schema.optionalKey(Schema.NonEmptyString),
  end: Schema.optionalKey(Schema.NonEmptyString),
  enabled: Schema.optionalKey(Schema.Boolean)
})
export type ScheduleEntry = typeof Schedules.Type

const variableName = /^[a-zA-Z][a-zA-Z0-9_]+$/u

const Value = Schema.String.check(
  Schema.makeFilter((value) => (value.includes("\0") ? "No variable can hold a null character" : undefined))
)

const Environment = Schema.Record(Schema.String, Schema.Union([Value, Schema.Finite, Schema.Boolean])).check(
  Schema.makeFilter((environment) =>
    Object.keys(environment)
      .filter((name) => !variableName.test(name))
      .map((name) => ({
        path: [name],
        issue: "This is no name for a variable: a letter, then one or more letters, digits or _"
      }))
  )
)

/** The function's own: what is reserved is Lambda's to set. */
const OwnEnvironment = Environment.check(
  Schema.makeFilter((environment) =>
    Object.keys(environment)
      .filter((name) => reservedVariables.has(name))
      .map((name) => ({ path: [name], issue: "This variable is reserved: Lambda sets it" }))
  )
)

/** Of asynchronous events. */
const Async = Schema.Struct({
  retries: Schema.optionalKey(whole(0, 2)),
  /** Seconds. */
  max_age: Schema.optionalKey(whole(60, 21_600)),
  /** The ARN of a function, or a URL of `http:`, `https:` or `file:`. */
  on_success: Schema.optionalKey(Schema.NonEmptyString),
  on_failure: Schema.optionalKey(Schema.NonEmptyString),
  dead_letter: Schema.optionalKey(Schema.NonEmptyString)
})

const Entry = Schema.Struct({
  /** The code: an image, or a folder relative to the file; by default the folder of the function's name. */
  image: Schema.optionalKey(Schema.NonEmptyString),
  code: Schema.optionalKey(Schema.NonEmptyString),
  runtime: Schema.optionalKey(Schema.NonEmptyString),
  handler: Schema.optionalKey(Schema.NonEmptyString),
  description: Schema.optionalKey(Schema.String),
  environment: Schema.optionalKey(OwnEnvironment),
  scaling: Schema.optionalKey(Scaling),
  /** Seconds. */
  timeout: Schema.optionalKey(whole(1, 900)),
  /** Megabytes. */
  memory_size: Schema.optionalKey(whole(128, 10_240)),
  transport: Schema.optionalKey(Transport),
  async: Schema.optionalKey(Async),
  /** Gives it a URL: `NONE` for one that everybody may call, `AWS_IAM` for those who sign. */
  url: Schema.optionalKey(DeclaredUrl.fields.authType),
  /** Of the URL. */
  invoke_mode: Schema.optionalKey(DeclaredUrl.fields.invokeMode),
  cors: Schema.optionalKey(Cors),
  /** When it runs by the clock. */
  schedules: Schema.optionalKey(Schema.Array(Schedules))
}).check(
  Schema.makeFilter((entry) => {
    if (entry.image !== undefined && entry.code !== undefined) return "A function has an image or code, not both"
    if (entry.image !== undefined && (entry.runtime ?? entry.handler) !== undefined) {
      return "An image has its runtime and handler inside: leave them out"
    }
    if (entry.url === undefined && (entry.invoke_mode ?? entry.cors) !== undefined) {
      return "invoke_mode and cors are a URL's: say 'url: NONE' or 'url: AWS_IAM' as well"
    }
    return undefined
  })
)
export type Entry = typeof Entry.Type

const Defaults = Schema.Struct({
  environment: Schema.optionalKey(Environment),
  scaling: Schema.optionalKey(Scaling)
})
export type Defaults = typeof Defaults.Type

export interface FunctionsFile {
  readonly defaults: Defaults
  /** An entry that is wrong is one line that says where and why. */
  readonly entries: ReadonlyMap<string, Entry | string>
  readonly warnings: ReadonlyArray<RegistryProblem>
}

type Path = ReadonlyArray<PropertyKey>

/** The file's content, or one line that says why none of it can be used. `fileName` is what a person is told. */
export const readFunctionsFile = (
  text: string,
  fileName: string,
  variables: Readonly<Record<string, string>>
): FunctionsFile | string => {
  const read = readPlacedYaml(text, fileName, {
    prepare: keepEnvironmentAsWritten,
    finish: (content) => substituteAll(content, variables)
  })
  if (typeof read === "string") return read
  const { content, place } = read
  if (!isRecord(content)) return `${place([])}: Expected the keys 'defaults' and 'functions'`
  const { defaults = {}, functions = {} } = withoutNulls(content)
  if (!isRecord(functions)) return `${place(["functions"])}: functions: Expected functions by their names`

  const decode = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, value: unknown, path: Path) => {
    const result = Schema.decodeUnknownResult(schema)(isRecord(value) ? withoutNulls(value) : value)
    return Result.isSuccess(result) ? { value: result.success } : { wrong: mistake(result.failure.issue, path, place) }
  }
  const decodedDefaults = decode(Defaults, defaults, ["defaults"])
  if (decodedDefaults.wrong !== undefined) return decodedDefaults.wrong

  const unknownKey = (path: Path, functionName?: string): RegistryProblem => ({
    ...(functionName === undefined ? {} : { functionName }),
    detail: `${place(path)}: ${path.map(String).join(".")}: this key is unknown and does nothing`
  })
  const warnings = [
    ...strangers(content, { defaults, functions }, []).map((path) => unknownKey(path)),
    ...strangers(defaults, Defaults.fields, ["defaults"]).map((path) => unknownKey(path))
  ]
  const entries = new Map<string, Entry | string>()
  for (const [name, value] of Object.entries(functions)) {
    const path = ["functions", name]
    if (!Schema.is(FunctionName)(name)) {
      entries.set(name, `${place(path)}: '${name}' is no function name: 1 to 64 letters, digits, - or _`)
      continue
    }
    const entry = decode(Entry, value ?? {}, path)
    entries.set(name, entry.wrong ?? entry.value)
    warnings.push(...strangers(value, Entry.fields, path).map((path) => unknownKey(path, name)))
  }
  return { defaults: decodedDefaults.value, entries, warnings }
}

/** Keys of functions with keys of their own, other than variables. */
const nested: ReadonlySet<string> = new Set(["scaling", "cors", "async"])

/** A key with nothing behind it is as good as absent. Not so a variable: its record is left alone. */
const withoutNulls = (value: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== null)
      .map(([key, item]) => [key, nested.has(key) && isRecord(item) ? withoutNulls(item) : item])
  )

/** Environment variables are text: `VERSION: 1.10` is not to become `1.1`. */
const keepEnvironmentAsWritten = (document: Document): void => {
  const functions = document.get("functions", true)
  const names = isMap(functions) ? functions.items.map((pair) => (isScalar(pair.key) ? pair.key.value : pair.key)) : []
  for (const path of [["defaults"], ...names.map((name) => ["functions", name])]) {
    const environment = document.hasIn(path) ? document.getIn([...path, "environment"], true) : undefined
    if (!isMap(environment)) continue
    for (const { value } of environment.items) {
      if (isScalar(value) && typeof value.value === "number" && value.source !== undefined) value.value = value.source
    }
  }
}

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

const mistake = (issue: SchemaIssue.Issue, path: Path, place: (path: Path) => string): string => {
  const [first] = issuesOf(issue).issues
  const inner = (first?.path ?? []).map((segment) => (typeof segment === "object" ? segment.key : segment))
  const whole = [...path, ...inner]
  return `${place(whole)}: ${whole.map(String).join(".")}: ${first?.message ?? "is wrong"}`
}

const ownStrangers = (value: unknown, fields: object, path: ReadonlyArray<string>) =>
  isRecord(value)
    ? Object.keys(value)
        .filter((key) => !Object.hasOwn(fields, key))
        .map((key) => [...path, key])
    : []

/** The paths of the keys in `value` that no field has the name of, those of its `scaling`, `cors` and `async` included. */
const strangers = (
  value: unknown,
  fields: object,
  path: ReadonlyArray<string>
): ReadonlyArray<ReadonlyArray<string>> => {
  if (!isRecord(value)) return []
  const own = ownStrangers(value, fields, path)
  return fields === Scaling.fields || fields === Cors.fields || fields === Async.fields
    ? own
    : [
        ...own,
        ...strangers(value.scaling, Scaling.fields, [...path, "scaling"]),
        ...strangers(value.cors, Cors.fields, [...path, "cors"]),
        ...strangers(value.async, Async.fields, [...path, "async"]),
        ...(Array.isArray(value.schedules) && fields === Entry.fields
          ? value.schedules.flatMap((one, at) => ownStrangers(one, Schedules.fields, [...path, "schedules", `${at}`]))
          : [])
      ]
}
