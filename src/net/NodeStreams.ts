/** Connections over `node:net`. */
import { connect, createServer, type Server, type Socket } from "node:net"
import { Effect } from "effect"
import { type ByteStream, type ByteStreamUser, ListenFailed, maxCoalescedBytes, type Streams } from "./ByteStream.ts"
import { brokeOff, closedHere, reportBug } from "./closing.ts"

class NodeStream implements ByteStream {
  user: ByteStreamUser | undefined
  readonly #socket: Socket
  #cause: unknown
  #isFinishing = false
  /** Something was held when the end came: nothing but the end's being sent tells when it is taken. */
  #isHoldingEnd = false
  #otherEnd: "open" | "untold" | "told" = "open"

  constructor(socket: Socket, user?: ByteStreamUser) {
    this.#socket = socket
    this.user = user
    socket.setNoDelay(true)
    socket.on("data", (bytes: Buffer) => this.#tell(() => this.user?.data(bytes)))
    socket.on("drain", () => this.#tell(() => this.user?.drained?.()))
    socket.on("finish", () => {
      const wasHolding = this.#isHoldingEnd
      this.#isHoldingEnd = false
      if (wasHolding && !this.#isFinishing) this.#tell(() => this.user?.drained?.())
    })
    socket.on("end", () => {
      this.#otherEnd = "untold"
      // Bun's tell of it though they are paused.
      if (!this.isPaused) this.#tellEnd()
    })
    socket.on("error", (cause) => {
      this.#cause = cause
      socket.destroy()
    })
    socket.on("close", () => this.#close())
  }

  opened(onOpen: () => void): void {
    this.#tell(onOpen)
  }

  /** Its user threw. */
  failed(bug: unknown): void {
    reportBug(bug)
    this.#destroy(bug)
  }

  /** Of what is closed, some sockets go on to tell. */
  #tell(what: () => void): void {
    if (this.isClosed) return
    try {
      what()
    } catch (bug) {
      this.failed(bug)
    }
  }

  #tellEnd(): void {
    if (this.#otherEnd !== "untold") return
    this.#tell(() => {
      this.#otherEnd = "told"
      this.user?.ended()
    })
  }

  #close(): void {
    const haveBothEnded = this.#otherEnd === "told" && this.#socket.writableEnded
    try {
      this.user?.closed(this.#cause ?? (haveBothEnded ? undefined : brokeOff()))
    } catch (bug) {
      reportBug(bug)
    }
  }

  get remoteAddress(): string | undefined {
    return this.isClosed ? undefined : this.#socket.remoteAddress
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
    return !this.isClosed && (this.#socket.writableNeedDrain || this.#isHoldingEnd)
  }

  end(): void {
    if (!this.#socket.writable) return
    this.#isHoldingEnd = this.#socket.writableLength > 0
    this.#socket.end()
  }

  finish(): void {
    if (this.isClosed) return
    this.#isFinishing = true
    this.#cause = closedHere()
    this.#socket.destroySoon()
  }

  probe(everyMillis: number): void {
    this.#socket.setKeepAlive(true, everyMillis)
  }

  destroy(): void {
    this.#destroy(closedHere())
  }

  #destroy(cause: unknown): void {
    if (this.isClosed) return
    this.#cause = cause
    this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
    if (this.#otherEnd === "untold") process.nextTick(() => this.#tellEnd())
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
  listen: (address, onStream) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.callback<Server, ListenFailed>((resume) => {
          const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
            const stream = new NodeStream(socket)
            try {
              onStream(stream)
            } catch (bug) {
              stream.failed(bug)
            }
          })
          server.once("error", (cause) => resume(Effect.fail(ListenFailed.at(address, cause))))
          server.listen(address, () => {
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
    const stream = new NodeStream(socket, user)
    socket.once("connect", () => stream.opened(onOpen))
    return stream
  }
}
