/**
 * Lambda's API as its published model describes it: every operation's method, path and status, and what an input must
 * be. The facts are those of the model `lambda/2015-03-31` in botocore 1.44.5 (`reduceModel.ts`), corrected where the
 * real service is known to differ. What an operation does is its service's to know.
 */
import { Result, Schema } from "effect"
import { isRecord } from "../../domain/json.ts"
import { ParametersInvalid, type Violation } from "../../domain/ParametersInvalid.ts"
import model from "./lambdaApi.json" with { type: "json" }

export interface Operation {
  readonly name: string
  readonly method: string
  /** `/2015-03-31/functions/{FunctionName}`, with a query where that tells it from another operation. */
  readonly uri: string
  /** Of a success. */
  readonly status: number
  /** The name of its input's shape. */
  readonly input?: string
}

export interface Reference {
  readonly shape: string
  readonly location?: string
  readonly locationName?: string
}

export interface Shape {
  readonly type: string
  readonly required?: ReadonlyArray<string>
  readonly members?: Readonly<Record<string, Reference>>
  readonly member?: Reference
  readonly key?: Reference
  readonly value?: Reference
  readonly enum?: ReadonlyArray<string>
  readonly pattern?: string
  /** A value that this one holds for is taken too. */
  readonly otherPattern?: string
  readonly min?: number
  readonly max?: number
}

/** The body, or a member of it, is not of the kind that the model says. */
export class InputMalformed extends Schema.TaggedError<InputMalformed>()("InputMalformed", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** A request before it is read: strings as they came, the body as parsed JSON. */
export interface RawInput {
  /** Decoded. */
  readonly path: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly headers: Headers
  /** Undefined where there was none. */
  readonly body: unknown
}

/** Where the service differs from its model: limits from the Developer Guide ("Lambda quotas"), and recorded answers. */
const corrections: Readonly<Record<string, Partial<Shape>>> = {
  MemorySize: { max: 10_240 },
  Timeout: { max: 900 },
  // What is no runtime is refused in other words, by `Functions`.
  Runtime: { enum: [] },
  InvokeMode: { enum: ["RESPONSE_STREAM", "BUFFERED"] },
  NamespacedFunctionName: { max: 140 },
  // Beside AWS's: where AWS's services are not.
  DestinationArn: { otherPattern: "(https?|file)://.+" },
  ResourceArn: { otherPattern: "(https?|file)://.+" },
  NamespacedStatementId: { pattern: "([a-zA-Z0-9-_]+)" }
}

const statuses: Readonly<Record<string, number>> = { DeleteFunction: 204 }

const shapes = new Map<string, Shape>(
  Object.entries(model.shapes as Readonly<Record<string, Shape>>).map(([name, shape]) => [
    name,
    { ...shape, ...corrections[name] }
  ])
)

export const operations: ReadonlyMap<string, Operation> = new Map(
  (model.operations as ReadonlyArray<Operation>).map((operation) => [
    operation.name,
    { ...operation, status: statuses[operation.name] ?? operation.status }
  ])
)

export const shapeOf = (name: string): Shape => shapes.get(name) ?? { type: "structure" }

/**
 * The input of an operation with its members under their own names: blobs decoded from base64, numbers and booleans of
 * the query as such, members that the model does not know left out. Fails with all that breaks the model at once.
 */
export const readInput = (
  operation: Operation,
  raw: RawInput
): Result.Result<Readonly<Record<string, unknown>>, ParametersInvalid | InputMalformed> => {
  const shape = shapeOf(operation.input ?? "")
  if (raw.body !== undefined && !isRecord(raw.body)) {
    return Result.fail(new InputMalformed({ detail: "The request body is not a JSON object." }))
  }
  const body = raw.body ?? {}
  const violations: Array<Violation> = []
  const input: Record<string, unknown> = {}
  try {
    for (const [name, reference] of Object.entries(shape.members ?? {})) {
      const member = shapeOf(reference.shape)
      const given = isElsewhere(reference) ? fromRequest(reference, name, member, raw) : body[name]
      const value = given === undefined || given === null ? undefined : read(member, given, camel(name), violations)
      if (value !== undefined) input[name] = value
      else if (shape.required?.includes(name) === true) violations.push(missing(camel(name)))
    }
  } catch (error) {
    if (error instanceof InputMalformed) return Result.fail(error)
    throw error
  }
  if (violations.length === 0) return Result.succeed(input)
  return Result.fail(new ParametersInvalid({ violations: violations.sort(byRank) }))
}

/** The qualifier is told before the name, and all else after both. */
const rank = ({ field }: Violation): number => (field === "qualifier" ? 0 : field === "functionName" ? 1 : 2)
const byRank = (one: Violation, other: Violation): number => rank(one) - rank(other)

const isElsewhere = ({ location }: Reference): boolean =>
  location === "uri" || location === "querystring" || location === "header"

const fromRequest = (reference: Reference, name: string, shape: Shape, raw: RawInput): unknown => {
  const key = reference.locationName ?? name
  if (reference.location === "header") return raw.headers.get(key) ?? undefined
  if (shape.type === "list") return raw.query.has(key) ? raw.query.getAll(key) : undefined
  const text = reference.location === "uri" ? raw.path[key] : (raw.query.get(key) ?? undefined)
  if (text === undefined) return undefined
  if (shape.type === "boolean") return text === "true"
  if (shape.type !== "integer" && shape.type !== "long") return text
  if (/^-?\d+$/.test(text)) return Number(text)
  throw new InputMalformed({ detail: `'${text}' at '${camel(name)}' is not a number.` })
}

/** One request is not told of more: a list of a million empty structures breaks the model two million times. */
const maxViolations = 100

/** The value as the operation gets it. What breaks the model is added to `violations`. */
const read = (shape: Shape, given: unknown, field: string, violations: Array<Violation>): unknown => {
  if (violations.length >= maxViolations) return given
  switch (shape.type) {
    case "structure": {
      if (!isRecord(given)) throw cannotBe(given, "an Object")
      const structure: Record<string, unknown> = {}
      for (const [name, reference] of Object.entries(shape.members ?? {})) {
        const value = given[name]
        const path = `${field}.${camel(name)}`
        if (value !== undefined && value !== null) {
          structure[name] = read(shapeOf(reference.shape), value, path, violations)
        } else if (shape.required?.includes(name) === true) violations.push(missing(path))
      }
      return structure
    }
    case "list":
      return readList(shape, given, field, violations)
    case "map":
      return readMap(shape, given, field, violations)
    case "blob": {
      if (typeof given !== "string") throw cannotBe(given, "a Blob")
      return decodeBase64(given)
    }
    case "boolean":
      if (typeof given !== "boolean") throw cannotBe(given, "a Boolean")
      return given
    case "integer":
    case "long":
      if (typeof given !== "number" || !Number.isInteger(given)) throw cannotBe(given, "an Integer")
      break
    case "double":
    case "float":
      if (typeof given !== "number") throw cannotBe(given, "a Double")
      break
    default:
      if (typeof given !== "string") throw cannotBe(given, "a String")
  }
  for (const constraint of broken(shape, given)) violations.push({ value: print(given, shape), field, constraint })
  return given
}

const readList = (shape: Shape, given: unknown, field: string, violations: Array<Violation>): unknown => {
  if (!Array.isArray(given)) throw cannotBe(given, "a List")
  const member = shapeOf(shape.member?.shape ?? "")
  const value = print(given, shape)
  const add = (constraint: string) => violations.push({ value, field, constraint })
  for (const constraint of brokenLength(shape, given.length)) add(constraint)
  if (isComposite(member)) {
    return given.map((item, index) => read(member, item, `${field}.${index + 1}.member`, violations))
  }
  for (const item of given) if (item !== null) read(member, item, field, [])
  if (given.some((item) => item === null || broken(member, item).length > 0)) {
    add(`Member must satisfy constraint: [${[...constraintsOf(member), mustNotBeNull].join(", ")}]`)
  }
  return given
}

const readMap = (shape: Shape, given: unknown, field: string, violations: Array<Violation>): unknown => {
  if (!isRecord(given)) throw cannotBe(given, "a Map")
  const [keyShape, valueShape] = [shapeOf(shape.key?.shape ?? ""), shapeOf(shape.value?.shape ?? "")]
  const printed = print(given, shape)
  const add = (constraint: string) => violations.push({ value: printed, field, constraint })
  const entries = Object.entries(given)
  for (const constraint of brokenLength(shape, entries.length)) add(constraint)
  if (isComposite(valueShape)) {
    return Object.fromEntries(
      entries.map(([key, item]) => [key, read(valueShape, item, `${field}.${key}`, violations)])
    )
  }
  for (const [, item] of entries) if (item !== null) read(valueShape, item, field, [])
  if (entries.some(([key]) => broken(keyShape, key).length > 0)) {
    add(`Map keys must satisfy constraint: [${[...constraintsOf(keyShape), mustNotBeNull].join(", ")}]`)
  }
  if (entries.some(([, item]) => item === null || broken(valueShape, item).length > 0)) {
    add(`Map value must satisfy constraint: [${[...constraintsOf(valueShape), mustNotBeNull].join(", ")}]`)
  }
  return given
}

const isComposite = ({ type }: Shape): boolean => type === "structure" || type === "list" || type === "map"

const mustNotBeNull = "Member must not be null"

const missing = (field: string): Violation => ({ value: null, field, constraint: mustNotBeNull })

/** Every constraint of a scalar, as Lambda lists those of a collection's members. */
const constraintsOf = (shape: Shape): ReadonlyArray<string> => {
  const { max, min } = shape
  const size = shape.type === "string" ? "length" : "value"
  return [
    ...(max === undefined ? [] : [`Member must have ${size} less than or equal to ${number(max, shape)}`]),
    ...(min === undefined ? [] : [`Member must have ${size} greater than or equal to ${number(min, shape)}`]),
    ...(shape.pattern === undefined ? [] : [`Member must satisfy regular expression pattern: ${shape.pattern}`]),
    ...(shape.enum === undefined || shape.enum.length === 0
      ? []
      : [`Member must satisfy enum value set: [${shape.enum.join(", ")}]`])
  ]
}

/** The constraints of a scalar that `value` breaks. */
const broken = (shape: Shape, value: unknown): ReadonlyArray<string> => {
  if (typeof value === "number") return brokenSize(shape, value, "value")
  if (typeof value !== "string") return []
  return [
    ...(shape.enum === undefined || shape.enum.length === 0 || shape.enum.includes(value)
      ? []
      : [`Member must satisfy enum value set: [${shape.enum.join(", ")}]`]),
    ...(shape.pattern === undefined || matches(shape.pattern, value) || isOther(shape, value)
      ? []
      : [`Member must satisfy regular expression pattern: ${shape.pattern}`]),
    ...brokenLength(shape, value.length)
  ]
}

const brokenLength = (shape: Shape, length: number) => brokenSize({ ...shape, type: "integer" }, length, "length")

const brokenSize = (shape: Shape, size: number, what: "length" | "value"): ReadonlyArray<string> => [
  ...(shape.max !== undefined && size > shape.max
    ? [`Member must have ${what} less than or equal to ${number(shape.max, shape)}`]
    : []),
  ...(shape.min !== undefined && size < shape.min
    ? [`Member must have ${what} greater than or equal to ${number(shape.min, shape)}`]
    : [])
]

const compiled = new Map<string, RegExp>()

const isOther = ({ otherPattern }: Shape, value: string): boolean =>
  otherPattern !== undefined && matches(otherPattern, value)

/** A pattern of the model holds for the whole value. */
const matches = (pattern: string, value: string): boolean => {
  const known = compiled.get(pattern)
  if (known !== undefined) return known.test(value)
  const expression = new RegExp(`^(?:${pattern})$`, pattern.includes("\\p{") ? "u" : "")
  compiled.set(pattern, expression)
  return expression.test(value)
}

/** A double is printed with its point. */
const number = (value: number, shape: Shape): string =>
  (shape.type === "double" || shape.type === "float") && Number.isInteger(value) ? value.toFixed(1) : String(value)

/** As Java prints it: `[x86_64, arm64]`, `{2=2.0}`. Goes no deeper than the shape does: nobody else bounds a value. */
const print = (value: unknown, shape: Shape): string => {
  if (Array.isArray(value)) {
    const member = shapeOf(shape.member?.shape ?? "")
    return shape.type === "list" ? `[${value.map((item) => print(item, member)).join(", ")}]` : ""
  }
  if (isRecord(value)) {
    const entries = Object.entries(value).flatMap(([key, item]) => {
      const member = shape.type === "map" ? shape.value : shape.members?.[key]
      return member === undefined ? [] : [`${key}=${print(item, shapeOf(member.shape))}`]
    })
    return `{${entries.join(", ")}}`
  }
  return typeof value === "number" ? number(value, shape) : String(value)
}

const camel = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1)

const decodeBase64 = (text: string): Uint8Array => {
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) throw new InputMalformed({ detail: "A blob is not valid base64." })
  return Buffer.from(text, "base64")
}

const cannotBe = (given: unknown, wanted: string) => {
  const kind =
    typeof given === "string"
      ? "STRING_VALUE"
      : typeof given === "number"
        ? "NUMBER_VALUE"
        : typeof given === "boolean"
          ? `${String(given).toUpperCase()}_VALUE`
          : Array.isArray(given)
            ? "START_ARRAY"
            : "START_OBJECT"
  return new InputMalformed({ detail: `${kind} can not be converted to ${wanted}` })
}
