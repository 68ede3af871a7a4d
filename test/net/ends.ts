/** Both ends of connections over loopback, and what their users were told. */
import { connect, type Socket } from "node:net"
import { Effect, Exit, Scope } from "effect"
import { vi } from "vitest"
import {
  type ByteStream,
  type ByteStreamUser,
  type Listener,
  ListenFailed,
  type Streams
} from "../../src/net/ByteStream.ts"

/** A user that keeps what it is told, in order; pieces in a row are one "data". */
export class Recorder implements ByteStreamUser {
  readonly told: Array<string> = []
  /** As they were handed over, not copied. */
  readonly pieces: Array<Buffer> = []
  bytes = 0
  cause: unknown
  onData: (bytes: Buffer) => void = () => {}
  onDrained: () => void = () => {}
  onEnded: () => void = () => {}
  onClosed: () => void = () => {}

  data(bytes: Buffer): void {
    if (this.told.at(-1) !== "data") this.told.push("data")
    this.pieces.push(bytes)
    this.bytes += bytes.length
    this.onData(bytes)
  }

  drained(): void {
    this.told.push("drained")
    this.onDrained()
  }

  ended(): void {
    this.told.push("ended")
    this.onEnded()
  }

  closed(cause: unknown): void {
    this.told.push("closed")
    this.cause = cause
    this.onClosed()
  }

  get heard(): Buffer {
    return Buffer.concat(this.pieces)
  }

  /** What it was told but for what was its own to write. */
  get toldOfTheOther(): ReadonlyArray<string> {
    const told = this.told.filter((each) => each !== "drained")
    return told.filter((each, place) => each !== told[place - 1])
  }

  count(what: string): number {
    return this.told.filter((each) => each === what).length
  }
}

export interface End {
  readonly stream: ByteStream
  readonly user: Recorder
}

/** Until it holds; `what` is said where it never does. */
export const until = (what: string, holds: () => boolean): Promise<unknown> =>
  vi.waitUntil(holds, { interval: 2, timeout: 10_000 }).catch(() => {
    throw new Error(`never came: ${what}`)
  })

/** So many turns of the event loop, in which whatever was on its way on loopback arrives. */
export const turns = async (count = 20): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
}

export const patterned = (length: number, seed = 0): Buffer => {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8) * 7 + seed) & 0xff
  return bytes
}

/** The implementation under test. What it opens is closed at the end of the test. */
export class Net {
  readonly #scope = Scope.makeUnsafe()
  readonly #ends: Array<ByteStream> = []
  readonly #sockets: Array<Socket> = []
  readonly streams: Streams

  constructor(streams: Streams) {
    this.streams = streams
  }

  listen(onStream: (end: End) => void, { host = "127.0.0.1", port = 0, scope = this.#scope } = {}): Promise<Listener> {
    const taken = (stream: ByteStream) => {
      const user = new Recorder()
      stream.user = user
      this.#ends.push(stream)
      onStream({ stream, user })
    }
    return Effect.runPromise(Scope.provide(this.streams.listen({ host, port }, taken), scope))
  }

  async listenFailure(host: string, port: number): Promise<ListenFailed> {
    const failure = await this.listen(() => {}, { host, port }).then(
      () => undefined,
      (cause: unknown) => cause
    )
    if (failure instanceof ListenFailed) return failure
    throw new Error(`listening on ${host}:${port} came to ${String(failure)}`)
  }

  connect(port: number, { host = "127.0.0.1", onOpen = () => {}, user = new Recorder() } = {}): End {
    const stream = this.streams.connect(host, port, user, onOpen)
    this.#ends.push(stream)
    return { stream, user }
  }

  /** Somebody's socket, at the other end of a stream. */
  async socket(port: number): Promise<Socket> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
    this.#sockets.push(socket)
    socket.on("error", () => {})
    await new Promise((resolve) => socket.once("connect", resolve))
    return socket
  }

  /** Two ends of one connection, both of the implementation. */
  async pair(): Promise<{ readonly client: End; readonly server: End; readonly port: number }> {
    let server: End | undefined
    const { port } = await this.listen((end) => {
      server = end
    })
    const client = this.connect(port)
    await until("a connection", () => server !== undefined)
    return { client, server: server!, port }
  }

  /** A stream, and the socket at its other end. */
  async withSocket(): Promise<End & { readonly socket: Socket }> {
    let server: End | undefined
    const { port } = await this.listen((end) => {
      server = end
    })
    const socket = await this.socket(port)
    await until("a connection", () => server !== undefined)
    return { ...server!, socket }
  }

  async close(): Promise<void> {
    for (const stream of this.#ends) stream.destroy()
    for (const socket of this.#sockets) socket.destroy()
    await Effect.runPromise(Scope.close(this.#scope, Exit.void))
  }
}
