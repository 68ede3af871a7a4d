import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { SignedRequest } from "../../src/sigv4/canonicalRequest.ts"
import { verifySignature } from "../../src/sigv4/verifySignature.ts"
import { encodeQuery, type Plain, sign } from "../support/sigv4.ts"

const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
const now = Date.UTC(2015, 7, 30, 12, 36, 0)

const plain = (settings: Partial<Plain> = {}): Plain => ({
  method: "POST",
  path: "/",
  query: {},
  headers: { host: "abc.lambda-url.us-east-1.localhost:3000" },
  body: "",
  ...settings
})

/** What arrives of a request that AWS's own client has signed. */
const signed = async (settings: Partial<Plain> = {}, presign = false): Promise<SignedRequest> => {
  const given = plain(settings)
  const done = await sign(given, {
    accessKeyId: "AKIDEXAMPLE",
    secretAccessKey: secret,
    date: new Date(now),
    ...(presign ? { expires: 600 } : {})
  })
  return {
    method: done.method,
    path: done.path,
    query: encodeQuery(done.query),
    headers: new Headers(done.headers),
    body: new TextEncoder().encode(given.body)
  }
}

const verify = (request: SignedRequest, settings = {}) =>
  verifySignature(request, {
    region: "us-east-1",
    service: "lambda",
    nowMillis: now,
    secretOf: (key) => (key === "AKIDEXAMPLE" ? secret : undefined),
    ...settings
  })

const refusal = (request: SignedRequest, settings = {}) => Result.getOrThrow(Result.flip(verify(request, settings)))

const changed = (request: SignedRequest, headers: Record<string, string | undefined>): SignedRequest => {
  const all = new Headers(request.headers)
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) all.delete(name)
    else all.set(name, value)
  }
  return { ...request, headers: all }
}

describe("a request signed by AWS's client", () => {
  it.each<readonly [string, Partial<Plain>]>([
    ["nothing in it", {}],
    ["a body", { body: '{"a":1}' }],
    ["a path that is encoded", { path: "/a%2Fb/c%20d/%C3%A9" }],
    ["a path with what some leave as it is", { path: "/a(b)*c!d'e~f" }],
    ["a path with double slashes and one at its end", { path: "//a//b/" }],
    ["a query out of order", { query: { b: "2", a: ["2", "1"], "x y": "a+b/c=d é*" } }],
    ["headers with blanks", { headers: { host: "x", "x-a": "  a   b ", "content-type": "text/plain" } }],
    ["a payload that is not signed", { headers: { host: "x", "x-amz-content-sha256": "UNSIGNED-PAYLOAD" }, body: "x" }]
  ])("is taken with %s", async (_, settings) => {
    expect(Result.getOrThrow(verify(await signed(settings)))).toBe("AKIDEXAMPLE")
  })

  it("is taken whatever its path, query and body", async () => {
    const segment = fc.string({ maxLength: 8 }).map(encodeURIComponent)
    const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join("/")}`)
    const query = fc.dictionary(fc.string({ minLength: 1, maxLength: 6 }), fc.string({ maxLength: 6 }), { maxKeys: 4 })
    await fc.assert(
      fc.asyncProperty(path, query, fc.string(), async (path, query, body) => {
        const { __proto__: _, ...rest } = query
        const request = await signed({ path, query: rest, body })
        expect(Result.getOrThrow(verify(request))).toBe("AKIDEXAMPLE")
      })
    )
  })

  it("is taken with headers in between that are not signed", async () => {
    const request = changed(await signed(), { "x-forwarded-for": "192.0.2.1" })
    expect(Result.isSuccess(verify(request))).toBe(true)
  })

  it.each<readonly [string, Partial<SignedRequest>, RegExp]>([
    ["method", { method: "PUT" }, /does not match/],
    ["path", { path: "/b" }, /does not match/],
    ["query", { query: "a=2" }, /does not match/],
    ["body", { body: new TextEncoder().encode("other") }, /not the one that was signed/]
  ])("is refused with another %s", async (_, change, reason) => {
    const request = await signed({ path: "/a", query: { a: "1" }, body: "body" })
    expect(refusal({ ...request, ...change })).toMatch(reason)
  })

  it("is refused with another host, a signed header gone, or another secret", async () => {
    const request = await signed({ headers: { host: "a", "x-a": "1" } })
    expect(refusal(changed(request, { host: "b" }))).toMatch(/does not match/)
    expect(refusal(changed(request, { "x-a": undefined }))).toBe("the signed header x-a is missing")
    expect(refusal(request, { secretOf: () => "other" })).toMatch(/does not match/)
    expect(refusal(request, { secretOf: () => undefined })).toBe("the access key AKIDEXAMPLE is not known")
    expect(refusal(request, { region: "eu-west-1" })).toMatch(/is for us-east-1\/lambda, not eu-west-1\/lambda/)
    expect(refusal(request, { service: "s3" })).toMatch(/not us-east-1\/s3/)
  })

  it.each([
    [-300_001, false],
    [-300_000, true],
    [300_000, true],
    [300_001, false]
  ])("holds %i milliseconds after its date: %s", async (millis, holds) => {
    expect(Result.isSuccess(verify(await signed(), { nowMillis: now + millis }))).toBe(holds)
  })
})

describe("a presigned URL", () => {
  it.each([
    [-300_001, false],
    [0, true],
    [600_000, true],
    [600_001, false]
  ])("of ten minutes holds %i milliseconds after its date: %s", async (millis, holds) => {
    const request = await signed({ method: "GET", path: "/a%20b", query: { a: "1 2" } }, true)
    expect(Result.isSuccess(verify(request, { nowMillis: now + millis }))).toBe(holds)
  })

  it("is refused for a longer time, or with a body that it was not made for", async () => {
    const request = await signed({ method: "GET" }, true)
    expect(refusal({ ...request, query: request.query.replace("Expires=600", "Expires=604801") })).toMatch(/Expires/)
    expect(refusal({ ...request, query: request.query.replace("Expires=600", "Expires=601") })).toMatch(/not match/)
    expect(refusal({ ...request, query: `${request.query}&x=1` })).toMatch(/not match/)
    expect(refusal({ ...request, body: new TextEncoder().encode("x") })).toMatch(/not match/)
  })
})

describe("a request that is not signed as it should be", () => {
  const credential = "Credential=AKIDEXAMPLE/20150830/us-east-1/lambda/aws4_request"
  const signature = `Signature=${"0".repeat(64)}`
  const auth = (text: string) => ({ authorization: `AWS4-HMAC-SHA256 ${text}`, "x-amz-date": "20150830T123600Z" })
  const complete = `${credential}, SignedHeaders=host, ${signature}`

  it.each<readonly [string, Record<string, string | undefined>, RegExp]>([
    ["no authorization", {}, /^the request is not signed$/],
    ["another kind of it", { authorization: "Bearer x" }, /^the authorization is not AWS4-HMAC-SHA256$/],
    ["nothing in it", { authorization: "AWS4-HMAC-SHA256" }, /^the authorization is not/],
    ["no credential", auth(`SignedHeaders=host, ${signature}`), /^the credential is malformed$/],
    [
      "a signature of another length",
      auth(`${credential}, SignedHeaders=host, Signature=00`),
      /^the signature is malf/
    ],
    ["no date", { ...auth(complete), "x-amz-date": undefined }, /^X-Amz-Date/],
    ["another day", { ...auth(complete), "x-amz-date": "20150831T000000Z" }, /^the credential is of another day/],
    [
      "no such date",
      { ...auth(complete.replace("20150830", "20159930")), "x-amz-date": "20159930T000000Z" },
      /no date/
    ],
    ["the host unsigned", auth(`${credential}, SignedHeaders=x-amz-date, ${signature}`), /^the host header/],
    [
      "a streamed signature",
      { ...auth(complete), "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" },
      /^STREAMING-AWS4-HMAC-SHA256-PAYLOAD is not supported/
    ]
  ])("is refused: %s", (_, headers, reason) => {
    const request = { ...plain(), query: "", headers: new Headers({ host: "x" }), body: new Uint8Array() }
    expect(refusal(changed(request, headers))).toMatch(reason)
  })

  it("is refused, whatever it says", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const printable = text.replaceAll(/[^ -~]/g, "")
        const headers = new Headers({ host: "x", authorization: `AWS4-HMAC-SHA256 ${printable}` })
        expect(Result.isFailure(verify({ ...plain(), query: "", headers, body: new Uint8Array() }))).toBe(true)
      })
    )
  })
})
