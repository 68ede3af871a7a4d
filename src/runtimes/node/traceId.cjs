/**
 * The trace id of the event under way, where functions look for it: `process.env._X_AMZN_TRACE_ID`.
 *
 * What is put into Node's `process.env` goes to the C library's `setenv`, and glibc keeps every value it was ever given
 * until the process ends: with one per event, 167 MB after a million. So this one variable is kept here, by a Proxy that
 * takes the place of `process.env` and passes everything else on to it. Bun's environment keeps no values.
 *
 * What differs: a thread that is given no `env` has no trace id, and no message to a thread can hold `process.env` itself.
 */
"use strict"

const name = "_X_AMZN_TRACE_ID"

/** `process.env` as it was, but for the trace id. */
const withTraceId = (real) => {
  let traceId
  const keep = () => {
    traceId = real[name]
    delete real[name]
  }
  keep()
  // Not around the environment itself: `util.inspect` shows what a Proxy is around, unless that says how to be shown.
  const shown = { value: () => ({ ...env }), configurable: true }
  const target = Object.create(Object.getPrototypeOf(real), { [Symbol.for("nodejs.util.inspect.custom")]: shown })
  const env = new Proxy(target, {
    get: (_, key) => (key === name ? traceId : real[key]),
    set: (_, key, value, receiver) => {
      // An object that inherits from the environment gets properties of its own.
      if (receiver !== env) return Reflect.set(real, key, value, receiver)
      if (key === name) traceId = `${value}`
      else real[key] = value
      return true
    },
    has: (_, key) => (key === name ? traceId !== undefined : key in real),
    deleteProperty: (_, key) => {
      if (key === name) traceId = undefined
      return delete real[key]
    },
    ownKeys: () => {
      const keys = Reflect.ownKeys(real).filter((key) => key !== name)
      return traceId === undefined ? keys : [...keys, name]
    },
    getOwnPropertyDescriptor: (_, key) => {
      if (key !== name) return Reflect.getOwnPropertyDescriptor(real, key)
      if (traceId === undefined) return undefined
      return { value: traceId, writable: true, enumerable: true, configurable: true }
    },
    defineProperty: (_, key, descriptor) => {
      // The environment says what it takes.
      Object.defineProperty(real, key, descriptor)
      if (key === name) keep()
      return true
    },
    preventExtensions: () => false
  })
  return env
}

/** To be called before the function is loaded, which may keep what `process.env` is then. */
const keepTraceId = () => {
  if (process.versions.bun !== undefined) return
  const env = withTraceId(process.env)
  process.env = env
  // It takes no Proxy; the environment it does take.
  const { structuredClone } = globalThis
  globalThis.structuredClone = (value, options) => structuredClone(value === env ? { ...env } : value, options)
}

/** The function may have put another `process.env` in place. */
const setTraceId = (traceId) => {
  if (traceId === undefined) delete process.env[name]
  else process.env[name] = traceId
}

module.exports = { keepTraceId, setTraceId }
