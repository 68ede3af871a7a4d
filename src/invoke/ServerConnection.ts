/** One connection to a server, and at most one exchange on it. Which one to take, and for how long, is its user's to say. */
import { isIP } from "node:net"
import { connect as connectSecurely } from "node:tls"
import { Exit } from "effect"
import type { Flow } from "../domain/AnswerSink.ts"
import type { ByteStream, ByteStreamUser, Streams } from "../net/ByteStream.ts"
import { streamOf } from "../net/NodeStreams.ts"
import { type Address, type BodyTaker, ConnectFailed, ExchangeBroken, type Settle } from "./HttpExchange.ts"
import { ResponseReader } from "./ResponseReader.ts"

export interface ConnectionOwner {
  /** Its exchange is over, and it may carry another one. */
  readonly idle: (connection: ServerConnection) => void
  readonly closed: (connection: ServerConnection) => void
}

const endedEarly = () => new Error("the connection was closed before the answer")

export class ServerConnection implements ByteStreamUser {
  readonly #stream: ByteStream
  readonly #owner: ConnectionOwner
  readonly #reader = new ResponseReader()
  #settle: Settle | undefined
  /** What is to be sent as soon as there is a connection. */
  #waiting: (() => void) | undefined
  /** Whether there was a connection at all. */
  isConnected = false
  /** For its owner. */
  idleSinceMillis = 0

  constructor(streams: Streams, { host, port, secure }: Address, owner: ConnectionOwner) {
    this.#owner = owner
    const opened = () => this.#opened()
    if (secure) {
      // An address is no name that a server could have a certificate of its own for.
      const socket = connectSecurely({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}) })
      socket.once("secureConnect", opened)
      this.#stream = streamOf(socket, this)
    } else this.#stream = streams.connect(host, port, this, opened)
  }

  /** `head` is a request's, of one byte a character. `settle` is told, unless the connection is destroyed before. */
  start(head: string, body: Uint8Array, settle: Settle, taker?: BodyTaker): void {
    this.#settle = settle
    this.#reader.next(taker === undefined ? undefined : (head) => taker(head, this.#flow(settle)))
    if (this.isConnected) this.#stream.writeMessage(head, body)
    else this.#waiting = () => this.#stream.writeMessage(head, body)
  }

  get isClosed(): boolean {
    return this.#stream.isClosed
  }

  destroy(): void {
    this.#settle = undefined
    this.#stream.destroy()
  }

  data(chunk: Buffer): void {
    // Nobody asked: whoever speaks here does not keep to the protocol.
    if (this.#settle === undefined) {
      this.#stream.destroy()
      return
    }
    try {
      this.#reader.data(chunk)
      if (this.#reader.isComplete) this.#finish()
    } catch (cause) {
      this.#break(cause)
    }
  }

  /** The other side sends no more: the end of a response whose length it did not say. */
  ended(): void {
    this.#reader.end()
    if (this.#settle !== undefined && this.#reader.isComplete) this.#finish()
    else this.#break(endedEarly())
  }

  closed(cause: unknown): void {
    this.#break(cause ?? endedEarly())
    this.#owner.closed(this)
  }

  #opened(): void {
    this.isConnected = true
    this.#waiting?.()
    this.#waiting = undefined
  }

  /** Of one exchange: after its end it does nothing. */
  #flow(settle: Settle): Flow {
    return {
      pause: () => {
        if (this.#settle === settle) this.#stream.pause()
      },
      resume: () => {
        if (this.#settle === settle) this.#stream.resume()
      }
    }
  }

  #finish(): void {
    const settle = this.#settle
    const response = this.#reader.take()
    this.#settle = undefined
    if (this.#reader.isReusable) {
      if (this.#stream.isPaused) this.#stream.resume()
      this.#owner.idle(this)
    } else this.#stream.destroy()
    settle?.(Exit.succeed(response))
  }

  #break(cause: unknown): void {
    const settle = this.#settle
    this.#settle = undefined
    this.#stream.destroy()
    settle?.(Exit.fail(this.isConnected ? new ExchangeBroken({ cause }) : new ConnectFailed({ cause })))
  }
}
