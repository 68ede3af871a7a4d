/** Reads one HTTP/1.1 response (RFC 9112) out of the pieces a socket gives. Throws on what is no such thing. */
import type { HttpResponse } from "./HttpClient.ts"

const maxHeadBytes = 64 * 1024
/** Well above the largest answer a function may give. */
const maxBodyBytes = 64 * 1024 * 1024

type Expecting =
  | { readonly is: "Head" }
  | { readonly is: "Length"; left: number; readonly chunked: boolean }
  | { readonly is: "ChunkSize" }
  | { readonly is: "ChunkEnd" }
  | { readonly is: "Trailers" }
  | { readonly is: "Close" }
  | { readonly is: "Nothing" }

export class ResponseReader {
  #pending: Buffer = Buffer.alloc(0)
  #expecting: Expecting = { is: "Head" }
  #status = 0
  #headers = new Map<string, string>()
  #keepAlive = false
  readonly #pieces: Array<Buffer> = []
  #bytes = 0

  data(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    while (this.#step());
  }

  /** The other side sends no more. */
  end(): void {
    if (this.#expecting.is !== "Close") return
    this.#expecting = { is: "Nothing" }
    this.#keepAlive = false
  }

  get complete(): boolean {
    return this.#expecting.is === "Nothing"
  }

  /** True when the connection may carry another exchange. */
  get reusable(): boolean {
    return this.complete && this.#keepAlive && this.#pending.length === 0
  }

  get response(): HttpResponse {
    const body = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    return { status: this.#status, headers: this.#headers, body }
  }

  /** Takes one element off what has come in. False when it is not there yet. */
  #step(): boolean {
    const expecting = this.#expecting
    switch (expecting.is) {
      case "Head": {
        const text = this.#takeUntil("\r\n\r\n")
        if (text !== undefined) this.#begin(text)
        return text !== undefined
      }
      case "Length": {
        if (expecting.left === 0) {
          this.#expecting = { is: expecting.chunked ? "ChunkEnd" : "Nothing" }
          return true
        }
        if (this.#pending.length === 0) return false
        expecting.left -= this.#keep(Math.min(expecting.left, this.#pending.length))
        return true
      }
      case "ChunkSize": {
        const line = this.#takeUntil("\r\n")
        if (line === undefined) return false
        const size = /^([0-9a-fA-F]{1,8})(?:[ \t]*;.*)?$/.exec(line)?.[1]
        if (size === undefined) throw new Error("a chunk of the response has no length")
        const left = Number.parseInt(size, 16)
        this.#expecting = left === 0 ? { is: "Trailers" } : { is: "Length", left, chunked: true }
        return true
      }
      case "ChunkEnd": {
        const line = this.#takeUntil("\r\n")
        if (line !== undefined && line !== "") throw new Error("a chunk of the response is longer than it said")
        if (line !== undefined) this.#expecting = { is: "ChunkSize" }
        return line !== undefined
      }
      case "Trailers": {
        const line = this.#takeUntil("\r\n")
        if (line === "") this.#expecting = { is: "Nothing" }
        return line !== undefined
      }
      case "Close":
        if (this.#pending.length > 0) this.#keep(this.#pending.length)
        return false
      case "Nothing":
        return false
    }
  }

  #begin(head: string): void {
    const [statusLine, ...lines] = head.split("\r\n")
    const [, minor, status] = /^HTTP\/1\.([01]) (\d{3})(?: .*)?$/.exec(statusLine!) ?? []
    if (status === undefined) throw new Error("the answer is no HTTP/1.1 response")
    this.#status = Number(status)
    this.#headers = new Map(lines.map(field))
    // 100 Continue and its like go before the response.
    if (this.#status < 200) return
    const connection = this.#headers.get("connection")?.toLowerCase()
    this.#keepAlive = minor === "1" ? connection !== "close" : connection === "keep-alive"
    this.#expecting = this.#framing()
  }

  #framing(): Expecting {
    if (this.#status === 204 || this.#status === 304) return { is: "Nothing" }
    const coding = this.#headers.get("transfer-encoding")?.toLowerCase()
    if (coding === "chunked") return { is: "ChunkSize" }
    if (coding !== undefined) throw new Error(`the response has the unknown transfer coding ${coding}`)
    const length = this.#headers.get("content-length")
    if (length === undefined) return { is: "Close" }
    if (!/^\d{1,15}$/.test(length)) throw new Error(`the response has the content length ${length}`)
    return { is: "Length", left: Number(length), chunked: false }
  }

  #keep(length: number): number {
    this.#pieces.push(this.#pending.subarray(0, length))
    this.#pending = this.#pending.subarray(length)
    this.#bytes += length
    if (this.#bytes > maxBodyBytes) throw new Error(`the response is larger than ${maxBodyBytes} bytes`)
    return length
  }

  #takeUntil(mark: string): string | undefined {
    const end = this.#pending.indexOf(mark, 0, "latin1")
    if (end > maxHeadBytes || (end === -1 && this.#pending.length > maxHeadBytes)) {
      throw new Error("the head of the response is too long")
    }
    if (end === -1) return undefined
    const text = this.#pending.toString("latin1", 0, end)
    this.#pending = this.#pending.subarray(end + mark.length)
    return text
  }
}

const field = (line: string): readonly [string, string] => {
  const colon = line.indexOf(":")
  if (colon <= 0) throw new Error("a header of the response is malformed")
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
}
