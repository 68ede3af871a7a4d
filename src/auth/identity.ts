/** What in a request says who its caller is: identity sources as API Gateway writes them, and bearer tokens. */
import type { RouteCall } from "../routing/RouteAuthorizer.ts"

/** The value of `$request.header.X`, `method.request.querystring.x`, `context.stage` …; undefined where there is none. */
export const identityOf = (call: RouteCall, source: string): string | undefined => {
  const [, place, name = ""] = /^(?:\$|method\.)request\.(header|querystring)\.(.+)$/i.exec(source) ?? []
  if (place?.toLowerCase() === "header") return headerOf(call, name)
  if (place !== undefined) return joined(new URLSearchParams(call.request.rawQuery).getAll(name))
  const [, kind, key = ""] = /^\$?(stageVariables|context)\.(.+)$/i.exec(source) ?? []
  if (kind === undefined) return undefined
  const value = kind.toLowerCase() === "context" ? contextOf(call, key) : call.api.stageVariables?.[key]
  return value === "" ? undefined : value
}

/** What came more than once is joined, so that nobody can show one token and mean another. */
export const headerOf = (call: RouteCall, name: string): string | undefined => {
  const wanted = name.toLowerCase()
  const values: Array<string> = []
  for (const [given, value] of call.request.headers) if (given.toLowerCase() === wanted) values.push(value.trim())
  return joined(values)
}

const joined = (values: ReadonlyArray<string>): string | undefined => values.join(",") || undefined

/** Of `requestContext`, what can tell callers apart. */
const contextOf = (call: RouteCall, key: string): string | undefined => {
  const { api, domainName, request, route, sourceIp, stagePath } = call
  switch (key) {
    case "identity.sourceIp":
    case "http.sourceIp":
      return sourceIp
    case "identity.userAgent":
    case "http.userAgent":
      return headerOf(call, "user-agent")
    case "httpMethod":
    case "http.method":
      return request.method
    case "path":
    case "http.path":
      return stagePath
    case "routeKey":
      return route === undefined ? undefined : routeKeyOf(route)
    case "resourcePath":
      return route?.path
    case "apiId":
      return api.id
    case "stage":
      return api.stage
    case "domainName":
      return domainName
    default:
      return undefined
  }
}

export const routeKeyOf = ({ method, path }: NonNullable<RouteCall["route"]>): string =>
  path === "$default" ? path : `${method} ${path}`

/** The token in `Bearer <token>`, or a bare one; undefined for every other scheme. */
export const tokenOf = (value: string): string | undefined => /^(?:bearer +)?([^\s,]+)$/i.exec(value.trim())?.[1]
