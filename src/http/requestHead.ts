/**
 * The head of a request from a client that may mean harm (RFC 9110 and 9112): read strictly, so that nobody in front of
 * this server can have read it another way.
 */
import { keepsAlive, MalformedMessage } from "./MessageReader.ts"
import type { RawFields } from "./RawRequest.ts"

export interface RequestHead {
  readonly method: string
  /** Path and query, in ASCII; begins with `/`. */
  readonly target: string
  /** As in the header. */
  readonly host: string
  readonly fields: RawFields
  /** The names of `fields`, in lower case. */
  readonly names: ReadonlyArray<string>
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

/** What the lines of a head's fields come to: the same for every head that has the same lines. */
export interface RequestFields {
  readonly fields: RawFields
  /** The names of `fields`, in lower case. */
  readonly names: ReadonlyArray<string>
  readonly told: Readonly<Record<Single, string | undefined>>
  /** `Connection`, joined by commas. */
  readonly connection: string
  /** The last head that was read with them: who says the same mostly asks for the same, too. */
  last: { readonly startLine: string; readonly head: RequestHead } | undefined
}

/** The last head is not kept where it is longer. */
const maxKeptStartLine = 1024

/** `lines` are of one byte a character. Throws `MalformedMessage`. */
export const readRequestFields = (lines: ReadonlyArray<string>): RequestFields => {
  const fields: Array<readonly [name: string, value: string]> = []
  const names: Array<string> = []
  const told = { ...untold }
  let connection = ""
  for (const line of lines) {
    const field = readField(line)
    const [written, value] = field
    const name = written.toLowerCase()
    fields.push(field)
    names.push(name)
    if (name === "connection") connection = connection === "" ? value : `${connection},${value}`
    else if (isSingle(name)) {
      if (told[name] !== undefined) throw malformed(`there are several headers ${name}`)
      told[name] = value
    }
  }
  return { fields, names, told, connection, last: undefined }
}

/** `startLine` is of one byte a character. Throws `MalformedMessage`. */
export const readRequestHead = (startLine: string, known: RequestFields): RequestHead => {
  if (known.last?.startLine === startLine) return known.last.head
  const head = newRequestHead(startLine, known)
  if (startLine.length <= maxKeptStartLine) known.last = { startLine, head }
  return head
}

const newRequestHead = (startLine: string, { connection, fields, names, told }: RequestFields): RequestHead => {
  const [, method, written, minor] = startLinePattern.exec(startLine) ?? []
  if (method === undefined || written === undefined || minor === undefined) {
    throw malformed("the request line is malformed")
  }
  if (!isMethod(method)) throw new MalformedMessage(501, `the method ${method} is not known`)
  const { expect, host } = told
  if (host === undefined && minor === "1") throw malformed("there is no host")
  if (!isHost(host ?? "")) throw malformed("the host is malformed")
  return {
    method,
    target: targetOf(written),
    host: host ?? "",
    fields,
    names,
    framing: framingOf(told["content-length"], told["transfer-encoding"], minor),
    keepsAlive: keepsAlive(connection, minor),
    knowsChunks: minor === "1",
    expectsContinue: minor === "1" && expect?.toLowerCase() === "100-continue"
  }
}

/** The values of headers by their names, which are in lower case: of a head, or of a `Request`. */
export type HeaderValues = Pick<Headers, "get">

export const headerValues = (head: RequestHead): HeaderValues => ({ get: (name) => fieldOf(head, name) ?? null })

/** The value of the field `name`, which is in lower case; several are joined by commas. */
export const fieldOf = ({ fields, names }: RequestHead, name: string): string | undefined => {
  let found: string | undefined
  for (let place = names.indexOf(name); place !== -1; place = names.indexOf(name, place + 1)) {
    const value = fields[place]![1]
    found = found === undefined ? value : `${found}, ${value}`
  }
  return found
}

/** `CONNECT` and `TRACE` are for proxies. */
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
export const isMethod = (method: string): boolean => methods.has(method)

/** A name or an address, with a port or without; a comma would be one of several hosts. */
export const isHost = (host: string): boolean => hostPattern.test(host)

/** What no request may say twice. */
type Single = "host" | "content-length" | "transfer-encoding" | "expect"
const untold: Record<Single, string | undefined> = {
  host: undefined,
  "content-length": undefined,
  "transfer-encoding": undefined,
  expect: undefined
}
const isSingle = (key: string): key is Single => Object.hasOwn(untold, key)

const malformed = (what: string) => new MalformedMessage(400, what)

/** Only blanks and tabs are space around a value: whatever else looks like it is somebody's trick. */
const readField = (line: string): readonly [name: string, value: string] => {
  const colon = line.indexOf(":")
  const name = line.slice(0, colon)
  if (colon <= 0 || !namePattern.test(name) || controls.test(line)) throw malformed("a header field is malformed")
  return [name, withoutBlanks(line, colon + 1)]
}

const namePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const controls = /[\x00-\x08\x0a-\x1f\x7f]/

const isBlank = (code: number): boolean => code === 32 || code === 9

/** What is left of `line` from `from` on. */
const withoutBlanks = (line: string, from: number): string => {
  let start = from
  let end = line.length
  while (start < end && isBlank(line.charCodeAt(start))) start++
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--
  return line.slice(start, end)
}

/** Path and query. A client may write bytes that belong encoded; it may not write a fragment, or speak of another place. */
const targetOf = (written: string): string => {
  const path = written.startsWith("/") ? written : written.replace(absoluteTarget, "")
  const target = path === "" || path.startsWith("?") ? `/${path}` : path
  if (!target.startsWith("/") || target.includes("#")) throw malformed("the request target is malformed")
  if (!/[\x80-\xff]/.test(target)) return target
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
