/** The routes of failed events as the API document tells of them. */
import { Schema } from "effect"
import type { DocumentDecoration } from "elysia"
import { errorResponses, everyAnswer } from "./errorResponses.ts"

export const FailedEventList = Schema.Struct({
  events: Schema.Array(
    Schema.Struct({
      requestId: Schema.String,
      /** With the qualifier that the event was sent to. */
      functionArn: Schema.String,
      condition: Schema.String,
      attempts: Schema.Number,
      acceptedAt: Schema.String,
      failedAt: Schema.String,
      payloadBytes: Schema.Number,
      /** The first kilobyte of what the function said. */
      error: Schema.optionalKey(Schema.String)
    })
  ),
  /** For the next page's `after`. */
  next: Schema.optionalKey(Schema.Number)
})

/** Neither: all of them. */
export const RedriveRequest = Schema.Struct({
  function: Schema.optionalKey(Schema.String),
  requestId: Schema.optionalKey(Schema.String)
})

/** `left` have stayed, for want of room in the queue. */
export const Redriven = Schema.Struct({ redriven: Schema.Number, left: Schema.Number })

export const Gone = Schema.Struct({ dropped: Schema.Number })

const requestId = "8c8a2c9e-9a3b-4f0a-8a1e-0f0d7c1b2a3d"

const selection = [
  { in: "query", name: "function", description: "The name of a function; all without it.", schema: { type: "string" } },
  { in: "query", name: "requestId", description: "The id of one event.", schema: { type: "string" } }
] as const

const json = (description: string, schema: string, example: unknown) => ({
  description,
  headers: everyAnswer,
  content: { "application/json": { schema: { $ref: `#/components/schemas/${schema}` }, example } }
})

export const listOperation: DocumentDecoration = {
  operationId: "ListFailedEvents",
  tags: ["Failed events"],
  summary: "Asynchronous events that failed",
  description:
    "Those that no destination was told of. With `requestId`, the answer has the event itself and what the function said, as a destination would have had it.",
  parameters: [
    ...selection,
    { in: "query", name: "limit", schema: { type: "integer", minimum: 1, maximum: 100 } },
    { in: "query", name: "after", description: "The `next` of the page before.", schema: { type: "integer" } }
  ],
  responses: {
    200: json("In the order in which they failed.", "FailedEventList", {
      events: [
        {
          requestId,
          functionArn: "arn:aws:lambda:us-east-1:123456789012:function:my-function:$LATEST",
          condition: "RetriesExhausted",
          attempts: 3,
          acceptedAt: "2026-11-21T20:43:36.602Z",
          failedAt: "2026-11-21T20:46:37.101Z",
          payloadBytes: 17,
          error: '{"errorType":"Error","errorMessage":"no"}'
        }
      ]
    } satisfies typeof FailedEventList.Type),
    ...errorResponses(["ParametersInvalid", "CallerUnknown", "Fault"])
  }
}

export const redriveOperation: DocumentDecoration = {
  operationId: "RedriveFailedEvents",
  tags: ["Failed events"],
  summary: "Run failed events again",
  description: "Puts them back into the queue as if they had just come, under their old request ids.",
  requestBody: {
    description: "Whose events, or which one; with neither, all.",
    required: false,
    content: {
      "application/json": {
        schema: { $ref: "#/components/schemas/RedriveRequest" },
        example: { function: "my-function" } satisfies typeof RedriveRequest.Type
      }
    }
  },
  responses: {
    200: json("They are in the queue.", "Redriven", { redriven: 12, left: 0 } satisfies typeof Redriven.Type),
    ...errorResponses(["ParametersInvalid", "BodyNotJson", "CallerUnknown", "EventNotStored", "Fault"])
  }
}

export const discardOperation: DocumentDecoration = {
  operationId: "DropFailedEvents",
  tags: ["Failed events"],
  summary: "Forget failed events",
  parameters: [...selection],
  responses: {
    200: json("They are gone.", "DroppedEvents", { dropped: 12 } satisfies typeof Gone.Type),
    ...errorResponses(["ParametersInvalid", "CallerUnknown", "EventNotStored", "Fault"])
  }
}
