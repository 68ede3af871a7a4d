/**
 * The API document of an application: what `@elysiajs/swagger` makes of its routes, put right where that falls short.
 *
 * The routes are described, not run: the plugin sees copies without their handlers. Its document is written in the
 * keywords of JSON Schema that OpenAPI has had since 3.1, so that is what it is labelled as.
 */
import { swagger } from "@elysiajs/swagger"
import { Schema } from "effect"
import { type AnyElysia, type DocumentDecoration, Elysia } from "elysia"
import { inlineSchema, schemaComponents } from "./jsonSchema.ts"

export interface ApiDescription {
  readonly info: { readonly title: string; readonly description: string; readonly version: string }
  readonly tags: ReadonlyArray<{ readonly name: string; readonly description: string }>
  /** By their names in `#/components/schemas`. */
  readonly schemas: Readonly<Record<string, Schema.Constraint>>
  /** How callers show who they are, by the names that the operations' `security` has. */
  readonly securitySchemes?: Readonly<Record<string, BearerToken>>
}

export interface BearerToken {
  readonly type: "http"
  readonly scheme: "bearer"
}

export interface OpenApiDocument {
  readonly openapi: string
  readonly info: ApiDescription["info"]
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

const documentPath = "/document"

export const openApiDocument = async (app: AnyElysia, description: ApiDescription): Promise<OpenApiDocument> => {
  const described = new Elysia().use(swagger({ path: "/page", specPath: documentPath, excludeStaticFile: false }))
  for (const { method, path, hooks } of app.routes) {
    if (hooks?.detail?.hide !== true) described.route(method, path, () => "", { detail: operation(hooks as Hooks) })
  }
  const response = await described.handle(new Request(`http://localhost${documentPath}`))
  const made = (await response.json()) as OpenApiDocument
  return {
    openapi: "3.1.0",
    info: description.info,
    ...{ servers: [{ url: "/" }], tags: description.tags },
    paths: made.paths,
    components: {
      schemas: { ...made.components.schemas, ...schemaComponents(description.schemas) },
      ...(description.securitySchemes === undefined ? {} : { securitySchemes: description.securitySchemes })
    }
  }
}

interface Hooks {
  readonly detail?: Readonly<Record<string, unknown>>
  readonly body?: unknown
  readonly query?: unknown
}

/**
 * What a route says of itself, and where it says nothing of its body or query, the schemas that check them. Elysia
 * types operations by OpenAPI 3.0, whose schemas are not those of 3.1.
 */
const operation = ({ detail: given = {}, body, query }: Hooks): DocumentDecoration => {
  const detail = workedOut(given)
  const described: Record<string, unknown> = {
    ...detail,
    parameters: detail.parameters ?? queryParameters(query),
    responses: detail.responses ?? { 200: { description: "Done." } }
  }
  if (detail.requestBody === undefined && Schema.isSchema(body)) {
    described.requestBody = { required: true, content: { "application/json": { schema: inlineSchema(body) } } }
  }
  return described
}

/** Functions in a description are what it leaves until it is asked for. */
const workedOut = <A>(described: A): A => {
  const walk = (value: unknown): unknown => {
    if (typeof value === "function") return walk(value())
    if (Array.isArray(value)) return value.map(walk)
    if (typeof value !== "object" || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, walk(child)]))
  }
  return walk(described) as A
}

const queryParameters = (query: unknown): ReadonlyArray<unknown> => {
  if (!Schema.isSchema(query)) return []
  const { properties = {}, required = [] } = inlineSchema(query) as {
    properties?: Record<string, unknown>
    required?: ReadonlyArray<string>
  }
  return Object.entries(properties).map(([name, schema]) => ({
    in: "query",
    name,
    required: required.includes(name),
    schema
  }))
}
