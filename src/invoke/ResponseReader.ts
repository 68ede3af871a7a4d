/**
 * Reads HTTP/1.1 responses, one after the other, out of the pieces a socket gives. Throws on what is no such thing.
 * What nearly all are, a head in one piece and a body whose length it says, is read here; all else by MessageReader.
 */
import { KnownFields } from "../http/KnownFields.ts"
import { MessageReader } from "../http/MessageReader.ts"
import type { HttpHead, HttpResponse } from "./HttpExchange.ts"
import { type ResponseHead, readResponseHead } from "./ResponseHead.ts"

/** Well above the largest answer a function may give. */
const maxBodyBytes = 64 * 1024 * 1024

/** Says of a response whose body is wanted as it comes what gets it. */
export type Receive = (head: HttpHead) => ((piece: Buffer) => void) | undefined

/** They are read with the first line. */
const knownLines = new KnownFields((lines) => lines)

export class ResponseReader {
  #receive: Receive | undefined
  #receiver: ((piece: Buffer) => void) | undefined
  #head: ResponseHead | undefined
  /** Reads this response, where it is not a plain one. */
  #careful: MessageReader<ReadonlyArray<string>> | undefined
  /** What is missing of a plain one. */
  #left = 0
  #isComplete = false
  #isReusable = false
  #pieces: Array<Buffer> = []
  #bytes = 0

  /** Goes on to the next response, after one that left the connection reusable. */
  next(receive?: Receive): void {
    this.#receive = receive
    this.#receiver = undefined
    this.#head = undefined
    this.#careful = undefined
    this.#isComplete = false
    this.#bytes = 0
  }

  data(chunk: Buffer): void {
    if (this.#careful !== undefined) this.#careful.push(chunk)
    else if (this.#head !== undefined) this.#go(chunk, 0)
    else {
      const head = readResponseHead(chunk)
      if (head !== undefined && typeof head.framing === "number") {
        this.#begin(head)
        this.#left = head.framing
        this.#go(chunk, head.bytes)
      } else {
        this.#careful = this.#carefulReader()
        this.#careful.push(chunk)
      }
    }
  }

  /** The other side sends no more. */
  end(): void {
    this.#isReusable = false
    this.#careful?.close()
  }

  get isComplete(): boolean {
    return this.#isComplete
  }

  /** True when it is complete and the connection may carry another exchange. */
  get isReusable(): boolean {
    return this.#isComplete && this.#isReusable && this.#careful?.drained !== false
  }

  /** The one that is complete; nothing of it is held here after that. */
  take(): HttpResponse {
    const { headers, status } = this.#head!
    const body = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    this.#head = undefined
    this.#pieces = []
    return { status, headers, body }
  }

  #begin(head: ResponseHead): void {
    this.#head = head
    this.#isReusable = head.keepsAlive
    this.#receiver = this.#receive?.(head)
  }

  /** Takes what comes of the body of a plain response, from `at` on. A view is made only of what is not all of a chunk. */
  #go(chunk: Buffer, at: number): void {
    const came = chunk.length - at
    // Nobody asked for more than one response.
    if (came > this.#left) this.#isReusable = false
    const taken = Math.min(came, this.#left)
    this.#left -= taken
    if (taken > 0) this.#keep(taken === chunk.length ? chunk : chunk.subarray(at, at + taken))
    this.#isComplete = this.#left === 0
  }

  #carefulReader(): MessageReader<ReadonlyArray<string>> {
    return new MessageReader(knownLines, {
      headRead: (startLine, lines) => {
        const head = readResponseHead(Buffer.from(`${[startLine, ...lines].join("\r\n")}\r\n\r\n`, "latin1"))!
        if (head.framing !== "another head") this.#begin(head)
        return head.framing
      },
      pieceRead: (piece) => this.#keep(piece),
      messageRead: () => {
        this.#isComplete = true
      }
    })
  }

  #keep(piece: Buffer): void {
    if (this.#receiver !== undefined) {
      this.#receiver(piece)
      return
    }
    this.#pieces.push(piece)
    this.#bytes += piece.length
    if (this.#bytes > maxBodyBytes) throw new Error(`the response is larger than ${maxBodyBytes} bytes`)
  }
}
