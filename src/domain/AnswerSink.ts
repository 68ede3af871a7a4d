/** Who takes an answer while it is being made: piece by piece, and no faster than it can use them. */

/**
 * How a sink slows whoever makes the answer. Some pieces may still come after a pause; both may be repeated. Once the
 * answer has ended, neither does anything.
 */
export interface Flow {
  readonly pause: () => void
  readonly resume: () => void
}

export interface AnswerHead {
  /** As the runtime declared it; absent where it did not. */
  readonly contentType?: string
  readonly flow: Flow
}

/** Its methods do not throw. What it is given is its own to keep. */
export interface AnswerSink<Head extends AnswerHead = AnswerHead> {
  /** The function has begun to answer. Called once, before the first piece; not at all for an answer that is not streamed. */
  readonly begin: (head: Head) => void
  readonly piece: (bytes: Uint8Array) => void
}

/** Of an answer that is there already. */
export const noFlow: Flow = { pause: () => {}, resume: () => {} }
