/**
 * Answers held against the outputs and errors of AWS's model (`lambdaAnswers.json`, made by `reduceModel.ts`): what is of
 * another kind than the model says, what it has not, and errors that an operation does not declare.
 */
import type { Shape } from "../../src/control/model/LambdaApi.ts"
import model from "./lambdaAnswers.json" with { type: "json" }

/** An answer as it came over the wire. */
export interface WireAnswer {
  readonly operation: string
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** Undefined for one that is streamed. */
  readonly body: string | undefined
}

interface Operation {
  readonly name: string
  readonly output?: string
  readonly payload?: string
  readonly errors: ReadonlyArray<string>
}

interface Failure {
  readonly status: number
  readonly members: ReadonlyArray<string>
}

/** Where the service itself, as it was recorded, does not keep to its model. */
const recorded: Readonly<Record<string, Partial<Shape>>> = {
  GetFunctionCodeSigningConfigResponse: { required: [] },
  InvokeAsyncResponse: { members: { Status: { shape: "HttpStatus" } } }
}
const recordedValues: Readonly<Record<string, ReadonlyArray<string>>> = { LastUpdateStatusReasonCode: ["Creating"] }

const shapes: Readonly<Record<string, Shape>> = Object.fromEntries(
  Object.entries(model.shapes as Readonly<Record<string, Shape>>).map(([name, shape]) => [
    name,
    {
      ...shape,
      ...recorded[name],
      ...(shape.enum === undefined ? {} : { enum: [...shape.enum, ...(recordedValues[name] ?? [])] })
    }
  ])
)
const failures = model.errors as Readonly<Record<string, Failure>>
const operations = new Map((model.operations as ReadonlyArray<Operation>).map((found) => [found.name, found]))

/** Every operation may answer with these, which no operation of the model declares. */
const common: Readonly<Record<string, Failure>> = {
  AccessDeniedException: { status: 403, members: ["Message"] },
  // On the wire; the model has the same under other names.
  RequestEntityTooLargeException: { status: 413, members: ["message"] },
  SerializationException: { status: 400, members: ["Type", "Message"] },
  ValidationException: { status: 400, members: ["message"] }
}

/** Nothing, where the answer is as the model says. */
export const complaintsAbout = (answer: WireAnswer): ReadonlyArray<string> => {
  const operation = operations.get(answer.operation)
  if (operation === undefined) return [`there is no operation ${answer.operation}`]
  return answer.status < 300 ? ofSuccess(operation, answer) : ofFailure(operation, answer)
}

const ofSuccess = ({ output, payload }: Operation, { body, headers, status }: WireAnswer): ReadonlyArray<string> => {
  if (body === undefined || payload !== undefined) return []
  if (output === undefined || status === 204) return body === "" ? [] : [`a body of ${body.length} characters for none`]
  const type = headers["content-type"]
  const shape = shapes[output]!
  const inBody = Object.entries(shape.members ?? {}).filter(([, { location }]) => location === undefined)
  return [
    ...(type === "application/json" ? [] : [`content type ${type}`]),
    ...complaints({ ...shape, members: Object.fromEntries(inBody) }, JSON.parse(body), output)
  ]
}

const ofFailure = ({ errors, name }: Operation, { body = "", headers, status }: WireAnswer): ReadonlyArray<string> => {
  const type = headers["x-amzn-errortype"] ?? ""
  const failure = common[type] ?? (errors.includes(type) ? failures[type] : undefined)
  if (failure === undefined) return [`${name} does not declare '${type}'`]
  const members = Object.keys(JSON.parse(body) as object)
  return [
    ...(failure.status === status ? [] : [`${type} has status ${status}, not ${failure.status}`]),
    ...members.flatMap((member) => (failure.members.includes(member) ? [] : [`${type} has no ${member}`]))
  ]
}

const complaints = (shape: Shape, value: unknown, path: string): ReadonlyArray<string> => {
  const wrong = [`${path} is no ${shape.type}: ${JSON.stringify(value)}`]
  switch (shape.type) {
    case "structure":
      return isRecord(value) ? ofStructure(shape, value, path) : wrong
    case "list": {
      const item = shapes[shape.member?.shape ?? ""]!
      return Array.isArray(value)
        ? value.flatMap((member, index) => complaints(item, member, `${path}[${index}]`))
        : wrong
    }
    case "map": {
      const [key, item] = [shapes[shape.key?.shape ?? ""]!, shapes[shape.value?.shape ?? ""]!]
      return isRecord(value)
        ? Object.entries(value).flatMap(([name, member]) => [
            ...complaints(key, name, `${path}: key`),
            ...complaints(item, member, `${path}.${name}`)
          ])
        : wrong
    }
    case "boolean":
      return typeof value === "boolean" ? [] : wrong
    case "integer":
    case "long":
      return Number.isInteger(value) ? ofRange(shape, value as number, path) : wrong
    case "double":
    case "timestamp":
      return typeof value === "number" ? ofRange(shape, value, path) : wrong
    default:
      return typeof value === "string" ? ofText(shape, value, path) : wrong
  }
}

const ofStructure = (shape: Shape, value: Readonly<Record<string, unknown>>, path: string): ReadonlyArray<string> => [
  ...(shape.required ?? []).flatMap((name) => (value[name] === undefined ? [`${path} is without ${name}`] : [])),
  ...Object.entries(value).flatMap(([name, member]) => {
    const reference = shape.members?.[name]
    return reference === undefined
      ? [`${path} has no member ${name}`]
      : complaints(shapes[reference.shape]!, member, `${path}.${name}`)
  })
]

const ofRange = ({ max, min }: Shape, value: number, path: string): ReadonlyArray<string> =>
  (min !== undefined && value < min) || (max !== undefined && value > max) ? [`${path} is out of range: ${value}`] : []

const ofText = (shape: Shape, value: string, path: string): ReadonlyArray<string> => [
  ...(shape.enum === undefined || shape.enum.includes(value) ? [] : [`${path} is none of its values: ${value}`]),
  ...(shape.pattern === undefined || new RegExp(`^(?:${shape.pattern})$`, "u").test(value)
    ? []
    : [`${path} does not match ${shape.pattern}: ${value}`]),
  ...ofRange(shape, value.length, `${path} in length`)
]

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
