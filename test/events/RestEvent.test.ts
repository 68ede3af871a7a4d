import { describe, expect, it } from "vitest"
import type { HttpRequest } from "../../src/events/HttpEventV2.ts"
import { type RestEventContext, restEvent } from "../../src/events/RestEvent.ts"
import documented from "./restEvent.json" with { type: "json" }

const text = (value: string) => new TextEncoder().encode(value)

const request = (settings: Partial<HttpRequest> = {}): HttpRequest => ({
  method: "GET",
  rawPath: "/test-path",
  rawQuery: "",
  headers: [],
  body: new Uint8Array(),
  ...settings
})

const context = (settings: Partial<RestEventContext> = {}): RestEventContext => ({
  accountId: "123456789012",
  apiId: "abc123",
  domainName: "abc123.execute-api.us-east-1.amazonaws.com",
  requestId: "8c8a2c9e-9a3b-4f0a-8a1e-0f0d7c1b2a3d",
  resource: "/{proxy+}",
  stage: "test",
  stagePath: "/test/test-path",
  sourceIp: "192.0.2.1",
  timeMillis: Date.UTC(2024, 2, 20, 22, 16, 43, 123),
  pathParameters: { proxy: "test-path" },
  binaryMediaTypes: [],
  style: "rest",
  ...settings
})

describe("an event of a REST API", () => {
  it("has every key of the documented one, in type and in value", () => {
    const event = restEvent(
      request({
        method: "POST",
        rawQuery: "category=electronics&category=books&price=10",
        headers: [
          ["Accept", "*/*"],
          ["tEsT-HEADeR", "aValUE"],
          ["aUThorization", "Bearer token123;API key456"],
          ["host", "abc123.execute-api.us-east-1.amazonaws.com"],
          ["user-agent", "agent/1"],
          ["Content-Type", "application/json;charset=utf-8"],
          ["content-length", "25"],
          ["Connection", "keep-alive"],
          ["X-Dup", "one"],
          ["x-dup", "two"],
          ["x-forwarded-for", "192.0.2.1"],
          ["x-forwarded-port", "443"],
          ["x-forwarded-proto", "https"],
          ["x-amzn-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"]
        ],
        body: text('{"message":"hello world"}')
      }),
      context()
    )
    const { deploymentId, extendedRequestId, resourceId, ...rest } = event.requestContext
    expect({ ...event, requestContext: rest }).toEqual(documented)
    expect(Object.keys(event).sort()).toEqual(Object.keys(documented).sort())
    expect(deploymentId).toMatch(/^[a-z0-9]{6}$/)
    expect(resourceId).toMatch(/^[a-z0-9]{6}$/)
    expect(extendedRequestId).toMatch(/^[A-Za-z0-9+/]{15}=$/)
  })

  it("has null for what is not there", () => {
    const event = restEvent(request(), context({ pathParameters: {} }))
    expect(event).toMatchObject({
      queryStringParameters: null,
      multiValueQueryStringParameters: null,
      pathParameters: null,
      stageVariables: null,
      body: null,
      isBase64Encoded: false
    })
    expect(event).not.toHaveProperty("version")
    expect(event.requestContext).not.toHaveProperty("authorizer")
    expect(event.requestContext.identity.userAgent).toBeNull()
  })

  it("has the same ids for the same route, and others for another", () => {
    const ids = (settings: Partial<RestEventContext>) => restEvent(request(), context(settings)).requestContext
    expect(ids({}).resourceId).toBe(ids({ requestId: "another" }).resourceId)
    expect(ids({}).resourceId).not.toBe(ids({ resource: "/other" }).resourceId)
    expect(ids({}).deploymentId).not.toBe(ids({ apiId: "other" }).deploymentId)
    expect(ids({}).extendedRequestId).not.toBe(ids({ requestId: "another" }).extendedRequestId)
  })

  it("has its query decoded, the last of several in the single map", () => {
    const rawQuery =
      "dateTimeOffset=2023-06-12T18:05:10.123456+00:00&email=test%2Balias@x&e=&flag&a=1&a=2&%C3%A4=%zz&__proto__=p"
    const event = restEvent(request({ rawQuery }), context())
    expect(Object.entries(event.queryStringParameters!)).toEqual([
      ["dateTimeOffset", "2023-06-12T18:05:10.123456 00:00"],
      ["email", "test+alias@x"],
      ["e", ""],
      ["flag", ""],
      ["a", "2"],
      ["ä", "%zz"],
      ["__proto__", "p"]
    ])
    expect(event.multiValueQueryStringParameters!.a).toEqual(["1", "2"])
    expect(JSON.stringify(event)).toContain('"__proto__":["p"]')
  })

  it("has headers of any name", () => {
    const event = restEvent(
      request({
        headers: [
          ["__proto__", "p"],
          ["Constructor", "c"]
        ]
      }),
      context()
    )
    expect(Object.entries(event.headers)).toEqual([
      ["__proto__", "p"],
      ["Constructor", "c"]
    ])
    expect(JSON.stringify(event)).toContain('"__proto__":["p"]')
  })

  it.each([
    ["what the API calls binary", ["image/png"], "image/png", undefined, "text", true],
    ["what a pattern calls binary", ["image/*"], "IMAGE/PNG; q=1", undefined, "text", true],
    ["anything, where all is binary", ["*/*"], undefined, undefined, "text", true],
    ["another type, as text", ["image/png"], "text/plain", undefined, "text", false],
    ["no type, as text", [], undefined, undefined, "text", false],
    ["what is compressed", [], "application/json", "GZip", "text", true],
    ["what is no text", [], "text/plain", undefined, "\u0000", false]
  ])("has %s", (_, binaryMediaTypes, type, encoding, body, isBase64Encoded) => {
    const headers = [
      ...(type === undefined ? [] : [["Content-Type", type] as const]),
      ...(encoding === undefined ? [] : [["Content-Encoding", encoding] as const])
    ]
    const event = restEvent(request({ headers, body: text(body) }), context({ binaryMediaTypes }))
    expect(event.isBase64Encoded).toBe(isBase64Encoded)
    expect(event.body).toBe(isBase64Encoded ? Buffer.from(body).toString("base64") : body)
  })

  it("has bytes that are no UTF-8 as base64, and a byte order mark as it came", () => {
    const bytes = Uint8Array.of(0x7b, 0xff, 0x7d)
    expect(restEvent(request({ body: bytes }), context())).toMatchObject({ body: "e/99", isBase64Encoded: true })
    expect(restEvent(request({ body: text("\ufeffa") }), context()).body).toBe("\ufeffa")
  })

  it("has its authorizer and its signer, where there is one", () => {
    const caller = { accessKey: "AKIA", accountId: "1", caller: "AIDA", user: "AIDA", userArn: "arn:aws:iam::1:user/u" }
    const event = restEvent(request(), context({ authorizer: { principalId: "me" }, caller }))
    expect(event.requestContext.authorizer).toEqual({ principalId: "me" })
    expect(event.requestContext.identity).toMatchObject(caller)
  })
})

describe("an event of format 1.0 in an HTTP API", () => {
  it("differs by version, authorizer and resource id", () => {
    const event = restEvent(request(), context({ style: "http" }))
    expect(Object.keys(event)[0]).toBe("version")
    expect(event).toMatchObject({
      version: "1.0",
      requestContext: { authorizer: { claims: null, scopes: null }, resourceId: null }
    })
    const signedIn = restEvent(request(), context({ style: "http", authorizer: { claims: { sub: "me" } } }))
    expect(signedIn.requestContext.authorizer).toEqual({ claims: { sub: "me" } })
  })
})

describe("an event of a route in routing.yml", () => {
  it("has header names in lower case and its path decoded, beside the keys of a REST API", () => {
    const event = restEvent(
      request({
        rawPath: "/users/%C3%A4%20b",
        headers: [
          ["X-Dup", "one"],
          ["x-dup", "two"],
          ["Authorization", "Bearer t"],
          ["Content-Length", "2"]
        ]
      }),
      context({ style: "lenient", stage: "prod", stagePath: "/users/%C3%A4%20b", pathParameters: { id: "ä b" } })
    )
    expect(event).toMatchObject({
      path: "/users/ä b",
      headers: { "x-dup": "two", authorization: "Bearer t", "content-length": "2" },
      multiValueHeaders: { "x-dup": ["one", "two"] },
      pathParameters: { id: "ä b" },
      requestContext: { path: "/users/ä b", stage: "prod" }
    })
    expect(Object.keys(event).sort()).toEqual(Object.keys(documented).sort())
  })
})
