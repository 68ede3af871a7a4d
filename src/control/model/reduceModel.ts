/**
 * Makes `lambdaApi.json` out of the API model that AWS publishes with its SDKs: operations, and what limits their
 * inputs. Run by hand when AWS has published another: `bun src/control/model/reduceModel.ts <service-2.json>`.
 */
import { readFileSync, writeFileSync } from "node:fs"
import process from "node:process"
import { fileURLToPath } from "node:url"

/** What the model says of a shape, as far as this reads it. */
interface Shape {
  readonly type: string
  readonly required?: ReadonlyArray<string>
  readonly members?: Readonly<Record<string, Reference>>
  readonly member?: Reference
  readonly key?: Reference
  readonly value?: Reference
  readonly enum?: ReadonlyArray<string>
  readonly pattern?: string
  readonly min?: number
  readonly max?: number
  readonly payload?: string
}

interface Reference {
  readonly shape: string
  readonly location?: string
  readonly locationName?: string
}

interface Model {
  readonly operations: Readonly<
    Record<
      string,
      {
        readonly http: { readonly method: string; readonly requestUri: string; readonly responseCode?: number }
        readonly input?: { readonly shape: string }
      }
    >
  >
  readonly shapes: Readonly<Record<string, Shape>>
}

const model = JSON.parse(readFileSync(process.argv[2] ?? "service-2.json", "utf8")) as Model
const shapes: Record<string, unknown> = {}

const reduceReference = ({ shape, location, locationName }: Reference) => {
  reduceShape(shape)
  return {
    shape,
    ...(location === undefined ? {} : { location }),
    ...(locationName === undefined ? {} : { locationName })
  }
}

const reduceShape = (name: string): void => {
  const shape = model.shapes[name]
  if (shapes[name] !== undefined || shape === undefined) return
  const reduced: Record<string, unknown> = { type: shape.type }
  shapes[name] = reduced
  for (const key of ["required", "enum", "pattern", "min", "max"] as const) {
    if (shape[key] !== undefined) reduced[key] = shape[key]
  }
  if (shape.members !== undefined) {
    reduced.members = Object.fromEntries(
      Object.entries(shape.members).map(([member, reference]) => [member, reduceReference(reference)])
    )
  }
  for (const key of ["member", "key", "value"] as const) {
    const reference = shape[key]
    if (reference !== undefined) reduced[key] = reduceReference(reference)
  }
}

const operations = Object.entries(model.operations).map(([name, { http, input }]) => {
  if (input !== undefined) reduceShape(input.shape)
  return {
    name,
    method: http.method,
    uri: http.requestUri,
    status: http.responseCode ?? 200,
    ...(input === undefined ? {} : { input: input.shape })
  }
})

const target = fileURLToPath(new URL("./lambdaApi.json", import.meta.url))
writeFileSync(target, `${JSON.stringify({ operations, shapes }, null, 1)}\n`)
