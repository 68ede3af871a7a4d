/**
 * Runs a Lambda function for Node.js: the program of a worker. Runs on Node.js 18 and later and on Bun, without
 * packages. Fetches events from the Runtime API one after another and posts what became of them.
 *
 * CommonJS, all of it: without Node's loader of ES modules, which functions in CommonJS do not need either, a worker
 * starts in three quarters of the time.
 */
"use strict"

const { fieldOf } = require("./AnswerReader.cjs")
const { logAs, logError, patchConsole } = require("./console.cjs")
const { contextOf } = require("./context.cjs")
const { UnhandledPromiseRejection } = require("./errors.cjs")
const { hasCallbacks, loadHandler } = require("./handler.cjs")
const { failure, runBuffered, runStreaming } = require("./invoke.cjs")
const { RuntimeClient } = require("./RuntimeClient.cjs")
const { isStreaming, provideAwslambda, ResponseStream } = require("./streaming.cjs")
const { keepTraceId, setTraceId } = require("./traceId.cjs")

/** The event whose handler runs, or why there is none. */
let under = { way: "init" }

const { AWS_LAMBDA_RUNTIME_API: api, IRORI_RUNTIME_SOCKET: invitation } = process.env
// Nothing of the function's.
delete process.env.IRORI_RUNTIME_SOCKET

const client = new RuntimeClient(api, invitation, () => process.exit(1))

/** Tells of an error that no handler caught, and ends the process, whose state nobody knows any more. */
const endWith = async (what, error, code) => {
  logError(what, error)
  const { way, requestId } = under
  under = { way: "end" }
  if (way === "init") await client.failInit(failure(error))
  if (way === "event") await client.fail(requestId, failure(error))
  if (way !== "end") process.exit(code)
}

process.on("uncaughtException", (error) => endWith("Uncaught Exception", error, 129))
process.on("unhandledRejection", (reason, promise) =>
  endWith("Unhandled Promise Rejection", new UnhandledPromiseRejection(reason, promise), 128)
)

const requestIdOf = fieldOf("lambda-runtime-aws-request-id")
const traceIdOf = fieldOf("lambda-runtime-trace-id")

const serve = async (handler, callbacks) => {
  const streaming = isStreaming(handler)
  under = { way: "next" }
  let { head, body } = await client.next()
  for (;;) {
    const requestId = requestIdOf(head)
    under = { way: "event", requestId }
    logAs(requestId)
    setTraceId(traceIdOf(head))
    client.release()
    const event = JSON.parse(body)
    const answer = streaming
      ? await runStreaming(handler, event, contextOf(head), new ResponseStream(client, requestId, handler))
      : await runBuffered(handler, event, contextOf(head), callbacks)
    // An uncaught error has ended the event already, and is ending the process.
    if (under.way === "end") return
    under = { way: "next" }
    ;({ head, body } = await client.settle(requestId, answer))
  }
}

/** To the function this program is not there: its code is neither the main module nor a part of one. */
const hideProgram = () => {
  process.mainModule = undefined
  for (const file of Object.keys(require.cache)) delete require.cache[file]
}

const main = async () => {
  const callbacks = hasCallbacks(process.env.AWS_EXECUTION_ENV)
  try {
    await serve(await loadHandler(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER ?? "", callbacks), callbacks)
  } catch (error) {
    await endWith("Uncaught Exception", error, 1)
  }
}

patchConsole()
provideAwslambda()
keepTraceId()
hideProgram()
// Not awaited: to Bun a module that waits is never done, and it would not say that the event loop is empty.
main()
