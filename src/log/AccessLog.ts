/**
 * A line for each request that was answered, in the format of the log. It is written for every one of very many, so it
 * goes past the logger's machinery: which fields it has is known, and they are put into words when a batch is written.
 */
import { Context } from "effect"

/** One request, as the log has it. */
export interface AccessEntry {
  readonly trace_id: string
  readonly aws_request_id: string
  readonly method: string
  readonly path: string
  readonly status: number | string
  readonly latency_ms: number
  readonly user_agent: string
  readonly client_ip: string
}

/** Undefined where no log has been set up, as in a test: then entries go the way of all lines. */
export const AccessLog = Context.Reference<((entry: AccessEntry) => void) | undefined>("irori/log/AccessLog", {
  defaultValue: () => undefined
})

export const messageOf = ({ method, path, status }: AccessEntry): string => `${method} ${path} ${status}`
