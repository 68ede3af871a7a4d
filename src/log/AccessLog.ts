/**
 * A line for each request that was answered, in the format of the log. It is written for every one of very many, so it
 * goes past the logger's machinery: which fields it has is known, and they are put into words when a batch is written.
 */
import { Context } from "effect"

/** One request, as the log has it. */
export interface AccessEntry {
  /** A trace's root, which is letters, digits and dashes. */
  readonly trace_id: string
  /** A UUID. */
  readonly aws_request_id: string
  readonly method: string
  readonly path: string
  readonly status: number | string
  readonly latency_ms: number
  readonly user_agent: string
  /** An address, or empty. */
  readonly client_ip: string
}

/** Undefined where no log has been set up, as in a test: then entries go the way of all lines. */
export const AccessLog = Context.Reference<((entry: AccessEntry) => void) | undefined>("irori/log/AccessLog", {
  defaultValue: () => undefined
})

export const messageOf = ({ method, path, status }: AccessEntry): string => `${method} ${path} ${status}`

const needsNoEscape = /^[ !#-[\]-~]*$/

/** As JSON, without the quotes around it. */
const escaped = (text: string): string => (needsNoEscape.test(text) ? text : JSON.stringify(text).slice(1, -1))

let second = Number.NaN
let secondText = ""

/** As `jsonLine` writes it. Of many lines of one second, only the milliseconds are put into words. */
const timeOf = (millis: number): string => {
  const current = Math.floor(millis / 1000)
  if (current !== second) secondText = new Date(current * 1000).toISOString().slice(0, -4)
  second = current
  return `${secondText}${String(millis - current * 1000).padStart(3, "0")}+00:00`
}

/** The line that `jsonLine` would make of an entry, and several times as fast. What cannot need it is not escaped. */
export const jsonAccessLine = (millis: number, entry: AccessEntry): string => {
  const { aws_request_id, client_ip, latency_ms, method, status, trace_id, user_agent } = entry
  const path = escaped(entry.path)
  const statusText = typeof status === "number" ? status : JSON.stringify(status)
  return (
    `{"_time":"${timeOf(millis)}","level":"INFO","logger":"irori","message":"${method} ${path} ${status}",` +
    `"trace_id":"${trace_id}","aws_request_id":"${aws_request_id}","method":"${method}",` +
    `"path":"${path}","status":${statusText},"latency_ms":${latency_ms},` +
    `"user_agent":"${escaped(user_agent)}","client_ip":"${client_ip}"}`
  )
}
