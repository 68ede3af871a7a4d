/** Finds the function's code by its handler setting (`src/app.handler`) as AWS's Node runtime does. */
"use strict"

const { existsSync, readFileSync, statSync } = require("node:fs")
const { createRequire } = require("node:module")
const { basename, dirname, join, resolve } = require("node:path")
const { pathToFileURL } = require("node:url")
const {
  CallbackHandlerDeprecated,
  HandlerNotFound,
  ImportModuleError,
  MalformedHandlerName,
  UserCodeSyntaxError
} = require("./errors.cjs")
const { isStreaming } = require("./streaming.cjs")

/** Loads code that is no part of this program: an error names this file alone as the one that asked for it. */
const requireCode = createRequire(__filename)

/** From Node.js 24 on Lambda has no callbacks: a handler's result is what it returns. */
const hasCallbacks = (executionEnvironment) => Number(/nodejs(\d+)/.exec(executionEnvironment ?? "")?.[1] ?? 0) < 24

const loadHandler = async (taskRoot, setting, callbacks) => {
  if (setting.includes("..")) {
    throw new MalformedHandlerName(`'${setting}' is not a valid handler name: it may not contain '..'.`)
  }
  const name = basename(setting)
  const [, file, path] = /^([^.]*)\.(.*)$/.exec(name) ?? []
  if (file === undefined) throw new MalformedHandlerName("Bad handler")
  const folder = resolve(taskRoot, setting.slice(0, setting.length - name.length))
  const module = await loadModule(taskRoot, folder, file)
  const handler = path.split(".").reduce((value, key) => value?.[key], module)
  if (handler === undefined || handler === null) throw new HandlerNotFound(`${setting} is undefined or not exported`)
  if (typeof handler !== "function") throw new HandlerNotFound(`${setting} is not a function`)
  if (!callbacks && handler.length >= 3 && !isStreaming(handler)) {
    throw new CallbackHandlerDeprecated(
      "Handlers with a callback are not supported from Node.js 24 on: make the handler async, or have it return a promise."
    )
  }
  return handler
}

const loadModule = async (taskRoot, folder, file) => {
  const path = join(folder, file)
  try {
    if (isFile(path)) return requireCode(path)
    if (isFile(`${path}.js`)) return isModule(folder) ? await importFile(`${path}.js`) : requireCode(`${path}.js`)
    if (isFile(`${path}.mjs`)) return await importFile(`${path}.mjs`)
    if (isFile(`${path}.cjs`)) return requireCode(`${path}.cjs`)
    // A package: `node_modules/name`, or a folder with an index.
    return requireCode(requireCode.resolve(file, { paths: [taskRoot, folder] }))
  } catch (error) {
    throw explain(error)
  }
}

const isFile = (path) => existsSync(path) && statSync(path).isFile()
const importFile = (path) => import(pathToFileURL(path).href)

/** Whether the nearest package.json makes `.js` files ES modules. */
const isModule = (folder) => {
  const file = join(folder, "package.json")
  if (existsSync(file)) {
    try {
      return JSON.parse(readFileSync(file, "utf8")).type === "module"
    } catch {
      return false
    }
  }
  const parent = dirname(folder)
  return parent !== folder && basename(folder) !== "node_modules" && isModule(parent)
}

/** Bun reports code that it cannot parse with classes of its own. */
const syntaxErrorOf = (error) => {
  if (error instanceof SyntaxError) return String(error)
  const [first] = error instanceof AggregateError ? error.errors : [error]
  return first?.constructor?.name === "BuildMessage" ? `SyntaxError: ${first.message}` : undefined
}

/** A package that an ES module imports and that is missing is, in Lambda, an error of the function's own. */
const explain = (error) => {
  const syntaxError = syntaxErrorOf(error)
  if (syntaxError !== undefined) return withTrace(new UserCodeSyntaxError(syntaxError), error)
  if (error?.code === "MODULE_NOT_FOUND") return new ImportModuleError(`Error: ${error.message}`)
  return error?.constructor?.name === "ResolveMessage"
    ? Object.assign(new Error(error.message), { code: error.code })
    : error
}

/** The place of the mistake is in the stack of the original. */
const withTrace = (error, original) => {
  const place = original.stack ?? String(original.errors?.[0] ?? "")
  error.stack = `${error.name}: ${error.message}\n${place}`
  return error
}

module.exports = { hasCallbacks, loadHandler }
