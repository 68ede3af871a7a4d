import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { failedApiAnswer, failedUrlAnswer, httpAnswerV2 } from "../../src/events/HttpResponseV2.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array) => new TextDecoder().decode(value)

/** The answer to a result as its JSON, with its body as text. */
const answerTo = (payload: string) => {
  const answer = Result.getOrThrow(httpAnswerV2(bytes(payload)))
  return { ...answer, headers: answer.headers.map(([name, value]) => `${name}: ${value}`), body: text(answer.body) }
}
const refusal = (payload: string) => Result.getOrThrow(Result.flip(httpAnswerV2(bytes(payload))))

describe("a result without statusCode", () => {
  it.each([
    ['{"hello":"world"}', '{"hello":"world"}'],
    ['{ "a": [1, "b  c"],\n "d": "\\" " }', '{"a":[1,"b  c"],"d":"\\" "}'],
    ['["hello", 3, true]', '["hello",3,true]'],
    ["3", "3"],
    ["3.1", "3.1"],
    ["1.0", "1.0"],
    ["12345678901234567890", "12345678901234567890"],
    ["true", "true"],
    ["null", "null"],
    ['"hello"', "hello"],
    ['"\\u00e9 \\"x\\""', 'é "x"'],
    ['""', ""],
    ['{"statusCode":null,"body":"x"}', '{"statusCode":null,"body":"x"}'],
    ['{"body":"x","headers":{"a":"b"}}', '{"body":"x","headers":{"a":"b"}}']
  ])("is the body: %s", (payload, body) => {
    expect(answerTo(payload)).toEqual({ status: 200, headers: ["content-type: application/json"], body })
  })

  it("is the body as it came if it is no JSON, and says so", () => {
    expect(answerTo("plain <text>")).toMatchObject({ status: 200, body: "plain <text>", isUnparsed: true })
    const noText = Uint8Array.of(255, 0, 1)
    expect(Result.getOrThrow(httpAnswerV2(noText)).body).toEqual(noText)
  })
})

describe("a result with statusCode", () => {
  it("is that status, with headers, cookies and body", () => {
    const result = {
      statusCode: 201,
      headers: { "X-A": "1", "Content-Type": "text/html" },
      cookies: ["a=1; HttpOnly", "b=2"],
      body: "<p>"
    }
    expect(answerTo(JSON.stringify(result))).toEqual({
      status: 201,
      headers: ["x-a: 1", "content-type: text/html", "set-cookie: a=1; HttpOnly", "set-cookie: b=2"],
      body: "<p>"
    })
  })

  it.each<readonly [string, object, object]>([
    ["a status in text", { statusCode: "418" }, { status: 418, body: "" }],
    ["an object as body", { statusCode: 200, body: { a: [1] } }, { body: '{"a":[1]}' }],
    ["a number as body", { statusCode: 200, body: 3 }, { body: "3" }],
    ["null everywhere", { statusCode: 200, body: null, headers: null, cookies: null }, { body: "" }],
    ["no content type", { statusCode: 200 }, { headers: ["content-type: application/json"] }],
    ["base64", { statusCode: 200, body: "aMOp", isBase64Encoded: true }, { body: "hé" }],
    ["base64 in lines", { statusCode: 200, body: "aM\nOp\n", isBase64Encoded: true }, { body: "hé" }],
    ["what only looks like base64", { statusCode: 200, body: "aMOp" }, { body: "aMOp" }],
    [
      "values that are no text",
      { statusCode: 200, headers: { a: 1, b: true, c: null } },
      {
        headers: ["a: 1", "b: true", "content-type: application/json"]
      }
    ],
    [
      "the same header twice",
      { statusCode: 200, headers: { "X-A": "1", "x-a": "2", "content-type": "a/b" } },
      {
        headers: ["x-a: 2", "content-type: a/b"]
      }
    ],
    ["a status without body", { statusCode: 204, body: "x" }, { status: 204, body: "" }],
    [
      "unknown keys",
      { statusCode: 200, status: 300, multiValueHeaders: { a: ["b"] } },
      {
        status: 200,
        headers: ["content-type: application/json"]
      }
    ]
  ])("may have %s", (_, result, expected) => {
    expect(answerTo(JSON.stringify(result))).toMatchObject(expected)
  })

  it("keeps for itself what belongs to one connection, and the ids", () => {
    const names = [
      "Connection",
      "Content-Length",
      "Keep-Alive",
      "Proxy-Authenticate",
      "TE",
      "Trailer",
      "Transfer-Encoding",
      "Upgrade",
      "X-Amzn-RequestId"
    ]
    const headers = Object.fromEntries(names.map((name) => [name, "x"]))
    expect(answerTo(JSON.stringify({ statusCode: 200, headers })).headers).toEqual(["content-type: application/json"])
  })

  it.each<readonly [string, object, RegExp]>([
    ["a status that is none", { statusCode: "test" }, /^statusCode "test" is no HTTP status$/],
    ["a fraction", { statusCode: 200.5 }, /statusCode/],
    ["an interim status", { statusCode: 100 }, /statusCode/],
    ["a status beyond 599", { statusCode: 600 }, /statusCode/],
    ["true as status", { statusCode: true }, /statusCode/],
    ["headers in an array", { statusCode: 200, headers: ["a"] }, /^headers is no object$/],
    ["a header in an array", { statusCode: 200, headers: { a: ["b"] } }, /^header "a" cannot be sent$/],
    ["a header that would be two", { statusCode: 200, headers: { a: "b\r\nc: d" } }, /header "a"/],
    ["a header with a name of two words", { statusCode: 200, headers: { "a b": "c" } }, /header "a b"/],
    ["cookies in text", { statusCode: 200, cookies: "a=1" }, /^cookies is no array$/],
    ["a cookie that would be two headers", { statusCode: 200, cookies: ["a=1\nb: c"] }, /^cookie/],
    ["base64 that is none", { statusCode: 200, body: "*", isBase64Encoded: true }, /no base64/]
  ])("is refused with %s", (_, result, reason) => {
    expect(refusal(JSON.stringify(result))).toMatch(reason)
  })
})

describe("any result", () => {
  it("has an answer that HTTP can carry, or a reason why not", () => {
    const key = fc.constantFrom("statusCode", "headers", "cookies", "body", "isBase64Encoded", "other")
    const ordinary = fc.constantFrom<object>({ statusCode: 200 }, { statusCode: "404" }, {})
    const responses = fc.tuple(fc.dictionary(key, fc.jsonValue()), ordinary).map((parts) => Object.assign({}, ...parts))
    const results = fc.oneof(fc.jsonValue(), responses)
    fc.assert(
      fc.property(results, (result) => {
        const answer = httpAnswerV2(bytes(JSON.stringify(result)))
        if (Result.isFailure(answer)) {
          expect(answer.failure).not.toBe("")
          return
        }
        const { body, headers, status } = answer.success
        const response = new Response(body.length === 0 ? null : new Uint8Array(body), {
          status,
          headers: headers.map(([name, value]): [string, string] => [name, value])
        })
        expect(response.status).toBe(status)
      })
    )
  })

  it("that is a valid response is answered as it says", () => {
    const name = fc.stringMatching(/^x-[a-z]{1,8}$/)
    const value = fc.stringMatching(/^[!-~]([ -~]*[!-~])?$/)
    const responses = fc.record({
      statusCode: fc.integer({ min: 200, max: 599 }).filter((status) => ![204, 205, 304].includes(status)),
      headers: fc.dictionary(name, value),
      cookies: fc.array(value),
      body: fc.uint8Array(),
      isBase64Encoded: fc.constant(true)
    })
    fc.assert(
      fc.property(responses, (response) => {
        const body = Buffer.from(response.body).toString("base64")
        const answer = Result.getOrThrow(httpAnswerV2(bytes(JSON.stringify({ ...response, body }))))
        expect(answer.status).toBe(response.statusCode)
        expect(new Uint8Array(answer.body)).toEqual(response.body)
        expect(answer.headers).toEqual([
          ...Object.entries(response.headers),
          ["content-type", "application/json"],
          ...response.cookies.map((cookie) => ["set-cookie", cookie])
        ])
      })
    )
  })

  it("of any bytes is answered with bytes", () => {
    fc.assert(fc.property(fc.uint8Array(), (payload) => void httpAnswerV2(payload)))
  })
})

describe("a function that failed", () => {
  it("is 502 and text at a URL, 500 and JSON at an API", () => {
    expect(failedUrlAnswer.status).toBe(502)
    expect(text(failedUrlAnswer.body)).toBe("Internal Server Error")
    expect(failedApiAnswer.status).toBe(500)
    expect(text(failedApiAnswer.body)).toBe('{"message":"Internal Server Error"}')
  })
})
