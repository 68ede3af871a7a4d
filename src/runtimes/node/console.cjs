/** `console` as a function in Lambda has it: each line carries the time, the request id and the level. */
"use strict"

const { writeSync } = require("node:fs")
const { format } = require("node:util")
const { errorDocument, errorLine } = require("./errors.cjs")

const levels = {
  log: "INFO",
  info: "INFO",
  debug: "DEBUG",
  trace: "TRACE",
  warn: "WARN",
  error: "ERROR",
  fatal: "FATAL"
}

/** From the least to the gravest. */
const order = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]

const asJson = process.env.AWS_LAMBDA_LOG_FORMAT === "JSON"
const leastLevel = asJson ? Math.max(0, order.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL ?? "INFO")) : 0

let requestId

/** The request that the following lines belong to; before the first one Lambda prints `undefined`. */
const logAs = (id) => {
  requestId = id
}

const pause = new Int32Array(new SharedArrayBuffer(4))

/** Synchronous, unlike `process.stdout` on a pipe: nothing is lost when the process exits. */
const write = (line) => {
  let bytes = Buffer.from(`${line}\n`)
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(1, bytes))
    } catch (error) {
      // The function has used `process.stdout`, which makes it non-blocking, and the reader is behind.
      if (error.code !== "EAGAIN") return
      Atomics.wait(pause, 0, 0, 1)
    }
  }
}

/** A line feed in the text is written as a carriage return: one call of `console` is one line of the worker's output. */
const log = (level, text) =>
  write(
    `${new Date().toISOString()}\t${requestId}\t${level}\t${text.includes("\n") ? text.replace(/\n/g, "\r") : text}`
  )

/** An error keeps its parts in a line of JSON. */
const withErrorParts = (_key, value) => {
  if (!(value instanceof Error)) return value
  const { errorMessage, errorType, trace } = errorDocument(value)
  return { errorType, errorMessage, stackTrace: trace }
}

/** One thing that is logged stays what it is; several become a text, beside the first error among them. */
const jsonLine = (level, parts) => {
  const fields = { timestamp: new Date().toISOString(), level, requestId }
  try {
    if (parts.length === 1) return JSON.stringify({ ...fields, message: parts[0] }, withErrorParts)
  } catch {
    // What JSON cannot hold is told as text.
  }
  const error = parts.find((part) => part instanceof Error)
  return JSON.stringify({ ...fields, message: format(...parts), ...(error ? withErrorParts("", error) : {}) })
}

const patchConsole = () => {
  for (const [method, level] of Object.entries(levels)) {
    const isWritten = order.indexOf(level) >= leastLevel
    const put = asJson ? (...parts) => write(jsonLine(level, parts)) : (...parts) => log(level, format(...parts))
    console[method] = isWritten ? put : () => {}
  }
}

/** `ERROR\tInvoke Error \t{…}`: what AWS's runtime writes when a handler failed. */
const logError = (what, error) =>
  asJson ? write(jsonLine("ERROR", [error])) : log("ERROR", `${what} ${errorLine(error)}`)

module.exports = { logAs, patchConsole, logError }
