/** `console` as a function in Lambda has it: each line carries the time, the request id and the level. */
import { writeSync } from "node:fs"
import { format } from "node:util"
import { errorLine } from "./errors.mjs"

const levels = {
  log: "INFO",
  info: "INFO",
  debug: "DEBUG",
  trace: "TRACE",
  warn: "WARN",
  error: "ERROR",
  fatal: "FATAL"
}

let requestId

/** The request that the following lines belong to; before the first one Lambda prints `undefined`. */
export const logAs = (id) => {
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

export const patchConsole = () => {
  for (const [method, level] of Object.entries(levels)) {
    console[method] = (...parts) => log(level, format(...parts))
  }
}

/** `ERROR\tInvoke Error \t{…}`: what AWS's runtime writes when a handler failed. */
export const logError = (what, error) => log("ERROR", `${what} ${errorLine(error)}`)
