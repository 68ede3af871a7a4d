/** Connections over `node:net`. */
import { connect, createServer, type Server, type Socket } from "node:net"
import { Effect } from "effect"
import { type ByteStream, type ByteStreamUser, ListenFailed, maxCoalescedBytes, type Streams } from "./ByteStream.ts"

class NodeStream implements ByteStream {
  user: ByteStreamUser | undefined
  readonly #socket: Socket
  #cause: unknown
  #isEnding = false

  constructor(socket: Socket, user?: ByteStreamUser) {
    this.#socket = socket
    this.user = user
    socket.setNoDelay(true)
    socket.on("data", (bytes: Buffer) => this.user?.data(bytes))
    socket.on("drain", () => this.user?.drained?.())
    // Nothing is drained any more where something was held when the end came, but it has been taken then.
    socket.on("finish", () => this.user?.drained?.())
    socket.on("end", () => this.user?.ended())
    socket.on("error", (cause) => {
      this.#cause = cause
      socket.destroy()
    })
    socket.on("close", () => this.user?.closed(this.#cause))
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress
  }

  get isClosed(): boolean {
    return this.#socket.destroyed
  }

  get isPaused(): boolean {
    return this.#socket.isPaused()
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  writeMessage(head: string, body: Uint8Array): void {
    if (head.length + body.length > maxCoalescedBytes) {
      this.write(Buffer.from(head, "latin1"))
      this.write(body)
      return
    }
    const packet = Buffer.allocUnsafe(head.length + body.length)
    packet.write(head, 0, "latin1")
    packet.set(body, head.length)
    this.write(packet)
  }

  get isFull(): boolean {
    return this.#socket.writableNeedDrain || (this.#isEnding && !this.#socket.writableFinished)
  }

  end(): void {
    this.#isEnding = true
    this.#socket.end()
  }

  finish(): void {
    this.#socket.destroySoon()
  }

  probe(everyMillis: number): void {
    this.#socket.setKeepAlive(true, everyMillis)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  ref(): void {
    this.#socket.ref()
  }

  unref(): void {
    this.#socket.unref()
  }
}

/** What any socket of Node's is as a stream: one that speaks TLS too. */
export const streamOf = (socket: Socket, user?: ByteStreamUser): ByteStream => new NodeStream(socket, user)

const opened = (server: Server) => {
  const address = server.address()
  return { port: typeof address === "object" && address !== null ? address.port : 0, stop: () => void server.close() }
}

export const nodeStreams: Streams = {
  listen: ({ host, port }, onStream) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.callback<Server, ListenFailed>((resume) => {
          const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => onStream(streamOf(socket)))
          server.once("error", (cause) => resume(Effect.fail(new ListenFailed({ host, cause }))))
          server.listen(port, host, () => {
            server.removeAllListeners("error")
            // One connection that fails while it is taken is no failure of the listener.
            server.on("error", () => {})
            resume(Effect.succeed(server))
          })
        }),
        (server) => Effect.sync(() => server.close())
      ),
      opened
    ),
  connect: (host, port, user, onOpen) => {
    const socket = connect({ host, port, allowHalfOpen: true })
    socket.once("connect", onOpen)
    return streamOf(socket, user)
  }
}
