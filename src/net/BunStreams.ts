/** Connections over Bun's own sockets. */
import type { Socket } from "bun"
import { Effect } from "effect"
import {
  type ByteStream,
  type ByteStreamUser,
  type ListenAddress,
  type Listener,
  ListenFailed,
  maxCoalescedBytes,
  type Streams
} from "./ByteStream.ts"
import { brokeOff, closedHere, reportBug } from "./closing.ts"

/** Written at once; the rest of what is larger follows in the loop's next turn, so that others have theirs. */
const maxAtOnce = 512 * 1024
/** Queued by those who do not look whether there is room. */
const maxQueuedBytes = 512 * 1024

/** Where messages are put together: what the kernel does not take of one at once is copied out of it. */
const scratch = Buffer.allocUnsafeSlow(maxCoalescedBytes)

/**
 * Connections that were written to in this turn of the event loop. Sending wakes whoever it is for, who may then have
 * this process's place: so all are sent to at the end of the turn, when there is nothing else to do, and what was written
 * to one of them leaves together.
 */
let written: Array<BunStream> = []

const sendAll = (): void => {
  const streams = written
  written = []
  for (const stream of streams) stream.flush()
}

/** Of all connections that have nothing to send: most of them, at any time. Never changed. */
const noParts: Array<string | Uint8Array> = []

class BunStream implements ByteStream {
  user: ByteStreamUser | undefined
  isPaused = false
  isClosed = false
  #socket: Socket<Owner> | undefined
  /** What is to be sent, in order: heads, of one byte a character, and bytes. */
  #queue = noParts
  #queuedBytes = 0
  /** It will be sent to at the end of this turn. */
  #isScheduled = false
  /** The other side takes no more for now; it is told when it does. */
  #isBlocked = false
  /** It is or was full, and nobody was told yet that it is no more. */
  #isAwaited = false
  #isEnding = false
  #isFinishing = false
  #hasOtherEnded = false
  /** A write has failed. What the other side had sent before that is still read. */
  #isBroken = false
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
    try {
      this.#onOpen?.()
    } catch (cause) {
      this.failed(cause)
    }
    this.flush()
  }

  get remoteAddress(): string | undefined {
    return this.isClosed ? undefined : this.#socket?.remoteAddress
  }

  get isFull(): boolean {
    return this.#isBlocked || this.#queuedBytes > (this.#isEnding ? 0 : maxQueuedBytes)
  }

  write(bytes: Uint8Array): void {
    this.#enqueue(bytes)
  }

  writeMessage(head: string, body: Uint8Array): void {
    this.#enqueue(head)
    this.#enqueue(body)
  }

  #enqueue(part: string | Uint8Array): void {
    if (this.isClosed || this.#isEnding || this.#isBroken || part.length === 0) return
    if (this.#queue === noParts) this.#queue = [part]
    else this.#queue.push(part)
    this.#queuedBytes += part.length
    if (this.#queuedBytes > maxQueuedBytes) this.#isAwaited = true
    if (!this.#isBlocked) this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    if (written.push(this) === 1) setImmediate(sendAll)
  }

  /** Sends what is queued, as far as it is taken. */
  flush(): void {
    this.#isScheduled = false
    const socket = this.#socket
    if (this.isClosed || socket === undefined) return
    this.#isBlocked = false
    let total = 0
    while (this.#queue.length > 0) {
      if (total >= maxAtOnce) {
        this.#schedule()
        return
      }
      const small = this.#gatherSmall()
      const piece = small > 0 ? undefined : this.#takePiece()
      const length = piece?.length ?? small
      const sent = piece === undefined ? socket.write(scratch, 0, small) : socket.write(piece)
      if (sent < 0) {
        this.#break()
        return
      }
      total += sent
      this.#queuedBytes -= sent
      if (sent === length) continue
      this.#putBack(piece?.subarray(sent) ?? new Uint8Array(scratch.subarray(sent, small)))
      this.#isBlocked = true
      this.#isAwaited = true
      return
    }
    if (this.#isFinishing) {
      this.#destroy(closedHere())
      return
    }
    if (this.#isEnding && !this.#isBroken) socket.shutdown()
    if (!this.#isAwaited) return
    this.#isAwaited = false
    try {
      this.user?.drained?.()
    } catch (cause) {
      this.failed(cause)
    }
  }

  #putBack(part: Uint8Array): void {
    this.#queue = [part, ...this.#queue]
  }

  /** Why, the kernel has told the write alone: the next read takes it for the other side's end. */
  #break(): void {
    this.#isBroken = true
    this.#queue = noParts
    this.#queuedBytes = 0
  }

  /** Takes as many small parts off the queue as leave together, into the scratch. None where the next one is large. */
  #gatherSmall(): number {
    let [parts, bytes] = [0, 0]
    for (const part of this.#queue) {
      if (bytes + part.length > maxCoalescedBytes) break
      if (typeof part === "string") scratch.write(part, bytes, "latin1")
      else scratch.set(part, bytes)
      parts++
      bytes += part.length
    }
    if (parts === this.#queue.length) this.#queue = noParts
    else this.#queue.splice(0, parts)
    return bytes
  }

  #takePiece(): Uint8Array {
    const part = this.#queue.shift() ?? ""
    const bytes = typeof part === "string" ? Buffer.from(part, "latin1") : part
    if (bytes.length <= maxAtOnce) return bytes
    this.#putBack(bytes.subarray(maxAtOnce))
    return bytes.subarray(0, maxAtOnce)
  }

  end(): void {
    if (this.isClosed || this.#isEnding) return
    this.#isEnding = true
    if (this.#queue.length === 0) this.#socket?.shutdown()
    else this.#isAwaited = true
  }

  finish(): void {
    if (this.isClosed) return
    this.#isEnding = true
    this.#isFinishing = true
    if (this.#queue.length === 0) this.destroy()
  }

  destroy(): void {
    if (this.isClosed) return
    // What there is room for gets there.
    if (this.#isScheduled && !this.#isBlocked && !this.#isFinishing) {
      this.#isFinishing = true
      this.flush()
    }
    this.#destroy(closedHere())
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
    if (this.isClosed) return
    try {
      this.user?.data(bytes)
    } catch (cause) {
      this.failed(cause)
    }
  }

  ended(): void {
    if (this.isClosed) return
    if (this.#isBroken) {
      this.#destroy(brokeOff())
      return
    }
    this.#hasOtherEnded = true
    try {
      this.user?.ended()
    } catch (cause) {
      this.failed(cause)
    }
  }

  closed(cause: unknown): void {
    // Of an end that comes after this side's, Bun says no more than that the connection is closed.
    if (cause === undefined && this.#isEnding && !this.#hasOtherEnded) this.ended()
    if (!this.isClosed) this.#close(cause ?? (this.#isEnding && this.#hasOtherEnded ? undefined : brokeOff()))
  }

  /** Its user threw. */
  failed(bug: unknown): void {
    reportBug(bug)
    this.#destroy(bug)
  }

  #destroy(cause: unknown): void {
    if (this.isClosed) return
    this.#close(cause)
    this.#socket?.close()
  }

  #close(cause: unknown): void {
    this.isClosed = true
    this.#queue = noParts
    this.#queuedBytes = 0
    // Never from within a call of the user's own.
    queueMicrotask(() => {
      try {
        this.user?.closed(cause)
      } catch (bug) {
        reportBug(bug)
      }
    })
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
    try {
      owner(stream)
    } catch (cause) {
      stream.failed(cause)
    }
  },
  data: (socket: Socket<Owner>, bytes: Buffer) => streamOf(socket)?.received(bytes),
  drain: (socket: Socket<Owner>) => streamOf(socket)?.flush(),
  end: (socket: Socket<Owner>) => streamOf(socket)?.ended(),
  error: (socket: Socket<Owner>, cause: Error) => streamOf(socket)?.failed(cause),
  close: (socket: Socket<Owner>, cause?: Error) => streamOf(socket)?.closed(cause),
  connectError: (socket: Socket<Owner>, cause: Error) => streamOf(socket)?.closed(cause)
}

const listenAt = (address: ListenAddress, onStream: (stream: ByteStream) => void): Listener => {
  const shared = { allowHalfOpen: true, data: onStream, socket: handlers }
  if ("path" in address) {
    const listener = Bun.listen<Owner>({ unix: address.path, ...shared })
    return { port: 0, stop: () => listener.stop(false) }
  }
  const listener = Bun.listen<Owner>({ hostname: address.host, port: address.port, ...shared })
  return { port: listener.port, stop: () => listener.stop(false) }
}

export const bunStreams: Streams = {
  listen: (address, onStream) =>
    Effect.acquireRelease(
      Effect.try({
        try: () => listenAt(address, onStream),
        catch: (cause) => ListenFailed.at(address, cause)
      }),
      ({ stop }) => Effect.sync(stop)
    ),
  connect: (host, port, user, onOpen) => {
    const stream = new BunStream(user, onOpen)
    // There is no taking it back: of what is destroyed before it is open, the kernel goes on trying for two minutes.
    void Bun.connect<Owner>({ hostname: host, port, allowHalfOpen: true, data: stream, socket: handlers }).catch(
      (cause: unknown) => stream.closed(cause)
    )
    return stream
  }
}
