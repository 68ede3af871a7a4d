/**
 * Makes `lambdaApi.json` out of the API model that AWS publishes with its SDKs: operations, and what limits their
 * inputs; and, for the tests that hold answers against it, `test/support/lambdaAnswers.json`: outputs and errors. Run by
 * hand when AWS has published another: `bun src/control/model/reduceModel.ts <service-2.json>`.
 */
import { readFileSync, writeFileSync } from "node:fs"
import process from "node:process"
import { fileURLToPath } from "node:url"
import type { Reference, Shape } from "./LambdaApi.ts"

/** A shape as AWS writes it: beside what limits an input, of an output which member is its body, of an error its status. */
interface ModelShape extends Shape {
  readonly payload?: string
  readonly error?: { readonly httpStatusCode: number }
}

interface Model {
  readonly operations: Readonly<
    Record<
      string,
      {
        readonly http: { readonly method: string; readonly requestUri: string; readonly responseCode?: number }
        readonly input?: { readonly shape: string }
        readonly output?: { readonly shape: string }
        readonly errors?: ReadonlyArray<{ readonly shape: string }>
      }
    >
  >
  readonly shapes: Readonly<Record<string, ModelShape>>
}

const model = JSON.parse(readFileSync(process.argv[2] ?? "service-2.json", "utf8")) as Model

type Shapes = Record<string, unknown>

/** The shape of that name, and those it is made of, into `shapes`. */
const reduceShape = (shapes: Shapes, name: string): void => {
  const shape = model.shapes[name]
  if (shapes[name] !== undefined || shape === undefined) return
  const reduced: Record<string, unknown> = { type: shape.type }
  shapes[name] = reduced
  for (const key of ["required", "enum", "pattern", "min", "max"] as const) {
    if (shape[key] !== undefined) reduced[key] = shape[key]
  }
  if (shape.members !== undefined) {
    reduced.members = Object.fromEntries(
      Object.entries(shape.members).map(([member, reference]) => [member, reduceReference(shapes, reference)])
    )
  }
  for (const key of ["member", "key", "value"] as const) {
    const reference = shape[key]
    if (reference !== undefined) reduced[key] = reduceReference(shapes, reference)
  }
}

const reduceReference = (shapes: Shapes, { shape, location, locationName }: Reference) => {
  reduceShape(shapes, shape)
  return {
    shape,
    ...(location === undefined ? {} : { location }),
    ...(locationName === undefined ? {} : { locationName })
  }
}

const inputShapes: Shapes = {}
const operations = Object.entries(model.operations).map(([name, { http, input }]) => {
  if (input !== undefined) reduceShape(inputShapes, input.shape)
  return {
    name,
    method: http.method,
    uri: http.requestUri,
    status: http.responseCode ?? 200,
    ...(input === undefined ? {} : { input: input.shape })
  }
})

const answerShapes: Shapes = {}
/** Status of each error, and which members it has. */
const errors: Record<string, unknown> = {}
const answers = Object.entries(model.operations).map(([name, { errors: declared = [], output }]) => {
  if (output !== undefined) reduceShape(answerShapes, output.shape)
  for (const { shape } of declared) {
    const { error, members = {} } = model.shapes[shape] ?? { type: "structure" }
    errors[shape] = {
      status: error?.httpStatusCode,
      members: Object.entries(members).flatMap(([member, { location }]) => (location === undefined ? [member] : []))
    }
  }
  const payload = output === undefined ? undefined : model.shapes[output.shape]?.payload
  return {
    name,
    ...(output === undefined ? {} : { output: output.shape }),
    ...(payload === undefined ? {} : { payload }),
    errors: declared.map(({ shape }) => shape)
  }
})

const write = (path: string, content: object) =>
  writeFileSync(fileURLToPath(new URL(path, import.meta.url)), `${JSON.stringify(content, null, 1)}\n`)

write("./lambdaApi.json", { operations, shapes: inputShapes })
write("../../../test/support/lambdaAnswers.json", { operations: answers, errors, shapes: answerShapes })
