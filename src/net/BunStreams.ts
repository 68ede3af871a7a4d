/** Connections over Bun's own sockets. */
import type { Socket } from "bun"
import { Effect } from "effect"
import { type ByteStream, type ByteStreamUser, ListenFailed, maxCoalescedBytes, type Streams } from "./ByteStream.ts"

/** Written at once; the rest of what is larger follows in the loop's next turn, so that others have theirs. */
const maxAtOnce = 512 * 1024

/** Where messages are put together: what the kernel does not take of one at once is copied out of it. */
const scratch = Buffer.allocUnsafeSlow(maxCoalescedBytes)

class BunStream implements ByteStream {
  user: ByteStreamUser | undefined
  isPaused = false
  isClosed = false
  #socket: Socket<Owner> | undefined
  /** What the other side did not take yet, in order. */
  #held: Array<Uint8Array> = []
  #isEnding = false
  #isFinishing = false
  #isReferenced = true
  readonly #onOpen: (() => void) | undefined

  constructor(user?: ByteStreamUser, onOpen?: () => void) {
    this.user = user
    this.#onOpen = onOpen
  }

  opened(socket: Socket<Owner>): void {
    this.#socket = socket
    socket.setNoDelay(true)
    if (!this.#isReferenced) socket.unref()
    if (this.isPaused) socket.pause()
    if (this.isClosed) {
      socket.close()
      return
    }
    this.#onOpen?.()
    this.drained()
  }

  get remoteAddress(): string | undefined {
    return this.isClosed ? undefined : this.#socket?.remoteAddress
  }

  write(bytes: Uint8Array): void {
    if (this.isClosed || this.#isEnding || bytes.length === 0) return
    if (this.#socket === undefined || this.#held.length > 0) {
      this.#held.push(bytes)
      return
    }
    const rest = this.#send(this.#socket, bytes)
    if (rest !== undefined) this.#held.push(rest)
  }

  /** What was not sent yet of `bytes`. */
  #send(socket: Socket<Owner>, bytes: Uint8Array): Uint8Array | undefined {
    const piece = bytes.length > maxAtOnce ? bytes.subarray(0, maxAtOnce) : bytes
    const sent = Math.max(0, socket.write(piece))
    if (sent === bytes.length) return undefined
    // There is room for more, so that nobody else would say when to go on.
    if (sent === piece.length) setImmediate(() => this.drained())
    return bytes.subarray(sent)
  }

  writeMessage(head: string, body: Uint8Array): void {
    const length = head.length + body.length
    if (this.#socket === undefined || this.isFull || length > maxCoalescedBytes) {
      this.write(Buffer.from(head, "latin1"))
      this.write(body)
      return
    }
    if (this.isClosed || this.#isEnding) return
    scratch.write(head, 0, "latin1")
    scratch.set(body, head.length)
    const sent = Math.max(0, this.#socket.write(scratch, 0, length))
    if (sent < length) this.#held.push(new Uint8Array(scratch.subarray(sent, length)))
  }

  get isFull(): boolean {
    return this.#held.length > 0
  }

  /** There is room again. */
  drained(): void {
    if (this.isClosed || !this.isFull) return
    for (let bytes = this.#held[0]; bytes !== undefined; bytes = this.#held[0]) {
      const rest = this.#socket === undefined ? bytes : this.#send(this.#socket, bytes)
      if (rest !== undefined) {
        this.#held[0] = rest
        return
      }
      this.#held.shift()
    }
    if (this.#isFinishing) this.destroy()
    else {
      if (this.#isEnding) this.#socket?.shutdown()
      this.user?.drained?.()
    }
  }

  end(): void {
    if (this.isClosed || this.#isEnding) return
    this.#isEnding = true
    if (!this.isFull) this.#socket?.shutdown()
  }

  finish(): void {
    this.#isEnding = true
    this.#isFinishing = true
    if (!this.isFull) this.destroy()
  }

  destroy(): void {
    if (this.isClosed) return
    this.#close(new Error("it was closed on this side"))
    this.#socket?.close()
  }

  pause(): void {
    if (this.isPaused || this.isClosed) return
    this.isPaused = true
    this.#socket?.pause()
  }

  resume(): void {
    if (!this.isPaused || this.isClosed) return
    this.isPaused = false
    this.#socket?.resume()
  }

  ref(): void {
    this.#isReferenced = true
    if (!this.isClosed) this.#socket?.ref()
  }

  unref(): void {
    this.#isReferenced = false
    if (!this.isClosed) this.#socket?.unref()
  }

  probe(everyMillis: number): void {
    if (!this.isClosed) this.#socket?.setKeepAlive(true, everyMillis)
  }

  received(bytes: Buffer): void {
    if (!this.isClosed) this.user?.data(bytes)
  }

  ended(): void {
    if (!this.isClosed) this.user?.ended()
  }

  closed(cause: unknown): void {
    if (!this.isClosed) this.#close(cause)
  }

  #close(cause: unknown): void {
    this.isClosed = true
    this.#held = []
    // Never from within a call of the user's own.
    queueMicrotask(() => this.user?.closed(cause))
  }
}

/** Of a connection that is being taken in: whoever listens. */
type Owner = BunStream | ((stream: ByteStream) => void)

const streamOf = ({ data }: Socket<Owner>): BunStream | undefined => (data instanceof BunStream ? data : undefined)

/** One set for all connections: what is a connection's own is in its `data`. */
const handlers = {
  open: (socket: Socket<Owner>) => {
    const owner = socket.data
    if (owner instanceof BunStream) return owner.opened(socket)
    const stream = new BunStream()
    socket.data = stream
    stream.opened(socket)
    owner(stream)
  },
  data: (socket: Socket<Owner>, bytes: Buffer) => streamOf(socket)?.received(bytes),
  drain: (socket: Socket<Owner>) => streamOf(socket)?.drained(),
  end: (socket: Socket<Owner>) => streamOf(socket)?.ended(),
  error: (socket: Socket<Owner>, cause: Error) => streamOf(socket)?.closed(cause),
  close: (socket: Socket<Owner>, cause?: Error) => streamOf(socket)?.closed(cause),
  connectError: (socket: Socket<Owner>, cause: Error) => streamOf(socket)?.closed(cause)
}

export const bunStreams: Streams = {
  listen: ({ host, port }, onStream) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.try({
          try: () => Bun.listen<Owner>({ hostname: host, port, allowHalfOpen: true, data: onStream, socket: handlers }),
          catch: (cause) => new ListenFailed({ host, cause })
        }),
        (listener) => Effect.sync(() => listener.stop(false))
      ),
      (listener) => ({ port: listener.port, stop: () => listener.stop(false) })
    ),
  connect: (host, port, user, onOpen) => {
    const stream = new BunStream(user, onOpen)
    void Bun.connect<Owner>({ hostname: host, port, allowHalfOpen: true, data: stream, socket: handlers }).catch(
      (cause: unknown) => stream.closed(cause)
    )
    return stream
  }
}
