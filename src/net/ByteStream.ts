/**
 * Connections as the HTTP of this project needs them, whichever runtime opens them. On Bun they are its own sockets:
 * an exchange over them costs two thirds of one over its `node:net`, whose streams do more than is asked for here.
 */
import { Effect, Schema, type Scope } from "effect"

/** A connection. Its user is told of nothing more once it is closed, and what is done to it then has no effect. */
export interface ByteStream {
  /** Whoever gets what comes. Set before anything is read, when the connection is handed over. */
  user: ByteStreamUser | undefined
  /** At the other end; undefined once it is closed. */
  readonly remoteAddress: string | undefined
  readonly isClosed: boolean
  readonly isPaused: boolean
  /** The other side does not keep up: what was written is held, until `drained`. After an `end`, anything that is. */
  readonly isFull: boolean
  /** Sends `bytes`, which are not to be changed after this. What the other side does not take yet is held. */
  write(bytes: Uint8Array): void
  /**
   * Sends `head`, of one byte a character, and `body` behind it: in one packet where that is small. `body` is not to be
   * changed after this.
   */
  writeMessage(head: string, body: Uint8Array): void
  /** Sends what was written, then that nothing more will come. What the other side sends is read on. */
  end(): void
  /** Sends what was written, then closes. */
  finish(): void
  /** Closes it at once; of what was written, that gets there which the other side takes at once. */
  destroy(): void
  /** Reads no more, until `resume`. */
  pause(): void
  resume(): void
  /** Whether it keeps the process alive. */
  ref(): void
  unref(): void
  /** Has the kernel ask every so often, when nothing comes, whether the other side is still there. */
  probe(everyMillis: number): void
}

/** What is copied behind its head, to leave in one packet with it. */
export const maxCoalescedBytes = 16 * 1024

/** What any of these throws is a bug: it costs the connection, is the cause of its close, and a warning of the process. */
export interface ByteStreamUser {
  readonly data: (bytes: Buffer) => void
  /** All that was held has been taken. */
  readonly drained?: () => void
  /** The other side sends no more. */
  readonly ended: () => void
  /** Last of all. `cause` is why, where it is not that both sides had ended. */
  readonly closed: (cause: unknown) => void
}

/** A TCP port, any free one where it is 0, or the path of a Unix socket, at which there is nothing yet. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string }

export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  /** Or the path. */
  host: Schema.String,
  cause: Schema.Defect()
}) {
  static at(address: ListenAddress, cause: unknown): ListenFailed {
    return new ListenFailed({ host: "path" in address ? address.path : address.host, cause })
  }
}

export interface Listener {
  /** 0 where it is a Unix socket. */
  readonly port: number
  /** Takes no more connections. */
  readonly stop: () => void
}

export interface Streams {
  /** Listens until the scope closes. Connections that were taken go on after that. */
  readonly listen: (
    address: ListenAddress,
    onStream: (stream: ByteStream) => void
  ) => Effect.Effect<Listener, ListenFailed, Scope.Scope>
  /** `onOpen` is called when it is connected, or the user's `closed` when it is not. */
  readonly connect: (host: string, port: number, user: ByteStreamUser, onOpen: () => void) => ByteStream
}

/** Those of this runtime. */
export const streams: Effect.Effect<Streams> = Effect.promise(async () =>
  "Bun" in globalThis ? (await import("./BunStreams.ts")).bunStreams : (await import("./NodeStreams.ts")).nodeStreams
)
