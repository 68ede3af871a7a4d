/**
 * The Lambda Runtime API over one connection that stays open. Own code on node:net: a call through node:http costs as
 * much again as the rest of a warm invocation. What it posts may be chunks; what it is answered may not.
 */
"use strict"

const { connect } = require("node:net")
const { AnswerReader } = require("./AnswerReader.cjs")

const root = "/2018-06-01/runtime"
const lineEnd = Buffer.from("\r\n")
const errorTypeField = "Lambda-Runtime-Function-Error-Type"
const errorBodyField = "Lambda-Runtime-Function-Error-Body"
/** Up to this size a chunk is copied between its ends and leaves in one packet. */
const maxCoalescedBytes = 16 * 1024
const receiveBytes = 64 * 1024

class RuntimeClient {
  #socket
  #host
  #next
  /** Who waits for an answer, in the order of the calls. */
  #waiting = []
  /** What will be answered to the stream that is being posted. */
  #streaming = undefined

  /**
   * `api` is `host:port`. `invitation` is `key@path`, of a Unix socket to use in its place; undefined where there is none.
   * `lost` is called when the connection is over: there is no worker without it.
   */
  constructor(api, invitation, lost) {
    const [key, path] = invitation?.split(/@(.*)/s) ?? []
    const colon = api.lastIndexOf(":")
    this.#host = api
    this.#next = `GET ${root}/invocation/next HTTP/1.1\r\nHost: ${api}\r\n\r\n`
    const reader = new AnswerReader((answer) => this.#waiting.shift()?.(answer))
    this.#socket = connect({
      ...(path === undefined
        ? { host: api.slice(0, colon), port: Number(api.slice(colon + 1)), noDelay: true }
        : { path }),
      // One buffer for all that comes in. Without it each read has memory, an object and a turn of a stream of its own.
      onread: {
        buffer: Buffer.allocUnsafe(receiveBytes),
        callback: (size, bytes) => {
          reader.push(bytes, size)
          return true
        }
      }
    })
    this.#socket.on("error", () => {})
    this.#socket.on("close", () => lost())
    if (key !== undefined) this.#socket.write(`${key}\n`)
  }

  /** Waits for the first event. */
  next() {
    this.#socket.write(this.#next)
    return this.#answer()
  }

  /** Posts what became of an event and waits for the next one. Both calls leave in one packet. */
  settle(requestId, answer) {
    return new Promise((resolve, reject) => {
      this.#end(requestId, answer, this.#next, ({ status, body }) => {
        // 413 is an answer too: the event has ended with it, and the worker goes on.
        if (status === 202 || status === 413) return
        reject(new Error(`The Runtime API refused an answer: ${status} ${body}`))
      })
      this.#waiting.push(resolve)
    })
  }

  /** Posts the failure of the event under way and asks for no other: the process is about to end. */
  fail(requestId, answer) {
    const last = this.#streaming === undefined ? answer : { verb: "stream", failure: answer }
    return new Promise((resolve) => this.#end(requestId, last, "", resolve))
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
  #end(requestId, answer, more, answered) {
    this.#socket.ref()
    if (answer.verb !== "stream") {
      this.#socket.write(this.#post(`/invocation/${requestId}/${answer.verb}`, answer) + more)
      this.#waiting.push(answered)
      return
    }
    const { failure } = answer
    const trailers =
      failure === undefined
        ? ""
        : `${errorTypeField}: ${headerSafe(failure.errorType)}\r\n` +
          `${errorBodyField}: ${Buffer.from(failure.body).toString("base64")}\r\n`
    this.#socket.write(`0\r\n${trailers}\r\n${more}`)
    this.#streaming.then(answered)
    this.#streaming = undefined
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
}

/** The name of an error is the function's own text. */
const headerSafe = (text) => text.replace(/[^ -~]/g, "?")

module.exports = { RuntimeClient }
