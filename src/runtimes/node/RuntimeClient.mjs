/**
 * The Lambda Runtime API over one connection that stays open. Own code on node:net: a call through node:http costs as
 * much again as the rest of a warm invocation. Understands what a Runtime API answers: a status and a length, no chunks.
 * What it posts may be chunks.
 */
import { connect } from "node:net"

const root = "/2018-06-01/runtime"
const headEnd = Buffer.from("\r\n\r\n")
const lineEnd = Buffer.from("\r\n")
const errorTypeField = "Lambda-Runtime-Function-Error-Type"
const errorBodyField = "Lambda-Runtime-Function-Error-Body"
/** Up to this size a chunk is copied between its ends and leaves in one packet. */
const maxCoalescedBytes = 16 * 1024

export class RuntimeClient {
  #socket
  #host
  #next
  /** Who waits for an answer, in the order of the calls. */
  #waiting = []
  /** What came in and belongs to an answer that is not whole. */
  #pieces = []
  #bytes = 0
  /** Head of the answer whose body is coming in. */
  #head = undefined
  /** What will be answered to the stream that is being posted. */
  #streaming = undefined

  /** `api` is `host:port`. `lost` is called when the connection is over: there is no worker without it. */
  constructor(api, lost) {
    const colon = api.lastIndexOf(":")
    this.#host = api
    this.#next = `GET ${root}/invocation/next HTTP/1.1\r\nHost: ${api}\r\n\r\n`
    this.#socket = connect({ host: api.slice(0, colon), port: Number(api.slice(colon + 1)), noDelay: true })
    this.#socket.on("data", (chunk) => this.#receive(chunk))
    this.#socket.on("error", () => {})
    this.#socket.on("close", () => lost())
  }

  /** Waits for the first event. */
  next() {
    this.#socket.write(this.#next)
    return this.#answer()
  }

  /** Posts what became of an event and waits for the next one. Both calls leave in one packet. */
  async settle(requestId, answer) {
    const settled = this.#end(requestId, answer, this.#next)
    const next = this.#answer()
    const { status, body } = await settled
    // 413 is an answer too: the event has ended with it, and the worker goes on.
    if (status !== 202 && status !== 413) throw new Error(`The Runtime API refused an answer: ${status} ${body}`)
    return next
  }

  /** Posts the failure of the event under way and asks for no other: the process is about to end. */
  fail(requestId, answer) {
    return this.#end(requestId, this.#streaming === undefined ? answer : { verb: "stream", failure: answer }, "")
  }

  /** Begins to post an answer while it is made. It ends with a `settle` or `fail`. */
  beginStream(requestId, contentType) {
    this.#socket.write(
      `POST ${root}/invocation/${requestId}/response HTTP/1.1\r\nHost: ${this.#host}\r\n` +
        `Content-Type: ${headerSafe(contentType)}\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n` +
        `Transfer-Encoding: chunked\r\nTrailer: ${errorTypeField}, ${errorBodyField}\r\n\r\n`
    )
    this.#streaming = this.#answer()
    this.release()
  }

  /** `done` is called when the bytes have been taken off this process's hands. */
  writeChunk(bytes, done) {
    // A chunk without bytes would be the end.
    if (bytes.length === 0) return done()
    // Waiting for a slow reader is something to wait for.
    this.#socket.ref()
    const sent = () => {
      if (this.#streaming !== undefined) this.release()
      done()
    }
    const head = `${bytes.length.toString(16)}\r\n`
    if (bytes.length <= maxCoalescedBytes) {
      this.#socket.write(Buffer.concat([Buffer.from(head), bytes, lineEnd]), sent)
    } else {
      this.#socket.write(head)
      this.#socket.write(bytes)
      this.#socket.write(lineEnd, sent)
    }
  }

  failInit(answer) {
    this.#socket.write(this.#post("/init/error", answer))
    return this.#answer()
  }

  /** While the handler runs, the connection is no reason for the process to stay: Node sees when it has nothing to do. */
  release() {
    this.#socket.unref()
  }

  /** Posts an answer, or ends the one that is being posted. `more` leaves in the same packet. */
  #end(requestId, answer, more) {
    if (answer.verb !== "stream") {
      this.#socket.write(this.#post(`/invocation/${requestId}/${answer.verb}`, answer) + more)
      return this.#answer()
    }
    const { failure } = answer
    const trailers =
      failure === undefined
        ? ""
        : `${errorTypeField}: ${headerSafe(failure.errorType)}\r\n` +
          `${errorBodyField}: ${Buffer.from(failure.body).toString("base64")}\r\n`
    this.#socket.write(`0\r\n${trailers}\r\n${more}`)
    this.#socket.ref()
    const answered = this.#streaming
    this.#streaming = undefined
    return answered
  }

  #answer() {
    this.#socket.ref()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #post(path, { body, errorType }) {
    const type = errorType === undefined ? "" : `${errorTypeField}: ${headerSafe(errorType)}\r\n`
    return (
      `POST ${root}${path} HTTP/1.1\r\nHost: ${this.#host}\r\nContent-Type: application/json\r\n${type}` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    )
  }

  #receive(chunk) {
    this.#pieces.push(chunk)
    this.#bytes += chunk.length
    while (this.#step());
  }

  #step() {
    if (this.#head === undefined) {
      if (this.#bytes === 0) return false
      const received = this.#gather()
      const end = received.indexOf(headEnd)
      if (end === -1) return false
      this.#head = parseHead(received.toString("latin1", 0, end))
      this.#keep(received, end + headEnd.length)
    }
    const { length, status, headers } = this.#head
    if (this.#bytes < length) return false
    const received = this.#gather()
    this.#head = undefined
    this.#keep(received, length)
    this.#waiting.shift()?.({ status, headers, body: received.toString("utf8", 0, length) })
    return true
  }

  #gather() {
    if (this.#pieces.length > 1) this.#pieces = [Buffer.concat(this.#pieces)]
    return this.#pieces[0] ?? Buffer.alloc(0)
  }

  #keep(received, from) {
    this.#pieces = from === received.length ? [] : [received.subarray(from)]
    this.#bytes = received.length - from
  }
}

const parseHead = (head) => {
  const [statusLine, ...lines] = head.split("\r\n")
  const headers = {}
  for (const line of lines) {
    const colon = line.indexOf(":")
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { status: Number(statusLine.slice(9, 12)), headers, length: Number(headers["content-length"] ?? 0) }
}

/** The name of an error is the function's own text. */
const headerSafe = (text) => text.replace(/[^ -~]/g, "?")
