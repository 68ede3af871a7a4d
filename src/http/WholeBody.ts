/** Puts a body together out of the pieces that it comes in: into one place, where its length is known before. */
export class WholeBody {
  readonly #length: number | undefined
  #pieces: Array<Buffer> = []
  /** Set from the second piece on, where there is a length: the first one may be all. */
  #whole: Buffer | undefined
  bytes = 0

  constructor(length: number | undefined) {
    this.#length = length
  }

  /** No more than the length, if there is one. */
  add(piece: Buffer): void {
    if (this.bytes > 0 && this.#length !== undefined && this.#whole === undefined) {
      this.#whole = Buffer.allocUnsafeSlow(this.#length)
      let at = 0
      for (const before of this.#pieces) at += before.copy(this.#whole, at)
      this.#pieces = []
    }
    if (this.#whole === undefined) this.#pieces.push(piece)
    else piece.copy(this.#whole, this.bytes)
    this.bytes += piece.length
  }

  /** What has come is forgotten; what still comes is kept. */
  clear(): void {
    this.#pieces = []
    this.#whole = undefined
    this.bytes = 0
  }

  /** All that has come. */
  get whole(): Buffer {
    if (this.#whole !== undefined) return this.#whole.subarray(0, this.bytes)
    return this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
  }
}
