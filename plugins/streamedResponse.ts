/**
 * Answers a request while its answer is being made: with a streamed response from the moment that the answer begins,
 * or with a plain one where it is over before. A client that leaves ends what makes the answer; one that reads slowly
 * slows it.
 */
import type { Effect, Exit, ManagedRuntime } from "effect"
import type { AnswerHead, AnswerSink, Flow } from "../src/domain/AnswerSink.ts"

/** Of what is not sent yet, this much is held before the worker is slowed. */
const maxHeldBytes = 64 * 1024

export interface StreamedAnswer<A, E, Head extends AnswerHead> {
  /** Status and headers of an answer that has begun. */
  readonly head: (head: Head) => ResponseInit
  /** A piece as it is sent. */
  readonly frame: (piece: Uint8Array) => Uint8Array
  /** What is sent last of an answer that had begun; undefined cuts it off, where nothing else can say that it failed. */
  readonly last: (exit: Exit.Exit<A, E>) => Uint8Array | undefined
  /** The response where nothing had begun. */
  readonly whole: (exit: Exit.Exit<A, E>) => Response
}

export const respondStreaming = <A, E, R, Head extends AnswerHead>(
  runtime: ManagedRuntime.ManagedRuntime<R, never>,
  request: Request,
  program: (sink: AnswerSink<Head>) => Effect.Effect<A, E, R>,
  answer: StreamedAnswer<A, E, Head>
): Promise<Response> =>
  new Promise((resolve) => {
    const reader = new AbortController()
    let body: Body | undefined
    const sink: AnswerSink<Head> = {
      begin: (head) => {
        body = new Body(head.flow, () => reader.abort())
        resolve(new Response(body.stream, answer.head(head)))
      },
      piece: (bytes) => body?.write(answer.frame(bytes))
    }
    const signal = AbortSignal.any([request.signal, reader.signal])
    void runtime.runPromiseExit(program(sink), { signal }).then((exit) => {
      if (body === undefined) resolve(answer.whole(exit))
      else body.end(answer.last(exit))
    })
  })

class Body {
  readonly stream: ReadableStream<Uint8Array>
  readonly #flow: Flow
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined

  constructor(flow: Flow, onLeave: () => void) {
    this.#flow = flow
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => flow.resume(),
        cancel: () => {
          this.#controller = undefined
          onLeave()
        }
      },
      new ByteLengthQueuingStrategy({ highWaterMark: maxHeldBytes })
    )
  }

  write(bytes: Uint8Array): void {
    const controller = this.#controller
    if (controller === undefined) return
    controller.enqueue(bytes)
    if ((controller.desiredSize ?? 0) <= 0) this.#flow.pause()
  }

  end(last: Uint8Array | undefined): void {
    // What makes the answer is done: there is nothing left to slow.
    if (last === undefined) this.#controller?.error(new Error("The answer broke off"))
    else {
      if (last.length > 0) this.#controller?.enqueue(last)
      this.#controller?.close()
    }
    this.#controller = undefined
  }
}
