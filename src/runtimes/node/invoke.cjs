/**
 * Runs a handler on one event and makes its outcome the answer that is posted: `{ verb, body, errorType? }`, or the end
 * of one that has been posted so far: `{ verb: "stream", failure? }`. Knows the three ways a handler may end: a promise,
 * the callback, and an event loop with nothing left to do.
 */
"use strict"

const { logError } = require("./console.cjs")
const { errorDocument, NodeJsExit } = require("./errors.cjs")

/** What to do when the event loop is empty; set while a handler runs. */
let onEmptyLoop
process.on("beforeExit", () => onEmptyLoop?.())

const failure = (error) => {
  const document = errorDocument(error)
  return { verb: "error", body: JSON.stringify(document), errorType: String(document.errorType) }
}

const success = (value) => {
  try {
    return { verb: "response", body: JSON.stringify(value) ?? "null" }
  } catch {
    return failed(new Error("Unable to stringify response body"))
  }
}

const failed = (error) => {
  logError("Invoke Error", error)
  return failure(error)
}

/** The whole answer of a handler, once it has ended. */
const runBuffered = (handler, event, context, callbacks) =>
  new Promise((resolve) => {
    let ended = false
    const end = (answer, value) => {
      if (ended) return
      ended = true
      onEmptyLoop = undefined
      resolve(answer(value))
    }
    const succeed = (value) => end(success, value)
    const fail = (error) => end(failed, error ?? "handled")
    let promised = false
    onEmptyLoop = () => (promised || !callbacks ? fail(neverSettled()) : succeed(null))
    try {
      const returned = callbacks ? callWithCallbacks(handler, event, context, succeed, fail) : handler(event, context)
      promised = typeof returned?.then === "function"
      if (promised) returned.then(succeed, fail)
      else if (!callbacks) succeed(returned)
    } catch (error) {
      fail(error)
    }
  })

/** The end of what a handler streams: when it has ended its stream, and is done itself. */
const runStreaming = (handler, event, context, stream) =>
  new Promise((resolve) => {
    let isDone = false
    let hasEnded = false
    const end = (answer) => {
      hasEnded = true
      onEmptyLoop = undefined
      stream.close()
      resolve(answer)
    }
    const fail = (error) => {
      if (hasEnded) return
      const answer = failed(error)
      end(stream.hasBegun ? { verb: "stream", failure: answer } : answer)
    }
    const complete = () => {
      if (isDone && stream.writableFinished && !hasEnded) end({ verb: "stream" })
    }
    stream.on("finish", complete)
    stream.on("error", (error) => fail(error))
    onEmptyLoop = () => fail(isDone ? neverEnded() : neverSettled())
    try {
      const returned = handler(event, stream, context)
      if (typeof returned?.then !== "function") throw new Error("Streaming does not support non-async handlers.")
      returned.then((value) => {
        isDone = true
        if (value !== undefined) console.warn("Streaming handlers ignore return values.")
        complete()
      }, fail)
    } catch (error) {
      fail(error)
    }
  })

/** A handler's callback: with a result it answers when the event loop is empty, unless the context says not to wait. */
const callbackOf = (context, succeed, fail) => {
  let called = false
  return (error, result) => {
    if (called) return
    called = true
    if (error !== undefined && error !== null) fail(error)
    else if (!context.callbackWaitsForEmptyEventLoop) succeed(result)
    else onEmptyLoop = () => setImmediate(() => succeed(result))
  }
}

/** Calls a handler that may answer by its callback, or by `succeed`, `fail` and `done` of its context. */
const callWithCallbacks = (handler, event, shared, succeed, fail) => {
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    ...shared,
    succeed,
    fail,
    done: (error, result) => (error === undefined || error === null ? succeed(result) : fail(error))
  }
  return handler(event, context, callbackOf(context, succeed, fail))
}

const neverSettled = () =>
  new NodeJsExit("The handler never came to an end: nothing is left to wait for, and its promise is still pending.")

const neverEnded = () => new NodeJsExit("The handler came to an end and its response stream did not: it was not ended.")

module.exports = { failure, runBuffered, runStreaming }
