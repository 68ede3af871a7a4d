/**
 * The head of a response (RFC 9112). Every field is checked; looked at are those that say how the body is framed and
 * whether the connection goes on. The others are found for who asks for them. Reads bytes, and makes no text of what
 * nobody asks for: that is a tenth of the cost of lines and patterns, on a path that all events of emulators take.
 */
import { type Framing, keepsAlive, MalformedMessage } from "../http/MessageReader.ts"
import type { HttpHead } from "./HttpExchange.ts"

export interface ResponseHead extends HttpHead {
  /** With the empty line at its end. */
  readonly bytes: number
  readonly framing: Framing
  readonly keepsAlive: boolean
}

const CR = 13
const LF = 10
const tab = 9
const colon = 58
const space = 32

/** By character: what may be in the name of a field. */
const isNameByte = new Uint8Array(256)
for (const letter of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  isNameByte[letter.charCodeAt(0)] = 1
}

const version = "HTTP/1."

/** The head at the beginning of `bytes`; undefined where it is not whole yet. Throws `MalformedMessage`. */
export const readResponseHead = (bytes: Buffer): ResponseHead | undefined => {
  const lineEnd = endOfLine(bytes, 0)
  if (lineEnd === undefined) return undefined
  const { minor, status } = readStartLine(bytes, lineEnd)
  let length: number | undefined
  let coding: string | undefined
  let connection: string | undefined
  let at = lineEnd + 2
  while (bytes[at] !== CR) {
    let nameEnd = at
    while (isNameByte[bytes[nameEnd] ?? 0] === 1) nameEnd++
    if (nameEnd === bytes.length) return undefined
    if (nameEnd === at || bytes[nameEnd] !== colon) throw malformed("a header field is malformed")
    const end = endOfLine(bytes, nameEnd + 1)
    if (end === undefined) return undefined
    switch (nameEnd - at) {
      case "connection".length:
        if (isNamed(bytes, at, "connection")) connection = text(bytes, nameEnd + 1, end)
        break
      case "content-length".length: {
        if (!isNamed(bytes, at, "content-length")) break
        const said = lengthIn(bytes, nameEnd + 1, end)
        if (length !== undefined && length !== said) throw malformed("there are several content lengths")
        length = said
        break
      }
      case "transfer-encoding".length:
        if (!isNamed(bytes, at, "transfer-encoding")) break
        if (coding !== undefined) throw malformed("there are several transfer codings")
        coding = text(bytes, nameEnd + 1, end)
        break
    }
    at = end + 2
  }
  if (at + 1 >= bytes.length) return undefined
  if (bytes[at + 1] !== LF) throw malformed("a line ends without LF")
  return {
    status,
    headers: new ResponseFields(bytes, lineEnd + 2),
    bytes: at + 2,
    framing: framingOf(status, length, coding),
    keepsAlive: keepsAlive(connection, minor)
  }
}

/** The fields of a head that was found to be in order. */
class ResponseFields {
  readonly #bytes: Buffer
  /** Where the first one is. */
  readonly #start: number

  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes
    this.#start = start
  }

  get(name: string): string | undefined {
    const bytes = this.#bytes
    let found: string | undefined
    let at = this.#start
    while (bytes[at] !== CR) {
      const end = bytes.indexOf(CR, at)
      const valueAt = at + name.length + 1
      if (bytes[valueAt - 1] === colon && isNamed(bytes, at, name)) found = text(bytes, valueAt, end)
      at = end + 2
    }
    return found
  }
}

const malformed = (what: string) => new MalformedMessage(400, what)

/** Where the CR of a line is that goes on at `from`; undefined where the line is not whole. */
const endOfLine = (bytes: Buffer, from: number): number | undefined => {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === CR) {
      if (at + 1 === bytes.length) return undefined
      if (bytes[at + 1] !== LF) throw malformed("a line ends without LF")
      return at
    }
    if (byte === LF) throw malformed("a line ends without CR")
    if (byte === 0) throw malformed("a header field is malformed")
  }
  return undefined
}

/** `HTTP/1.1 200 OK`, the reason and the blank before it being left out at will. */
const readStartLine = (bytes: Buffer, end: number) => {
  const minor = bytes[version.length]! - zero
  const status = digit(bytes, 9) * 100 + digit(bytes, 10) * 10 + digit(bytes, 11)
  const isResponse =
    end >= 12 &&
    isVersion(bytes) &&
    (minor === 0 || minor === 1) &&
    bytes[8] === space &&
    status >= 100 &&
    (end === 12 || bytes[12] === space)
  if (!isResponse) throw malformed("the answer is no HTTP/1.1 response")
  return { minor: minor === 1 ? "1" : "0", status }
}

/** Byte by byte: the first view of what a socket gave costs more than all else that is done about the line. */
const isVersion = (bytes: Buffer): boolean => {
  for (let place = 0; place < version.length; place++) {
    if (bytes[place] !== version.charCodeAt(place)) return false
  }
  return true
}

const zero = 48
const digit = (bytes: Buffer, at: number): number => {
  const value = bytes[at]! - zero
  return value >= 0 && value <= 9 ? value : Number.NaN
}

/** Whether the name at `at` is `name`, which is in lower case, as long, and of letters and dashes. */
const isNamed = (bytes: Buffer, at: number, name: string): boolean => {
  // Lower case, for letters; dashes have that bit anyway. What else becomes the same is no letter of a name.
  for (let place = 0; place < name.length; place++) {
    if ((bytes[at + place]! | 0x20) !== name.charCodeAt(place)) return false
  }
  return true
}

/** Only blanks and tabs are space around a value. */
const text = (bytes: Buffer, from: number, to: number): string => {
  let start = from
  let end = to
  while (start < end && isBlank(bytes[start])) start++
  while (end > start && isBlank(bytes[end - 1])) end--
  return bytes.toString("latin1", start, end)
}

const maxLengthDigits = 15

/** `NaN` for what is none. */
const lengthIn = (bytes: Buffer, from: number, to: number): number => {
  let at = from
  let end = to
  while (at < end && isBlank(bytes[at])) at++
  while (end > at && isBlank(bytes[end - 1])) end--
  let length = end > at && end - at <= maxLengthDigits ? 0 : Number.NaN
  for (; at < end; at++) length = length * 10 + digit(bytes, at)
  return length
}

const isBlank = (byte: number | undefined): boolean => byte === space || byte === tab

const framingOf = (status: number, length: number | undefined, coding: string | undefined): Framing => {
  // 100 Continue and its like go before the response.
  if (status < 200) return "another head"
  if (status === 204 || status === 304) return 0
  if (coding !== undefined) {
    if (coding.toLowerCase() !== "chunked") throw malformed(`the transfer coding ${coding} is not known`)
    if (length !== undefined) throw malformed("a body has both a length and chunks")
    return "chunked"
  }
  if (length === undefined) return "close"
  if (Number.isNaN(length)) throw malformed("the content length is no number")
  return length
}
