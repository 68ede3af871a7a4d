/**
 * The server's side of HTTP/1.1 on one accepted socket, for clients of any kind: each request becomes a `Request`, each
 * `Response` is written as it comes. Own code because what APIs tell their functions is lost in a `Request`: names of
 * headers as they were spelled, those that came more than once, the path before it was normalised.
 */
import { STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import type { Clear, Deadlines } from "../invoke/Deadlines.ts"
import { type ConnectionTls, type Patience, withClientAddress, withTls } from "./HttpServer.ts"
import { MalformedMessage, MessageReader } from "./MessageReader.ts"
import { withRaw } from "./RawRequest.ts"
import { type RequestHead, readRequestHead } from "./requestHead.ts"

export interface ConnectionOptions {
  /** Of an encrypted connection. */
  readonly tls?: ConnectionTls
  /** A longer body is refused. */
  readonly maxBodyBytes: number
  readonly fetch: (request: Request) => Response | Promise<Response>
  readonly patience?: Patience
  readonly deadlines: Deadlines
}

/** Of a body that is read slowly, this much is held before the client is slowed. */
const maxHeldBytes = 256 * 1024
/** A body up to this size is copied behind its head and leaves in one packet. */
const maxCoalescedBytes = 16 * 1024
/** Load balancers keep a connection for less than this, and are to be the ones who close it. */
const usual: Patience = { headMillis: 30_000, pauseMillis: 60_000, idleMillis: 360_000 }
/** Of what a client sends on after it was refused, this much is thrown away, so that it gets to read the answer. */
const maxDiscardedBytes = 128 * 1024 * 1024

/** For a client to take the last answer of a server that closes, and to close its side. */
const farewellMillis = 1000

/** One request, until it is read and answered. */
interface Exchange {
  readonly head: RequestHead
  /** Aborted when the client leaves. */
  readonly leave: AbortController
  /** What has come of the body before the request was handed over. */
  readonly pieces: Array<Buffer>
  bodyBytes: number
  /** Of a body that was still to come then. */
  body: ReadableStreamDefaultController<Uint8Array> | undefined
  /** Nobody wants the body, or what is left of it. */
  ignoresBody: boolean
  isHandedOver: boolean
  isRead: boolean
  isAnswered: boolean
  /** The connection ends with it. */
  isLast: boolean
}

export class ClientConnection {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #reader: MessageReader
  #exchange: Exchange | undefined
  /** No request is read any more. */
  #isEnding = false
  /** The server is, so that nobody is waited for who has the last answer. */
  #isClosing = false
  #discardedBytes = 0
  readonly #patience: Patience
  #headDeadline: Clear | undefined
  /** How long nothing has been under way, as far as that was looked at. */
  #idleMillis = 0

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#patience = options.patience ?? usual
    this.#reader = new MessageReader({
      head: (startLine, lines) => this.#begin(readRequestHead(startLine, lines)),
      data: (piece) => this.#take(piece),
      end: () => this.#bodyEnded()
    })
    socket.setNoDelay(true)
    socket.setKeepAlive(true, this.#patience.pauseMillis)
    socket.setTimeout(this.#patience.pauseMillis)
    socket.on("data", (chunk: Buffer) => this.#receive(chunk))
    socket.on("timeout", () => this.#nothingCame())
    socket.on("error", () => socket.destroy())
    socket.on("end", () => this.#leave())
    socket.on("close", () => this.#leave())
  }

  /**
   * Ends the connection when what is under way is answered; at once where nothing is. A client that keeps its connections
   * may not look at them before it needs one, and so not close its side for as long.
   */
  close(): void {
    this.#isClosing = true
    if (this.#exchange !== undefined) this.#exchange.isLast = true
    else if (this.#isEnding || !this.#reader.drained) this.#end()
    else this.#socket.destroySoon()
  }

  /** Nothing came or went for as long as a client may pause; which it may while it waits for its answer. */
  #nothingCame(): void {
    const { idleMillis, pauseMillis } = this.#patience
    const isIdle = this.#exchange === undefined && this.#reader.drained && !this.#isEnding
    this.#idleMillis = isIdle ? this.#idleMillis + pauseMillis : 0
    const isLate = isIdle ? this.#idleMillis >= idleMillis : this.#exchange?.isRead !== true
    if (isLate) this.#socket.destroy()
    else this.#socket.setTimeout(pauseMillis)
  }

  /** A head may not take for ever, though it comes byte by byte. */
  #watchHead(): void {
    if (this.#exchange !== undefined || this.#reader.drained || this.#isEnding) this.#headIsDone()
    else this.#headDeadline ??= this.#options.deadlines.set(this.#patience.headMillis, () => this.#refuse(408))
  }

  #headIsDone(): void {
    this.#headDeadline?.()
    this.#headDeadline = undefined
  }

  #receive(chunk: Buffer): void {
    this.#idleMillis = 0
    if (this.#isEnding) {
      this.#discardedBytes += chunk.length
      if (this.#discardedBytes > maxDiscardedBytes) this.#socket.destroy()
      return
    }
    this.#read(() => this.#reader.push(chunk))
  }

  #read(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#refuse(error instanceof MalformedMessage ? error.status : 500)
    }
    this.#watchHead()
    // Only now, since the body has mostly come together with its head.
    if (this.#exchange?.isHandedOver === false) this.#handOver(this.#exchange)
  }

  #begin(head: RequestHead): number | "chunked" {
    if (typeof head.framing === "number" && head.framing > this.#options.maxBodyBytes) {
      throw new MalformedMessage(413, "the body is too long")
    }
    if (head.expectsContinue) this.#socket.write("HTTP/1.1 100 Continue\r\n\r\n")
    this.#exchange = {
      head,
      leave: new AbortController(),
      pieces: [],
      bodyBytes: 0,
      body: undefined,
      // `Request` knows no body of these.
      ignoresBody: head.method === "GET" || head.method === "HEAD",
      isHandedOver: false,
      isRead: false,
      isAnswered: false,
      isLast: !head.keepsAlive
    }
    return head.framing
  }

  #take(piece: Buffer): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    exchange.bodyBytes += piece.length
    if (exchange.bodyBytes > this.#options.maxBodyBytes) throw new MalformedMessage(413, "the body is too long")
    if (exchange.ignoresBody) return
    if (exchange.body === undefined) {
      exchange.pieces.push(piece)
      return
    }
    exchange.body.enqueue(new Uint8Array(piece))
    if ((exchange.body.desiredSize ?? 0) <= 0) this.#socket.pause()
  }

  #bodyEnded(): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    exchange.isRead = true
    // A stream that is closed pulls no more.
    this.#socket.resume()
    if (!exchange.ignoresBody) exchange.body?.close()
    this.#finish(exchange)
  }

  #handOver(exchange: Exchange): void {
    exchange.isHandedOver = true
    const { fields, host, method, target } = exchange.head
    const address = this.#socket.remoteAddress
    let request: Request
    try {
      request = new Request(
        `${this.#options.tls === undefined ? "http" : "https"}://${host === "" ? "localhost" : host}${target}`,
        {
          method,
          headers: fields.map(([name, value]): [string, string] => [name, value]),
          signal: exchange.leave.signal,
          ...this.#bodyOf(exchange)
        }
      )
    } catch {
      this.#exchange = undefined
      this.#refuse(400)
      return
    }
    const known = withClientAddress(request, () => address)
    const whole = withTls(withRaw(known, exchange.head), this.#options.tls)
    void this.#answer(exchange, whole).catch(() => this.#socket.destroy())
  }

  #bodyOf(exchange: Exchange): { readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> } {
    const { ignoresBody, isRead, pieces } = exchange
    if (ignoresBody || (isRead && pieces.length === 0)) return {}
    if (isRead) return { body: new Uint8Array(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)) }
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          exchange.body = controller
          for (const piece of pieces.splice(0)) controller.enqueue(new Uint8Array(piece))
        },
        pull: () => void this.#socket.resume(),
        cancel: () => this.#ignoreBody(exchange)
      },
      new ByteLengthQueuingStrategy({ highWaterMark: maxHeldBytes })
    )
    return { body, ...{ duplex: "half" } }
  }

  #ignoreBody(exchange: Exchange): void {
    exchange.ignoresBody = true
    this.#socket.resume()
  }

  async #answer(exchange: Exchange, request: Request): Promise<void> {
    // Whatever is thrown here is a bug that nobody has answered.
    const response = await Promise.try(() => this.#options.fetch(request)).catch(
      () => new Response(null, { status: 500 })
    )
    // A body that was not waited for may be endless.
    if (!exchange.isRead && !exchange.ignoresBody) exchange.isLast = true
    await this.#write(exchange, response)
    if (!exchange.isRead && !exchange.ignoresBody) this.#ignoreBody(exchange)
    exchange.isAnswered = true
    this.#finish(exchange)
  }

  /** Resolves when all of it is on its way. */
  async #write(exchange: Exchange, response: Response): Promise<void> {
    const { head, leave } = exchange
    const { body, status } = response
    const isBodiless = status === 204 || status === 304
    if (body === null || isBodiless || head.method === "HEAD") {
      void body?.cancel().catch(() => {})
      const start = startOf(response, exchange.isLast)
      const declared = head.method === "HEAD" ? response.headers.get("content-length") : isBodiless ? null : "0"
      this.#socket.write(`${start}${declared === null ? "" : `content-length: ${declared}\r\n`}\r\n`, "latin1")
      return
    }
    const reader = body.getReader()
    const cancel = () => void reader.cancel().catch(() => {})
    if (leave.signal.aborted) return cancel()
    leave.signal.addEventListener("abort", cancel, { once: true })
    const first = await reader.read()
    const next = first.done ? Promise.resolve(first) : reader.read()
    if (await isOver(next)) {
      const bytes = first.value ?? noBytes
      await this.#send(`${startOf(response, exchange.isLast)}content-length: ${bytes.length}\r\n\r\n`, bytes)
      return
    }
    // To a client that knows no chunks, the end of the connection is the end of the body.
    const { knowsChunks } = head
    if (!knowsChunks) exchange.isLast = true
    const framing = knowsChunks ? "transfer-encoding: chunked\r\n" : ""
    this.#socket.write(`${startOf(response, exchange.isLast)}${framing}\r\n`, "latin1")
    await this.#sendPiece(first.value, knowsChunks)
    for (let piece = await next; !piece.done; piece = await reader.read()) {
      await this.#sendPiece(piece.value, knowsChunks)
    }
    if (knowsChunks) this.#socket.write("0\r\n\r\n")
  }

  /** Undefined where all of it is on its way already. */
  #send(head: string, bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length > maxCoalescedBytes) {
      this.#socket.write(head, "latin1")
      return this.#sendLarge(bytes)
    }
    const packet = Buffer.allocUnsafe(head.length + bytes.length)
    packet.write(head, 0, "latin1")
    packet.set(bytes, head.length)
    this.#socket.write(packet)
    return this.#socket.writableNeedDrain ? this.#drained() : undefined
  }

  /** Bit by bit: so it shows that a client takes what it gets, though slowly. */
  async #sendLarge(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#socket.destroyed; at += maxHeldBytes) {
      this.#socket.write(bytes.subarray(at, at + maxHeldBytes))
      if (this.#socket.writableNeedDrain) await this.#drained()
    }
  }

  #sendPiece(bytes: Uint8Array | undefined, inChunks: boolean): Promise<void> | undefined {
    if (bytes === undefined || bytes.length === 0) return undefined
    const sent = this.#send(inChunks ? `${bytes.length.toString(16)}\r\n` : "", bytes)
    if (!inChunks) return sent
    if (sent === undefined) this.#socket.write("\r\n")
    return sent?.then(() => void this.#socket.write("\r\n"))
  }

  /** A client that takes nothing for too long is let go. The socket's own clock stands still on Bun meanwhile. */
  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const clear = this.#options.deadlines.set(this.#patience.pauseMillis, () => this.#socket.destroy())
      const done = () => {
        clear()
        this.#socket.off("drain", done)
        this.#socket.off("close", done)
        resolve()
      }
      this.#socket.on("drain", done)
      this.#socket.on("close", done)
    })
  }

  /** An exchange is over when its request is read and its response written, whichever came last. */
  #finish(exchange: Exchange): void {
    if (!exchange.isAnswered || exchange !== this.#exchange) return
    if (exchange.isLast) {
      this.#exchange = undefined
      this.#end()
    } else if (exchange.isRead) {
      this.#exchange = undefined
      this.#read(() => this.#reader.next())
    }
  }

  /** Whoever has the request already is told that its body broke off, and has the answer to it. */
  #refuse(status: number): void {
    const exchange = this.#exchange
    if (exchange?.isHandedOver === true) {
      exchange.isLast = true
      this.#isEnding = true
      if (!exchange.isRead && !exchange.ignoresBody) exchange.body?.error(new Error("the body is malformed"))
      return
    }
    this.#exchange = undefined
    this.#socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`
    )
    this.#end()
  }

  /** What the client still sends is thrown away. */
  #end(): void {
    this.#isEnding = true
    this.#headIsDone()
    this.#socket.end()
    this.#socket.resume()
    if (!this.#isClosing) return
    const farewell = () => void this.#options.deadlines.set(farewellMillis, () => this.#socket.destroy())
    // However slowly its client takes it, all of the answer is on its way first.
    if (this.#socket.writableFinished) farewell()
    else this.#socket.once("finish", farewell)
  }

  /** The client has left, whatever was under way. */
  #leave(): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#isEnding = true
    this.#headIsDone()
    if (exchange !== undefined) {
      if (!exchange.isRead && !exchange.ignoresBody) exchange.body?.error(new Error("the client has left"))
      exchange.leave.abort()
    }
    this.#socket.destroy()
  }
}

const noBytes = new Uint8Array()

/** Whether a stream has ended, as far as that is known at once: a body that is all there is sent with its length. */
const isOver = async (next: Promise<{ readonly done: boolean }>): Promise<boolean> => {
  let over = false
  void next.then(
    ({ done }) => {
      over = done
    },
    () => {}
  )
  for (let turn = 0; turn < 4 && !over; turn++) await Promise.resolve()
  return over
}

/** Of the connection, which is this file's. */
const ofConnection = new Set(["connection", "content-length", "date", "keep-alive", "transfer-encoding"])

const startOf = ({ headers, status }: Response, isLast: boolean): string => {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`
  for (const [name, value] of headers) if (!ofConnection.has(name)) text += `${name}: ${value}\r\n`
  return `${text}date: ${new Date().toUTCString()}\r\n${isLast ? "connection: close\r\n" : ""}`
}
