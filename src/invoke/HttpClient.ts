/**
 * HTTP/1.1 (RFC 9112) as a client, over connections of its own. A request is sent once: no pool of a runtime stands
 * between, which would send it again when a kept connection turns out to be closed (`TECH.md` section 6), and so run
 * a function twice. Tells a request that certainly never left from one that may have arrived.
 */
import { Clock, Effect, FiberSet, type Scope } from "effect"
import { flat } from "../http/flat.ts"
import { type Streams, streams } from "../net/ByteStream.ts"
import {
  type Address,
  type BodyTaker,
  ConnectFailed,
  type ExchangeBroken,
  type HttpRequest,
  type HttpResponse,
  type Settle
} from "./HttpExchange.ts"
import { ServerConnection } from "./ServerConnection.ts"

/** Below what servers commonly wait (5 seconds), so that a kept connection is seldom one that is being closed. */
const keepMillis = 4000
/** How often those are closed that were kept for too long. They are not taken either where that is still to come. */
const sweepMillis = 1000
const connectTimeout = "2 seconds"

/** Where requests are sent. */
interface Origin {
  /** The header that names it. */
  readonly hostLine: string
  /** All that are open, or about to be. */
  readonly connections: Set<ServerConnection>
  /** Those of them that carry nothing. The one that was used last comes last. */
  readonly idle: Array<ServerConnection>
}

interface Surroundings {
  readonly streams: Streams
  readonly nowMillis: () => number
  /** Calls `sweep` every `sweepMillis`, as long as it answers that there is something left to look at. */
  readonly watch: (sweep: () => boolean) => void
}

export class HttpClient {
  readonly #around: Surroundings
  readonly #origins = new Map<string, Origin>()
  /** Of those who ask with the same object again: a key takes longer to put together than a kept connection to take. */
  readonly #byAddress = new WeakMap<Address, Origin>()
  #isWatched = false

  private constructor(around: Surroundings) {
    this.#around = around
  }

  /** A client whose connections end with the scope. */
  static readonly make: Effect.Effect<HttpClient, never, Scope.Scope> = Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const fork = yield* FiberSet.makeRuntime<never>()
    const around: Surroundings = {
      streams: yield* streams,
      nowMillis: () => clock.currentTimeMillisUnsafe(),
      watch: (sweep) =>
        void fork(Effect.sync(sweep).pipe(Effect.delay(sweepMillis), Effect.repeat({ while: (left) => left })))
    }
    return yield* Effect.acquireRelease(
      Effect.sync(() => new HttpClient(around)),
      (client) => Effect.sync(() => client.#close())
    )
  })

  /** Sends `request` once and waits for the whole response, without limit. Interrupting it cuts the connection. */
  send(
    address: Address,
    request: HttpRequest,
    taker?: BodyTaker
  ): Effect.Effect<HttpResponse, ConnectFailed | ExchangeBroken> {
    return Effect.suspend(() => {
      const origin = this.#origin(address)
      this.#byAddress.set(address, origin)
      const kept = this.#take(origin)
      if (kept !== undefined) return exchange(kept, origin, request, taker)
      const fresh = this.#connect(origin, address)
      return Effect.raceFirst(exchange(fresh, origin, request, taker), connectDeadline(fresh))
    })
  }

  /**
   * `send` as a plain call, where a connection was kept: `settle` is told once, unless what this gives was called
   * before, which cuts the connection. Undefined where there is none: then nothing has happened.
   */
  startKept(address: Address, request: HttpRequest, settle: Settle): (() => void) | undefined {
    const origin = this.#byAddress.get(address) ?? this.#origins.get(keyOf(address))
    const kept = origin && this.#take(origin)
    if (origin === undefined || kept === undefined) return undefined
    let isOver = false
    kept.start(headOf(origin, request), request.body, (result) => {
      isOver = true
      settle(result)
    })
    return () => {
      if (!isOver) kept.destroy()
    }
  }

  #origin(address: Address): Origin {
    const key = keyOf(address)
    const known = this.#origins.get(key)
    if (known !== undefined) return known
    const host = address.host.includes(":") ? `[${address.host}]` : address.host
    const hostLine = flat(`Host: ${host}:${address.port}\r\n`)
    const origin: Origin = { hostLine, connections: new Set(), idle: [] }
    this.#origins.set(key, origin)
    return origin
  }

  #take({ idle }: Origin): ServerConnection | undefined {
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      // One that is closed has been so on this side, or by the other one, which is still to be told.
      if (!connection.isClosed && !this.#isStale(connection)) return connection
      connection.destroy()
    }
    return undefined
  }

  #isStale({ idleSinceMillis }: ServerConnection): boolean {
    const age = this.#around.nowMillis() - idleSinceMillis
    // A clock that was set back says nothing.
    return age < 0 || age >= keepMillis
  }

  #connect(origin: Origin, address: Address): ServerConnection {
    const connection = new ServerConnection(this.#around.streams, address, {
      idle: () => {
        connection.idleSinceMillis = this.#around.nowMillis()
        origin.idle.push(connection)
        this.#watch()
      },
      closed: () => {
        origin.connections.delete(connection)
        const place = origin.idle.indexOf(connection)
        if (place !== -1) origin.idle.splice(place, 1)
        if (origin.connections.size === 0) this.#origins.delete(keyOf(address))
      }
    })
    origin.connections.add(connection)
    return connection
  }

  #watch(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    this.#around.watch(() => this.#sweep())
  }

  #sweep(): boolean {
    this.#isWatched = false
    for (const { idle } of this.#origins.values()) {
      for (const connection of idle) if (this.#isStale(connection)) connection.destroy()
      if (idle.length > 0) this.#isWatched = true
    }
    return this.#isWatched
  }

  #close(): void {
    for (const { connections } of this.#origins.values()) for (const connection of connections) connection.destroy()
  }
}

const keyOf = ({ host, port, secure }: Address) => `${secure ? "s" : ""}${host}:${port}`

const exchange = (connection: ServerConnection, origin: Origin, request: HttpRequest, taker: BodyTaker | undefined) =>
  Effect.callback<HttpResponse, ConnectFailed | ExchangeBroken>((resume) => {
    connection.start(headOf(origin, request), request.body, resume, taker)
    return Effect.sync(() => connection.destroy())
  })

/** Never succeeds: it fails when there is no connection in time, and else waits to be interrupted. */
const connectDeadline = (connection: ServerConnection) =>
  Effect.andThen(
    Effect.sleep(connectTimeout),
    Effect.suspend(() =>
      connection.isConnected
        ? Effect.never
        : Effect.fail(new ConnectFailed({ cause: new Error(`no connection within ${connectTimeout}`) }))
    )
  )

const headOf = ({ hostLine }: Origin, { body, headers, method, path }: HttpRequest): string => {
  let text = `${method} ${path} HTTP/1.1\r\n${hostLine}`
  for (const [name, value] of headers) text += `${name}: ${fieldValue(value)}\r\n`
  return `${text}Content-Length: ${body.length}\r\n\r\n`
}

/** A value whose characters are the bytes of its UTF-8. A line break in it would begin a header, or a request. */
const fieldValue = (value: string): string =>
  /^[\x20-\x7e]*$/.test(value) ? value : Buffer.from(value.replace(/[\r\n]+/g, " ")).toString("latin1")
