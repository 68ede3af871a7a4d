/** Errors as Lambda's Node runtime tells them: to the caller as a document, to the log as one line. */
"use strict"

const { types } = require("node:util")

const runtimeError = (type) =>
  class extends Error {
    get name() {
      return `Runtime.${type}`
    }
  }

const ImportModuleError = runtimeError("ImportModuleError")
const HandlerNotFound = runtimeError("HandlerNotFound")
const MalformedHandlerName = runtimeError("MalformedHandlerName")
const UserCodeSyntaxError = runtimeError("UserCodeSyntaxError")
const CallbackHandlerDeprecated = runtimeError("CallbackHandlerDeprecated")
const NodeJsExit = runtimeError("NodeJsExit")

class UnhandledPromiseRejection extends runtimeError("UnhandledPromiseRejection") {
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
const errorDocument = (error) => {
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
const errorLine = (thrown) => {
  try {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    return `\t${JSON.stringify(error, withHiddenProperties)}`
  } catch {
    return `\t${JSON.stringify(errorDocument(thrown))}`
  }
}

module.exports = {
  ImportModuleError,
  HandlerNotFound,
  MalformedHandlerName,
  UserCodeSyntaxError,
  CallbackHandlerDeprecated,
  NodeJsExit,
  UnhandledPromiseRejection,
  errorDocument,
  errorLine
}
