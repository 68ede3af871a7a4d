/**
 * The server's side of HTTP/1.1 on one accepted connection, as far as runtimes and extensions speak it: keep-alive,
 * bodies with trailers, `Expect: 100-continue`. Own code because Bun's server hides trailers, which carry the error of a
 * streamed response, and its node:http costs a quarter of the throughput. Knows nothing of Lambda.
 */
import type { Flow } from "../domain/AnswerSink.ts"
import { KnownFields } from "../http/KnownFields.ts"
import {
  type Fields,
  type Framing,
  framingOf,
  keepsAlive,
  MalformedMessage,
  MessageReader,
  readFields
} from "../http/MessageReader.ts"
import { WholeBody } from "../http/WholeBody.ts"
import type { ByteStream, ByteStreamUser } from "../net/ByteStream.ts"

export type { Fields }

/** One request, and the way to answer it. `reply` may come before the body has ended, and only once. */
export interface Exchange {
  readonly method: string
  readonly path: string
  readonly headers: Fields
  /** Of the body, in bytes; undefined where it comes in chunks. */
  readonly length: number | undefined
  /** Holds back the rest of the body, while that is being read. Not to be used after it. */
  readonly flow: Flow
  /** `fields` are lines, each with its end: `headerLine`. */
  readonly reply: (status: number, fields: string, body: Uint8Array) => void
}

/** Gets the body of one request, piece by piece. Exactly one of `end` and `abort` is called, last. */
export interface BodyReceiver {
  readonly data: (chunk: Buffer) => void
  readonly end: (trailers: Fields) => void
  /**
   * The connection broke off before the body was whole, or before the exchange was answered. Where only the other
   * side's half of it has ended, an answer still gets there.
   */
  readonly abort: () => void
}

/** `value` is without line breaks. */
export const headerLine = (name: string, value: string): string => `${name}: ${value}\r\n`

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

const startLinePattern = /^([A-Z]+) (\/[!-~]*) HTTP\/1\.([01])$/
const continueResponse = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n", "latin1")

/** Of all workers: those of one kind say the same. */
const knownFields = new KnownFields(readFields)

export class HttpConnection implements ByteStreamUser {
  readonly #stream: ByteStream
  readonly #handler: Handler
  readonly #onClosed: () => void
  readonly #reader: MessageReader<Fields>
  readonly #flow: Flow
  #receiver: BodyReceiver | undefined
  #isRead = false
  #isAnswered = false
  #keepAlive = true

  constructor(stream: ByteStream, handler: Handler, onClosed: () => void) {
    this.#stream = stream
    this.#handler = handler
    this.#onClosed = onClosed
    this.#flow = {
      pause: () => {
        if (!this.#isRead) stream.pause()
      },
      resume: () => stream.resume()
    }
    this.#reader = new MessageReader(knownFields, {
      headRead: (startLine, fields) => this.#begin(startLine, fields),
      pieceRead: (piece) => this.#receiver?.data(piece),
      messageRead: (trailers) => {
        this.#isRead = true
        if (stream.isPaused) stream.resume()
        this.#receiver?.end(trailers)
        this.#finish()
      }
    })
    stream.user = this
  }

  data(chunk: Buffer): void {
    try {
      this.#reader.push(chunk)
    } catch (error) {
      this.#refuse(error instanceof MalformedMessage ? error.status : 500)
    }
  }

  ended(): void {
    this.#keepAlive = false
    this.#abort()
    this.#stream.end()
  }

  closed(): void {
    this.#abort()
    this.#onClosed()
  }

  #begin(startLine: string, headers: Fields): Framing {
    const [, method, path, minor] = startLinePattern.exec(startLine) ?? []
    if (method === undefined || path === undefined || minor === undefined) {
      throw new MalformedMessage(400, "the request line is malformed")
    }
    const framing = framingOf(headers) ?? 0
    this.#keepAlive = keepsAlive(headers.get("connection"), minor)
    if (headers.get("expect")?.toLowerCase() === "100-continue") this.#stream.write(continueResponse)
    this.#isRead = false
    this.#isAnswered = false
    let answered = false
    this.#receiver = this.#handler({
      method,
      path,
      headers,
      length: typeof framing === "number" ? framing : undefined,
      flow: this.#flow,
      reply: (status, fields, body) => {
        if (answered) return
        answered = true
        this.#reply(status, fields, body)
      }
    })
    return framing
  }

  #reply(status: number, fields: string, body: Uint8Array): void {
    this.#isAnswered = true
    if (!this.#stream.isClosed) {
      const last = this.#keepAlive ? "" : "Connection: close\r\n"
      const head = `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\n${fields}Content-Length: ${body.length}\r\n${last}\r\n`
      this.#stream.writeMessage(head, body)
    }
    this.#finish()
  }

  /** The exchange is over when its request has been read and its answer written, whichever came last. */
  #finish(): void {
    if (!this.#isRead || !this.#isAnswered) return
    this.#isRead = false
    this.#receiver = undefined
    if (!this.#keepAlive) this.#stream.end()
    else {
      try {
        this.#reader.next()
      } catch (error) {
        this.#refuse(error instanceof MalformedMessage ? error.status : 500)
      }
    }
  }

  #refuse(status: number): void {
    const wasOpen = this.#receiver !== undefined && !this.#isAnswered
    this.#keepAlive = false
    this.#abort()
    if (!wasOpen || !this.#isAnswered) {
      const refusal = `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
      this.#stream.write(Buffer.from(refusal, "latin1"))
    }
    this.#stream.end()
  }

  #abort(): void {
    const receiver = this.#receiver
    this.#receiver = undefined
    receiver?.abort()
  }
}

/** Gathers a body of up to `maxBytes` and hands it over whole; a larger one is read to its end and given as undefined. */
export const gather = (
  { length }: Exchange,
  maxBytes: number,
  done: (body: Buffer | undefined, trailers: Fields) => void,
  abort: () => void = () => {}
): BodyReceiver => {
  const body = new WholeBody(length)
  let isTooLarge = length !== undefined && length > maxBytes
  return {
    data: (chunk) => {
      if (isTooLarge) return
      isTooLarge = body.bytes + chunk.length > maxBytes
      if (isTooLarge) body.clear()
      else body.add(chunk)
    },
    end: (trailers) => done(isTooLarge ? undefined : body.whole, trailers),
    abort
  }
}
