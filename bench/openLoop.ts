/**
 * Load that does not wait: requests are due at times that are fixed beforehand, whether or not others were answered, and
 * each one's latency counts from when it was due. A server that stands still for a moment is charged with all that came
 * due in it, which a caller that waits for its answer would not even have sent.
 */
import { connect, type Socket } from "node:net"
import process from "node:process"

export interface OpenLoopResult {
  /** Milliseconds from when it was due to the end of its answer, by status; of each request that was due. */
  readonly latencies: ReadonlyMap<number, ReadonlyArray<number>>
  /** The same from when it was sent: what is the generator's own fault is not in it. */
  readonly sinceSent: ReadonlyMap<number, ReadonlyArray<number>>
  /** Connections that broke before the answer. */
  readonly broken: number
  /** Due, and not answered when the run gave up waiting. */
  readonly unanswered: number
  /** How late requests were sent, by the generator's own fault. */
  readonly lateness: ReadonlyArray<number>
}

interface Due {
  readonly atMillis: number
  readonly sentMillis: number
}

const headEnd = Buffer.from("\r\n\r\n")

/** One connection that is kept open and has one request at a time. Understands answers with a length. */
class Connection {
  readonly #socket: Socket
  readonly #loop: OpenLoop
  #due: Due | undefined
  #status = 0
  /** Of the answer's body, what is still to come; undefined before its head is whole. */
  #left: number | undefined
  #head: Buffer = Buffer.alloc(0)

  constructor(loop: OpenLoop, host: string, port: number) {
    this.#loop = loop
    this.#socket = connect({ host, port, noDelay: true })
    this.#socket.on("data", (chunk: Buffer) => this.#receive(chunk))
    this.#socket.on("error", () => {})
    this.#socket.on("close", () => loop.closed(this, this.#due))
  }

  send(due: Due, request: Buffer): void {
    this.#due = due
    this.#socket.write(request)
  }

  end(): void {
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    if (this.#left === undefined) {
      this.#head = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk])
      const end = this.#head.indexOf(headEnd)
      if (end === -1) return
      const head = this.#head.toString("latin1", 0, end)
      this.#status = Number(head.slice(9, 12))
      this.#left = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0) - (this.#head.length - end - 4)
      this.#head = Buffer.alloc(0)
    } else this.#left -= chunk.length
    if (this.#left > 0 || this.#due === undefined) return
    const due = this.#due
    this.#due = this.#left = undefined
    this.#loop.answered(this, due, this.#status)
  }
}

export interface OpenLoopOptions {
  readonly url: string
  readonly body: string
  readonly perSecond: number
  readonly seconds: number
  /** How long after the last one was due answers are waited for. */
  readonly patienceMillis?: number
  /** Connections at once; a request beyond them waits for one, and that counts everywhere. */
  readonly maxConnections?: number
}

class OpenLoop {
  readonly #options: OpenLoopOptions
  readonly #host: string
  readonly #port: number
  readonly #request: Buffer
  readonly #open = new Set<Connection>()
  readonly #free: Array<Connection> = []
  readonly #waiting: Array<Due> = []
  readonly #latencies = new Map<number, Array<number>>()
  readonly #sinceSent = new Map<number, Array<number>>()
  readonly #lateness: Array<number> = []
  #underWay = 0
  #broken = 0

  constructor(options: OpenLoopOptions) {
    this.#options = options
    const { host, hostname, pathname, port } = new URL(options.url)
    this.#host = hostname
    this.#port = Number(port)
    this.#request = Buffer.from(
      `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(options.body)}\r\n\r\n${options.body}`
    )
  }

  async run(): Promise<OpenLoopResult> {
    const { patienceMillis = 5000, perSecond, seconds } = this.#options
    const gapMillis = 1000 / perSecond
    const count = Math.max(1, Math.round(perSecond * seconds))
    const begun = performance.now()
    let sent = 0
    while (sent < count) {
      const now = performance.now()
      // Due on a grid of a millisecond, as finely as a timer goes: several may be due at once.
      for (; sent < count && begun + Math.ceil(sent * gapMillis) <= now; sent++) {
        const atMillis = begun + Math.ceil(sent * gapMillis)
        this.#lateness.push(now - atMillis)
        this.#send({ atMillis, sentMillis: now })
      }
      await new Promise((next) => setTimeout(next, 1))
    }
    const patient = performance.now() + patienceMillis
    while (this.#underWay > 0 && performance.now() < patient) await new Promise((next) => setTimeout(next, 5))
    const unanswered = this.#underWay
    for (const connection of this.#open) connection.end()
    const [latencies, sinceSent] = [this.#latencies, this.#sinceSent]
    return { latencies, sinceSent, broken: this.#broken, unanswered, lateness: this.#lateness }
  }

  answered(connection: Connection, due: Due, status: number): void {
    this.#underWay--
    const now = performance.now()
    note(this.#latencies, status, now - due.atMillis)
    note(this.#sinceSent, status, now - due.sentMillis)
    const next = this.#waiting.shift()
    if (next === undefined) this.#free.push(connection)
    else connection.send(next, this.#request)
  }

  closed(connection: Connection, due: Due | undefined): void {
    this.#open.delete(connection)
    const free = this.#free.indexOf(connection)
    if (free !== -1) this.#free.splice(free, 1)
    if (due === undefined) return
    this.#underWay--
    this.#broken++
  }

  #send(due: Due): void {
    this.#underWay++
    const connection = this.#free.pop() ?? this.#connect()
    if (connection === undefined) this.#waiting.push(due)
    else connection.send(due, this.#request)
  }

  #connect(): Connection | undefined {
    if (this.#open.size >= (this.#options.maxConnections ?? 2000)) return undefined
    const connection = new Connection(this, this.#host, this.#port)
    this.#open.add(connection)
    return connection
  }
}

const note = (latencies: Map<number, Array<number>>, status: number, millis: number) => {
  const known = latencies.get(status)
  if (known === undefined) latencies.set(status, [millis])
  else known.push(millis)
}

export const openLoop = (options: OpenLoopOptions): Promise<OpenLoopResult> => new OpenLoop(options).run()

/** An event of `bytes`, as `post.lua` makes it. */
export const eventOf = (bytes: number): string => `{"text":"${"x".repeat(bytes - 11)}"}`

if (import.meta.main) {
  const [url = "", perSecond, seconds] = process.argv.slice(2)
  const result = await openLoop({ url, body: eventOf(1024), perSecond: Number(perSecond), seconds: Number(seconds) })
  for (const [status, latencies] of result.latencies) {
    console.log(status, latencies.length, latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)])
  }
}
