/**
 * A streamed answer on its way from a manager to a gateway: a frame for each piece, and one at the end that says what
 * became of it. A frame is its kind, one byte; the length of what follows, four; and that.
 */
import { Option, Schema } from "effect"
import { AnswerEnd } from "./ManagerProtocol.ts"

const headBytes = 5
const pieceKind = 80
const endKind = 69
/** Well above an error document of the largest size, in base64. */
const maxEndBytes = 16 * 1024 * 1024

const frame = (kind: number, bytes: Uint8Array): Uint8Array => {
  const framed = Buffer.allocUnsafe(headBytes + bytes.length)
  framed[0] = kind
  framed.writeUInt32BE(bytes.length, 1)
  framed.set(bytes, headBytes)
  return framed
}

const endText = Schema.fromJsonString(Schema.toCodecJson(AnswerEnd))
const encodeEnd = Schema.encodeSync(endText)
const decodeEnd = Schema.decodeUnknownOption(endText)

export const pieceFrame = (bytes: Uint8Array): Uint8Array => frame(pieceKind, bytes)
export const endFrame = (end: AnswerEnd): Uint8Array => frame(endKind, Buffer.from(encodeEnd(end)))

/** Reads frames out of the bytes that come. Pieces are handed on in the parts in which they come. */
export class AnswerFrameReader {
  readonly #piece: (bytes: Uint8Array) => void
  #pending: Buffer = Buffer.alloc(0)
  #leftOfPiece = 0
  #end: AnswerEnd | undefined

  constructor(piece: (bytes: Uint8Array) => void) {
    this.#piece = piece
  }

  /** Throws on what are no frames. */
  push(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    while (this.#step());
  }

  /** What became of the answer; undefined where it broke off. */
  get end(): AnswerEnd | undefined {
    return this.#end
  }

  #step(): boolean {
    if (this.#leftOfPiece > 0) {
      if (this.#pending.length === 0) return false
      const part = this.#take(Math.min(this.#leftOfPiece, this.#pending.length))
      this.#leftOfPiece -= part.length
      this.#piece(part)
      return true
    }
    if (this.#pending.length < headBytes) return false
    const [kind] = this.#pending
    const length = this.#pending.readUInt32BE(1)
    if (this.#end !== undefined || (kind !== pieceKind && (kind !== endKind || length > maxEndBytes))) {
      throw new Error("the manager answers in another protocol")
    }
    if (kind === pieceKind) {
      this.#take(headBytes)
      this.#leftOfPiece = length
      return true
    }
    if (this.#pending.length < headBytes + length) return false
    this.#take(headBytes)
    this.#end = Option.getOrUndefined(decodeEnd(this.#take(length).toString()))
    if (this.#end === undefined) throw new Error("the manager answers in another protocol")
    return true
  }

  #take(length: number): Buffer {
    const taken = this.#pending.subarray(0, length)
    this.#pending = this.#pending.subarray(length)
    return taken
  }
}
