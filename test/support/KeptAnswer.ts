/** A sink that keeps what is streamed, for tests that look at it while it comes. */
import type { AnswerHead, AnswerSink } from "../../src/domain/AnswerSink.ts"

export class KeptAnswer<Head extends AnswerHead = AnswerHead> implements AnswerSink<Head> {
  head: Head | undefined
  bytes = 0
  /** The texts of the pieces that are short. */
  readonly pieces: Array<string> = []
  readonly #pausing: boolean
  #wake = () => {}

  /** One that is `pausing` takes a piece, and then waits until it is told to go on. */
  constructor(pausing = false) {
    this.#pausing = pausing
  }

  readonly begin = (head: Head): void => {
    this.head = head
    this.#wake()
  }

  readonly piece = (bytes: Uint8Array): void => {
    if (this.#pausing) this.head?.flow.pause()
    this.bytes += bytes.length
    if (bytes.length < 1000) this.pieces.push(Buffer.from(bytes).toString())
    this.#wake()
  }

  get text(): string {
    return this.pieces.join("")
  }

  /** Waits until there is `enough`. */
  async until(enough: () => boolean): Promise<void> {
    while (!enough()) {
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
  }
}
