/** One worker's Runtime API, and the runtime as a test plays it: bytes on a socket. */
import { connect, type Socket } from "node:net"
import { Effect } from "effect"
import type { AnswerSink } from "../../src/domain/AnswerSink.ts"
import { WorkerId } from "../../src/domain/Worker.ts"
import { RuntimeApi, type RuntimeApiListener } from "../../src/runtime-api/RuntimeApi.ts"
import type { Outcome, RuntimeEvent } from "../../src/runtime-api/RuntimeSession.ts"

/** A runtime's connection: raw bytes out, whole responses in. */
export class Connection {
  readonly socket: Socket
  #received = ""
  #wake: () => void = () => {}
  closed = false

  constructor(port: number, localAddress = "127.0.0.1") {
    this.socket = connect({ port, host: "127.0.0.1", localAddress })
    this.socket.setEncoding("latin1")
    this.socket.on("data", (text: string) => {
      this.#received += text
      this.#wake()
    })
    this.socket.on("error", () => {})
    this.socket.on("close", () => {
      this.closed = true
      this.#wake()
    })
  }

  send(text: string): this {
    this.socket.write(text, "latin1")
    return this
  }

  get(path: string): this {
    return this.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  }

  post(path: string, body: string, headers = ""): this {
    return this.send(`POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`)
  }

  /** The next response; undefined when the connection is closed instead. */
  async response(): Promise<{ status: number; headers: Map<string, string>; body: string } | undefined> {
    for (;;) {
      const end = this.#received.indexOf("\r\n\r\n")
      const head = this.#received.slice(0, end).split("\r\n")
      const headers = new Map(head.slice(1).map((line) => line.split(": ") as [string, string]))
      const length = Number(headers.get("Content-Length") ?? 0)
      if (end !== -1 && this.#received.length >= end + 4 + length) {
        const body = this.#received.slice(end + 4, end + 4 + length)
        this.#received = this.#received.slice(end + 4 + length)
        return { status: Number(head[0]!.split(" ")[1]), headers, body }
      }
      if (this.closed) return undefined
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
  }
}

export const event = (settings: Partial<RuntimeEvent> = {}): RuntimeEvent => ({
  requestId: "id-1",
  timeoutMillis: 3000,
  invokedFunctionArn: "arn:aws:lambda:us-east-1:000000000000:function:hello",
  traceId: "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
  payload: Buffer.from('{"a":1}'),
  ...settings
})

export const next = "/2018-06-01/runtime/invocation/next"
export const responseTo = (id: string) => `/2018-06-01/runtime/invocation/${id}/response`

interface Worker {
  readonly listener: RuntimeApiListener
  readonly connection: Connection
  /** Asks for the first event, and waits until that is heard. */
  readonly poll: () => Promise<void>
  /** What became of an event. */
  readonly deliver: (given?: RuntimeEvent, sink?: AnswerSink) => Promise<Outcome>
}

export const withWorker = (
  body: (worker: Worker) => Promise<void>,
  options: { readonly admit?: string; readonly from?: string } = {}
) =>
  Effect.gen(function* () {
    const api = yield* RuntimeApi
    const listener = yield* api.open(WorkerId.make("w1"), "127.0.0.1")
    listener.admit(options.admit ?? "127.0.0.1")
    const connection = new Connection(listener.port, options.from)
    yield* Effect.promise(() =>
      body({
        listener,
        connection,
        poll: () =>
          Effect.runPromise(
            Effect.andThen(
              Effect.sync(() => connection.get(next)),
              Effect.orDie(listener.initialized)
            )
          ),
        deliver: (given = event(), sink) => new Promise((done) => listener.deliver(given, done, sink))
      })
    )
    connection.socket.destroy()
  }).pipe(Effect.scoped, Effect.provide(RuntimeApi.layer))

export const answered = (outcome: Outcome) =>
  outcome._tag === "Answered" ? { ...outcome.answer, payload: Buffer.from(outcome.answer.payload).toString() } : outcome
