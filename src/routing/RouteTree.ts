/**
 * Which route a method and a path lead to, by API Gateway's precedence: segment for segment a literal one before a
 * parameter before a greedy one; a route's own method before `ANY`; `$default` last. A walk over a tree with a map in
 * each node: it enters no node twice, and its cost is that of the path, not of the number of routes.
 */
import type { Route } from "../domain/Route.ts"

export interface RouteMatch {
  readonly route: Route
  /** As they stand in the path that was given. */
  readonly parameters: Readonly<Record<string, string>>
}

/** A route that the tree does not have: one line that says why. */
export interface RouteRefused {
  readonly route: Route
  readonly detail: string
}

export interface PathRules {
  /** Whether `/a/` is `/a`. */
  readonly ignoresTrailingSlash: boolean
  /**
   * Whether a path that matches decides alone, and a method that it does not have is unknown; otherwise another path
   * that matches too may have it.
   */
  readonly isPathFirst: boolean
  /** Undoes the percent-encoding of one segment before it is compared; absent where paths come decoded. */
  readonly decode?: (segment: string) => string
}

/** A path of more segments leads nowhere. A request line has room for thousands, no route for more than a few. */
const maxSegments = 512

interface Node {
  readonly literals: Map<string, Node>
  parameter: Node | undefined
  /** By method: routes that end here. */
  readonly leaves: Map<string, Leaf>
  /** By method: routes that end here with all the segments that are left. */
  readonly greedy: Map<string, Leaf>
}

interface Leaf {
  readonly route: Route
  /** Of the parameters, in the order of the path: they are a route's own, not the node's. */
  readonly names: ReadonlyArray<string>
  /** Whether the last parameter has all the segments that are left. */
  readonly isGreedy: boolean
}

const newNode = (): Node => ({ literals: new Map(), parameter: undefined, leaves: new Map(), greedy: new Map() })

/** A path that matches and has not the method. */
const noMethod = Symbol("noMethod")

export class RouteTree {
  readonly refused: ReadonlyArray<RouteRefused>
  readonly #rules: PathRules
  readonly #root = newNode()
  readonly #defaults = new Map<string, Leaf>()

  /** Of two routes for the same requests the first one counts. */
  constructor(routes: ReadonlyArray<Route>, rules: PathRules) {
    this.#rules = rules
    this.refused = routes.flatMap((route) => {
      const detail = this.#add(route)
      return detail === undefined ? [] : [{ route, detail }]
    })
  }

  /** `path` begins with `/` and has no query. Leaves `$default` out, which `matchDefault` has. */
  match(method: string, path: string): RouteMatch | undefined {
    const segments = this.#split(path)
    if (segments === undefined) return undefined
    const { decode } = this.#rules
    const literals = decode === undefined || !path.includes("%") ? segments : segments.map(decode)
    const found = walk(this.#root, 0, { method, segments, literals, isPathFirst: this.#rules.isPathFirst })
    if (found === undefined || found === noMethod) return undefined
    return { route: found.leaf.route, parameters: parametersOf(found, segments) }
  }

  matchDefault(method: string): RouteMatch | undefined {
    const leaf = leafOf(this.#defaults, method)
    return leaf === undefined ? undefined : { route: leaf.route, parameters: {} }
  }

  #split(path: string): ReadonlyArray<string> | undefined {
    const segments = path.slice(1).split("/", maxSegments + 1)
    if (segments.length > maxSegments) return undefined
    if (this.#rules.ignoresTrailingSlash) while (segments.at(-1) === "") segments.pop()
    else if (path === "/") segments.pop()
    return segments
  }

  #add(route: Route): string | undefined {
    if (route.path === "$default") return addLeaf(this.#defaults, { route, names: [], isGreedy: false })
    if (!route.path.startsWith("/")) return "its path does not begin with /"
    const segments = this.#split(route.path)
    if (segments === undefined) return "its path is too long"
    const names: Array<string> = []
    let node = this.#root
    for (const [depth, segment] of segments.entries()) {
      const parameter = parameterOf(segment)
      if (typeof parameter === "string") return parameter
      if (parameter === undefined) {
        node = childOf(node, this.#rules.decode?.(segment) ?? segment)
        continue
      }
      if (names.includes(parameter.name)) return `it has two parameters of the name ${parameter.name}`
      names.push(parameter.name)
      if (parameter.isGreedy) {
        if (depth < segments.length - 1) return `${segment} is not at its end`
        return addLeaf(node.greedy, { route, names, isGreedy: true })
      }
      node.parameter ??= newNode()
      node = node.parameter
    }
    return addLeaf(node.leaves, { route, names, isGreedy: false })
  }
}

const childOf = (node: Node, literal: string): Node => {
  const known = node.literals.get(literal)
  if (known !== undefined) return known
  const child = newNode()
  node.literals.set(literal, child)
  return child
}

const addLeaf = (leaves: Map<string, Leaf>, leaf: Leaf): string | undefined => {
  const method = leaf.route.method.toUpperCase()
  const first = leaves.get(method)?.route
  if (first !== undefined) return `${first.method} ${first.path} comes before it and takes the same requests`
  leaves.set(method, leaf)
  return undefined
}

/** `{name}` and `{name+}` take a whole segment; undefined is a literal, text is why it is neither. */
const parameterOf = (segment: string): { readonly name: string; readonly isGreedy: boolean } | string | undefined => {
  if (!segment.includes("{") && !segment.includes("}")) return undefined
  const inner = segment.startsWith("{") && segment.endsWith("}") ? segment.slice(1, -1) : ""
  const isGreedy = inner.endsWith("+")
  const name = isGreedy ? inner.slice(0, -1) : inner
  return /^[\w.:$-]+$/.test(name) ? { name, isGreedy } : `${segment} is no parameter: a parameter is a whole segment`
}

interface Request {
  readonly method: string
  readonly segments: ReadonlyArray<string>
  readonly literals: ReadonlyArray<string>
  readonly isPathFirst: boolean
}

interface Found {
  readonly leaf: Leaf
  /** Where each of its parameters stands. */
  readonly depths: ReadonlyArray<number>
}

type Outcome = Found | typeof noMethod | undefined

/** Best first: what a literal leads to, what a parameter leads to, the greedy route of this node. */
const walk = (node: Node, depth: number, request: Request, depths: ReadonlyArray<number> = []): Outcome => {
  const { literals, segments } = request
  if (depth === segments.length) return take(node.leaves, request, depths)
  const literal = node.literals.get(literals[depth]!)
  const byLiteral = literal === undefined ? undefined : walk(literal, depth + 1, request, depths)
  if (byLiteral !== undefined) return byLiteral
  // An empty segment is no value.
  if (node.parameter !== undefined && segments[depth] !== "") {
    const byParameter = walk(node.parameter, depth + 1, request, [...depths, depth])
    if (byParameter !== undefined) return byParameter
  }
  const isEmpty = depth === segments.length - 1 && segments[depth] === ""
  return isEmpty ? undefined : take(node.greedy, request, [...depths, depth])
}

const take = (leaves: Map<string, Leaf>, request: Request, depths: ReadonlyArray<number>): Outcome => {
  const leaf = leafOf(leaves, request.method)
  if (leaf !== undefined) return { leaf, depths }
  return request.isPathFirst && leaves.size > 0 ? noMethod : undefined
}

const leafOf = (leaves: Map<string, Leaf>, method: string): Leaf | undefined => leaves.get(method) ?? leaves.get("ANY")

const parametersOf = ({ depths, leaf }: Found, segments: ReadonlyArray<string>): Readonly<Record<string, string>> => {
  const values = depths.map((depth) => segments[depth]!)
  if (leaf.isGreedy) values[values.length - 1] = segments.slice(depths.at(-1)).join("/")
  return Object.fromEntries(leaf.names.map((name, index) => [name, values[index]!]))
}
