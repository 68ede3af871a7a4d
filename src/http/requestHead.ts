/**
 * The head of a request from a client that may mean harm (RFC 9110 and 9112): read strictly, so that nobody in front of
 * this server can have read it another way.
 */
import { type Fields, keepsAlive, MalformedMessage } from "./MessageReader.ts"
import type { RawFields } from "./RawRequest.ts"

export interface RequestHead {
  readonly method: string
  /** Path and query, in ASCII; begins with `/`. */
  readonly target: string
  /** As in the header. */
  readonly host: string
  readonly fields: RawFields
  readonly framing: number | "chunked"
  readonly keepsAlive: boolean
  /** Not a client of HTTP/1.0. */
  readonly knowsChunks: boolean
  /** Whether the client waits for a word before it sends the body. */
  readonly expectsContinue: boolean
}

const startLinePattern = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~\x80-\xff]+) HTTP\/1\.([01])$/
const absoluteTarget = /^https?:\/\/[^/?#]*/i
const hostPattern = /^(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/

/** `startLine` and `lines` are of one byte a character. Throws `MalformedMessage`. */
export const readRequestHead = (startLine: string, lines: ReadonlyArray<string>): RequestHead => {
  const [, method, written, minor] = startLinePattern.exec(startLine) ?? []
  if (method === undefined || written === undefined || minor === undefined) {
    throw malformed("the request line is malformed")
  }
  if (!isMethod(method)) throw new MalformedMessage(501, `the method ${method} is not known`)
  const fields = lines.map(readField)
  const values = new Map<string, ReadonlyArray<string>>()
  for (const [name, value] of fields) {
    const key = name.toLowerCase()
    if (single.has(key) || listed.has(key)) values.set(key, [...(values.get(key) ?? []), value])
  }
  for (const name of single) {
    if ((values.get(name)?.length ?? 0) > 1) throw malformed(`there are several headers ${name}`)
  }
  const first = (name: string) => values.get(name)?.[0]
  const host = first("host")
  if (host === undefined && minor === "1") throw malformed("there is no host")
  if (!isHost(host ?? "")) throw malformed("the host is malformed")
  const connection: Fields = new Map([["connection", (values.get("connection") ?? []).join(",").trim()]])
  return {
    method,
    target: targetOf(written),
    host: host ?? "",
    fields,
    framing: framingOf(first("content-length"), first("transfer-encoding"), minor),
    keepsAlive: keepsAlive(connection, minor),
    knowsChunks: minor === "1",
    expectsContinue: minor === "1" && first("expect")?.toLowerCase() === "100-continue"
  }
}

/** `CONNECT` and `TRACE` are for proxies. */
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
export const isMethod = (method: string): boolean => methods.has(method)

/** A name or an address, with a port or without; a comma would be one of several hosts. */
export const isHost = (host: string): boolean => hostPattern.test(host)

const single = new Set(["host", "content-length", "transfer-encoding", "expect"])
const listed = new Set(["connection"])

const malformed = (what: string) => new MalformedMessage(400, what)

/** Only blanks and tabs are space around a value: whatever else looks like it is somebody's trick. */
const readField = (line: string): readonly [name: string, value: string] => {
  const colon = line.indexOf(":")
  const name = line.slice(0, colon)
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "")
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  if (colon <= 0 || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) || /[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
    throw malformed("a header field is malformed")
  }
  return [name, value]
}

/** Path and query. A client may write bytes that belong encoded; it may not write a fragment, or speak of another place. */
const targetOf = (written: string): string => {
  const path = written.replace(absoluteTarget, "")
  const target = path === "" || path.startsWith("?") ? `/${path}` : path
  if (!target.startsWith("/") || target.includes("#")) throw malformed("the request target is malformed")
  return target.replaceAll(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`)
}

const framingOf = (length: string | undefined, coding: string | undefined, minor: string): number | "chunked" => {
  if (coding !== undefined) {
    if (length !== undefined) throw malformed("a body has both a length and chunks")
    if (coding.toLowerCase() !== "chunked" || minor === "0") throw malformed(`the transfer coding is not known`)
    return "chunked"
  }
  if (length === undefined) return 0
  if (!/^\d{1,15}$/.test(length)) throw malformed("the content length is no number")
  return Number(length)
}
