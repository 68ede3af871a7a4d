/** Reads the HTTP APIs of a template: `Api` and `HttpApi` of SAM, those it makes for events that name none, and their routes. */
import { resolve } from "node:path"
import { Duration } from "effect"
import { isRecord } from "../domain/json.ts"
import { type Api, type ApiKind, type Authorizer, defaultTimeoutSeconds, type Route } from "../domain/Route.ts"
import { ApiIndex } from "../routing/ApiIndex.ts"
import { type Definition, definitionOf, emptyDefinition } from "./apiDefinition.ts"
import { authorizerOf, signatureAuthorizer } from "./authorizers.ts"
import { httpApiCors, restPreflight } from "./corsSettings.ts"
import type { Fields } from "./Fields.ts"
import type { Remarks } from "./Intrinsics.ts"
import { callOf } from "./Intrinsics.ts"
import { parseTemplate } from "./parseTemplate.ts"
import { propertiesOf, propertiesPath, type Reading, remarksOf, resolvedFields } from "./Reading.ts"
import { apiIdOf, type Resource } from "./templateNames.ts"

/** An event of a function that is a request to an API. */
export interface ApiEvent {
  readonly kind: ApiKind
  readonly functionName: string
  readonly qualifier?: string
  readonly place: string
  readonly settings: Fields
  /** The logical id of the API that SAM makes where the event names none. */
  readonly implicitApi: string
}

interface OpenApi {
  readonly api: Omit<Api, "routes" | "authorizers">
  readonly authorizers: Record<string, Authorizer>
  readonly routes: Array<Route>
  readonly defaultAuthorizer?: string
  /** Of tokens, by authorizer. */
  readonly defaultScopes: ReadonlyMap<string, ReadonlyArray<string>>
  readonly needsApiKey: boolean
}

const kinds: Readonly<Record<string, ApiKind>> = { "AWS::Serverless::Api": "rest", "AWS::Serverless::HttpApi": "http" }

export const isApi = ({ type }: Resource): boolean => kinds[type] !== undefined

export interface ReadApiResources {
  readonly apis: ReadonlyArray<Api>
  readonly files: ReadonlyArray<string>
}

/** `implicit` makes the resource of an API that SAM makes itself. */
export const readApis = (
  reading: Reading,
  events: ReadonlyArray<ApiEvent>,
  implicit: (logicalId: string, type: string) => Resource
): ReadApiResources => {
  const files: Array<string> = []
  const apis = new Map<string, OpenApi>()
  for (const resource of reading.resources.values()) {
    if (isApi(resource)) apis.set(apiIdOf(resource.logicalId), openApiOf(reading, resource, files))
  }
  const places = new Map<Route, string>()
  for (const event of events) {
    const named = event.settings.text(event.kind === "rest" ? "RestApiId" : "ApiId")
    const isNamed = event.settings.has(event.kind === "rest" ? "RestApiId" : "ApiId")
    const id = named ?? apiIdOf(event.implicitApi)
    if (!apis.has(id) && !isNamed) {
      const type = event.kind === "rest" ? "AWS::Serverless::Api" : "AWS::Serverless::HttpApi"
      apis.set(id, openApiOf(reading, implicit(event.implicitApi, type), files))
    }
    const api = apis.get(id)
    if (api === undefined || api.api.kind !== event.kind) {
      event.settings.remarks.warn(
        event.settings.path,
        `its API ${named ?? ""} is none of this template: it is not served`
      )
      continue
    }
    const route = routeOf(event, api)
    if (route === undefined) continue
    places.set(route, event.place)
    // Before those of a definition: of two routes for the same requests the first one counts.
    api.routes.splice(api.routes.findLastIndex((one) => places.has(one)) + 1, 0, route)
  }
  const found = [...apis.values()].map(({ api, authorizers, routes }): Api => ({ ...api, routes, authorizers }))
  for (const { detail, route } of new ApiIndex(found).refused) {
    const place = places.get(route)
    reading.warnings.add(
      `${place === undefined ? "" : `${place}: `}${route.method} ${route.path} is not served: ${detail}`
    )
  }
  return { apis: found.filter(({ routes }) => routes.length > 0), files }
}

const openApiOf = (reading: Reading, resource: Resource, files: Array<string>): OpenApi => {
  const kind = kinds[resource.type] ?? "rest"
  const remarks = remarksOf(reading, resource)
  const settings = propertiesOf(reading, resource, remarks, new Set(["DefinitionBody", "DefinitionUri"]))
  warnOfStrangers(settings)
  const stage = settings.text("StageName") ?? "$default"
  if (kind === "rest" && !settings.has("StageName")) remarks.refuse(settings.path, "StageName is missing")
  const variables = settings.record(kind === "rest" ? "Variables" : "StageVariables")
  const stageVariables = Object.fromEntries(
    Object.keys(variables?.values ?? {}).map((name) => [name, variables?.text(name) ?? ""])
  )
  const definition = readDefinition(reading, resource, { kind, stageVariables }, remarks, files)
  const auth = settings.record("Auth")
  const given = auth?.record("Authorizers")?.records() ?? []
  const authorizers: Record<string, Authorizer> = { ...definition.authorizers }
  for (const [name, one] of given) {
    const authorizer = authorizerOf(kind, one)
    if (authorizer !== undefined) authorizers[name] = authorizer
  }
  const defaultAuthorizer = auth?.text("DefaultAuthorizer")
  const cors = kind === "http" ? (httpApiCors(settings) ?? definition.cors) : undefined
  const preflight = kind === "rest" ? restPreflight(settings) : undefined
  const open: OpenApi = {
    api: {
      id: apiIdOf(resource.logicalId),
      kind,
      stage,
      ...(Object.keys(stageVariables).length === 0 ? {} : { stageVariables }),
      mounts: ["root", "stage"],
      binaryMediaTypes:
        kind === "http"
          ? []
          : [...(settings.texts("BinaryMediaTypes") ?? []), ...definition.binaryMediaTypes].map((type) =>
              type.replaceAll("~1", "/")
            ),
      ...(cors === undefined ? {} : { cors }),
      ...(preflight === undefined ? {} : { preflightHeaders: preflight }),
      ...(settings.text("ApiKeySourceType") === "AUTHORIZER" ? { apiKeySource: "authorizer" as const } : {}),
      timeout: Duration.seconds(defaultTimeoutSeconds[kind]),
      isLenient: false
    },
    authorizers,
    routes: [],
    ...(defaultAuthorizer === undefined ? {} : { defaultAuthorizer }),
    defaultScopes: new Map(given.map(([name, one]) => [name, one.texts("AuthorizationScopes") ?? []])),
    needsApiKey: kind === "rest" && auth?.flag("ApiKeyRequired") === true
  }
  // What the definition says of a route is more than what the API says of all.
  open.routes.push(
    ...definition.routes.map((route) => ({ ...securityOf(open, undefined, route.authorizer), ...route }))
  )
  return open
}

const routeOf = (event: ApiEvent, api: OpenApi): Route | undefined => {
  const { kind, settings } = event
  const path = settings.text("Path") ?? (kind === "http" && !settings.has("Method") ? "$default" : undefined)
  const given = settings.text("Method")?.toUpperCase() ?? (kind === "http" ? "ANY" : undefined)
  if (path === undefined || given === undefined) {
    settings.remarks.refuse(settings.path, `${path === undefined ? "Path" : "Method"} is missing`)
    return undefined
  }
  const method = given === "*" || given === "X-AMAZON-APIGATEWAY-ANY-METHOD" ? "ANY" : given
  const version = settings.choice("PayloadFormatVersion", ["1.0", "2.0"])
  const auth = settings.record("Auth")
  return {
    method,
    path,
    functionName: event.functionName,
    ...(event.qualifier === undefined ? {} : { qualifier: event.qualifier }),
    ...securityOf(api, auth, auth?.text("Authorizer")),
    payloadFormat: kind === "rest" ? "1.0" : (version ?? "2.0")
  }
}

/** Who may call a route: what is said of it, and else what is said of the API. */
const securityOf = (
  { api, authorizers, defaultAuthorizer, defaultScopes, needsApiKey }: OpenApi,
  auth: Fields | undefined,
  own: string | undefined
): Pick<Route, "authorizer" | "needsApiKey" | "scopes"> => {
  const authorizer = own === "NONE" ? undefined : (own ?? defaultAuthorizer)
  if (authorizer === signatureAuthorizer) authorizers[signatureAuthorizer] = { type: "iam" }
  const scopes = auth?.texts("AuthorizationScopes") ?? defaultScopes.get(authorizer ?? "") ?? []
  const asksForKey = api.kind === "rest" && (auth?.flag("ApiKeyRequired") ?? needsApiKey)
  return {
    ...(authorizer === undefined ? {} : { authorizer }),
    ...(authorizer !== undefined && scopes.length > 0 ? { scopes } : {}),
    ...(asksForKey ? { needsApiKey: true } : {})
  }
}

/** The definition in the template, or in the file beside it that the template names. */
const readDefinition = (
  reading: Reading,
  resource: Resource,
  context: { readonly kind: ApiKind; readonly stageVariables: Readonly<Record<string, string>> },
  remarks: Remarks,
  files: Array<string>
): Definition => {
  const { DefinitionBody: body, DefinitionUri: uri } = resource.properties
  const path = [...propertiesPath(resource), body === undefined ? "DefinitionUri" : "DefinitionBody"]
  const location = body === undefined ? uri : includedBy(body)
  if (location === undefined) {
    return body === undefined ? emptyDefinition : definitionOf(resolvedFields(reading, body, path, remarks), context)
  }
  const named = reading.intrinsics.resolve(location, path, remarks)
  if (typeof named !== "string" || /^(s3|https?):\/\//.test(named)) {
    remarks.warn(path, "its definition is elsewhere: its paths are not known here")
    return emptyDefinition
  }
  const file = resolve(reading.folder, named)
  files.push(file)
  const text = reading.readFile(file)
  const parsed = text === undefined ? `${named} cannot be read` : parseTemplate(text, named)
  if (typeof parsed === "string") {
    remarks.refuse(path, parsed)
    return emptyDefinition
  }
  const there: Remarks = {
    warn: (at, detail) => remarks.warn(path, `${parsed.place(at)}: ${detail}`),
    refuse: (at, detail) => remarks.refuse(path, `${parsed.place(at)}: ${detail}`)
  }
  return definitionOf(resolvedFields(reading, parsed.content, [], there), context)
}

/** Where `AWS::Include` takes its text from; undefined where `body` is no such transform. */
const includedBy = (body: unknown): unknown => {
  const [name, argument] = callOf(body) ?? []
  if (name !== "Fn::Transform" || !isRecord(argument) || argument.Name !== "AWS::Include") return undefined
  return isRecord(argument.Parameters) ? argument.Parameters.Location : undefined
}

/** What would change an answer, and does not here. */
const notHere: Readonly<Record<string, string>> = {
  CanarySetting: "all calls go to the one stage",
  Domain: "the API answers at the root, and behind the name of its stage",
  GatewayResponses: "API Gateway's own answers are as they are",
  Mode: "definitions are taken as they are",
  Models: "bodies are not checked",
  MethodSettings: "calls are neither throttled nor cached by it",
  RouteSettings: "calls are not throttled by it",
  DefaultRouteSettings: "calls are not throttled by it"
}

const warnOfStrangers = (settings: Fields): void => {
  for (const [key, detail] of Object.entries(notHere)) {
    if (settings.has(key)) settings.warn(key, `${key} does nothing here: ${detail}`)
  }
  const auth = settings.record("Auth")
  if (auth?.has("ResourcePolicy")) auth.warn("ResourcePolicy", "ResourcePolicy does nothing here: it keeps nobody away")
}
