import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Logger } from "effect"
import { afterEach, beforeEach } from "vitest"
import { fileSource } from "../../src/routing/fileSource.ts"
import { RouteTable } from "../../src/routing/RouteTable.ts"
import { readRoutingFile } from "../../src/routing/routingFile.ts"

const options = { timeout: Duration.infinity }
const read = (text: string) => {
  const content = readRoutingFile(text, "routing.yml", options)
  if (typeof content === "string") throw new Error(content)
  return content
}
const routes = (text: string) =>
  read(text).apis.flatMap((api) =>
    api.routes.map(({ functionName, method, path }) => `${method} ${path} ${functionName}`)
  )

describe("routing.yml", () => {
  it("is an API at the root, of stage prod, whose functions get events as of a REST API", () => {
    const text = `routes:
  - path: "/users/{user_id}/posts/{post-id}"
    method: "GET"
    function: "lambda-x"
  - { path: "/files/{proxy+}", method: any, function: files }
`
    expect(read(text)).toMatchObject({
      apis: [{ kind: "rest", stage: "prod", mounts: ["root"], isLenient: true }],
      problems: [],
      warnings: []
    })
    expect(routes(text)).toEqual(["GET /users/{user_id}/posts/{post-id} lambda-x", "ANY /files/{proxy+} files"])
  })

  it("may have functions in the old form", () => {
    const text =
      'routes: [{ path: /a, method: post, function: { container: "lambda-a", image: "a:1", environment: { A: b } } }]'
    expect(routes(text)).toEqual(["POST /a lambda-a"])
  })

  it.each([
    ["", 0],
    ["routes:", 0],
    ["routes: []", 0]
  ])("may be empty: '%s'", (text, count) => {
    expect(read(text)).toEqual({ apis: [], problems: [], warnings: [] })
    expect(routes(text)).toHaveLength(count)
  })

  it.each([
    ["routes: [", /^routing\.yml:1:10: /],
    ["routes: {}", /^routing\.yml:1:9: routes: Expected a list$/],
    ["\n- a", /^routing\.yml:1:1: Expected the key 'routes'$/]
  ])("is of no use as %s", (text, why) => {
    expect(readRoutingFile(text, "routing.yml", options)).toMatch(why)
  })

  it.each([
    ["{ method: GET, function: f }", "path: Expected a path that begins with /"],
    ["{ path: a, method: GET, function: f }", "path: Expected a path that begins with /"],
    ["{ path: /a, function: f }", "method: Expected one of GET, POST, PUT, DELETE, PATCH, HEAD, OPTIONS, ANY"],
    [
      "{ path: /a, method: FETCH, function: f }",
      "method: Expected one of GET, POST, PUT, DELETE, PATCH, HEAD, OPTIONS, ANY"
    ],
    ["{ path: /a, method: GET, function: { image: f } }", "function: Expected the name of a function"],
    ["just text", "Expected the keys 'path', 'method' and 'function'"]
  ])("says where %s is wrong, and serves the rest", (wrong, why) => {
    const content = read(`routes:\n  - { path: /ok, method: GET, function: f }\n  - ${wrong}\n`)
    expect(content.problems).toEqual([{ detail: `routing.yml:3:5: routes.1: ${why}` }])
    expect(content.apis[0]?.routes).toHaveLength(1)
  })

  it("says which routes can never be reached, and which keys do nothing", () => {
    const { warnings } = read(`routes:
  - { path: "/a/{id}", method: GET, function: first }
  - { path: "/a/{other}", method: get, function: second }
route: x
`)
    expect(warnings.map(({ detail }) => detail)).toEqual([
      "routing.yml:3:5: GET /a/{other} is not served: GET /a/{id} comes before it and takes the same requests",
      "routing.yml:4:8: route: this key is unknown and does nothing"
    ])
  })
})

describe("a file of routes", () => {
  let folder = ""
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "irori-routes-"))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const write = (text: string) => writeFileSync(join(folder, "routing.yml"), text)
  const one = (path: string) => `routes: [{ path: ${path}, method: GET, function: f }]`

  /** Looks again and again, for as long as a test may take. */
  const until = (isSo: () => boolean) =>
    Effect.repeat(Effect.delay(Effect.sync(isSo), "20 millis"), { until: (seen) => seen })

  const serving = <A, E>(
    body: (table: RouteTable["Service"], log: ReadonlyArray<string>) => Effect.Effect<A, E>,
    settings: { readonly isRequired?: boolean } = {}
  ) => {
    const log: Array<string> = []
    const source = fileSource({
      path: join(folder, "routing.yml"),
      watch: true,
      read: (text, path) => readRoutingFile(text, path, options),
      ...settings
    })
    return RouteTable.use((table) => body(table, log)).pipe(
      Effect.provide(RouteTable.layer([source])),
      Effect.provide(Logger.layer([Logger.make(({ message }) => log.push(String(message)))]))
    )
  }
  const has = (table: RouteTable["Service"], path: string) => table.match(undefined, "GET", path)?._tag === "Routed"

  it.live("is taken over when it changes, comes or goes", () =>
    serving((table, log) =>
      Effect.gen(function* () {
        expect(table.match(undefined, "GET", "/a")).toBeUndefined()
        expect(yield* table.problems).toEqual([])
        write(one("/a"))
        yield* until(() => has(table, "/a"))
        write(one("/b"))
        yield* until(() => has(table, "/b") && !has(table, "/a"))
        expect(log.filter((line) => line.startsWith("Routes changed"))).toHaveLength(2)
        rmSync(join(folder, "routing.yml"))
        yield* until(() => table.match(undefined, "GET", "/b") === undefined)
      })
    )
  )

  it.live("goes on as it was while it is broken, says so once, and is taken over when it is mended", () => {
    write(one("/a"))
    return serving((table, log) =>
      Effect.gen(function* () {
        write("routes: [")
        yield* until(() => log.some((line) => line.includes("routing.yml:1:")))
        expect(has(table, "/a")).toBe(true)
        expect((yield* table.problems)[0]?.detail).toMatch(/routing\.yml:1:10: /)
        write(one("/b"))
        yield* until(() => has(table, "/b"))
        expect(yield* table.problems).toEqual([])
        expect(log.filter((line) => line.includes("routing.yml:1:"))).toHaveLength(1)
      })
    )
  })

  it.live("is a problem where it was asked for and is not there", () =>
    serving(
      (table) =>
        Effect.gen(function* () {
          expect((yield* table.problems)[0]?.detail).toMatch(/routing\.yml cannot be read: ENOENT/)
        }),
      { isRequired: true }
    )
  )
})
