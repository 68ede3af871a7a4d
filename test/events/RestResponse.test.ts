import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type RestResultRules, restAnswer } from "../../src/events/RestResponse.ts"

const rest: RestResultRules = { form: "exact", decodesBase64: false }
const lenient: RestResultRules = { form: "any", decodesBase64: true }

const answer = (result: unknown, rules = rest) =>
  Result.map(restAnswer(new TextEncoder().encode(JSON.stringify(result)), rules), ({ body, ...rest }) => ({
    ...rest,
    body: new TextDecoder().decode(body)
  }))
const answered = (result: unknown, rules = rest) => Result.getOrThrow(answer(result, rules))
const refused = (result: unknown, rules = rest) => Result.getOrThrow(Result.flip(answer(result, rules)))

const json = ["content-type", "application/json"]

describe("a result of a REST API's function", () => {
  it.each([
    [{ statusCode: 200 }, { status: 200, headers: [json], body: "" }],
    [{ headers: { "X-A": "b" } }, { status: 200, headers: [["x-a", "b"], json], body: "" }],
    [{}, { status: 200, headers: [json], body: "" }],
    [{ statusCode: "201" }, { status: 201, headers: [json], body: "" }],
    [
      { statusCode: 200, headers: null, multiValueHeaders: null, body: null },
      { status: 200, headers: [json], body: "" }
    ],
    [{ headers: { a: true, b: 3, c: null } }, { status: 200, headers: [["a", "true"], ["b", "3"], json], body: "" }],
    [
      { headers: { "x-a": "single" }, multiValueHeaders: { "X-A": ["one", "two"] } },
      { status: 200, headers: [["x-a", "one, two, single"], json], body: "" }
    ],
    [
      { headers: { "Content-Type": "text/html" }, body: "<p>ü</p>" },
      { status: 200, headers: [["content-type", "text/html"]], body: "<p>ü</p>" }
    ],
    [{ body: ' {"a" : 1.0} ' }, { status: 200, headers: [json], body: ' {"a" : 1.0} ' }],
    [{ body: 3 }, { status: 200, headers: [json], body: "3" }],
    [
      { isBase64Encoded: true, headers: { "content-type": "image/png" }, body: "AAEC" },
      { status: 200, headers: [["content-type", "image/png"]], body: "AAEC" }
    ],
    [
      { statusCode: 204, body: "text" },
      { status: 204, headers: [json], body: "" }
    ]
  ])("%j is answered as it says", (result, expected) => {
    expect(answered(result)).toMatchObject(expected)
  })

  it.each([
    [{ statusCode: "test" }, "statusCode"],
    [{ statusCode: 99 }, "statusCode"],
    [{ statusCode: 100 }, "statusCode"],
    [{ statusCode: 1000 }, "statusCode"],
    [{ statusCode: 200.5 }, "statusCode"],
    [{ statusCode: 200, cookies: [] }, "the key cookies"],
    ["text", "no object"],
    [null, "no object"],
    [[1], "no object"],
    [{ headers: "a" }, "headers is no object"],
    [{ headers: { a: {} } }, 'header "a"'],
    [{ headers: { "a b": "c" } }, 'header "a b"'],
    [{ headers: { a: "b\r\nc: d" } }, 'header "a"'],
    [{ multiValueHeaders: { "set-cookie": "a=1" } }, '"set-cookie" is no list'],
    [{ multiValueHeaders: { a: [{}] } }, 'header "a"'],
    [{ body: {} }, "body is no text"],
    [{ isBase64Encoded: "yes" }, "isBase64Encoded"],
    [{ errorMessage: "x", errorType: "E" }, "the key errorMessage"]
  ])("%j is refused", (result, why) => {
    expect(refused(result)).toContain(why)
  })

  it("is refused when it is no JSON", () => {
    expect(Result.isFailure(restAnswer(new TextEncoder().encode("<html>"), rest))).toBe(true)
    expect(Result.isFailure(restAnswer(Uint8Array.of(0xff), rest))).toBe(true)
  })

  it("may set several cookies, from both maps", () => {
    const result = { multiValueHeaders: { "Set-Cookie": ["a=1", "b=2"] }, headers: { "set-cookie": "c=3" } }
    expect(answered(result).headers.filter(([name]) => name === "set-cookie")).toEqual([
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["set-cookie", "c=3"]
    ])
  })

  it("says nothing of the connection, nor of its own length", () => {
    const headers = { Connection: "close", "content-LENGTH": "1", "Transfer-Encoding": "chunked", "keep-alive": "x" }
    expect(answered({ headers, body: "longer" })).toMatchObject({ headers: [json], body: "longer" })
  })

  it("is decoded where binary is asked for, and refused when it is none", () => {
    const binary = { ...rest, decodesBase64: true }
    const bytes = restAnswer(new TextEncoder().encode('{"isBase64Encoded":true,"body":"AP8="}'), binary)
    expect(Result.getOrThrow(bytes).body).toEqual(Buffer.from([0, 255]))
    expect(refused({ isBase64Encoded: true, body: "?" }, binary)).toContain("no base64")
  })

  it.each([
    [{ body: "not json" }, "not json"],
    [{ body: "<p>", headers: { "content-type": "application/problem+json" } }, "<p>"],
    [{ body: "<p>", headers: { "content-type": "text/html" } }, undefined],
    [{ body: '{"a":1}' }, undefined],
    [{ body: "" }, undefined],
    [{ body: "AAE=", isBase64Encoded: true }, undefined]
  ])("%j is known for text where JSON was to be", (result, text) => {
    expect(answered(result).textInPlaceOfJson).toBe(text)
  })

  it("becomes the response that it describes, whatever that is", () => {
    const name = fc.stringMatching(/^x-[a-z]{1,8}$/)
    const value = fc.oneof(fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/), fc.boolean(), fc.integer())
    const response = fc.record(
      {
        statusCode: fc.oneof(fc.integer({ min: 200, max: 599 }), fc.integer({ min: 200, max: 599 }).map(String)),
        headers: fc.dictionary(name, value),
        multiValueHeaders: fc.dictionary(name, fc.array(value, { minLength: 1, maxLength: 3 })),
        body: fc.string({ unit: "binary" }),
        isBase64Encoded: fc.constant(false)
      },
      { requiredKeys: [] }
    )
    fc.assert(
      fc.property(response, (result) => {
        const seen = answered(result)
        const status = Number(result.statusCode ?? 200)
        expect(seen.status).toBe(status)
        expect(seen.body).toBe([204, 205, 304].includes(status) ? "" : wellFormed(result.body ?? ""))
        const headers = new Map(seen.headers)
        expect(headers.size).toBe(seen.headers.length)
        for (const key of new Set([
          ...Object.keys(result.headers ?? {}),
          ...Object.keys(result.multiValueHeaders ?? {})
        ])) {
          const values = [
            ...(result.multiValueHeaders?.[key] ?? []),
            ...(key in (result.headers ?? {}) ? [result.headers![key]] : [])
          ]
          expect(headers.get(key)).toBe(values.map(String).join(", "))
        }
      }),
      { numRuns: 2000, seed: 20261122 }
    )
  })
})

/** Half of a surrogate pair has no bytes of its own. */
const wellFormed = (text: string) => new TextDecoder().decode(new TextEncoder().encode(text))

describe("a result in an HTTP API that asks for format 1.0", () => {
  it("may have other keys, and is decoded", () => {
    const rules: RestResultRules = { form: "open", decodesBase64: true }
    expect(answered({ statusCode: 200, cookies: [], body: "aGk=", isBase64Encoded: true }, rules).body).toBe("hi")
    expect(refused("text", rules)).toContain("no object")
  })
})

describe("a result of a function in routing.yml", () => {
  it.each([
    [{ a: 1 }, { status: 200, headers: [json], body: '{"a":1}' }],
    [[1, "b"], { status: 200, headers: [json], body: '[1,"b"]' }],
    ["text", { status: 200, headers: [json], body: '"text"' }],
    [null, { status: 200, headers: [json], body: "null" }],
    [{ errorMessage: "is data" }, { status: 200, headers: [json], body: '{"errorMessage":"is data"}' }],
    [
      { statusCode: 200, body: { b: 1 } },
      { status: 200, headers: [json], body: '{"b":1}' }
    ],
    [
      { statusCode: 200, body: '{"a": 1, "a": 2}' },
      { status: 200, headers: [json], body: '{"a": 1, "a": 2}' }
    ],
    [{ statusCode: "204" }, { status: 204, headers: [json], body: "" }],
    [
      { statusCode: 200, other: 1, body: "aGk=", isBase64Encoded: true },
      { status: 200, headers: [json], body: "hi" }
    ]
  ])("%j is answered", (result, expected) => {
    expect(answered(result, lenient)).toMatchObject(expected)
  })

  it("is passed on as it came when it is no JSON", () => {
    const bytes = Uint8Array.of(0xff, 0x00)
    expect(Result.getOrThrow(restAnswer(bytes, lenient))).toMatchObject({ status: 200, body: bytes, isUnparsed: true })
  })

  it("is refused when it is a response that cannot be sent", () => {
    expect(refused({ statusCode: "test" }, lenient)).toContain("statusCode")
    expect(refused({ statusCode: 200, headers: { a: [] } }, lenient)).toContain('header "a"')
  })

  it.each([
    ["<p>hi</p>", "<p>hi</p>"],
    ["", ""],
    ["{}", undefined]
  ])("with the body '%s' is known for what it is", (body, text) => {
    expect(
      answered({ statusCode: 200, headers: { "content-type": "text/html" }, body }, lenient).textInPlaceOfJson
    ).toBe(text)
  })
})
