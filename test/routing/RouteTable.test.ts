import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Api } from "../../src/domain/Route.ts"
import { RouteTable } from "../../src/routing/RouteTable.ts"
import { httpApi, lenientApi, restApi } from "./apis.ts"

/** What a request is for: `GET host /path`, host `-` for one that is no API's. */
const lookUp = (apis: ReadonlyArray<Api>, request: string) =>
  Effect.map(
    RouteTable.use((table) => {
      const [method = "", host = "", path = ""] = request.split(" ")
      return Effect.sync(() => table.match(host === "-" ? "localhost:3000" : host, method, path))
    }),
    (found) => {
      if (found === undefined) return "nothing"
      if (found._tag === "Unrouted") return `${found.api.id} has no route`
      return `${found.api.id} ${found.route.path} ${found.path} ${JSON.stringify(found.parameters)}`
    }
  ).pipe(Effect.provide(RouteTable.layerMemory(apis)))

const shop = restApi(["GET /hardcoded", "ANY /{proxy+}"], { id: "shop", stage: "stage", mounts: ["stage"] })
const web = httpApi(["GET /pets/{id}", "ANY $default"], { id: "web" })
const staged = httpApi(["GET /pets/{id}"], { id: "staged", stage: "v1", mounts: ["stage"] })
const old = lenientApi(["GET /users/{id}", "GET /stage/own"])

describe("RouteTable", () => {
  it.effect.each([
    ["/proxy-value", '/{proxy+} /proxy-value {"proxy":"proxy-value"}'],
    ["/proxy-value/", '/{proxy+} /proxy-value/ {"proxy":"proxy-value"}'],
    ["/a//b", '/{proxy+} /a//b {"proxy":"a//b"}'],
    ["//proxy-value", '/{proxy+} /proxy-value {"proxy":"proxy-value"}'],
    ["//hardcoded", "/hardcoded /hardcoded {}"],
    ["/test%2Balias@x/test+alias@x", '/{proxy+} /test%2Balias@x/test+alias@x {"proxy":"test%2Balias@x/test+alias@x"}']
  ] as const)("finds %s of a REST API after its stage", ([path, expected]) =>
    Effect.gen(function* () {
      expect(yield* lookUp([shop], `GET - /stage${path}`)).toBe(`shop ${expected}`)
      expect(yield* lookUp([shop], `GET shop.execute-api.us-east-1.amazonaws.com /stage${path}`)).toBe(
        `shop ${expected}`
      )
    })
  )

  it.effect.each([
    ["the stage behind no host, where nothing is at the root", [shop], "GET - /hardcoded", "nothing"],
    ["another stage on the API's own host", [shop], "GET SHOP.Execute-API.local:3000 /hardcoded", "shop has no route"],
    [
      "a path that only begins like the stage",
      [shop],
      "GET shop.execute-api.local /stagehardcoded",
      "shop has no route"
    ],
    ["the stage alone", [restApi(["GET /"], { mounts: ["stage"] })], "GET - /prod", "abc123 / / {}"],
    [
      "a host that is no API's",
      [shop, web],
      "GET nobody.execute-api.local /stage/hardcoded",
      "shop /hardcoded /hardcoded {}"
    ],
    ["the default stage, in no path", [web], "GET web.execute-api.local /pets/1", 'web /pets/{id} /pets/1 {"id":"1"}'],
    [
      "a browser that asks beforehand, of the API that answers it",
      [
        restApi(["GET /a"]),
        httpApi(["GET /b"], { id: "open" }),
        httpApi(["GET /pets/{id}"], { id: "asked", cors: {} })
      ],
      "OPTIONS - /pets/1",
      "asked has no route"
    ],
    ["$default for the rest", [web], "PATCH - /else", "web $default /else {}"],
    ["a named stage of an HTTP API", [staged], "GET - /v1/pets/1", 'staged /pets/{id} /pets/1 {"id":"1"}'],
    [
      "parameters of an HTTP API, decoded once",
      [web],
      "GET - /pets/a%2Fb%252F",
      'web /pets/{id} /pets/a%2Fb%252F {"id":"a/b%2F"}'
    ],
    [
      "paths decoded as the old gateway did",
      [old],
      "GET - /users/%C3%A4%20b",
      'routing /users/{id} /users/%C3%A4%20b {"id":"ä b"}'
    ],
    ["a trailing slash as the old gateway did", [old], "GET - /users/1/", "routing has no route"],
    [
      "a route of a later API before $default of an earlier one",
      [web, old],
      "GET - /users/1",
      'routing /users/{id} /users/1 {"id":"1"}'
    ],
    ["the stage first where both have a route", [old, shop], "GET - /stage/own", 'shop /{proxy+} /own {"proxy":"own"}'],
    ["the root where the stage has none", [old, staged], "GET - /users/1", 'routing /users/{id} /users/1 {"id":"1"}'],
    ["the first API at the root for what none has", [old], "GET - /nobody", "routing has no route"]
  ] as const)("knows %s", ([_, apis, request, expected]) =>
    Effect.gen(function* () {
      expect(yield* lookUp(apis, request)).toBe(expected)
    })
  )

  it.effect("serves what its sources have at the moment", () => {
    let [first, second] = [[old], [shop]]
    const sources = [
      { apis: () => first, problems: () => [{ detail: "first is odd" }] },
      { apis: () => second, problems: () => [] }
    ]
    return Effect.gen(function* () {
      const table = yield* RouteTable
      expect(table.match(undefined, "GET", "/users/1")?._tag).toBe("Routed")
      first = []
      second = [restApi(["GET /new"], { id: "shop" })]
      expect(table.match(undefined, "GET", "/users/1")?._tag).toBe("Unrouted")
      expect(table.match(undefined, "GET", "/new")?._tag).toBe("Routed")
      expect(yield* table.apis).toEqual(second)
      expect(yield* table.problems).toEqual([{ detail: "first is odd" }])
    }).pipe(Effect.provide(RouteTable.layer(sources.map((source) => Effect.succeed(source)))))
  })

  it.effect("serves the first of two APIs with one id, and says so", () =>
    Effect.gen(function* () {
      const table = yield* RouteTable
      expect(table.match(undefined, "GET", "/one")?._tag).toBe("Routed")
      expect(table.match(undefined, "GET", "/two")?._tag).toBe("Unrouted")
      expect((yield* table.problems)[0]?.detail).toBe("2 APIs have the id abc123: the first one is served")
    }).pipe(Effect.provide(RouteTable.layerMemory([restApi(["GET /one"]), restApi(["GET /two"])])))
  )
})
