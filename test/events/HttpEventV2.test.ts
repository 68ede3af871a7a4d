import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodedPath, type HttpEventContext, type HttpRequest, httpEventV2 } from "../../src/events/HttpEventV2.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

const request = (settings: Partial<HttpRequest> = {}): HttpRequest => ({
  method: "GET",
  rawPath: "/",
  rawQuery: "",
  headers: [],
  body: new Uint8Array(),
  ...settings
})

const context: HttpEventContext = {
  accountId: "anonymous",
  apiId: "abc",
  domainName: "abc.lambda-url.us-east-1.localhost",
  domainPrefix: "abc",
  requestId: "8f507cfc-0000-4000-8000-5b4aaf1f8d0c",
  routeKey: "$default",
  stage: "$default",
  sourceIp: "192.0.2.1",
  timeMillis: Date.UTC(2020, 2, 12, 19, 3, 58, 390)
}

describe("httpEventV2", () => {
  it("has the fields of AWS's event and no others", () => {
    const event = httpEventV2(
      request({
        method: "POST",
        rawPath: "/pets/6",
        rawQuery: "parameter1=value1&parameter1=value2&parameter2=value",
        headers: [
          ["Header1", "value1"],
          ["Header2", "value1"],
          ["header2", "value2"],
          ["User-Agent", "agent"],
          ["Content-Type", "text/plain"],
          ["Cookie", "cookie1=a; cookie2=b"]
        ],
        body: bytes("Hello")
      }),
      { ...context, pathParameters: { id: "6" }, stageVariables: { a: "1" }, authorizer: { jwt: {} } }
    )
    expect(event).toEqual({
      version: "2.0",
      routeKey: "$default",
      rawPath: "/pets/6",
      rawQueryString: "parameter1=value1&parameter1=value2&parameter2=value",
      cookies: ["cookie1=a", "cookie2=b"],
      headers: {
        header1: "value1",
        header2: "value1,value2",
        "user-agent": "agent",
        "content-type": "text/plain",
        cookie: "cookie1=a; cookie2=b"
      },
      queryStringParameters: { parameter1: "value1,value2", parameter2: "value" },
      requestContext: {
        accountId: "anonymous",
        apiId: "abc",
        authorizer: { jwt: {} },
        domainName: "abc.lambda-url.us-east-1.localhost",
        domainPrefix: "abc",
        http: { method: "POST", path: "/pets/6", protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "agent" },
        requestId: "8f507cfc-0000-4000-8000-5b4aaf1f8d0c",
        routeKey: "$default",
        stage: "$default",
        time: "12/Mar/2020:19:03:58 +0000",
        timeEpoch: 1584039838390
      },
      body: "Hello",
      pathParameters: { id: "6" },
      isBase64Encoded: false,
      stageVariables: { a: "1" }
    })
  })

  it("leaves out what there is nothing of", () => {
    const event = httpEventV2(request(), { ...context, pathParameters: {}, stageVariables: {} })
    expect(Object.keys(event)).toEqual([
      "version",
      "routeKey",
      "rawPath",
      "rawQueryString",
      "headers",
      "requestContext",
      "isBase64Encoded"
    ])
    expect(event).toMatchObject({ rawQueryString: "", isBase64Encoded: false })
    expect(event.requestContext).not.toHaveProperty("authorizer")
    expect(event.requestContext).not.toHaveProperty("authentication")
  })

  it.each([["/a%2Fb%20c"], ["/%F/x"], ["//double//slash/"], ["/ü"]])("keeps the path %s as it is given", (rawPath) => {
    const event = httpEventV2(request({ rawPath }), context)
    expect(event.rawPath).toBe(rawPath)
    expect(event.requestContext.http.path).toBe(rawPath)
  })

  it.each<readonly [string, Record<string, string>]>([
    ["a=1", { a: "1" }],
    ["a=1&a=2&b=3&a=4", { a: "1,2,4", b: "3" }],
    ["a", { a: "" }],
    ["a=%2B+%20", { a: "+  " }],
    ["a%20b=%C3%A9", { "a b": "é" }],
    ["q=%F&r=%zz", { q: "%F", r: "%zz" }],
    ["__proto__=x", JSON.parse('{"__proto__":"x"}')]
  ])("reads the query %s and keeps it", (rawQuery, expected) => {
    const event = httpEventV2(request({ rawQuery }), context)
    expect(event.queryStringParameters).toEqual(expected)
    expect(event.rawQueryString).toBe(rawQuery)
  })

  it("joins several cookie headers as one, and lists each cookie", () => {
    const event = httpEventV2(
      request({
        headers: [
          ["Cookie", "a=1"],
          ["cookie", "b=2;c=3"]
        ]
      }),
      context
    )
    expect(event.headers.cookie).toBe("a=1; b=2;c=3")
    expect(event.cookies).toEqual(["a=1", "b=2", "c=3"])
  })

  it.each<readonly [string, string | undefined, Uint8Array, string, boolean]>([
    ["text", "text/plain", bytes("é"), "é", false],
    ["JSON", "application/json; charset=utf-8", bytes('{"a":1}'), '{"a":1}', false],
    ["a byte order mark", "text/plain", bytes("\ufeffa"), "\ufeffa", false],
    ["a form", "application/x-www-form-urlencoded", bytes("a=1"), "YT0x", true],
    ["no type", undefined, bytes("a"), "YQ==", true],
    ["bytes", "application/octet-stream", Uint8Array.of(0, 255), "AP8=", true],
    ["text that is none", "text/plain", Uint8Array.of(255, 254), "//4=", true]
  ])("encodes a body of %s", (_, contentType, body, expected, isBase64Encoded) => {
    const headers = contentType === undefined ? [] : ([["content-type", contentType]] as const)
    expect(httpEventV2(request({ body, headers }), context)).toMatchObject({ body: expected, isBase64Encoded })
  })

  it("loses nothing of any body", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.constantFrom("text/plain", "image/png"), (body, contentType) => {
        const event = httpEventV2(request({ body, headers: [["content-type", contentType]] }), context)
        const decoded = Buffer.from(event.body!, event.isBase64Encoded ? "base64" : "utf8")
        expect(new Uint8Array(decoded)).toEqual(body)
      })
    )
  })

  it("makes an event of any query and any headers", () => {
    const pairs = fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 8 })
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: "binary", maxLength: 40 }), pairs, (rawPath, rawQuery, headers) => {
        const event = httpEventV2(request({ rawPath, rawQuery, headers }), context)
        expect(JSON.parse(JSON.stringify(event))).toMatchObject({ version: "2.0" })
      })
    )
  })
})

describe("decodedPath", () => {
  it.each([
    ["/a%2Fb", "/a/b"],
    ["/%C3%A9%20x", "/é x"],
    ["/a+b", "/a+b"],
    ["/%F/%zz/%", "/%F/%zz/%"],
    ["/%FF", "/%FF"],
    ["/plain", "/plain"]
  ])("makes %s %s", (path, expected) => {
    expect(decodedPath(path)).toBe(expected)
  })
})
