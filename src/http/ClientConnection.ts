/**
 * The server's side of HTTP/1.1 on one accepted connection, for clients of any kind: each request becomes a `Request`,
 * each `Response` is written as it comes; but for those that can be answered without either. Own code because what APIs
 * tell their functions is lost in a `Request`: names of headers as they were spelled, those that came more than once, the
 * path before it was normalised.
 */
import type { Deadlines, Limit, Limited } from "../invoke/Deadlines.ts"
import type { ByteStream, ByteStreamUser } from "../net/ByteStream.ts"
import { ClientExchange, type ExchangeOwner } from "./ClientExchange.ts"
import {
  bytesOf,
  type ConnectionTls,
  type Direct,
  type Patience,
  type PlainAnswer,
  withClientAddress,
  withTls
} from "./HttpServer.ts"
import type { KnownFields } from "./KnownFields.ts"
import { MalformedMessage, MessageReader, type MessageSink } from "./MessageReader.ts"
import { withRaw } from "./RawRequest.ts"
import { type RequestFields, readRequestHead } from "./requestHead.ts"
import { date, lastField, startOf, statusLine } from "./responseHead.ts"

/** The same for all connections of a server. */
export interface ConnectionOptions {
  /** A longer body is refused. */
  readonly maxBodyBytes: number
  readonly fetch: (request: Request) => Response | Promise<Response>
  readonly direct?: Direct
  readonly patience?: Patience
  readonly deadlines: Deadlines
  readonly knownFields: KnownFields<RequestFields>
  readonly onClosed: (connection: ClientConnection) => void
}

/** Of a body that is read slowly, this much is held before the client is slowed. */
const maxHeldBytes = 256 * 1024
/** Larger bodies are written bit by bit. */
const maxWholeBytes = 16 * 1024
/** Load balancers keep a connection for less than this, and are to be the ones who close it. */
const usual: Patience = { headMillis: 30_000, pauseMillis: 60_000, idleMillis: 360_000 }
/** Of what a client sends on after it was refused, this much is thrown away, so that it gets to read the answer. */
const maxDiscardedBytes = 128 * 1024 * 1024
/** How often a connection is looked at while a client may pause. */
const looks = 4
const continueResponse = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n", "latin1")
const lastChunk = Buffer.from("0\r\n\r\n", "latin1")
const chunkEnd = Buffer.from("\r\n", "latin1")

/** For a client to take the last answer of a server that closes, and to close its side. */
const farewellMillis = 1000

export class ClientConnection implements ByteStreamUser, MessageSink<RequestFields>, ExchangeOwner, Limited {
  readonly #stream: ByteStream
  readonly #options: ConnectionOptions
  /** Of an encrypted one. */
  readonly #tls: ConnectionTls | undefined
  readonly #reader: MessageReader<RequestFields>
  readonly #patience: Patience
  #exchange: ClientExchange | undefined
  /** No request is read any more. */
  #isEnding = false
  /** The server is, so that nobody is waited for who has the last answer. */
  #isClosing = false
  #discardedBytes = 0
  #headDeadline: Limit | undefined
  #look: Limit
  /** Something came or went since it was looked at. */
  #isBusy = false
  /** How often it was looked at since something came or went. */
  #quietLooks = 0
  #onDrained: (() => void) | undefined

  constructor(stream: ByteStream, options: ConnectionOptions, tls?: ConnectionTls) {
    this.#stream = stream
    this.#options = options
    this.#tls = tls
    this.#patience = options.patience ?? usual
    this.#reader = new MessageReader(options.knownFields, this)
    stream.user = this
    stream.probe(this.#patience.pauseMillis)
    this.#look = this.#lookLater()
  }

  /**
   * Ends the connection when what is under way is answered; at once where nothing is. A client that keeps its connections
   * may not look at them before it needs one, and so not close its side for as long.
   */
  close(): void {
    this.#isClosing = true
    if (this.#exchange !== undefined) this.#exchange.isLast = true
    else if (this.#isEnding || !this.#reader.drained) this.#end()
    else this.#stream.finish()
  }

  /** Ends the connection at once, whatever is under way. */
  destroy(): void {
    this.#stream.destroy()
  }

  drained(): void {
    this.#isBusy = true
    const onDrained = this.#onDrained
    this.#onDrained = undefined
    onDrained?.()
  }

  ended(): void {
    this.#leave()
  }

  closed(): void {
    this.#look.clear()
    this.#leave()
    this.#onDrained?.()
    this.#options.onClosed(this)
  }

  #lookLater(): Limit {
    return this.#options.deadlines.set(this.#patience.pauseMillis / looks, this)
  }

  /** Whether anything came or went. Looked at now and then, since a timer would have to be set anew with every packet. */
  timeIsUp(): void {
    const { idleMillis, pauseMillis } = this.#patience
    this.#quietLooks = this.#isBusy ? 0 : this.#quietLooks + 1
    this.#isBusy = false
    const quietMillis = (this.#quietLooks * pauseMillis) / looks
    // Nor is one idle that does not take the end of its last answer.
    const isAtRest = this.#reader.drained && !this.#stream.isFull
    const isIdle = this.#exchange === undefined && isAtRest && !this.#isEnding
    // A client may say nothing while it waits for its answer.
    const isLate = isIdle ? quietMillis >= idleMillis : this.#exchange?.isRead !== true && quietMillis >= pauseMillis
    if (isLate) this.#stream.destroy()
    else this.#look = this.#lookLater()
  }

  /** A head may not take for ever, though it comes byte by byte. */
  #watchHead(): void {
    if (this.#exchange !== undefined || this.#reader.drained || this.#isEnding) this.#headIsDone()
    else this.#headDeadline ??= this.#options.deadlines.set(this.#patience.headMillis, () => this.#refuse(408))
  }

  #headIsDone(): void {
    this.#headDeadline?.clear()
    this.#headDeadline = undefined
  }

  data(chunk: Buffer): void {
    this.#isBusy = true
    if (this.#isEnding) {
      this.#discardedBytes += chunk.length
      if (this.#discardedBytes > maxDiscardedBytes) this.#stream.destroy()
      return
    }
    this.#read(chunk)
  }

  /** What has come; without any, what had come ahead. */
  #read(chunk?: Buffer): void {
    try {
      if (chunk === undefined) this.#reader.next()
      else this.#reader.push(chunk)
    } catch (error) {
      this.#refuse(error instanceof MalformedMessage ? error.status : 500)
    }
    this.#watchHead()
    // Only now, since the body has mostly come together with its head.
    const exchange = this.#exchange
    if (exchange?.isHandedOver !== false) return
    if (exchange.direct === undefined) this.#handOver(exchange)
    else if (exchange.isRead) exchange.handOver(exchange.direct)
  }

  headRead(startLine: string, fields: RequestFields): number | "chunked" {
    const head = readRequestHead(startLine, fields)
    if (typeof head.framing === "number" && head.framing > this.#options.maxBodyBytes) {
      throw new MalformedMessage(413, "the body is too long")
    }
    if (head.expectsContinue) this.#stream.write(continueResponse)
    this.#exchange = new ClientExchange(this, head, this.#options.direct)
    return head.framing
  }

  pieceRead(piece: Buffer): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    exchange.bodyBytes += piece.length
    if (exchange.bodyBytes > this.#options.maxBodyBytes) throw new MalformedMessage(413, "the body is too long")
    if (exchange.ignoresBody) return
    if (exchange.bodyToCome === undefined) {
      exchange.held.add(piece)
      return
    }
    exchange.bodyToCome.enqueue(new Uint8Array(piece))
    if ((exchange.bodyToCome.desiredSize ?? 0) <= 0) this.#stream.pause()
  }

  messageRead(): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    exchange.isRead = true
    // A stream that is closed pulls no more.
    this.#stream.resume()
    if (!exchange.ignoresBody) exchange.bodyToCome?.close()
    this.#finish(exchange)
  }

  get isEncrypted(): boolean {
    return this.#tls !== undefined
  }

  get clientAddress(): string {
    return this.#stream.remoteAddress ?? ""
  }

  passed(exchange: ClientExchange): void {
    // Else the client has left.
    if (exchange === this.#exchange) this.#handOver(exchange)
  }

  answered(exchange: ClientExchange, answer: PlainAnswer | Response): void {
    if (exchange !== this.#exchange) return
    exchange.onLeave = undefined
    exchange.isAnswered = true
    if (answer instanceof Response) {
      void this.#write(exchange, answer).then(
        () => this.#finish(exchange),
        () => this.#stream.destroy()
      )
      return
    }
    const { body, fields, status } = answer
    const length = isBodiless(status) ? "" : `content-length: ${body.length}\r\n`
    const head = `${statusLine(status)}${fields}${date()}${exchange.isLast ? lastField : ""}${length}\r\n`
    const sent = this.#send(head, body)
    if (sent === undefined) this.#finish(exchange)
    else void sent.then(() => this.#finish(exchange))
  }

  #handOver(exchange: ClientExchange): void {
    exchange.isHandedOver = true
    const { fields, host, method, target } = exchange.head
    const address = this.#stream.remoteAddress
    const leave = new AbortController()
    exchange.onLeave = () => leave.abort()
    let request: Request
    try {
      request = new Request(
        `${this.#tls === undefined ? "http" : "https"}://${host === "" ? "localhost" : host}${target}`,
        {
          method,
          headers: fields.map(([name, value]): [string, string] => [name, value]),
          signal: leave.signal,
          ...this.#bodyOf(exchange)
        }
      )
    } catch {
      this.#exchange = undefined
      this.#refuse(400)
      return
    }
    const known = withClientAddress(request, () => address)
    const whole = withTls(withRaw(known, exchange.head), this.#tls)
    void this.#answer(exchange, whole, leave.signal).catch(() => this.#stream.destroy())
  }

  #bodyOf(exchange: ClientExchange): { readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> } {
    const { held, ignoresBody, isRead } = exchange
    if (ignoresBody || (isRead && held.bytes === 0)) return {}
    // `Request` takes what is behind a view of memory, too.
    if (isRead) return { body: new Uint8Array(held.whole) }
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          exchange.bodyToCome = controller
          if (held.bytes > 0) controller.enqueue(new Uint8Array(held.whole))
          held.clear()
        },
        pull: () => this.#stream.resume(),
        cancel: () => this.#ignoreBody(exchange)
      },
      new ByteLengthQueuingStrategy({ highWaterMark: maxHeldBytes })
    )
    return { body, ...{ duplex: "half" } }
  }

  #ignoreBody(exchange: ClientExchange): void {
    exchange.ignoresBody = true
    this.#stream.resume()
  }

  async #answer(exchange: ClientExchange, request: Request, leaving: AbortSignal): Promise<void> {
    // Whatever is thrown here is a bug that nobody has answered.
    const response = await Promise.try(() => this.#options.fetch(request)).catch(
      () => new Response(null, { status: 500 })
    )
    // A body that was not waited for may be endless.
    if (!exchange.isRead && !exchange.ignoresBody) exchange.isLast = true
    await this.#write(exchange, response, leaving)
    if (!exchange.isRead && !exchange.ignoresBody) this.#ignoreBody(exchange)
    exchange.isAnswered = true
    this.#finish(exchange)
  }

  /** Resolves when all of it is on its way. */
  async #write(exchange: ClientExchange, response: Response, leaving?: AbortSignal): Promise<void> {
    const { head } = exchange
    const { status } = response
    const known = bytesOf(response)
    if (known !== undefined && !isBodiless(status) && head.method !== "HEAD") {
      return this.#send(`${startOf(response, exchange.isLast)}content-length: ${known.length}\r\n\r\n`, known)
    }
    const { body } = response
    const declared = head.method === "HEAD" ? response.headers.get("content-length") : null
    if (body === null || isBodiless(status) || declared !== null) {
      void body?.cancel().catch(() => {})
      // What the body would be of a GET is not known by there being none now.
      const length =
        isBodiless(status) || (head.method === "HEAD" && declared === null)
          ? ""
          : `content-length: ${declared ?? 0}\r\n`
      this.#stream.writeMessage(`${startOf(response, exchange.isLast)}${length}\r\n`, noBytes)
      return
    }
    const reader = body.getReader()
    const cancel = () => void reader.cancel().catch(() => {})
    if (leaving?.aborted === true) return cancel()
    leaving?.addEventListener("abort", cancel, { once: true })
    const first = await reader.read()
    const next = first.done ? Promise.resolve(first) : reader.read()
    const isWhole = await isOver(next)
    const start = startOf(response, exchange.isLast)
    if (head.method === "HEAD") {
      cancel()
      const length = isWhole ? `content-length: ${first.value?.length ?? 0}\r\n` : ""
      this.#stream.writeMessage(`${start}${length}\r\n`, noBytes)
      return
    }
    if (isWhole) {
      const bytes = first.value ?? noBytes
      await this.#send(`${start}content-length: ${bytes.length}\r\n\r\n`, bytes)
      return
    }
    // To a client that knows no chunks, the end of the connection is the end of the body.
    const { knowsChunks } = head
    if (!knowsChunks) exchange.isLast = true
    const framing = knowsChunks ? "transfer-encoding: chunked\r\n" : ""
    this.#stream.writeMessage(`${startOf(response, exchange.isLast)}${framing}\r\n`, noBytes)
    await this.#sendPiece(first.value, knowsChunks)
    for (let piece = await next; !piece.done; piece = await reader.read()) {
      await this.#sendPiece(piece.value, knowsChunks)
    }
    if (knowsChunks) this.#stream.write(lastChunk)
  }

  /** Undefined where all of it is on its way already. */
  #send(head: string, bytes: Uint8Array): Promise<void> | undefined {
    this.#isBusy = true
    if (bytes.length > maxWholeBytes) {
      this.#stream.writeMessage(head, noBytes)
      return this.#sendLarge(bytes)
    }
    this.#stream.writeMessage(head, bytes)
    return this.#stream.isFull ? this.#whenDrained() : undefined
  }

  /** Bit by bit: so it shows that a client takes what it gets, though slowly. */
  async #sendLarge(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#stream.isClosed; at += maxHeldBytes) {
      this.#stream.write(bytes.subarray(at, at + maxHeldBytes))
      if (this.#stream.isFull) await this.#whenDrained()
    }
  }

  #sendPiece(bytes: Uint8Array | undefined, inChunks: boolean): Promise<void> | undefined {
    if (bytes === undefined || bytes.length === 0) return undefined
    const sent = this.#send(inChunks ? `${bytes.length.toString(16)}\r\n` : "", bytes)
    if (!inChunks) return sent
    if (sent === undefined) this.#stream.write(chunkEnd)
    return sent?.then(() => this.#stream.write(chunkEnd))
  }

  /** A client that takes nothing for too long is let go. */
  #whenDrained(): Promise<void> {
    if (this.#stream.isClosed) return Promise.resolve()
    return new Promise((resolve) => {
      const limit = this.#options.deadlines.set(this.#patience.pauseMillis, { timeIsUp: () => this.#stream.destroy() })
      this.#onDrained = () => {
        limit.clear()
        resolve()
      }
    })
  }

  /** An exchange is over when its request is read and its response written, whichever came last. */
  #finish(exchange: ClientExchange): void {
    if (!exchange.isAnswered || exchange !== this.#exchange) return
    if (exchange.isLast) {
      this.#exchange = undefined
      this.#end()
    } else if (exchange.isRead) {
      this.#exchange = undefined
      this.#read()
    }
  }

  /** Whoever has the request already is told that its body broke off, and has the answer to it. */
  #refuse(status: number): void {
    const exchange = this.#exchange
    if (exchange?.isHandedOver === true) {
      exchange.isLast = true
      this.#isEnding = true
      if (!exchange.isRead && !exchange.ignoresBody) exchange.bodyToCome?.error(new Error("the body is malformed"))
      return
    }
    this.#exchange = undefined
    this.#stream.writeMessage(`${statusLine(status)}${lastField}content-length: 0\r\n\r\n`, noBytes)
    this.#end()
  }

  /** What the client still sends is thrown away. */
  #end(): void {
    this.#isEnding = true
    this.#headIsDone()
    this.#stream.end()
    this.#stream.resume()
    if (!this.#isClosing) return
    const farewell = () => void this.#options.deadlines.set(farewellMillis, { timeIsUp: () => this.#stream.destroy() })
    // However slowly its client takes it, all of the answer is on its way first.
    if (this.#stream.isFull) this.#onDrained = farewell
    else farewell()
  }

  /** The client has left, whatever was under way. */
  #leave(): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#isEnding = true
    this.#headIsDone()
    if (exchange !== undefined) {
      if (!exchange.isRead && !exchange.ignoresBody) exchange.bodyToCome?.error(new Error("the client has left"))
      exchange.onLeave?.()
    }
    this.#stream.destroy()
  }
}

const noBytes = new Uint8Array()

/** Not even with the length of one. */
const isBodiless = (status: number): boolean => status === 204 || status === 304

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
