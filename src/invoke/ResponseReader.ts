/** Reads one HTTP/1.1 response out of the pieces a socket gives. Throws on what is no such thing. */
import {
  type Fields,
  type Framing,
  framingOf,
  keepsAlive,
  MalformedMessage,
  MessageReader,
  readFields
} from "../http/MessageReader.ts"
import type { HttpHead, HttpResponse } from "./HttpClient.ts"

/** Well above the largest answer a function may give. */
const maxBodyBytes = 64 * 1024 * 1024

/** Says of a response whose body is wanted as it comes what gets it. */
export type Receive = (head: HttpHead) => ((piece: Buffer) => void) | undefined

export class ResponseReader {
  readonly #receive: Receive | undefined
  #receiver: ((piece: Buffer) => void) | undefined
  readonly #reader = new MessageReader({
    head: (startLine, lines) => this.#begin(startLine, readFields(lines)),
    data: (piece) => this.#keep(piece),
    end: () => {
      this.#complete = true
    }
  })
  #status = 0
  #headers: Fields = new Map()
  #keepAlive = false
  #complete = false
  readonly #pieces: Array<Buffer> = []
  #bytes = 0

  constructor(receive?: Receive) {
    this.#receive = receive
  }

  data(chunk: Buffer): void {
    this.#reader.push(chunk)
  }

  /** The other side sends no more. */
  end(): void {
    if (!this.#complete) this.#keepAlive = false
    this.#reader.close()
  }

  get complete(): boolean {
    return this.#complete
  }

  /** True when the connection may carry another exchange. */
  get reusable(): boolean {
    return this.#complete && this.#keepAlive && this.#reader.drained
  }

  get response(): HttpResponse {
    const body = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    return { status: this.#status, headers: this.#headers, body }
  }

  #begin(startLine: string, headers: Fields): Framing {
    const [, minor, status] = /^HTTP\/1\.([01]) (\d{3})(?: .*)?$/.exec(startLine) ?? []
    if (minor === undefined || status === undefined)
      throw new MalformedMessage(400, "the answer is no HTTP/1.1 response")
    this.#status = Number(status)
    this.#headers = headers
    // 100 Continue and its like go before the response.
    if (this.#status < 200) return "another head"
    this.#keepAlive = keepsAlive(headers.get("connection"), minor)
    this.#receiver = this.#receive?.({ status: this.#status, headers })
    if (this.#status === 204 || this.#status === 304) return 0
    return framingOf(headers) ?? "close"
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
