/**
 * Reads HTTP/1.1 messages (RFC 9112), requests or responses, out of the pieces a socket gives: heads, and bodies by
 * length, in chunks or up to the end of the connection. What a head means is its user's to say. Lenient about nothing:
 * a reader that guesses is how requests are smuggled.
 */

import type { Known, KnownFields } from "./KnownFields.ts"

/** More of a head than this is an attack. */
const maxHeadBytes = 64 * 1024
const maxChunkLineBytes = 1024
/** Longer heads are searched each time. */
const maxKeptHeadBytes = 2048

/** Names in lower case; the last of several equal ones. */
export type Fields = ReadonlyMap<string, string>

/** `status` is what a server answers it with. */
export class MalformedMessage extends Error {
  readonly status: 400 | 413 | 431 | 501
  constructor(status: 400 | 413 | 431 | 501, what: string) {
    super(what)
    this.status = status
  }
}

/** How much body follows a head: so many bytes, chunks, all up to the end; or another head, as after 100 Continue. */
export type Framing = number | "chunked" | "close" | "another head"

/** Who gets the messages. `F` is what a head's fields are read as. */
export interface MessageSink<F> {
  /** `fields` are not to be changed: other heads with the same ones are given the same. */
  readonly headRead: (startLine: string, fields: F) => Framing
  readonly pieceRead: (piece: Buffer) => void
  /** The message is whole. The next one is not read before `next`. */
  readonly messageRead: (trailers: Fields) => void
}

/** What the next bytes are. `left` counts down what is missing of a body or of a chunk. */
type Expecting =
  | { readonly is: "Head" | "ChunkSize" | "ChunkEnd" | "Trailers" | "Close" | "Nothing" }
  | { readonly is: "Length"; left: number; readonly chunked: boolean }

/** Those without a count are the same for all readers: each has one at any time. */
const atHead: Expecting = { is: "Head" }
const atChunkSize: Expecting = { is: "ChunkSize" }
const atChunkEnd: Expecting = { is: "ChunkEnd" }
const atTrailers: Expecting = { is: "Trailers" }
const atClose: Expecting = { is: "Close" }
const atNothing: Expecting = { is: "Nothing" }

const noFields: Fields = new Map()
const noBytes = Buffer.alloc(0)
const lineEnd = Buffer.from("\r\n", "latin1")
const headEnd = Buffer.from("\r\n\r\n", "latin1")

export class MessageReader<F> {
  readonly #knownFields: KnownFields<F>
  readonly #sink: MessageSink<F>
  #pending: Buffer = noBytes
  /** What of `#pending` has been read. */
  #at = 0
  #expecting: Expecting = atHead
  #reading = false
  /** The fields of the last heads: whoever keeps a connection often says the same again, of each kind of request. */
  #known: Known<F> | undefined
  #knownBefore: Known<F> | undefined

  constructor(knownFields: KnownFields<F>, sink: MessageSink<F>) {
    this.#knownFields = knownFields
    this.#sink = sink
  }

  /** Takes in what came. Throws `MalformedMessage`; after that the reader is of no more use. */
  push(chunk: Buffer): void {
    this.#pending = this.drained ? chunk : Buffer.concat([this.#pending.subarray(this.#at), chunk])
    this.#at = 0
    this.#read()
    // Nothing is held for a connection that is at rest.
    if (this.drained) {
      this.#pending = noBytes
      this.#at = 0
    }
    // Nobody who waits for an answer sends more than a little of the next request ahead.
    if (this.#expecting.is === "Nothing" && this.#left > maxHeadBytes) {
      throw new MalformedMessage(400, "too much was sent ahead")
    }
  }

  /** Goes on to the next message. */
  next(): void {
    this.#expecting = atHead
    this.#read()
  }

  /** The other side sends no more: the end of a body that goes on until then. */
  close(): void {
    if (this.#expecting.is === "Close") this.#end(noFields)
  }

  /** True when nothing came that has not been read. */
  get drained(): boolean {
    return this.#left === 0
  }

  get #left(): number {
    return this.#pending.length - this.#at
  }

  #read(): void {
    // A sink that goes on from inside `end` comes back here; the loop below goes on by itself.
    if (this.#reading) return
    this.#reading = true
    try {
      while (this.#step());
    } finally {
      this.#reading = false
    }
  }

  /** Takes one element off what has come in. False when it is not there yet. */
  #step(): boolean {
    const expecting = this.#expecting
    switch (expecting.is) {
      case "Head": {
        const again = this.#lastHeadAgain()
        if (again !== undefined) {
          this.#frame(this.#sink.headRead(again.startLine, again.fields))
          return true
        }
        const end = this.#find(headEnd, maxHeadBytes)
        if (end === undefined) return false
        const firstEnd = this.#pending.indexOf(lineEnd, this.#at)
        const startLine = this.#pending.toString("latin1", this.#at, firstEnd)
        const known = this.#fieldsOf(firstEnd, end)
        this.#remember(known, startLine, end + headEnd.length)
        this.#at = end + headEnd.length
        this.#frame(this.#sink.headRead(startLine, known.fields))
        return true
      }
      case "Length": {
        if (expecting.left === 0) {
          if (expecting.chunked) this.#expecting = atChunkEnd
          else this.#end(noFields)
          return true
        }
        if (this.drained) return false
        const piece = this.#take(Math.min(expecting.left, this.#left))
        expecting.left -= piece.length
        this.#sink.pieceRead(piece)
        return true
      }
      case "ChunkSize": {
        const line = this.#takeUntil(lineEnd, maxChunkLineBytes)
        if (line === undefined) return false
        const size = /^([0-9a-fA-F]{1,8})(?:[ \t]*;.*)?$/.exec(line)?.[1]
        if (size === undefined) throw new MalformedMessage(400, "a chunk has no length")
        const left = Number.parseInt(size, 16)
        this.#expecting = left === 0 ? atTrailers : { is: "Length", left, chunked: true }
        return true
      }
      case "ChunkEnd": {
        if (this.#left < 2) return false
        if (this.#take(2).toString("latin1") !== "\r\n") {
          throw new MalformedMessage(400, "a chunk is longer than it said")
        }
        this.#expecting = atChunkSize
        return true
      }
      case "Trailers": {
        if (this.#left < 2) return false
        const none = this.#pending[this.#at] === 13 && this.#pending[this.#at + 1] === 10
        const block = none ? this.#take(2) && "" : this.#takeUntil(headEnd, maxHeadBytes)
        if (block === undefined) return false
        this.#end(block === "" ? noFields : readFields(block.split("\r\n")))
        return true
      }
      case "Close":
        if (!this.drained) this.#sink.pieceRead(this.#take(this.#left))
        return false
      case "Nothing":
        return false
    }
  }

  #frame(framing: Framing): void {
    if (framing === "chunked") this.#expecting = atChunkSize
    else if (framing === "close") this.#expecting = atClose
    else if (framing !== "another head") this.#expecting = { is: "Length", left: framing, chunked: false }
  }

  #end(trailers: Fields): void {
    this.#expecting = atNothing
    this.#sink.messageRead(trailers)
  }

  #take(length: number): Buffer {
    const from = this.#at
    this.#at += length
    return this.#pending.subarray(from, this.#at)
  }

  /** What is between the end of the first line and that of the head. */
  #fieldsOf(from: number, to: number): Known<F> {
    if (this.#known !== undefined && this.#isSame(this.#known, from, to)) return this.#known
    const before = this.#knownBefore
    this.#knownBefore = this.#known
    const isBefore = before !== undefined && this.#isSame(before, from, to)
    this.#known = isBefore ? before : this.#knownFields.of(this.#pending, from, to)
    return this.#known
  }

  #isSame({ bytes }: Known<F>, from: number, to: number): boolean {
    return bytes.length === to - from && this.#pending.compare(bytes, 0, bytes.length, from, to) === 0
  }

  /** A head that is the last one again, first line and all: it is taken without a search for where its parts end. */
  #lastHeadAgain(): Known<F> | undefined {
    const whole = this.#known?.whole
    if (whole === undefined) return undefined
    const end = this.#at + whole.length
    if (end > this.#pending.length || this.#pending.compare(whole, 0, whole.length, this.#at, end) !== 0)
      return undefined
    this.#at = end
    return this.#known
  }

  /** A head that goes on to `to`. Kept from the second time on: many are never said again. */
  #remember(known: Known<F>, startLine: string, to: number): void {
    if (to - this.#at > maxKeptHeadBytes) return
    if (known.startLine !== startLine) {
      known.startLine = startLine
      known.whole = undefined
    } else known.whole ??= new Uint8Array(this.#pending.subarray(this.#at, to))
  }

  #takeUntil(mark: Buffer, maxBytes: number): string | undefined {
    const end = this.#find(mark, maxBytes)
    if (end === undefined) return undefined
    const text = this.#pending.toString("latin1", this.#at, end)
    this.#at = end + mark.length
    return text
  }

  /** Where `mark` begins; undefined where it has not come yet. */
  #find(mark: Buffer, maxBytes: number): number | undefined {
    const from = this.#at
    const end = this.#pending.indexOf(mark, from)
    // Whoever ends lines with a line feed alone would wait for ever.
    if (end === -1 && this.#hasBareLineFeed()) throw new MalformedMessage(400, "a line ends without CR")
    if (end - from > maxBytes || (end === -1 && this.#left > maxBytes)) {
      throw new MalformedMessage(431, "a head is too long")
    }
    return end === -1 ? undefined : end
  }

  #hasBareLineFeed(): boolean {
    const at = this.#pending.indexOf(10, this.#at)
    return at === this.#at || (at > this.#at && this.#pending[at - 1] !== 13)
  }
}

const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Names in lower case; the last of several equal ones. */
export const readFields = (lines: ReadonlyArray<string>): Fields => {
  const fields = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(":")
    const name = line.slice(0, colon)
    if (colon <= 0 || !fieldName.test(name)) throw new MalformedMessage(400, "a header field is malformed")
    fields.set(name.toLowerCase(), line.slice(colon + 1).trim())
  }
  return fields
}

/** How the body is framed by a head's fields; undefined where they do not say. */
export const framingOf = (fields: Fields): Framing | undefined => {
  const length = fields.get("content-length")
  const coding = fields.get("transfer-encoding")?.toLowerCase()
  if (coding !== undefined && coding !== "chunked") {
    throw new MalformedMessage(501, `the transfer coding ${coding} is not known`)
  }
  if (coding === "chunked" && length !== undefined) {
    throw new MalformedMessage(400, "a body has both a length and chunks")
  }
  if (length !== undefined && !/^\d{1,15}$/.test(length)) {
    throw new MalformedMessage(400, `the content length ${length} is no number`)
  }
  return coding === "chunked" ? "chunked" : length === undefined ? undefined : Number(length)
}

/** Whether it goes on after a message with this field `Connection`, `minor` being that of the message's HTTP version. */
export const keepsAlive = (connection: string | undefined, minor: string): boolean =>
  minor === "1" ? connection?.toLowerCase() !== "close" : connection?.toLowerCase() === "keep-alive"
