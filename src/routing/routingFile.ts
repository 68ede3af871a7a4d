/**
 * Reads `routing.yml`: paths and methods to functions, of one API that is served at the root. Its events are a REST
 * API's, its manners those of the gateway that such files were written for (`Api.isLenient`).
 */
import type { Duration } from "effect"
import { isRecord } from "../domain/json.ts"
import type { Api, Route } from "../domain/Route.ts"
import type { RegistryProblem } from "../registry/FunctionRegistry.ts"
import { readPlacedYaml } from "../registry/placedYaml.ts"
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
  const read = readPlacedYaml(text, fileName)
  if (typeof read === "string") return read
  const { content, place } = read
  if (!isRecord(content)) return `${fileName}:1:1: Expected the key 'routes'`
  const entries = content.routes ?? []
  if (!Array.isArray(entries)) return `${place(["routes"])}: routes: Expected a list`

  const places = new Map<Route, string>()
  const problems: Array<RegistryProblem> = []
  for (const [index, entry] of entries.entries()) {
    const begin = place(["routes", index])
    const route = routeOf(entry)
    if (typeof route === "string") problems.push({ detail: `${begin}: routes.${index}: ${route}` })
    else places.set(route, begin)
  }
  const api = apiOf([...places.keys()], options)
  const refused = new RouteTree(api.routes, { ignoresTrailingSlash: false, isPathFirst: false }).refused.map(
    ({ detail, route }) => ({ detail: `${places.get(route)}: ${route.method} ${route.path} is not served: ${detail}` })
  )
  const unknown = Object.keys(content).filter((key) => key !== "routes")
  const strangers = unknown.map((key) => ({
    detail: `${place([key])}: ${key}: this key is unknown and does nothing`
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
