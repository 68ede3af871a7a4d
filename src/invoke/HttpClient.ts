/**
 * HTTP/1.1 (RFC 9112) as a client, over connections of its own. A request is sent once: no pool of a runtime stands
 * between, which would send it again when a kept connection turns out to be closed (`TECH.md` section 6), and so run
 * a function twice. Tells a request that certainly never left from one that may have arrived.
 */
import { connect, type Socket } from "node:net"
import { connect as connectSecurely } from "node:tls"
import { Effect, Exit, Schema } from "effect"
import type { Flow } from "../domain/AnswerSink.ts"
import { type Receive, ResponseReader } from "./ResponseReader.ts"

/** No connection: the request was not sent. */
export class ConnectFailed extends Schema.TaggedError<ConnectFailed>()("ConnectFailed", {
  cause: Schema.Defect()
}) {}

/** The connection broke off before the response was whole, or what came was no HTTP. */
export class ExchangeBroken extends Schema.TaggedError<ExchangeBroken>()("ExchangeBroken", {
  cause: Schema.Defect()
}) {}

export interface Address {
  readonly host: string
  readonly port: number
  readonly secure: boolean
}

export interface HttpRequest {
  readonly method: "GET" | "POST" | "DELETE"
  /** With its query. */
  readonly path: string
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body: Uint8Array
}

export interface HttpHead {
  readonly status: number
  /** Names in lower case; the last of several equal ones. */
  readonly headers: ReadonlyMap<string, string>
}

export interface HttpResponse extends HttpHead {
  /** Empty where it was taken as it came. */
  readonly body: Buffer
}

/** Takes the body of a response as it comes. What it answers to the head gets the body's pieces, if it is anything. */
export type BodyTaker = (head: HttpHead, flow: Flow) => ((piece: Buffer) => void) | undefined

/** Below what servers commonly wait (5 seconds), so that a kept connection is seldom one that is being closed. */
const keepMillis = 4000
const connectTimeout = "2 seconds"
/** A body up to this size is copied behind its head and leaves in one packet. */
const maxCoalescedBytes = 16 * 1024

const keyOf = ({ host, port, secure }: Address) => `${secure ? "s" : ""}${host}:${port}`

export class HttpClient {
  readonly #open = new Set<Connection>()
  readonly #idle = new Map<string, Array<Connection>>()

  /** A client whose connections end with the scope. */
  static readonly make = Effect.acquireRelease(
    Effect.sync(() => new HttpClient()),
    (client) => Effect.sync(() => client.#close())
  )

  /** Sends `request` once and waits for the whole response, without limit. Interrupting it cuts the connection. */
  send(
    address: Address,
    request: HttpRequest,
    taker?: BodyTaker
  ): Effect.Effect<HttpResponse, ConnectFailed | ExchangeBroken> {
    return Effect.suspend(() => {
      const kept = this.#take(address)
      if (kept !== undefined) return exchange(kept, address, request, taker)
      const fresh = this.#connect(address)
      return Effect.raceFirst(exchange(fresh, address, request, taker), connectDeadline(fresh))
    })
  }

  /**
   * `send` as a plain call, where a connection was kept: `settle` is told once, unless what this gives was called
   * before, which cuts the connection. Undefined where there is none: then nothing has happened.
   */
  startKept(address: Address, request: HttpRequest, settle: Settle): (() => void) | undefined {
    const kept = this.#take(address)
    if (kept === undefined) return undefined
    let isOver = false
    kept.start(
      head(address, request),
      request.body,
      (result) => {
        isOver = true
        settle(result)
      },
      undefined
    )
    return () => {
      if (!isOver) kept.destroy()
    }
  }

  #take(address: Address): Connection | undefined {
    const kept = this.#idle.get(keyOf(address))
    let connection = kept?.pop()
    // Ended by the other side, and not yet told that it is closed.
    while (connection?.isDestroyed === true) connection = kept?.pop()
    if (kept?.length === 0) this.#idle.delete(keyOf(address))
    return connection
  }

  #connect(address: Address): Connection {
    const key = keyOf(address)
    const connection: Connection = new Connection(
      address,
      () => this.#idle.set(key, [...(this.#idle.get(key) ?? []), connection]),
      () => {
        this.#open.delete(connection)
        const left = (this.#idle.get(key) ?? []).filter((other) => other !== connection)
        if (left.length === 0) this.#idle.delete(key)
        else this.#idle.set(key, left)
      }
    )
    this.#open.add(connection)
    return connection
  }

  #close(): void {
    for (const connection of this.#open) connection.destroy()
  }
}

type Settle = (result: Exit.Exit<HttpResponse, ConnectFailed | ExchangeBroken>) => void

const exchange = (connection: Connection, address: Address, request: HttpRequest, taker: BodyTaker | undefined) =>
  Effect.callback<HttpResponse, ConnectFailed | ExchangeBroken>((resume) => {
    connection.start(head(address, request), request.body, resume, taker)
    return Effect.sync(() => connection.destroy())
  })

/** Never succeeds: it fails when there is no connection in time, and else waits to be interrupted. */
const connectDeadline = (connection: Connection) =>
  Effect.andThen(
    Effect.sleep(connectTimeout),
    Effect.suspend(() =>
      connection.connected
        ? Effect.never
        : Effect.fail(new ConnectFailed({ cause: new Error(`no connection within ${connectTimeout}`) }))
    )
  )

const head = (address: Address, request: HttpRequest): string => {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host
  let text = `${request.method} ${request.path} HTTP/1.1\r\nHost: ${host}:${address.port}\r\n`
  // A line break in a value would begin a header, or a request, of its own.
  for (const [name, value] of request.headers) text += `${name}: ${value.replace(/[\r\n]+/g, " ")}\r\n`
  return `${text}Content-Length: ${request.body.length}\r\n\r\n`
}

/** One socket, and at most one exchange on it. */
class Connection {
  readonly #socket: Socket
  readonly #onIdle: () => void
  #reader = new ResponseReader()
  #settle: Settle | undefined
  #waiting: (() => void) | undefined
  connected = false

  constructor(address: Address, onIdle: () => void, onClose: () => void) {
    const { host, port, secure } = address
    this.#onIdle = onIdle
    this.#socket = secure ? connectSecurely({ host, port, servername: host }) : connect({ host, port })
    this.#socket.setNoDelay(true)
    this.#socket.once(secure ? "secureConnect" : "connect", () => {
      this.connected = true
      this.#waiting?.()
      this.#waiting = undefined
    })
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk))
    this.#socket.on("error", (cause) => this.#break(cause))
    this.#socket.on("end", () => this.#end())
    this.#socket.on("close", () => {
      this.#break(new Error("the connection was closed before the answer"))
      onClose()
    })
    this.#socket.setTimeout(keepMillis, () => {
      if (this.#settle === undefined) this.#socket.destroy()
    })
  }

  start(head: string, body: Uint8Array, settle: Settle, taker: BodyTaker | undefined): void {
    this.#settle = settle
    this.#reader = new ResponseReader(taker === undefined ? undefined : this.#receive(taker))
    this.#socket.ref()
    const write = () => {
      if (body.length > maxCoalescedBytes) {
        this.#socket.write(head, "utf8")
        this.#socket.write(body)
      } else this.#socket.write(Buffer.concat([Buffer.from(head), body]))
    }
    if (this.connected) write()
    else this.#waiting = write
  }

  #receive(taker: BodyTaker): Receive {
    const settle = this.#settle
    const flow: Flow = {
      pause: () => {
        if (this.#settle === settle) this.#socket.pause()
      },
      resume: () => {
        if (this.#settle === settle) this.#socket.resume()
      }
    }
    return (head) => taker(head, flow)
  }

  get isDestroyed(): boolean {
    return this.#socket.destroyed
  }

  destroy(): void {
    this.#settle = undefined
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    // Nobody asked: whoever speaks here does not keep to the protocol.
    if (this.#settle === undefined) this.#socket.destroy()
    else {
      try {
        this.#reader.data(chunk)
        if (this.#reader.complete) this.#finish()
      } catch (cause) {
        this.#break(cause)
      }
    }
  }

  /** The other side sends no more: the end of a response whose length it did not say. */
  #end(): void {
    this.#reader.end()
    if (this.#settle !== undefined && this.#reader.complete) this.#finish()
    this.#socket.destroy()
  }

  #finish(): void {
    const settle = this.#settle
    this.#settle = undefined
    if (this.#reader.reusable) {
      if (this.#socket.isPaused()) this.#socket.resume()
      // An idle connection keeps no process alive.
      this.#socket.unref()
      this.#onIdle()
    } else this.#socket.destroy()
    settle?.(Exit.succeed(this.#reader.response))
  }

  #break(cause: unknown): void {
    const settle = this.#settle
    this.#settle = undefined
    this.#socket.destroy()
    settle?.(Exit.fail(this.connected ? new ExchangeBroken({ cause }) : new ConnectFailed({ cause })))
  }
}
