/** Gives events to workers as the invoker's client does, and hands over what became of them. */
import { Effect } from "effect"
import type { AnswerSink } from "../../src/domain/AnswerSink.ts"
import type { Worker } from "../../src/domain/Worker.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import type { Outcome, RuntimeEvent } from "../../src/runtime-api/RuntimeSession.ts"

let delivered = 0

/** The request ids that `deliver` gives out are UUIDs that count up. */
const nextRequestId = () => `00000000-0000-4000-8000-${String(++delivered).padStart(12, "0")}`

export const deliver = (worker: Worker, event: unknown = {}, settings: Partial<RuntimeEvent> = {}, sink?: AnswerSink) =>
  Effect.gen(function* () {
    const listener = (yield* RuntimeApi).find(worker.id)
    if (listener === undefined) return yield* Effect.die(new Error(`${worker.id} has no Runtime API`))
    return yield* Effect.callback<Outcome>((resume) =>
      listener.deliver(
        {
          requestId: nextRequestId(),
          timeoutMillis: 3000,
          invokedFunctionArn: `arn:aws:lambda:us-east-1:123456789012:function:${worker.functionName}`,
          traceId: "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
          payload: new TextEncoder().encode(JSON.stringify(event)),
          ...settings
        },
        (outcome) => resume(Effect.succeed(outcome)),
        sink
      )
    )
  })

/** The answer's JSON, and its error type where the function failed. Dies when the event was lost. */
export const answer = (worker: Worker, event: unknown = {}, settings: Partial<RuntimeEvent> = {}) =>
  Effect.flatMap(deliver(worker, event, settings), (outcome) =>
    outcome._tag === "Answered"
      ? Effect.sync(() => ({
          body: JSON.parse(new TextDecoder().decode(outcome.answer.payload)),
          errorType: outcome.answer.errorType
        }))
      : Effect.die(new Error(`the event was lost: ${outcome.why}`))
  )
