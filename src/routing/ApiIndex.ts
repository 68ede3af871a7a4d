/**
 * Which API a request is for, and which of its routes: by the host that names it, by the stage in front of the path, or
 * at the root. One index for one set of APIs; another set needs another one.
 */

import type { Api, Route } from "../domain/Route.ts"
import { decodedPath } from "../events/HttpEventV2.ts"
import { type PathRules, type RouteRefused, RouteTree } from "./RouteTree.ts"

/** A request's API and route. */
export interface Routed {
  readonly _tag: "Routed"
  readonly api: Api
  readonly route: Route
  /** As the event has them: decoded, but for those of a REST API. */
  readonly parameters: Readonly<Record<string, string>>
  /** After the stage; percent-encoded as it came. */
  readonly path: string
}

/** The request is for this API, and none of its routes takes it. */
export interface Unrouted {
  readonly _tag: "Unrouted"
  readonly api: Api
  readonly path: string
}

export class ApiIndex {
  readonly refused: ReadonlyArray<RouteRefused>
  readonly #byId = new Map<string, IndexedApi>()
  readonly #byStage: ReadonlyMap<string, ReadonlyArray<IndexedApi>>
  readonly #atRoot: ReadonlyArray<IndexedApi>

  constructor(apis: ReadonlyArray<Api>) {
    const indexed = apis.map((api) => new IndexedApi(api))
    for (const api of indexed) this.#byId.set(api.api.id, api)
    this.#byStage = Map.groupBy(
      indexed.filter(({ api }) => api.mounts.includes("stage") && api.stage !== "$default"),
      ({ api }) => api.stage
    )
    this.#atRoot = indexed.filter(({ api }) => api.mounts.includes("root") || api.stage === "$default")
    this.refused = indexed.flatMap(({ tree }) => tree.refused)
  }

  /** `path` begins with `/`, is percent-encoded, and has no query. Undefined is a request for no API. */
  match(host: string | undefined, method: string, path: string): Routed | Unrouted | undefined {
    const own = this.#byId.get(apiOfHost(host) ?? "")
    if (own !== undefined) {
      const after = own.api.stage === "$default" ? path : afterStage(own.api.stage, path)
      if (after === undefined) return { _tag: "Unrouted", api: own.api, path }
      return own.match(method, after) ?? own.matchDefault(method, after) ?? own.unrouted(after)
    }
    const places = [...this.#behindStage(path), ...this.#atRoot.map((api) => ({ api, path }))]
    const first = places[0]
    if (first === undefined) return undefined
    for (const place of places) {
      const found = place.api.match(method, place.path)
      if (found !== undefined) return found
    }
    for (const place of places) {
      const found = place.api.matchDefault(method, place.path)
      if (found !== undefined) return found
    }
    // A browser that asks beforehand asks about another method, of an API that answers it without a route.
    const asked = method === "OPTIONS" ? places.find(({ api, path }) => api.answersBrowsers(path)) : undefined
    const { api, path: after } = asked ?? first
    return api.unrouted(after)
  }

  #behindStage(path: string) {
    const end = path.indexOf("/", 1)
    const stage = path.slice(1, end === -1 ? undefined : end)
    const rest = end === -1 ? "/" : path.slice(end)
    return (this.#byStage.get(stage) ?? []).map((api) => ({ api, path: rest }))
  }
}

class IndexedApi {
  readonly api: Api
  readonly tree: RouteTree

  constructor(api: Api) {
    this.api = api
    this.tree = new RouteTree(api.routes, rulesOf(api))
  }

  match(method: string, given: string): Routed | undefined {
    const path = this.api.kind === "rest" && !this.api.isLenient ? given.replace(/^\/{2,}/, "/") : given
    const match = this.tree.match(method, this.api.isLenient ? decodedPath(path) : path)
    if (match === undefined) return undefined
    const parameters =
      this.api.kind === "http"
        ? Object.fromEntries(Object.entries(match.parameters).map(([name, value]) => [name, decodedPath(value)]))
        : match.parameters
    return { _tag: "Routed", api: this.api, route: match.route, parameters, path }
  }

  matchDefault(method: string, path: string): Routed | undefined {
    const match = this.tree.matchDefault(method)
    return match === undefined ? undefined : { _tag: "Routed", api: this.api, ...match, path }
  }

  /** Whether it answers browsers itself that ask about this path. */
  answersBrowsers(path: string): boolean {
    return this.api.cors !== undefined && methods.some((method) => this.match(method, path) !== undefined)
  }

  unrouted(path: string): Unrouted {
    return { _tag: "Unrouted", api: this.api, path }
  }
}

const methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]

const rulesOf = (api: Api): PathRules =>
  api.isLenient
    ? { ignoresTrailingSlash: false, isPathFirst: false }
    : { ignoresTrailingSlash: api.kind === "rest", isPathFirst: api.kind === "rest", decode: decodedPath }

/** The id in `<id>.execute-api.…`, with or without a port behind it. */
const apiOfHost = (host: string | undefined): string | undefined => {
  const [id, service] = (host ?? "").toLowerCase().split(".", 3)
  return service === "execute-api" ? id : undefined
}

const afterStage = (stage: string, path: string): string | undefined => {
  if (path === `/${stage}`) return "/"
  return path.startsWith(`/${stage}/`) ? path.slice(stage.length + 1) : undefined
}
