/**
 * How a log line looks: one JSON object with the keys `_time`, `level`, `logger`, `message`, the line's annotations and
 * `exception`, or a line for people.
 */
import { Cause, Logger, References } from "effect"

type Fields = Readonly<Record<string, unknown>>

/** One line of the log, out of what it tells. `level` as in `LOG_LEVEL`. */
export type Render = (time: Date, level: string, message: string, fields: Fields) => string

const levels: Record<string, string> = { Warn: "WARN", Info: "INFO", Error: "ERROR", Debug: "DEBUG", Fatal: "FATAL" }

const textOf = (part: unknown): string =>
  typeof part === "string" ? part : part instanceof Error ? (part.stack ?? part.message) : safeJson(part)

/** JSON of anything: what cannot be written is described. */
const safeJson = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}

/** A logger whose lines `render` makes. */
export const formatted = (render: Render) =>
  Logger.make<unknown, string>(({ cause, date, fiber, logLevel, message }) => {
    const fields: Record<string, unknown> = { ...fiber.getRef(References.CurrentLogAnnotations) }
    if (cause.reasons.length > 0) fields.exception = Cause.pretty(cause)
    const text = Array.isArray(message) ? message.map(textOf).join(" ") : textOf(message)
    return render(date, levels[logLevel] ?? logLevel.toUpperCase(), text, fields)
  })

export const jsonLine: Render = (time, level, message, { logger = "irori", ...fields }) =>
  safeJson({ _time: time.toISOString().replace("Z", "+00:00"), level, logger, message, ...fields })

const colours: Record<string, string> = { WARN: "\x1b[33m", ERROR: "\x1b[31m", FATAL: "\x1b[31m", DEBUG: "\x1b[2m" }

/** What the access log says in its message already, and ids that help nobody at a terminal. */
const unshown = new Set(["logger", "method", "path", "status", "trace_id", "user_agent", "client_ip", "job"])

export const prettyLine =
  (colour: boolean): Render =>
  (time, level, message, fields) => {
    const clock = time.toTimeString().slice(0, 8)
    if (fields.job === "lambda") return `${clock} ${String(fields.function_name)} | ${message}`
    const shown = Object.entries(fields).filter(([name]) => !unshown.has(name) && name !== "exception")
    const tail = shown.map(([name, value]) => ` ${name}=${textOf(value)}`).join("")
    const exception = typeof fields.exception === "string" ? `\n${fields.exception}` : ""
    const line = `${clock} ${level.padEnd(5)} ${message}${tail}${exception}`
    return colour && colours[level] !== undefined ? `${colours[level]}${line}\x1b[0m` : line
  }
