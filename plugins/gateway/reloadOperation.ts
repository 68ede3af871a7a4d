/** The reload as the API document tells of it. */
import { Schema } from "effect"
import type { DocumentDecoration } from "elysia"
import { errorResponses, everyAnswer } from "./errorResponses.ts"

export const ReloadReport = Schema.Struct({
  timestamp: Schema.String,
  /** What was read. */
  files: Schema.Array(Schema.String),
  /** Added, another than before, or gone. */
  changed: Schema.Struct({
    functions: Schema.Array(Schema.String),
    routes: Schema.Array(Schema.Struct({ api: Schema.String, method: Schema.String, path: Schema.String })),
    schedules: Schema.Array(Schema.Struct({ functionName: Schema.String, name: Schema.String }))
  }),
  problems: Schema.Array(Schema.Struct({ functionName: Schema.optionalKey(Schema.String), detail: Schema.String }))
})

const example: typeof ReloadReport.Type = {
  timestamp: "2026-11-21T20:43:36.602Z",
  files: ["examples/functions", "examples/functions/functions.yml", "examples/functions/routing.yml"],
  changed: {
    functions: ["echo"],
    routes: [],
    schedules: [{ functionName: "echo", name: "every-minute" }]
  },
  problems: [{ detail: "examples/functions/routing.yml:3:5: Map keys must be unique" }]
}

export const reloadOperation: DocumentDecoration = {
  operationId: "Reload",
  tags: ["Files"],
  summary: "Read functions, routes and schedules again",
  description:
    "Files are read again by themselves when they change; this is for where that is not noticed, and for whoever wants to " +
    "know that it is done. What changed before this call, noticed by itself, is not told. Of a file that is broken what it " +
    "said before goes on, and `problems` says why, as do the log and `/health/ready`.",
  responses: {
    200: {
      description: "Calls from here on go by what the files say, but for those that `problems` names.",
      headers: everyAnswer,
      content: { "application/json": { schema: { $ref: "#/components/schemas/ReloadReport" }, example } }
    },
    ...errorResponses(["CallerUnknown", "Fault"])
  }
}
