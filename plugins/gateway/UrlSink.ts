/** Takes a streamed answer at a function URL: its prelude becomes the response's head, the rest its body. */

import { Result } from "effect"
import type { AnswerHead, AnswerSink } from "../../src/domain/AnswerSink.ts"
import type { InvocationHead, InvocationSink } from "../../src/domain/Invocation.ts"
import { type HttpAnswerHead, hasNoBody } from "../../src/events/HttpResponseV2.ts"
import { isIntegrationResponse, PreludeReader } from "../../src/events/StreamPrelude.ts"

/** An HTTP response that has begun. */
export interface UrlHead extends AnswerHead {
  readonly answer: HttpAnswerHead
}

export class UrlSink implements InvocationSink {
  /** Of a response that has no body, so that it is whole only when the function has ended. */
  head: HttpAnswerHead | undefined
  /** Why nothing was handed on, in one line. */
  problem: string | undefined
  readonly #sink: AnswerSink<UrlHead>
  readonly #headOnly: boolean
  #begun: InvocationHead | undefined
  #prelude: PreludeReader | undefined

  constructor(sink: AnswerSink<UrlHead>, headOnly: boolean) {
    this.#sink = sink
    this.#headOnly = headOnly
  }

  readonly begin: InvocationSink["begin"] = (head) => {
    this.#begun = head
    if (isIntegrationResponse(head.contentType)) {
      this.#prelude = new PreludeReader()
      this.problem = "it ended before its prelude did"
    } else {
      this.#start({ status: 200, headers: [["content-type", head.contentType ?? "application/octet-stream"]] })
    }
  }

  readonly piece: InvocationSink["piece"] = (bytes) => {
    if (this.#prelude === undefined) {
      if (this.head === undefined && this.problem === undefined) this.#sink.piece(bytes)
      return
    }
    const beginning = this.#prelude.push(bytes)
    if (beginning === undefined) return
    this.#prelude = undefined
    this.problem = Result.isFailure(beginning) ? beginning.failure : undefined
    if (Result.isFailure(beginning)) return
    const { head, rest } = beginning.success
    this.#start(head)
    if (rest.length > 0) this.piece(rest)
  }

  #start(answer: HttpAnswerHead): void {
    if (this.#headOnly || hasNoBody(answer.status)) this.head = answer
    else this.#sink.begin({ ...this.#begun!, answer })
  }
}
