/**
 * A response that a runtime streams: handed on as it comes to whoever takes it so, gathered for whoever waits for the
 * whole. What is over the limit is dropped, and makes a failure of the answer when it ends.
 */
import type { AnswerHead, AnswerSink, Flow } from "../domain/AnswerSink.ts"
import type { WorkerAnswer } from "../invoke/WorkerClient.ts"

/** Six MiB and 100 bytes: the most that a response may have which is not passed on as it comes. */
export const maxResponseBytes = 6 * 1024 * 1024 + 100

/** 200 MB: the most that is passed on. */
export const maxStreamedBytes = 200 * 1024 * 1024

/** What a runtime says in its trailers of an error on the way. */
export interface StreamFailure {
  readonly errorType: string
  readonly document: Uint8Array
}

export const tooLargeAnswer = (maxBytes: number): WorkerAnswer => ({
  payload: new TextEncoder().encode(
    JSON.stringify({
      errorMessage: `Response payload size exceeded maximum allowed payload size (${maxBytes} bytes).`,
      errorType: "Function.ResponseSizeTooLarge"
    })
  ),
  errorType: "Function.ResponseSizeTooLarge"
})

export class StreamedAnswer {
  readonly maxBytes: number
  readonly #sink: AnswerSink | undefined
  readonly #flow: Flow
  #isOpen = true
  #pieces: Array<Uint8Array> = []
  #bytes = 0

  constructor(head: AnswerHead, sink: AnswerSink | undefined) {
    this.#sink = sink
    this.maxBytes = sink === undefined ? maxResponseBytes : maxStreamedBytes
    this.#flow = head.flow
    sink?.begin({
      ...head,
      flow: {
        pause: () => {
          if (this.#isOpen) head.flow.pause()
        },
        resume: () => {
          if (this.#isOpen) head.flow.resume()
        }
      }
    })
  }

  piece(bytes: Uint8Array): void {
    if (!this.#isOpen) return
    this.#bytes += bytes.length
    if (this.isTooLarge) this.#pieces = []
    else if (this.#sink === undefined) this.#pieces.push(bytes)
    else this.#sink.piece(bytes)
  }

  /** There is an answer. What still comes is read and dropped. */
  close(): void {
    this.#isOpen = false
    this.#flow.resume()
  }

  get isTooLarge(): boolean {
    return this.#bytes > this.maxBytes
  }

  /** What it comes to when the runtime has ended it, with `failure` if it says so. */
  end(failure: StreamFailure | undefined): WorkerAnswer {
    if (failure !== undefined) return { payload: failure.document, errorType: failure.errorType }
    if (this.isTooLarge) return tooLargeAnswer(this.maxBytes)
    return { payload: this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces) }
  }
}
