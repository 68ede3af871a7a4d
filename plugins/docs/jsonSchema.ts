/** JSON Schema for the API documents, out of the schemas that the code itself checks and speaks with. */
import { JsonSchema, Schema } from "effect"

/** Named, for `#/components/schemas`; what they share by identifier comes along under its own name. */
export const schemaComponents = (
  schemas: Readonly<Record<string, Schema.Constraint>>
): Record<string, JsonSchema.JsonSchema> => {
  const components: Record<string, JsonSchema.JsonSchema> = {}
  for (const [name, schema] of Object.entries(schemas)) {
    const { root, definitions } = openApiSchema(schema)
    Object.assign(components, definitions, { [name]: root })
  }
  return components
}

/**
 * `inlineSchema` where a route describes itself: worked out when the document is made. Most servers are never asked for
 * one, and what it takes to know every schema as JSON is megabytes.
 */
export const laterSchema = (schema: Schema.Constraint) => () => inlineSchema(schema)

/** Without names: for a parameter or a body that is described where it stands. */
export const inlineSchema = (schema: Schema.Constraint): JsonSchema.JsonSchema => {
  const { root, definitions } = openApiSchema(schema)
  return resolve(root, definitions)
}

const openApiSchema = (schema: Schema.Constraint) => {
  const { schema: root, definitions } = Schema.toJsonSchemaDocument(schema)
  const converted = JsonSchema.toMultiDocumentOpenApi3_1({ dialect: "draft-2020-12", schemas: [root], definitions })
  return { root: withoutDefaults(converted.schemas[0]), definitions: withoutDefaults(converted.definitions) }
}

/**
 * Leaves out what goes without saying. That other properties may be there would, said, let every misspelt key through a
 * typed client; that an integer is one which JavaScript can hold tells nobody anything.
 */
const withoutDefaults = <A>(node: A): A =>
  JSON.parse(JSON.stringify(node), (_, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).filter(([key, child]) => defaults.get(key) !== child))
  }) as A

const defaults = new Map<string, unknown>([
  ["additionalProperties", true],
  ["minimum", Number.MIN_SAFE_INTEGER],
  ["maximum", Number.MAX_SAFE_INTEGER]
])

const prefix = "#/components/schemas/"

/** Puts definitions in the place of the references to them. A schema that contains itself cannot be written so. */
const resolve = (node: JsonSchema.JsonSchema, definitions: JsonSchema.Definitions): JsonSchema.JsonSchema => {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk)
    if (typeof value !== "object" || value === null) return value
    const reference = "$ref" in value && typeof value.$ref === "string" ? value.$ref : undefined
    if (reference?.startsWith(prefix)) return walk(definitions[reference.slice(prefix.length)])
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, walk(child)]))
  }
  return walk(node) as JsonSchema.JsonSchema
}
