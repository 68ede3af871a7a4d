/**
 * Result to HTTP response, payload format 2.0 (`LAMBDA-CONTRACT.md` sections 11.3 and 12.2). Function URLs and HTTP APIs
 * read a result alike; they differ in what a client sees of a function that failed.
 */
import { Result } from "effect"
import { isRecord } from "../domain/json.ts"

export interface HttpAnswer {
  readonly status: number
  /** Names in lower case. `set-cookie` may come more than once, others do not. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  readonly body: Uint8Array
  /** The result was no JSON, and is the body as it came. */
  readonly isUnparsed?: true
}

/** Status, headers and cookies; a stream has them in front of its body. */
export type HttpAnswerHead = Pick<HttpAnswer, "status" | "headers">

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const json = ["content-type", "application/json"] as const

/** What a client sees of a function that failed, timed out, crashed, or answered with something that is no response. */
export const failedUrlAnswer: HttpAnswer = {
  status: 502,
  headers: [["content-type", "text/plain"]],
  body: encode("Internal Server Error")
}

/** The same at an HTTP API. */
export const failedApiAnswer: HttpAnswer = {
  status: 500,
  headers: [json],
  body: encode('{"message":"Internal Server Error"}')
}

/** The response that `payload`, a function's result, stands for; or one line that says why it stands for none. */
export const httpAnswerV2 = (payload: Uint8Array): Result.Result<HttpAnswer, string> => {
  let text: string
  let result: unknown
  try {
    text = utf8.decode(payload)
    result = JSON.parse(text)
  } catch {
    return Result.succeed({ status: 200, headers: [json], body: payload, isUnparsed: true })
  }
  if (!isRecord(result) || result.statusCode === undefined || result.statusCode === null) {
    const body = typeof result === "string" ? result : compact(text)
    return Result.succeed({ status: 200, headers: [json], body: encode(body) })
  }
  const { body, isBase64Encoded } = result
  return Result.flatMap(httpAnswerHead(result), (head) =>
    Result.map(bodyBytes(body, isBase64Encoded === true), (bytes) => ({
      ...head,
      body: hasNoBody(head.status) ? new Uint8Array() : bytes
    }))
  )
}

/** Reads `statusCode`, by default 200, `headers` and `cookies`. */
export const httpAnswerHead = (response: Readonly<Record<string, unknown>>): Result.Result<HttpAnswerHead, string> => {
  const status = readStatus(response.statusCode ?? 200)
  if (status === undefined) return Result.fail(`statusCode ${JSON.stringify(response.statusCode)} is no HTTP status`)
  const headers = new Map<string, string>()
  const given = response.headers ?? {}
  if (!isRecord(given)) return Result.fail("headers is no object")
  for (const [name, value] of Object.entries(given)) {
    if (value === null) continue
    const text = headerText(value)
    if (!headerName.test(name) || text === undefined)
      return Result.fail(`header ${JSON.stringify(name)} cannot be sent`)
    if (!notPassedOn.has(name.toLowerCase())) headers.set(name.toLowerCase(), text)
  }
  if (!headers.has(json[0])) headers.set(...json)
  const cookies = response.cookies ?? []
  if (!Array.isArray(cookies)) return Result.fail("cookies is no array")
  const setCookies: Array<readonly [string, string]> = []
  for (const cookie of cookies) {
    const text = headerText(cookie)
    if (text === undefined) return Result.fail(`cookie ${JSON.stringify(cookie)} cannot be sent`)
    setCookies.push(["set-cookie", text])
  }
  return Result.succeed({ status, headers: [...headers, ...setCookies] })
}

/** Statuses whose responses HTTP gives no body. */
export const hasNoBody = (status: number): boolean => status === 204 || status === 205 || status === 304

/** Of one connection (RFC 9110, section 7.6.1), or the server's to say; and the ids, which are Lambda's. */
export const notPassedOn = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-amzn-requestid",
  "x-amzn-trace-id"
])

export const readStatus = (given: unknown): number | undefined => {
  const status = typeof given === "string" && /^\d{3}$/.test(given) ? Number(given) : given
  return typeof status === "number" && Number.isInteger(status) && status >= 200 && status <= 599 ? status : undefined
}

/** What a header may be called. */
export const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const unsendable = /[^\t -~\x80-\uffff]/
const notAscii = /[^\t -~]/

/** A header's value in the one-byte characters that HTTP has: what is not ASCII goes as its UTF-8 bytes. */
export const headerText = (value: unknown): string | undefined => {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") return undefined
  const text = String(value).trim()
  if (unsendable.test(text)) return undefined
  return notAscii.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text
}

const bodyBytes = (body: unknown, isBase64: boolean): Result.Result<Uint8Array, string> => {
  if (body === undefined || body === null) return Result.succeed(new Uint8Array())
  if (typeof body !== "string") return Result.succeed(encode(JSON.stringify(body)))
  if (!isBase64) return Result.succeed(encode(body))
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(body)) return Result.fail("isBase64Encoded is true and body is no base64")
  return Result.succeed(Buffer.from(body, "base64"))
}

/** JSON without the blanks between its parts; its numbers as they were written. */
const compact = (text: string): string =>
  text.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/g, (_, literal: string | undefined) => literal ?? "")

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
