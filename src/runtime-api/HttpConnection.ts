/**
 * HTTP/1.1 (RFC 9112) on one accepted socket, as far as runtimes and extensions speak it: keep-alive, lengths,
 * chunks and trailers, `Expect: 100-continue`. Own code because Bun's server hides trailers, which carry the error of
 * a streamed response, and its node:http costs a quarter of the throughput (`bench/`). Knows nothing of Lambda.
 */
import type { Socket } from "node:net"

/** More of a request's head than this is an attack: 431, and the connection is closed. */
const maxHeadBytes = 64 * 1024
/** A payload up to this size is copied behind its head and leaves in one packet. */
const maxCoalescedBytes = 16 * 1024

export type Headers = ReadonlyMap<string, string>

/** One request, and the way to answer it. `reply` may come before the body has ended, and only once. */
export interface Exchange {
  readonly method: string
  readonly path: string
  /** Names in lower case; the last of several equal ones. */
  readonly headers: Headers
  readonly reply: (status: number, headers: ReadonlyArray<readonly [string, string]>, body: Uint8Array) => void
}

/** Gets the body of one request, piece by piece. Exactly one of `end` and `abort` is called, last. */
export interface BodyReceiver {
  readonly data: (chunk: Buffer) => void
  readonly end: (trailers: Headers) => void
  /** The connection broke off before the body was whole, or before the exchange was answered. */
  readonly abort: () => void
}

export type Handler = (exchange: Exchange) => BodyReceiver

const reasons: Record<number, string> = {
  200: "OK",
  202: "Accepted",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented"
}

const noHeaders: Headers = new Map()

/** Throws on what RFC 9112 calls malformed, since a lenient reader is how requests are smuggled. */
const parseFields = (lines: ReadonlyArray<string>): Headers => {
  const fields = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(":")
    if (colon <= 0) throw new Malformed(400)
    const name = line.slice(0, colon)
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw new Malformed(400)
    fields.set(name.toLowerCase(), line.slice(colon + 1).trim())
  }
  return fields
}

class Malformed extends Error {
  readonly status: number
  constructor(status: number) {
    super(`malformed request (${status})`)
    this.status = status
  }
}

/** What the next bytes are. `Length` counts down what is left of a body or of a chunk. */
type Expecting =
  | { readonly is: "Head" }
  | { readonly is: "Length"; left: number; readonly chunked: boolean }
  | { readonly is: "ChunkSize" }
  | { readonly is: "ChunkEnd" }
  | { readonly is: "Trailers" }
  /** The request is whole and not yet answered. Bytes that follow wait. */
  | { readonly is: "Reply" }

export class HttpConnection {
  readonly #socket: Socket
  readonly #handler: Handler
  #pending: Buffer = Buffer.alloc(0)
  #expecting: Expecting = { is: "Head" }
  #receiver: BodyReceiver | undefined
  #replied = true
  #keepAlive = true
  #parsing = false

  constructor(socket: Socket, handler: Handler) {
    this.#socket = socket
    this.#handler = handler
    socket.setNoDelay(true)
    socket.on("data", (chunk: Buffer) => {
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
      this.#parse()
    })
    socket.on("error", () => socket.destroy())
    socket.on("close", () => this.#abort())
  }

  #abort(): void {
    const receiver = this.#receiver
    this.#receiver = undefined
    receiver?.abort()
  }

  #parse(): void {
    // A reply given inside a handler would come back here; the loop below goes on by itself.
    if (this.#parsing) return
    this.#parsing = true
    try {
      while (this.#step());
    } catch (error) {
      const status = error instanceof Malformed ? error.status : 500
      this.#abort()
      this.#socket.end(`HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    } finally {
      this.#parsing = false
    }
  }

  /** Takes one element off what has come in. False when it is not there yet. */
  #step(): boolean {
    const expecting = this.#expecting
    switch (expecting.is) {
      case "Head": {
        const head = this.#takeUntil("\r\n\r\n", maxHeadBytes)
        if (head === undefined) return false
        this.#begin(head)
        return true
      }
      case "Length": {
        if (expecting.left === 0) {
          if (expecting.chunked) this.#expecting = { is: "ChunkEnd" }
          else this.#endBody(noHeaders)
          return true
        }
        if (this.#pending.length === 0) return false
        const piece = this.#take(Math.min(expecting.left, this.#pending.length))
        expecting.left -= piece.length
        this.#receiver?.data(piece)
        return true
      }
      case "ChunkSize": {
        const line = this.#takeUntil("\r\n", 1024)
        if (line === undefined) return false
        const size = /^([0-9a-fA-F]{1,8})(?:[ \t]*;.*)?$/.exec(line)?.[1]
        if (size === undefined) throw new Malformed(400)
        const left = Number.parseInt(size, 16)
        this.#expecting = left === 0 ? { is: "Trailers" } : { is: "Length", left, chunked: true }
        return true
      }
      case "ChunkEnd": {
        if (this.#pending.length < 2) return false
        if (this.#take(2).toString("latin1") !== "\r\n") throw new Malformed(400)
        this.#expecting = { is: "ChunkSize" }
        return true
      }
      case "Trailers": {
        if (this.#pending.length < 2) return false
        const none = this.#pending[0] === 13 && this.#pending[1] === 10
        const block = none ? this.#take(2) && "" : this.#takeUntil("\r\n\r\n", maxHeadBytes)
        if (block === undefined) return false
        this.#endBody(block === "" ? noHeaders : parseFields(block.split("\r\n")))
        return true
      }
      case "Reply":
        // Nobody who waits for an answer sends more than a little of the next request ahead.
        if (this.#pending.length > maxHeadBytes) throw new Malformed(400)
        return false
    }
  }

  #begin(head: string): void {
    const [requestLine, ...fieldLines] = head.split("\r\n")
    const [, method, path, minor] = /^([A-Z]+) (\/[!-~]*) HTTP\/1\.([01])$/.exec(requestLine!) ?? []
    if (method === undefined || path === undefined) throw new Malformed(400)
    const headers = parseFields(fieldLines)
    const connection = headers.get("connection")?.toLowerCase()
    this.#keepAlive = minor === "1" ? connection !== "close" : connection === "keep-alive"
    const length = headers.get("content-length")
    const coding = headers.get("transfer-encoding")?.toLowerCase()
    if (coding !== undefined && (coding !== "chunked" || length !== undefined)) {
      throw new Malformed(coding === "chunked" ? 400 : 501)
    }
    if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new Malformed(400)
    this.#expecting =
      coding === "chunked" ? { is: "ChunkSize" } : { is: "Length", left: Number(length ?? 0), chunked: false }
    if (headers.get("expect")?.toLowerCase() === "100-continue") this.#socket.write("HTTP/1.1 100 Continue\r\n\r\n")
    this.#replied = false
    let answered = false
    this.#receiver = this.#handler({
      method,
      path,
      headers,
      reply: (status, fields, body) => {
        if (answered) return
        answered = true
        this.#reply(status, fields, body)
      }
    })
  }

  #endBody(trailers: Headers): void {
    this.#expecting = { is: "Reply" }
    this.#receiver?.end(trailers)
    this.#finish()
  }

  #reply(status: number, fields: ReadonlyArray<readonly [string, string]>, body: Uint8Array): void {
    this.#replied = true
    if (!this.#socket.destroyed) {
      let head = `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\n`
      for (const [name, value] of fields) head += `${name}: ${value}\r\n`
      head += `Content-Length: ${body.length}\r\n${this.#keepAlive ? "" : "Connection: close\r\n"}\r\n`
      if (body.length <= maxCoalescedBytes) {
        const packet = Buffer.allocUnsafe(head.length + body.length)
        packet.write(head, 0, "latin1")
        packet.set(body, head.length)
        this.#socket.write(packet)
      } else {
        this.#socket.write(head, "latin1")
        this.#socket.write(body)
      }
    }
    this.#finish()
  }

  /** The exchange is over when its request has been read and its answer written, whichever came last. */
  #finish(): void {
    if (!this.#replied || this.#expecting.is !== "Reply") return
    this.#receiver = undefined
    this.#expecting = { is: "Head" }
    if (!this.#keepAlive) this.#socket.end()
    else this.#parse()
  }

  #take(length: number): Buffer {
    const taken = this.#pending.subarray(0, length)
    this.#pending = this.#pending.subarray(length)
    return taken
  }

  #takeUntil(mark: string, maxBytes: number): string | undefined {
    const end = this.#pending.indexOf(mark, 0, "latin1")
    if (end > maxBytes || (end === -1 && this.#pending.length > maxBytes)) throw new Malformed(431)
    if (end === -1) return undefined
    const text = this.#pending.toString("latin1", 0, end)
    this.#pending = this.#pending.subarray(end + mark.length)
    return text
  }
}

/** Gathers a body of up to `maxBytes` and hands it over whole; a larger one is read to its end and given as undefined. */
export const gather = (
  maxBytes: number,
  done: (body: Buffer | undefined, trailers: Headers) => void,
  abort: () => void = () => {}
): BodyReceiver => {
  const pieces: Array<Buffer> = []
  let bytes = 0
  return {
    data: (chunk) => {
      bytes += chunk.length
      if (bytes <= maxBytes) pieces.push(chunk)
      else pieces.length = 0
    },
    end: (trailers) => {
      const whole = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
      done(bytes > maxBytes ? undefined : whole, trailers)
    },
    abort
  }
}
