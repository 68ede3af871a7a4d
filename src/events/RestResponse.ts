/**
 * Result to HTTP response, payload format 1.0 (`LAMBDA-CONTRACT.md` section 13.2): read as API Gateway does, or as the
 * gateway did that `routing.yml` was written for.
 */
import { Result } from "effect"
import { isJson, isRecord } from "../domain/json.ts"
import { type HttpAnswer, hasNoBody, headerName, headerText, notPassedOn, readStatus } from "./HttpResponseV2.ts"

export interface RestResultRules {
  /**
   * What a result may be. `exact`: the five keys and no other, as of a REST API; `open`: other keys too, as of an HTTP
   * API; `any`: whatever has no `statusCode` is the body itself.
   */
  readonly form: "exact" | "open" | "any"
  /** Whether what is said to be base64 is decoded; otherwise it is sent as it is. */
  readonly decodesBase64: boolean
}

export interface RestAnswer extends HttpAnswer {
  /** A body that was to be JSON, by its type or by the rules, and is other text. */
  readonly textInPlaceOfJson?: string
}

/** The response that `payload`, a function's result, stands for; or one line that says why it stands for none. */
export const restAnswer = (payload: Uint8Array, rules: RestResultRules): Result.Result<RestAnswer, string> => {
  let result: unknown
  try {
    result = JSON.parse(utf8.decode(payload))
  } catch {
    return rules.form === "any"
      ? Result.succeed({ status: 200, headers: [json], body: payload, isUnparsed: true })
      : Result.fail("the result is not JSON")
  }
  if (rules.form === "any" && (!isRecord(result) || result.statusCode === undefined)) {
    return Result.succeed({ status: 200, headers: [json], body: payload })
  }
  if (!isRecord(result)) return Result.fail("the result is no object")
  const stranger = Object.keys(result).find((key) => !keys.has(key))
  if (rules.form === "exact" && stranger !== undefined) return Result.fail(`the result has the key ${stranger}`)
  return proxyAnswer(result, rules)
}

const json = ["content-type", "application/json"] as const
const keys = new Set(["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"])

const proxyAnswer = (
  result: Readonly<Record<string, unknown>>,
  rules: RestResultRules
): Result.Result<RestAnswer, string> => {
  const status = readStatus(result.statusCode ?? 200)
  if (status === undefined) return Result.fail(`statusCode ${JSON.stringify(result.statusCode)} is no HTTP status`)
  const headers = headersOf(result.headers ?? {}, result.multiValueHeaders ?? {})
  if (typeof headers === "string") return Result.fail(headers)
  const isBase64 = flagOf(result.isBase64Encoded ?? false)
  if (isBase64 === undefined) return Result.fail("isBase64Encoded is neither true nor false")
  const text = textOf(result.body ?? "", rules)
  if (text === undefined) return Result.fail("body is no text")
  const type = headers.find(([name]) => name === "content-type")?.[1]
  const answer = { status, headers: type === undefined ? [...headers, json] : headers }
  if (isBase64 && rules.decodesBase64) {
    if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) return Result.fail("isBase64Encoded is true and body is no base64")
    return Result.succeed({ ...answer, body: hasNoBody(status) ? noBytes : Buffer.from(text, "base64") })
  }
  const isToBeJson = rules.form === "any" ? typeof result.body === "string" : isJsonType(type) && text !== ""
  return Result.succeed({
    ...answer,
    body: hasNoBody(status) ? noBytes : new TextEncoder().encode(text),
    ...(isToBeJson && !isBase64 && !isJson(text) ? { textInPlaceOfJson: text } : {})
  })
}

type Headers = ReadonlyArray<readonly [name: string, value: string]>

/**
 * A name in both maps has the values of both, those of `multiple` first; in one header, but for cookies. Or one line
 * that says what is wrong.
 */
const headersOf = (single: unknown, multiple: unknown): Headers | string => {
  if (!isRecord(single)) return "headers is no object"
  if (!isRecord(multiple)) return "multiValueHeaders is no object"
  const found = new Map<string, Array<string>>()
  const singles = new Map(Object.entries(single).map(([name, value]) => [name.toLowerCase(), [name, value] as const]))
  for (const [name, values] of Object.entries(multiple)) {
    if (!Array.isArray(values)) return `multiValueHeaders: ${JSON.stringify(name)} is no list`
    for (const value of values) {
      const wrong = add(found, name, value)
      if (wrong !== undefined) return wrong
    }
  }
  for (const [name, value] of singles.values()) {
    const wrong = add(found, name, value)
    if (wrong !== undefined) return wrong
  }
  return [...found].flatMap(([name, values]) =>
    name === "set-cookie" ? values.map((value) => [name, value] as const) : [[name, values.join(", ")] as const]
  )
}

const add = (found: Map<string, Array<string>>, given: string, value: unknown): string | undefined => {
  if (value === null) return undefined
  const text = headerText(value)
  if (!headerName.test(given) || text === undefined) return `header ${JSON.stringify(given)} cannot be sent`
  const name = given.toLowerCase()
  if (notPassedOn.has(name)) return undefined
  found.set(name, [...(found.get(name) ?? []), text])
  return undefined
}

const flagOf = (value: unknown): boolean | undefined => {
  if (typeof value === "boolean") return value
  return value === "true" ? true : value === "false" ? false : undefined
}

/** A number or a truth value is taken for the text of it; an object only where any result is taken. */
const textOf = (body: unknown, rules: RestResultRules): string | undefined => {
  if (typeof body === "string") return body
  if (typeof body === "number" || typeof body === "boolean") return String(body)
  return rules.form === "any" ? JSON.stringify(body) : undefined
}

const isJsonType = (type: string | undefined): boolean =>
  type === undefined || /^application\/(?:[^;]*\+)?json\s*(?:;|$)/i.test(type)

const noBytes = new Uint8Array()
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
