/**
 * TCP connections as the HTTP of this project needs them, whichever runtime opens them. On Bun they are its own sockets:
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
  /** Sends `bytes`, which are not to be changed after this. What the other side does not take yet is held. */
  write(bytes: Uint8Array): void
  /** Sends what was written, then that nothing more will come. What the other side sends is read on. */
  end(): void
  /** Closes it at once; what was written may not get there. */
  destroy(): void
  /** Reads no more, until `resume`. */
  pause(): void
  resume(): void
  /** Whether it keeps the process alive. */
  ref(): void
  unref(): void
}

export interface ByteStreamUser {
  readonly data: (bytes: Buffer) => void
  /** The other side sends no more. */
  readonly ended: () => void
  /** Last of all. `cause` is why, where it is not that both sides had ended. */
  readonly closed: (cause: unknown) => void
}

export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  host: Schema.String,
  cause: Schema.Defect()
}) {}

export interface Listener {
  readonly port: number
}

export interface Streams {
  /** Listens on any free port of `host` until the scope closes. Connections that were taken go on after that. */
  readonly listen: (
    host: string,
    onStream: (stream: ByteStream) => void
  ) => Effect.Effect<Listener, ListenFailed, Scope.Scope>
  /** `onOpen` is called when it is connected, or the user's `closed` when it is not. */
  readonly connect: (host: string, port: number, user: ByteStreamUser, onOpen: () => void) => ByteStream
}

/** Those of this runtime. */
export const streams: Effect.Effect<Streams> = Effect.promise(async () =>
  "Bun" in globalThis ? (await import("./BunStreams.ts")).bunStreams : (await import("./NodeStreams.ts")).nodeStreams
)
