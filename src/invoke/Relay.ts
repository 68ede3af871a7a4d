/** Between a worker's answer and who takes it: says which version answers, and ends with the invocation. */
import { type AnswerSink, noFlow } from "../domain/AnswerSink.ts"
import type { InvocationResult, InvocationSink } from "../domain/Invocation.ts"

export class Relay implements AnswerSink {
  readonly #sink: InvocationSink
  readonly #executedVersion: string
  #isOpen = true
  #hasBegun = false

  constructor(sink: InvocationSink, executedVersion: string) {
    this.#sink = sink
    this.#executedVersion = executedVersion
  }

  readonly begin: AnswerSink["begin"] = (head) => {
    if (!this.#isOpen) return
    this.#hasBegun = true
    this.#sink.begin({ ...head, executedVersion: this.#executedVersion })
  }

  readonly piece: AnswerSink["piece"] = (bytes) => {
    if (this.#isOpen) this.#sink.piece(bytes)
  }

  /** Hands over a result that was not streamed. */
  complete(result: InvocationResult): InvocationResult {
    if (this.#hasBegun || result.functionError !== undefined) return result
    this.begin({ contentType: "application/json", flow: noFlow })
    this.piece(result.payload)
    return { ...result, payload: new Uint8Array() }
  }

  close(): void {
    this.#isOpen = false
  }
}
