/**
 * `X-Amzn-Trace-Id`: which request a piece of work belongs to, and which step of it. Random numbers and the time are
 * the caller's to give.
 */
import { extendLineage } from "./Lineage.ts"

export interface TraceId {
  /** `1-<8 hex digits: Unix seconds>-<24 hex digits>`; the same along the whole way of a request. */
  readonly root: string
  /** 16 hex digits: the step that made this one. */
  readonly parent?: string
  /** `?` leaves the decision to the next step. */
  readonly sampled: "0" | "1" | "?"
  /** Lambda's own trail through functions that call functions; passed on as it came. */
  readonly lineage?: string
}

const rootPattern = /^1-[0-9a-f]{8}-[0-9a-f]{24}$/i
const parentPattern = /^[0-9a-f]{16}$/i
const sampledPattern = /^[01?]$/
const lineagePattern = /^[0-9a-zA-Z:|,.-]{1,256}$/

/**
 * Reads a header. Without a valid root it is no trace id at all; any other field that is not as it should be is left
 * out, and so is `Self`, which speaks of the sender's own hop. A root alone, without `Root=`, is taken too.
 */
export const parseTraceId = (header: string): TraceId | undefined => {
  const fields = new Map<string, string>()
  for (const field of header.includes("=") ? header.split(";") : [`Root=${header}`]) {
    const equals = field.indexOf("=")
    if (equals > 0) fields.set(field.slice(0, equals).trim(), field.slice(equals + 1).trim())
  }
  const valid = (name: string, pattern: RegExp) => {
    const value = fields.get(name)
    return value !== undefined && pattern.test(value) ? value : undefined
  }
  const root = valid("Root", rootPattern)
  if (root === undefined) return undefined
  const parent = valid("Parent", parentPattern)
  const lineage = valid("Lineage", lineagePattern)
  return {
    root,
    // The pattern allows nothing else.
    sampled: (valid("Sampled", sampledPattern) as TraceId["sampled"] | undefined) ?? "0",
    ...(parent === undefined ? {} : { parent }),
    ...(lineage === undefined ? {} : { lineage })
  }
}

/** A trace that begins here. Nothing records it, so it is not sampled. `random` is 24 hex digits. */
export const newTraceId = (nowMillis: number, random: string): TraceId => ({
  root: `1-${Math.floor(nowMillis / 1000)
    .toString(16)
    .padStart(8, "0")}-${random}`,
  sampled: "0"
})

/** The same trace, one step on. `parent` is 16 hex digits. */
export const nextHop = (trace: TraceId, parent: string): TraceId => ({ ...trace, parent })

/** The same trace, as it leads to a function: `arn` is without a qualifier. */
export const invocationHop = (trace: TraceId, arn: string): TraceId => ({
  ...trace,
  lineage: extendLineage(trace.lineage, arn).lineage
})

/** `nextHop` and `invocationHop` in one, for the path of every invocation. */
export const nextInvocationHop = ({ lineage, root, sampled }: TraceId, parent: string, arn: string): TraceId => ({
  root,
  parent,
  sampled,
  lineage: extendLineage(lineage, arn).lineage
})

export const formatTraceId = (trace: TraceId): string => {
  const parent = trace.parent === undefined ? "" : `;Parent=${trace.parent}`
  const lineage = trace.lineage === undefined ? "" : `;Lineage=${trace.lineage}`
  return `Root=${trace.root}${parent};Sampled=${trace.sampled}${lineage}`
}
