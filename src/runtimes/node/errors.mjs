/** Errors as Lambda's Node runtime tells them: to the caller as a document, to the log as one line. */
import { types } from "node:util"

const runtimeError = (type) =>
  class extends Error {
    get name() {
      return `Runtime.${type}`
    }
  }

export const ImportModuleError = runtimeError("ImportModuleError")
export const HandlerNotFound = runtimeError("HandlerNotFound")
export const MalformedHandlerName = runtimeError("MalformedHandlerName")
export const UserCodeSyntaxError = runtimeError("UserCodeSyntaxError")
export const CallbackHandlerDeprecated = runtimeError("CallbackHandlerDeprecated")
export const NodeJsExit = runtimeError("NodeJsExit")

export class UnhandledPromiseRejection extends runtimeError("UnhandledPromiseRejection") {
  constructor(reason, promise) {
    super(reason)
    this.reason = reason
    this.promise = promise
  }
}

/** An error of another realm, or one that only looks like an error, is one too. */
const isError = (value) =>
  types.isNativeError(value) ||
  (typeof value?.name === "string" && typeof value.message === "string" && typeof value.stack === "string")

const lines = (stack) => (typeof stack === "string" ? stack.split("\n") : [])

/** `{ errorType, errorMessage, trace }`, for the caller. */
export const errorDocument = (error) => {
  try {
    if (!isError(error)) return { errorType: typeof error, errorMessage: String(error), trace: [] }
    return { errorType: error.name, errorMessage: error.message, trace: lines(error.stack) }
  } catch {
    return {
      errorType: "handled",
      errorMessage: "The error could not be read: its name, message or stack throws."
    }
  }
}

/** What `JSON.stringify` leaves out of an error, and the properties that the function gave it. */
const withHiddenProperties = (_key, value) =>
  value instanceof Error
    ? {
        errorType: value.name,
        errorMessage: value.message,
        code: value.code,
        ...value,
        ...(typeof value.stack === "string" ? { stack: lines(value.stack) } : {})
      }
    : value

/** The text behind `Invoke Error` in the log. It begins with a tab, as Lambda's does. */
export const errorLine = (thrown) => {
  try {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    return `\t${JSON.stringify(error, withHiddenProperties)}`
  } catch {
    return `\t${JSON.stringify(errorDocument(thrown))}`
  }
}
