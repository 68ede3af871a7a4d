/** The health routes as the API document tells of them. */
import { Schema } from "effect"
import type { DocumentDecoration } from "elysia"
import { errorResponses, everyAnswer } from "./errorResponses.ts"

export const Health = Schema.Struct({ status: Schema.Literal("healthy"), timestamp: Schema.String })

export const Readiness = Schema.Struct({
  status: Schema.Literals(["ready", "unready"]),
  timestamp: Schema.String,
  /** What is wrong with the functions' settings; empty when ready. */
  problems: Schema.Array(Schema.Struct({ functionName: Schema.optionalKey(Schema.String), detail: Schema.String }))
})

const timestamp = "2026-11-21T20:43:36.602Z"

const json = (description: string, schema: string, example: unknown) => ({
  description,
  headers: everyAnswer,
  content: { "application/json": { schema: { $ref: `#/components/schemas/${schema}` }, example } }
})

export const healthOperation: DocumentDecoration = {
  operationId: "GetHealth",
  tags: ["Health"],
  summary: "Whether the process lives",
  responses: {
    200: json("It does.", "Health", { status: "healthy", timestamp } satisfies typeof Health.Type),
    ...errorResponses(["Fault"])
  }
}

export const readinessOperation: DocumentDecoration = {
  operationId: "GetReadiness",
  tags: ["Health"],
  summary: "Whether every function can be run",
  responses: {
    200: json("Nothing is wrong.", "Readiness", {
      status: "ready",
      timestamp,
      problems: []
    } satisfies typeof Readiness.Type),
    503: json("Something is wrong with the functions' settings. The functions that have no problem run.", "Readiness", {
      status: "unready",
      timestamp,
      problems: [{ functionName: "my-function", detail: "runtime 'cobol60' is not known" }]
    } satisfies typeof Readiness.Type),
    ...errorResponses(["Fault"])
  }
}
