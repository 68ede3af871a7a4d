/** Puts a body together out of the pieces that it comes in: into one place, where its length is known before. */
export class WholeBody {
  readonly #length: number | undefined
  /** Mostly the only one. */
  #first: Buffer | undefined
  /** Those after it, where there is no length. */
  #others: Array<Buffer> | undefined
  /** Set from the second piece on, where there is a length: the first one may be all. */
  #whole: Buffer | undefined
  bytes = 0

  constructor(length: number | undefined) {
    this.#length = length
  }

  /** No more than the length, if there is one. */
  add(piece: Buffer): void {
    if (this.#first === undefined && this.#whole === undefined) this.#first = piece
    else if (this.#length === undefined) this.#addOther(piece)
    else piece.copy(this.#placeFor(this.#length), this.bytes)
    this.bytes += piece.length
  }

  /** What has come is forgotten; what still comes is kept. */
  clear(): void {
    this.#first = undefined
    this.#others = undefined
    this.#whole = undefined
    this.bytes = 0
  }

  /** All that has come. */
  get whole(): Buffer {
    if (this.#whole !== undefined) return this.#whole.subarray(0, this.bytes)
    const first = this.#first ?? Buffer.alloc(0)
    return this.#others === undefined ? first : Buffer.concat([first, ...this.#others])
  }

  #addOther(piece: Buffer): void {
    if (this.#others === undefined) this.#others = [piece]
    else this.#others.push(piece)
  }

  #placeFor(length: number): Buffer {
    if (this.#whole !== undefined) return this.#whole
    this.#whole = Buffer.allocUnsafeSlow(length)
    this.#first?.copy(this.#whole)
    this.#first = undefined
    return this.#whole
  }
}
