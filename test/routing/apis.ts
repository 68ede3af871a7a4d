/** APIs for tests that only need there to be some. */
import { Duration } from "effect"
import type { Api, Route } from "../../src/domain/Route.ts"

/** `GET /pets/{id}` of the function `hello`; what comes after is the function, if it is another. */
export const route = (text: string, settings: Partial<Route> = {}): Route => {
  const [method = "", path = "", functionName = "hello"] = text.split(" ")
  return { method, path, functionName, payloadFormat: "1.0", ...settings }
}

export const restApi = (routes: ReadonlyArray<string | Route>, settings: Partial<Api> = {}): Api => ({
  id: "abc123",
  kind: "rest",
  stage: "prod",
  mounts: ["root", "stage"],
  routes: routes.map((one) => (typeof one === "string" ? route(one) : one)),
  binaryMediaTypes: [],
  authorizers: {},
  timeout: Duration.seconds(29),
  isLenient: false,
  ...settings
})

export const httpApi = (routes: ReadonlyArray<string | Route>, settings: Partial<Api> = {}): Api =>
  restApi(
    routes.map((one) => (typeof one === "string" ? route(one, { payloadFormat: "2.0" }) : one)),
    { id: "def456", kind: "http", stage: "$default", timeout: Duration.seconds(30), ...settings }
  )

/** As out of a `routing.yml`. */
export const lenientApi = (routes: ReadonlyArray<string | Route>, settings: Partial<Api> = {}): Api =>
  restApi(routes, { id: "routing", mounts: ["root"], timeout: Duration.infinity, isLenient: true, ...settings })
