/** Connections over `node:net`. */
import { connect, createServer, type Server, type Socket } from "node:net"
import { Effect } from "effect"
import { type ByteStream, type ByteStreamUser, ListenFailed, type Streams } from "./ByteStream.ts"

class NodeStream implements ByteStream {
  user: ByteStreamUser | undefined
  readonly #socket: Socket
  #cause: unknown

  constructor(socket: Socket, user?: ByteStreamUser) {
    this.#socket = socket
    this.user = user
    socket.setNoDelay(true)
    socket.on("data", (bytes: Buffer) => this.user?.data(bytes))
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

  end(): void {
    this.#socket.end()
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
  return { port: typeof address === "object" && address !== null ? address.port : 0 }
}

export const nodeStreams: Streams = {
  listen: (host, onStream) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.callback<Server, ListenFailed>((resume) => {
          const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => onStream(streamOf(socket)))
          server.once("error", (cause) => resume(Effect.fail(new ListenFailed({ host, cause }))))
          server.listen(0, host, () => resume(Effect.succeed(server)))
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
