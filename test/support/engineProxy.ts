/**
 * A proxy in front of the Docker engine's socket, or in the place of one, that misbehaves as it is told: for each
 * request, by what it asks for. Requests come one to a connection, as DockerAdaptor sends them.
 */
import { rmSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { dockerSocket } from "./docker.ts"

export type Misbehaviour =
  /** Neither passed on nor answered until `release`; passed on then, even when the client has left. */
  | { readonly is: "hold" }
  /** Passed on, and the engine's answer withheld until `release`. */
  | { readonly is: "mute" }
  /** Passed on after so long. */
  | { readonly is: "delay"; readonly millis: number }
  /** The connection is closed without an answer. */
  | { readonly is: "drop" }
  /** Passed on, and the connection closed when the engine answers. */
  | { readonly is: "lose" }
  /** The engine's side of the connection is ended without an answer; the client may go on sending. */
  | { readonly is: "halfClose" }
  /** The connection is ended in the middle of an answer. */
  | { readonly is: "break" }
  | { readonly is: "answer"; readonly status: number; readonly body: string; readonly keepOpen?: boolean }

export interface EngineProxy {
  /** As `DOCKER_HOST` says it. */
  readonly host: string
  /** Applies to requests to come whose `METHOD /path?query` matches; the one said last wins. */
  readonly when: (request: RegExp, misbehaviour: Misbehaviour) => void
  /** Forgets what `when` said, and lets go of everything that is held back. */
  readonly release: () => void
  /** Closes the connections of requests under way that match. */
  readonly cut: (request: RegExp) => void
  /** Every request so far. */
  readonly seen: ReadonlyArray<string>
  /** How many connections clients have open. */
  readonly open: () => number
  /** Waits until this many requests have come that match. */
  readonly until: (request: RegExp, count?: number) => Effect.Effect<void>
  /** Waits until clients have this many connections open. */
  readonly untilOpen: (count: number) => Effect.Effect<void>
}

let made = 0

export const engineProxy = (upstream = dockerSocket): Effect.Effect<EngineProxy, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => Proxy.listen(upstream)),
      (proxy) => Effect.promise(() => proxy.close())
    ),
    (proxy): EngineProxy => proxy
  )

class Proxy implements EngineProxy {
  readonly host: string
  readonly seen: Array<string> = []
  readonly #path: string
  readonly #upstream: string
  readonly #server = createServer((client) => this.#serve(client))
  readonly #clients = new Map<Socket, string>()
  readonly #waiting = new Set<() => void>()
  #rules: Array<readonly [RegExp, Misbehaviour]> = []
  #held: Array<() => void> = []

  private constructor(upstream: string) {
    this.#upstream = upstream
    this.#path = join(tmpdir(), `irori-engine-${process.pid}-${Math.random().toString(36).slice(2)}-${++made}.sock`)
    this.host = `unix://${this.#path}`
  }

  static listen(upstream: string): Promise<Proxy> {
    const proxy = new Proxy(upstream)
    return new Promise((resolve) => proxy.#server.listen(proxy.#path, () => resolve(proxy)))
  }

  close(): Promise<void> {
    this.release()
    for (const client of this.#clients.keys()) client.destroy()
    return new Promise((resolve) =>
      this.#server.close(() => {
        rmSync(this.#path, { force: true })
        resolve()
      })
    )
  }

  when(request: RegExp, misbehaviour: Misbehaviour): void {
    this.#rules.unshift([request, misbehaviour])
  }

  release(): void {
    this.#rules = []
    const held = this.#held
    this.#held = []
    for (const go of held) go()
  }

  cut(request: RegExp): void {
    for (const [client, what] of this.#clients) if (request.test(what)) client.destroy()
  }

  open(): number {
    return this.#clients.size
  }

  until(request: RegExp, count = 1): Effect.Effect<void> {
    return this.#wait(() => this.seen.filter((what) => request.test(what)).length >= count)
  }

  untilOpen(count: number): Effect.Effect<void> {
    return this.#wait(() => this.#clients.size === count)
  }

  #wait(isSo: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const look = () => {
        if (!isSo()) return
        this.#waiting.delete(look)
        resume(Effect.void)
      }
      this.#waiting.add(look)
      look()
      return Effect.sync(() => this.#waiting.delete(look))
    })
  }

  #changed(): void {
    for (const look of this.#waiting) look()
  }

  #serve(client: Socket): void {
    let head = Buffer.alloc(0)
    this.#clients.set(client, "")
    client.on("error", () => client.destroy())
    client.on("close", () => {
      this.#clients.delete(client)
      this.#changed()
    })
    const read = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk])
      const [, request] = /^(\S+ \S+) HTTP\/1\.1\r\n[\s\S]*\r\n\r\n/.exec(head.toString("latin1")) ?? []
      if (request === undefined) return
      client.off("data", read)
      this.#clients.set(client, request)
      this.#treat(client, request, head)
      this.seen.push(request)
      this.#changed()
    }
    client.on("data", read)
    this.#changed()
  }

  #treat(client: Socket, request: string, head: Buffer): void {
    const rule = this.#rules.find(([pattern]) => pattern.test(request))?.[1]
    const released = () => new Promise<void>((resolve) => this.#held.push(resolve))
    switch (rule?.is) {
      case undefined:
        this.#pass(client, head, Promise.resolve())
        break
      case "mute":
        this.#pass(client, head, released())
        break
      case "delay":
        setTimeout(() => this.#pass(client, head, Promise.resolve()), rule.millis)
        break
      case "drop":
        client.destroy()
        break
      case "lose":
        this.#lose(client, head)
        break
      case "halfClose":
        client.end()
        break
      case "break":
        client.end("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        break
      case "answer":
        this.#answer(client, rule)
        break
      case "hold":
        this.#hold(client, head, released())
    }
  }

  #answer(client: Socket, { status, body, keepOpen = false }: Misbehaviour & { readonly is: "answer" }): void {
    const length = keepOpen ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`
    client.write(
      `HTTP/1.1 ${status} Said\r\nContent-Type: application/json\r\n${length}Connection: close\r\n\r\n${body}`
    )
    if (!keepOpen) client.end()
  }

  #lose(client: Socket, head: Buffer): void {
    const server = connect(this.#upstream)
    server.on("error", () => client.destroy())
    server.write(head)
    client.on("data", (chunk) => server.write(chunk))
    server.once("data", () => {
      client.destroy()
      server.destroy()
    })
  }

  #hold(client: Socket, head: Buffer, released: Promise<void>): void {
    // What the client still sends is kept for when it is passed on.
    const more: Array<Buffer> = [head]
    const keep = (chunk: Buffer) => void more.push(chunk)
    client.on("data", keep)
    void released.then(() => {
      client.off("data", keep)
      this.#pass(client, Buffer.concat(more), Promise.resolve())
    })
  }

  #pass(client: Socket, head: Buffer, answerWhen: Promise<void>): void {
    const server = connect(this.#upstream)
    server.on("error", () => client.destroy())
    server.write(head)
    client.on("data", (chunk) => server.write(chunk))
    client.on("close", () => server.end())
    server.pause()
    void answerWhen.then(() => {
      server.pipe(client)
      server.resume()
    })
  }
}
