/**
 * Runs a handler on one event and makes its outcome the answer that is posted: `{ verb, body, errorType? }`. Knows the
 * three ways a handler may end: a promise, the callback, and an event loop with nothing left to do.
 */
import { logError } from "./console.mjs"
import { errorDocument, NodeJsExit } from "./errors.mjs"

/** What to do when the event loop is empty; set while a handler runs. */
let onEmptyLoop
process.on("beforeExit", () => onEmptyLoop?.())

export const failure = (error) => {
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

/** The whole answer of a handler, once it has ended. The context gets `succeed`, `fail` and `done`. */
export const runBuffered = (handler, event, context, callbacks) =>
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
      const returned = callbacks
        ? handler(event, withCallbacks(context, succeed, fail), callbackOf(context, succeed, fail))
        : handler(event, withoutCallbacks(context))
      promised = typeof returned?.then === "function"
      if (promised) returned.then(succeed, fail)
      else if (!callbacks) succeed(returned)
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

const withCallbacks = (context, succeed, fail) =>
  Object.assign(context, {
    succeed,
    fail,
    done: (error, result) => (error === undefined || error === null ? succeed(result) : fail(error))
  })

const withoutCallbacks = (context) => {
  delete context.callbackWaitsForEmptyEventLoop
  return context
}

const neverSettled = () =>
  new NodeJsExit("The handler never came to an end: nothing is left to wait for, and its promise is still pending.")
