/**
 * Reads `routing.yml`: paths and methods to functions, of one API that is served at the root. Its events are a REST
 * API's, its manners those of the gateway that such files were written for (`Api.isLenient`).
 */
import type { Duration } from "effect"
import { type Document, isNode, LineCounter, parseDocument } from "yaml"
import type { Api, Route } from "../domain/Route.ts"
import type { RegistryProblem } from "../registry/FunctionRegistry.ts"
import type { ReadApis } from "./fileSource.ts"
import { RouteTree } from "./RouteTree.ts"

export interface RoutingFileOptions {
  /** How long a caller waits; the functions have timeouts of their own. */
  readonly timeout: Duration.Duration
  /** Whether callers must have signed in to this gateway, whatever they ask for. */
  readonly needsSignIn?: boolean
}

export const routingApiId = "routing"

const methods = new Set(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "ANY"])

/** The file's content, or one line that says why none of it can be used. `fileName` is what a person is told. */
export const readRoutingFile = (text: string, fileName: string, options: RoutingFileOptions): ReadApis | string => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number) => {
    const { col, line } = lines.linePos(offset)
    return `${fileName}:${line}:${col}`
  }
  const error = document.errors[0]
  if (error !== undefined) return `${at(error.pos[0])}: ${error.message}`

  let content: unknown
  try {
    content = document.toJS() ?? {}
  } catch (cause) {
    return `${fileName}: ${cause instanceof Error ? cause.message : String(cause)}`
  }
  if (!isRecord(content)) return `${at(0)}: Expected the key 'routes'`
  const entries = content.routes ?? []
  if (!Array.isArray(entries)) return `${at(offsetOf(document, ["routes"]))}: routes: Expected a list`

  const places = new Map<Route, string>()
  const problems: Array<RegistryProblem> = []
  for (const [index, entry] of entries.entries()) {
    const place = at(offsetOf(document, ["routes", index]))
    const route = routeOf(entry)
    if (typeof route === "string") problems.push({ detail: `${place}: routes.${index}: ${route}` })
    else places.set(route, place)
  }
  const api = apiOf([...places.keys()], options)
  const refused = new RouteTree(api.routes, { ignoresTrailingSlash: false, isPathFirst: false }).refused.map(
    ({ detail, route }) => ({ detail: `${places.get(route)}: ${route.method} ${route.path} is not served: ${detail}` })
  )
  const unknown = Object.keys(content).filter((key) => key !== "routes")
  const strangers = unknown.map((key) => ({
    detail: `${at(offsetOf(document, [key]))}: ${key}: this key is unknown and does nothing`
  }))
  return {
    apis: places.size === 0 && options.needsSignIn !== true ? [] : [api],
    problems,
    warnings: [...refused, ...strangers]
  }
}

const apiOf = (routes: ReadonlyArray<Route>, { needsSignIn, timeout }: RoutingFileOptions): Api => ({
  id: routingApiId,
  kind: "rest",
  stage: "prod",
  mounts: ["root"],
  routes,
  binaryMediaTypes: [],
  ...(needsSignIn === true
    ? { authorizers: { "sign-in": { type: "sign-in" } }, gatekeeper: "sign-in" }
    : { authorizers: {} }),
  timeout,
  isLenient: true
})

/** One entry, or why it is none. */
const routeOf = (entry: unknown): Route | string => {
  if (!isRecord(entry)) return "Expected the keys 'path', 'method' and 'function'"
  const { method, path } = entry
  if (typeof path !== "string" || !path.startsWith("/")) return "path: Expected a path that begins with /"
  const upper = typeof method === "string" ? method.toUpperCase() : ""
  if (!methods.has(upper)) return `method: Expected one of ${[...methods].join(", ")}`
  const functionName = functionNameOf(entry.function)
  if (functionName === undefined) return "function: Expected the name of a function"
  return { method: upper, path, functionName, payloadFormat: "1.0" }
}

/** The name, or in the old form a record that has it as `container`, beside settings that are in `functions.yml` now. */
const functionNameOf = (value: unknown): string | undefined => {
  const name = isRecord(value) ? value.container : value
  return typeof name === "string" && name !== "" ? name : undefined
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Where the node at `path` begins, or the nearest one around it. */
const offsetOf = (document: Document, path: ReadonlyArray<PropertyKey>): number => {
  for (let length = path.length; length > 0; length--) {
    const node = document.hasIn(path.slice(0, length)) ? document.getIn(path.slice(0, length), true) : undefined
    if (isNode(node) && node.range) return node.range[0]
  }
  return document.contents?.range?.[0] ?? 0
}
