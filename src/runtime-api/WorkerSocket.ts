/**
 * One Unix socket for the runtimes of all workers that are processes of this machine: an exchange over it costs a tenth
 * less than one over loopback TCP. Who connects says first, in a line, by which key it is known: that of one worker, good
 * for one connection. All else of a worker, and runtimes that know nothing of this, use its own port.
 */
import { randomBytes } from "node:crypto"
import { existsSync, rmSync } from "node:fs"
import { resolve } from "node:path"
import { Effect, Scope } from "effect"
import { type ByteStream, type ByteStreamUser, ListenFailed, streams } from "../net/ByteStream.ts"

/** In bytes, as it is written: twice as many characters. */
const keyBytes = 16
const newLine = 0x0a

/** Of a socket's path, for those who connect (`sun_path` of macOS; four more on Linux). */
const maxPathBytes = 103

/** Where a connection goes that has shown a key. */
export type Enter = (stream: ByteStream) => void

export class WorkerSocket {
  readonly #path: string
  readonly #expected = new Map<string, Enter>()

  private constructor(path: string) {
    this.#path = path
  }

  /** In `folder`, until the scope closes. Undefined where no socket can be had there: its path may be too long for one. */
  static readonly make = (folder: string): Effect.Effect<WorkerSocket | undefined, never, Scope.Scope> =>
    // Workers run in folders of their own.
    Effect.suspend(() => new WorkerSocket(resolve(folder, "runtime-api.sock")).#open()).pipe(
      Effect.catch((error) =>
        Effect.as(Effect.logDebug("Workers use TCP: there is no Unix socket for them", error), undefined)
      )
    )

  #open() {
    const path = this.#path
    const removed = Effect.try({
      try: () => rmSync(path, { force: true }),
      catch: (cause) => ListenFailed.at({ path }, cause)
    })
    if (Buffer.byteLength(path) > maxPathBytes) return Effect.fail(ListenFailed.at({ path }, "it is too long"))
    return Effect.gen({ self: this }, function* () {
      const { listen } = yield* streams
      // One that a killed process left.
      yield* removed
      yield* listen({ path }, (stream) => this.#arrive(stream))
      yield* Effect.addFinalizer(() => Effect.ignore(removed))
      return this
    })
  }

  /**
   * How a worker gets in, once: `key@path`. Until the scope closes. Undefined where nobody gets in any more: whoever tidies
   * folders up may have taken the socket away.
   */
  readonly invite = (enter: Enter): Effect.Effect<string | undefined, never, Scope.Scope> =>
    Effect.flatMap(Effect.scope, (scope) => {
      if (!existsSync(this.#path)) return Effect.succeed(undefined)
      const key = randomBytes(keyBytes).toString("hex")
      this.#expected.set(key, enter)
      const withdraw = Effect.sync(() => this.#expected.delete(key))
      return Effect.as(Scope.addFinalizer(scope, withdraw), `${key}@${this.#path}`)
    })

  #arrive(stream: ByteStream): void {
    stream.user = new Stranger(stream, (key) => {
      const enter = this.#expected.get(key)
      this.#expected.delete(key)
      return enter
    })
  }
}

/** Somebody who has not yet said who it is. */
class Stranger implements ByteStreamUser {
  readonly #stream: ByteStream
  readonly #enterBy: (key: string) => Enter | undefined
  #said: Buffer = Buffer.alloc(0)

  constructor(stream: ByteStream, enterBy: (key: string) => Enter | undefined) {
    this.#stream = stream
    this.#enterBy = enterBy
  }

  data(chunk: Buffer): void {
    this.#said = this.#said.length === 0 ? chunk : Buffer.concat([this.#said, chunk])
    const end = this.#said.indexOf(newLine)
    if (end === -1 && this.#said.length <= keyBytes * 2) return
    const enter = end === keyBytes * 2 ? this.#enterBy(this.#said.toString("latin1", 0, end)) : undefined
    if (enter === undefined) {
      this.#stream.destroy()
      return
    }
    enter(this.#stream)
    const rest = this.#said.subarray(end + 1)
    if (rest.length > 0) this.#stream.user?.data(rest)
  }

  ended(): void {
    this.#stream.destroy()
  }

  closed(): void {}
}
