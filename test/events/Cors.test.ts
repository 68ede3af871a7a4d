import { describe, expect, it } from "vitest"
import { type CorsPolicy, isPreflight, preflightHeaders, withCors } from "../../src/events/Cors.ts"

const asking = (origin: string, method = "PUT", headers = "x-a, x-b") =>
  new Headers({
    origin,
    "access-control-request-method": method,
    "access-control-request-headers": headers
  })

const preflight = (policy: CorsPolicy, origin = "https://a.example") =>
  Object.fromEntries(preflightHeaders(policy, asking(origin)))

describe("a preflight", () => {
  it("is OPTIONS with an origin and the method that is asked for", () => {
    expect(isPreflight("OPTIONS", asking("https://a.example"))).toBe(true)
    expect(isPreflight("GET", asking("https://a.example"))).toBe(false)
    expect(isPreflight("OPTIONS", new Headers({ origin: "https://a.example" }))).toBe(false)
    expect(isPreflight("OPTIONS", new Headers({ "access-control-request-method": "GET" }))).toBe(false)
  })

  it("is told all that is configured", () => {
    const policy = {
      AllowOrigins: ["https://a.example"],
      AllowMethods: ["GET", "PUT"],
      AllowHeaders: ["x-a", "x-b"],
      ExposeHeaders: ["x-c"],
      AllowCredentials: true,
      MaxAge: 86_400
    }
    expect(preflight(policy)).toEqual({
      "access-control-allow-origin": "https://a.example",
      "access-control-allow-credentials": "true",
      "access-control-allow-methods": "GET,PUT",
      "access-control-allow-headers": "x-a,x-b",
      "access-control-max-age": "86400",
      vary: "Origin"
    })
  })

  it("is told * for any origin, method and header", () => {
    const policy = { AllowOrigins: ["*"], AllowMethods: ["*"], AllowHeaders: ["*"] }
    expect(preflight(policy)).toEqual({
      "access-control-allow-origin": "*",
      "access-control-allow-methods": "*",
      "access-control-allow-headers": "*"
    })
  })

  it("with credentials is told what it asked for in place of *, which would be a name", () => {
    const policy = { AllowOrigins: ["*"], AllowMethods: ["*"], AllowHeaders: ["*"], AllowCredentials: true }
    expect(preflight(policy)).toEqual({
      "access-control-allow-origin": "https://a.example",
      "access-control-allow-credentials": "true",
      "access-control-allow-methods": "PUT",
      "access-control-allow-headers": "x-a, x-b",
      vary: "Origin"
    })
  })

  it.each([
    ["https://a.example", "https://a.example", true],
    ["https://A.example", "https://a.example", true],
    ["https://*.example.com", "https://b.example.com", true],
    ["https://*.example.com", "https://example.com.evil", false],
    ["https://*.example.com", "https://bXexample.com", false],
    ["https://*", "https://b.example", true],
    ["https://*", "http://b.example", false],
    ["http://localhost:*", "http://localhost:8080", true],
    ["https://a.example", "https://a.example.evil", false]
  ])("where %s is allowed, %s is: %s", (allowed, origin, expected) => {
    expect("access-control-allow-origin" in preflight({ AllowOrigins: [allowed] }, origin)).toBe(expected)
  })

  it("from an origin that is not allowed is told nothing", () => {
    expect(preflight({ AllowMethods: ["*"] })).toEqual({ vary: "Origin" })
  })
})

describe("a response", () => {
  const policy = { AllowOrigins: ["https://a.example"], ExposeHeaders: ["x-a"] }
  const own = [
    ["content-type", "text/html"],
    ["access-control-allow-origin", "*"],
    ["access-control-max-age", "5"]
  ] as const

  it("has the configured headers in place of the function's", () => {
    expect(withCors(policy, "https://a.example", own)).toEqual([
      ["content-type", "text/html"],
      ["access-control-allow-origin", "https://a.example"],
      ["vary", "Origin"],
      ["access-control-expose-headers", "x-a"]
    ])
  })

  it("to an origin that is not allowed, or to none, has none of them", () => {
    expect(withCors(policy, "https://b.example", own)).toEqual([["content-type", "text/html"]])
    expect(withCors(policy, null, own)).toEqual([["content-type", "text/html"]])
  })

  it.each([
    ["Accept", "Accept, Origin"],
    ["accept, origin", "accept, origin"],
    ["*", "*"]
  ])("that varies by %s varies by %s", (vary, expected) => {
    const headers = withCors(policy, "https://a.example", [["vary", vary]])
    expect(headers.filter(([name]) => name === "vary")).toEqual([["vary", expected]])
  })
})
