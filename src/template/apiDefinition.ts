/** Reads the OpenAPI definition of an API: which functions its paths lead to, and who may call them. */
import type { ApiCors, ApiKind, Authorizer, Route } from "../domain/Route.ts"
import { schemeAuthorizerOf } from "./authorizers.ts"
import { readCors } from "./corsSettings.ts"
import type { Fields } from "./Fields.ts"
import { functionTargetOf } from "./Reading.ts"

export interface Definition {
  readonly routes: ReadonlyArray<Route>
  readonly authorizers: Readonly<Record<string, Authorizer>>
  readonly binaryMediaTypes: ReadonlyArray<string>
  readonly cors?: ApiCors
}

export const emptyDefinition: Definition = { routes: [], authorizers: {}, binaryMediaTypes: [] }

const methods = new Set(["get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"])

export interface DefinitionContext {
  readonly kind: ApiKind
  /** What `${stageVariables.name}` in the URI of an integration stands for. */
  readonly stageVariables: Readonly<Record<string, string>>
}

export const definitionOf = (body: Fields, context: DefinitionContext): Definition => {
  const schemes = body.record("securityDefinitions") ?? body.record("components")?.record("securitySchemes")
  const authorizers: Record<string, Authorizer> = {}
  const apiKeys = new Set<string>()
  for (const [name, scheme] of schemes?.records() ?? []) {
    const authorizer = schemeAuthorizerOf(context.kind, scheme)
    if (authorizer === "api-key") apiKeys.add(name)
    else if (authorizer !== undefined) authorizers[name] = authorizer
  }
  const cors = body.record("x-amazon-apigateway-cors")
  return {
    routes: (body.record("paths")?.records() ?? []).flatMap(([path, item]) =>
      Object.keys(item.values).flatMap((method) => {
        const operation = methods.has(method.toLowerCase()) ? item.record(method) : undefined
        if (operation === undefined) return []
        const upper = method.startsWith("x-") ? "ANY" : method.toUpperCase()
        const security = operation.values.security ?? body.values.security
        const route = routeOf(upper, path, operation, securityOf(security, apiKeys), context)
        return route === undefined ? [] : [route]
      })
    ),
    authorizers,
    binaryMediaTypes: body.texts("x-amazon-apigateway-binary-media-types") ?? [],
    ...(cors === undefined ? {} : { cors: readCors(cors, (name) => name) })
  }
}

type Security = Pick<Route, "authorizer" | "needsApiKey" | "scopes">

/** The first scheme of each requirement counts: API Gateway takes one, and an API key beside it. */
const securityOf = (given: unknown, apiKeys: ReadonlySet<string>): Security => {
  const requirements: ReadonlyArray<object> = Array.isArray(given)
    ? given.filter((one): one is object => typeof one === "object" && one !== null)
    : []
  const entries = requirements.flatMap((one) => Object.entries(one))
  const [authorizer, scopes] = entries.find(([name]) => !apiKeys.has(name)) ?? []
  return {
    ...(authorizer === undefined ? {} : { authorizer }),
    ...(Array.isArray(scopes) && scopes.length > 0 ? { scopes: scopes.map(String) } : {}),
    ...(entries.some(([name]) => apiKeys.has(name)) ? { needsApiKey: true } : {})
  }
}

const routeOf = (
  method: string,
  path: string,
  operation: Fields,
  security: Security,
  { kind, stageVariables }: DefinitionContext
): Route | undefined => {
  const integration = operation.record("x-amazon-apigateway-integration")
  const type = integration?.text("type")?.toLowerCase()
  const uri = integration
    ?.text("uri")
    ?.replace(/\$\{stageVariables\.(\w+)\}/g, (whole, name) => stageVariables[name] ?? whole)
  const target = type === "aws_proxy" ? functionTargetOf(uri ?? "") : undefined
  if (integration === undefined || target === undefined) {
    const what = type === undefined ? "has no integration" : `has an integration ${type} that is no function's`
    operation.remarks.warn(operation.path, `${method} ${path} ${what}, and is not served`)
    return undefined
  }
  const version = integration.choice("payloadFormatVersion", ["1.0", "2.0"])
  return { method, path, ...target, ...security, payloadFormat: kind === "rest" ? "1.0" : (version ?? "2.0") }
}
