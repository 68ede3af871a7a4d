import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Route } from "../../src/domain/Route.ts"
import { type PathRules, RouteTree } from "../../src/routing/RouteTree.ts"

/** `GET /pets/{id}`, and the function's name is that text. */
const route = (text: string): Route => {
  const [method = "", path = ""] = text.split(" ")
  return { method, path, functionName: text, payloadFormat: "1.0" }
}

const decode = (segment: string) => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

const rest: PathRules = { ignoresTrailingSlash: true, isPathFirst: true, decode }
const http: PathRules = { ignoresTrailingSlash: false, isPathFirst: false, decode }
const tree = (routes: ReadonlyArray<string>, rules: PathRules) => new RouteTree(routes.map(route), rules)

/** The route that `request`, as `GET /pets/1`, leads to, and its parameters. */
const lookUp = (routes: ReadonlyArray<string>, request: string, rules = http) => {
  const [method = "", path = ""] = request.split(" ")
  const match = tree(routes, rules).match(method, path)
  return match === undefined ? undefined : [match.route.functionName, match.parameters]
}

describe("RouteTree", () => {
  it.each([
    ["a literal before a parameter", ["GET /pets/{id}", "GET /pets/dog"], "GET /pets/dog", "GET /pets/dog", {}],
    ["a parameter before a greedy one", ["GET /{proxy+}", "GET /{id}"], "GET /a", "GET /{id}", { id: "a" }],
    ["greedy, for more", ["GET /{proxy+}", "GET /{id}"], "GET /a/b", "GET /{proxy+}", { proxy: "a/b" }],
    ["a method before ANY", ["ANY /a", "GET /a"], "GET /a", "GET /a", {}],
    ["ANY, for another method", ["ANY /a", "GET /a"], "PATCH /a", "ANY /a", {}],
    ["the longer literal beginning", ["GET /{x}/b/c", "GET /a/{y}/c"], "GET /a/b/c", "GET /a/{y}/c", { y: "b" }],
    ["another way, where one ends", ["GET /a/b", "GET /{x}/c"], "GET /a/c", "GET /{x}/c", { x: "a" }],
    [
      "greedy, where a literal way ends",
      ["GET /a/b/c", "GET /{proxy+}"],
      "GET /a/b/d",
      "GET /{proxy+}",
      { proxy: "a/b/d" }
    ],
    ["the nearest greedy one", ["GET /{proxy+}", "GET /a/{rest+}"], "GET /a/b/c", "GET /a/{rest+}", { rest: "b/c" }],
    ["the root", ["GET /", "GET /{proxy+}"], "GET /", "GET /", {}],
    ["HEAD of its own", ["GET /a", "HEAD /a"], "HEAD /a", "HEAD /a", {}],
    ["methods in any case", ["get /a"], "GET /a", "get /a", {}],
    [
      "names with - and .",
      ["GET /{user-id}/{v1.0}"],
      "GET /a/b",
      "GET /{user-id}/{v1.0}",
      { "user-id": "a", "v1.0": "b" }
    ]
  ])("prefers %s", (_, routes, request, expected, parameters) => {
    expect(lookUp(routes, request)).toEqual([expected, parameters])
  })

  it.each([
    ["a greedy parameter takes one segment at least", ["GET /a/{proxy+}"], "GET /a"],
    ["a greedy parameter takes no empty one", ["GET /a/{proxy+}"], "GET /a/"],
    ["a parameter takes no empty segment", ["GET /a/{id}/b"], "GET /a//b"],
    ["HEAD is not GET", ["GET /a"], "HEAD /a"],
    ["a dot is a dot", ["GET /v1.0/x"], "GET /v1X0/x"],
    ["so are the other signs of regular expressions", ["GET /a+(b)*[c]|$^?"], "GET /aab"],
    ["case counts", ["GET /Pets"], "GET /pets"],
    ["the prototype of objects has no routes", ["GET /a"], "GET /constructor"]
  ])("%s", (_, routes, request) => {
    expect(lookUp(routes, request)).toBeUndefined()
  })

  it("takes the signs of regular expressions as they are", () => {
    expect(lookUp(["GET /a+(b)*[c]|$^?"], "GET /a+(b)*[c]|$^?")).toBeDefined()
  })

  it("keeps $default for what no other route takes", () => {
    const routes = tree(["ANY $default", "GET /a"], http)
    expect(routes.match("GET", "/b")).toBeUndefined()
    expect(routes.matchDefault("GET")).toMatchObject({ route: { path: "$default" }, parameters: {} })
  })

  it("compares what was encoded, once, and gives parameters as they came", () => {
    expect(lookUp(["GET /ä+/{id}"], "GET /%C3%A4%2B/c%2Fd")).toEqual(["GET /ä+/{id}", { id: "c%2Fd" }])
    expect(lookUp(["GET /a+b"], "GET /a%252Bb")).toBeUndefined()
    expect(lookUp(["GET /%zz"], "GET /%zz")).toBeDefined()
  })

  describe("of a REST API", () => {
    it.each([
      ["GET /{proxy+}", "GET /proxy-value", { proxy: "proxy-value" }],
      ["GET /{proxy+}", "GET /proxy-value/", { proxy: "proxy-value" }],
      ["GET /{proxy+}", "GET /a//b", { proxy: "a//b" }],
      ["GET /users/{id}", "GET /users/7/", { id: "7" }],
      ["GET /users", "GET /users/", {}],
      ["GET /users/", "GET /users", {}]
    ])("%s takes %s", (routes, request, parameters) => {
      expect(lookUp([routes], request, rest)).toEqual([routes, parameters])
    })

    it("has the path decide before the method, other than an HTTP API", () => {
      const routes = ["GET /pets/dog", "ANY /pets/{id}"]
      expect(lookUp(routes, "POST /pets/dog", rest)).toBeUndefined()
      expect(lookUp(routes, "POST /pets/dog", http)).toEqual(["ANY /pets/{id}", { id: "dog" }])
    })
  })

  it("tells a trailing slash apart in an HTTP API", () => {
    expect(lookUp(["GET /users"], "GET /users/")).toBeUndefined()
    expect(lookUp(["GET /users/"], "GET /users/")).toEqual(["GET /users/", {}])
    expect(lookUp(["GET /{proxy+}"], "GET /a/b/")).toEqual(["GET /{proxy+}", { proxy: "a/b/" }])
  })

  it.each([
    ["GET pets", "its path does not begin with /"],
    ["GET /{a+}/b", "{a+} is not at its end"],
    ["GET /a-{id}", "a-{id} is no parameter: a parameter is a whole segment"],
    ["GET /{}", "{} is no parameter: a parameter is a whole segment"],
    ["GET /{id}/{id}", "it has two parameters of the name id"],
    ["get /first/{other}", "GET /first/{id} comes before it and takes the same requests"]
  ])("refuses %s with a reason, and takes the rest", (wrong, detail) => {
    const routes = tree(["GET /first/{id}", wrong, "GET /last"], http)
    expect(routes.refused).toEqual([{ route: route(wrong), detail }])
    expect(routes.match("GET", "/first/1")?.parameters).toEqual({ id: "1" })
    expect(routes.match("GET", "/last")).toBeDefined()
  })

  it("is done at once with a path made to keep it busy", () => {
    const parts = ["a", "{p}"]
    const paths = (depth: number): ReadonlyArray<string> =>
      depth === 0 ? ["/end"] : paths(depth - 1).flatMap((rest) => parts.map((part) => `/${part}${depth}${rest}`))
    const named = paths(10).map((path) => `GET ${path.replaceAll(/\{p\}(\d+)/g, "{p$1}")}`)
    const routes = tree(named, http)
    expect(routes.refused).toEqual([])
    const path = Array.from({ length: 10 }, (_, index) => `/a${10 - index}`).join("")
    expect(routes.match("GET", `${path}/end`)?.parameters).toEqual({})
    const started = performance.now()
    for (let round = 0; round < 100; round++) expect(routes.match("GET", `${path}/nowhere`)).toBeUndefined()
    expect(routes.match("GET", "/a".repeat(100_000))).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(1000)
  })

  describe("and a matcher that compares every route", () => {
    /** How well a segment of a pattern fits: 0 best; undefined not at all. */
    const rank = (pattern: string, segment: string): number | undefined =>
      pattern.startsWith("{") ? (segment === "" ? undefined : 1) : pattern === decode(segment) ? 0 : undefined

    const split = (path: string, rules: PathRules) => {
      const segments = path === "/" ? [] : path.slice(1).split("/")
      if (rules.ignoresTrailingSlash) while (segments.at(-1) === "") segments.pop()
      return segments
    }

    /** The ranks of a pattern's segments, 2 for a greedy one. */
    const ranksOf = (pattern: ReadonlyArray<string>, segments: ReadonlyArray<string>) => {
      const isGreedy = pattern.at(-1)?.endsWith("+}") === true
      const fixed = isGreedy ? pattern.slice(0, -1) : pattern
      if (isGreedy ? segments.length <= fixed.length : segments.length !== fixed.length) return undefined
      const ranks = fixed.map((part, index) => rank(part, segments[index]!))
      if (ranks.includes(undefined)) return undefined
      return isGreedy ? (segments.slice(fixed.length).join("/") === "" ? undefined : [...ranks, 2]) : ranks
    }

    const naive = (routes: ReadonlyArray<Route>, method: string, path: string, rules: PathRules) => {
      const segments = split(path, rules)
      const fitting = routes
        .map((candidate) => ({ candidate, ranks: ranksOf(split(candidate.path, rules), segments) }))
        .filter(({ ranks }) => ranks !== undefined)
        .sort((a, b) => (a.ranks!.join("") < b.ranks!.join("") ? -1 : a.ranks!.join("") > b.ranks!.join("") ? 1 : 0))
      const best = fitting.filter(({ ranks }) => ranks!.join("") === fitting[0]!.ranks!.join(""))
      const own = (among: typeof fitting) =>
        among
          .filter(({ candidate }) => candidate.method === method || candidate.method === "ANY")
          .sort(
            (a, b) =>
              (a.ranks!.join("") < b.ranks!.join("") ? -1 : a.ranks!.join("") > b.ranks!.join("") ? 1 : 0) ||
              Number(a.candidate.method === "ANY") - Number(b.candidate.method === "ANY")
          )[0]?.candidate
      return own(rules.isPathFirst ? best : fitting)
    }

    const segment = fc.constantFrom("a", "b", "v1.0", "%61", "", "a+")
    const part = fc.oneof(fc.constantFrom("a", "b", "v1.0", "a+"), fc.constantFrom("{x}", "{y}", "{z}"))
    const pattern = fc
      .tuple(fc.array(part, { maxLength: 4 }), fc.boolean())
      .map(([parts, isGreedy]) => `/${[...parts, ...(isGreedy ? ["{rest+}"] : [])].join("/")}`)
    const method = fc.constantFrom("GET", "POST", "ANY")
    const routes = fc.array(
      fc.tuple(method, pattern).map(([name, path]) => route(`${name} ${path}`)),
      { maxLength: 12 }
    )
    const path = fc.array(segment, { maxLength: 6 }).map((segments) => `/${segments.join("/")}`)

    it.each([
      ["REST API", rest],
      ["HTTP API", http]
    ])("agree on every route of a %s", (_, rules) => {
      fc.assert(
        fc.property(routes, fc.constantFrom("GET", "POST"), path, (given, method, path) => {
          const refused = new RouteTree(given, rules).refused.map(({ route }) => route)
          const taken = given.filter((candidate) => !refused.includes(candidate))
          expect(new RouteTree(given, rules).match(method, path)?.route).toBe(naive(taken, method, path, rules))
        }),
        { numRuns: 3000, seed: 20261122 }
      )
    })
  })
})
