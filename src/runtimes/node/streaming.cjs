/**
 * Functions that stream their answer: the global `awslambda`, by which a handler says that it does, and the stream that
 * such a handler writes to.
 */
"use strict"

const { Writable } = require("node:stream")

const streamingMark = Symbol.for("aws.lambda.runtime.handler.streaming")
const highWaterMark = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark")

const preludeType = "application/vnd.awslambda.http-integration-response"
const preludeEnd = new Uint8Array(8)

/** Marks a handler as one of `(event, responseStream, context)`. */
const streamifyResponse = (handler, options) => {
  handler[streamingMark] = "response"
  if (typeof options?.highWaterMark === "number") handler[highWaterMark] = Math.trunc(options.highWaterMark)
  return handler
}

/** Puts status, headers and cookies in front of what is written to a stream. */
const HttpResponseStream = {
  from: (stream, prelude) => {
    stream.setContentType(preludeType)
    stream._onBeforeFirstWrite = (write) => {
      write(JSON.stringify(prelude))
      write(preludeEnd)
    }
    return stream
  }
}

const provideAwslambda = () => {
  globalThis.awslambda = { ...globalThis.awslambda, streamifyResponse, HttpResponseStream }
}

const isStreaming = (handler) => handler[streamingMark] === "response"

/** Streams may be given anything; what is no bytes and no text is sent as JSON. */
const bytesOf = (chunk) =>
  typeof chunk === "object" && chunk !== null && !(chunk instanceof Uint8Array) ? JSON.stringify(chunk) : chunk

/** Sends what is written to it at once, each write as a chunk of its own, and takes no more than has been sent. */
class ResponseStream extends Writable {
  #client
  #requestId
  #contentType = "application/octet-stream"
  #isOver = false
  /** True from the first write on, or from the end if there was none. */
  hasBegun = false

  constructor(client, requestId, handler) {
    const limit = handler[highWaterMark]
    super(limit === undefined ? {} : { highWaterMark: limit })
    this.#client = client
    this.#requestId = requestId
  }

  setContentType(type) {
    this.#contentType = type
  }

  write(chunk, ...rest) {
    return super.write(bytesOf(chunk), ...rest)
  }

  end(chunk, ...rest) {
    return super.end(bytesOf(chunk), ...rest)
  }

  _write(chunk, _encoding, done) {
    if (this.#isOver) return done()
    this.#begin()
    this.#client.writeChunk(chunk, done)
  }

  _final(done) {
    if (!this.#isOver) this.#begin()
    done()
  }

  /** The answer has ended: what is still written goes nowhere. */
  close() {
    this.#isOver = true
  }

  #begin() {
    if (this.hasBegun) return
    this.hasBegun = true
    this.#client.beginStream(this.#requestId, String(this.#contentType))
    const prelude = []
    this._onBeforeFirstWrite?.((piece) => prelude.push(Buffer.from(piece)))
    if (prelude.length > 0) this.#client.writeChunk(Buffer.concat(prelude), () => {})
  }
}

module.exports = { provideAwslambda, isStreaming, ResponseStream }
