/** The operations of the control plane for the API document, made from the same model that reads their requests. */
import { type Operation, type Shape, shapeOf } from "../../src/control/model/LambdaApi.ts"

/** What the document says of a route; of operations that share one, each is named. */
export const describe = (known: ReadonlyArray<Operation>) => {
  const first = known[0]!
  const members = known.flatMap(({ input }) => Object.entries(shapeOf(input ?? "").members ?? {}))
  const body = Object.fromEntries(members.filter(([, { location }]) => location === undefined))
  const parameters = new Map(
    members
      .filter(([, { location }]) => location === "uri" || location === "querystring")
      .map(([name, { location, locationName, shape }]) => [
        `${location} ${locationName ?? name}`,
        {
          name: locationName ?? name,
          in: location === "uri" ? ("path" as const) : ("query" as const),
          required: location === "uri",
          schema: schemaOf(shapeOf(shape))
        }
      ])
  )
  return {
    operationId: first.name,
    tags: ["Control plane"],
    summary: known.map(({ name }) => name).join(" or "),
    parameters: [...parameters.values()],
    ...(Object.keys(body).length === 0
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              "application/json": {
                schema: schemaOf({
                  type: "structure",
                  members: body,
                  required: (shapeOf(first.input ?? "").required ?? []).filter((name) => name in body)
                })
              }
            }
          }
        }),
    responses: {
      [first.status]:
        first.status === 204
          ? { description: "Done." }
          : {
              description: "As in AWS's API reference.",
              content: { "application/json": { schema: { type: "object" as const } } }
            }
    }
  }
}

interface JsonSchema {
  readonly [key: string]: unknown
}

/** The part of a shape that JSON Schema can say. Shapes of this API do not contain themselves. */
const schemaOf = (shape: Shape): JsonSchema => {
  switch (shape.type) {
    case "structure":
      return {
        type: "object",
        properties: Object.fromEntries(
          Object.entries(shape.members ?? {}).map(([name, { shape: member }]) => [name, schemaOf(shapeOf(member))])
        ),
        ...(shape.required === undefined || shape.required.length === 0 ? {} : { required: shape.required })
      }
    case "list":
      return { type: "array", items: schemaOf(shapeOf(shape.member?.shape ?? "")) }
    case "map":
      return { type: "object", additionalProperties: schemaOf(shapeOf(shape.value?.shape ?? "")) }
    case "boolean":
      return { type: "boolean" }
    case "integer":
    case "long":
      return { type: "integer", ...limits(shape) }
    case "double":
    case "float":
      return { type: "number", ...limits(shape) }
    case "blob":
      return { type: "string", format: "byte" }
    default:
      return {
        type: "string",
        ...(shape.enum === undefined || shape.enum.length === 0 ? {} : { enum: shape.enum }),
        ...(shape.min === undefined ? {} : { minLength: shape.min }),
        ...(shape.max === undefined ? {} : { maxLength: shape.max })
      }
  }
}

const limits = ({ min, max }: Shape) => ({
  ...(min === undefined ? {} : { minimum: min }),
  ...(max === undefined ? {} : { maximum: max })
})
