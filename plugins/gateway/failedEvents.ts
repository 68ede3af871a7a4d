/** Asynchronous events that failed and that no destination was told of: what they were, and to run or drop them. */
import { Effect, type ManagedRuntime, Schema } from "effect"
import { Elysia } from "elysia"
import { FunctionName, functionArn, type Owner } from "../../src/domain/FunctionName.ts"
import { ParametersInvalid } from "../../src/domain/ParametersInvalid.ts"
import { destinationRecord } from "../../src/invoke/async/destinationRecord.ts"
import type { Outcome, Selection } from "../../src/invoke/async/EventStore.ts"
import { FailedEvents } from "../../src/invoke/async/FailedEvents.ts"
import { BodyNotJson } from "./errors.ts"
import {
  discardOperation,
  type FailedEventList,
  type Gone,
  listOperation,
  type Redriven,
  RedriveRequest,
  redriveOperation
} from "./failedEventsOperations.ts"
import { refuseMethod } from "./methods.ts"
import { PayloadTooLarge, readBody } from "./payload.ts"
import { respond } from "./respond.ts"

const listPath = "/irori/events/failed"
const redrivePath = "/irori/events/redrive"
const maxPage = 100
const maxBodyBytes = 4096

export const failedEvents = (runtime: ManagedRuntime.ManagedRuntime<FailedEvents, never>, owner: Owner) =>
  new Elysia({ name: "failedEvents" })
    .get(listPath, ({ request }) => respond(runtime, request, owner, list(request, owner)), { detail: listOperation })
    .delete(listPath, ({ request }) => respond(runtime, request, owner, discard(request)), {
      parse: "none",
      detail: discardOperation
    })
    .all(listPath, refuseMethod(owner, "GET, HEAD, DELETE"), { parse: "none", detail: { hide: true } })
    .post(redrivePath, ({ request }) => respond(runtime, request, owner, redrive(request)), {
      parse: "none",
      detail: redriveOperation
    })
    .all(redrivePath, refuseMethod(owner, "POST"), { parse: "none", detail: { hide: true } })

const list = Effect.fnUntraced(function* (request: Request, owner: Owner) {
  const query = new URL(request.url).searchParams
  const selection = yield* selectionOf(Object.fromEntries(query))
  const limit = yield* whole(query, "limit", 1, maxPage, maxPage)
  const after = yield* whole(query, "after", 0, Number.MAX_SAFE_INTEGER, 0)
  const failed = yield* FailedEvents
  const page = yield* failed.list(selection, after, limit)
  // With its id given, the one event as its destination would have had it.
  if (selection.requestId !== undefined && page.events[0] !== undefined) {
    const records = page.events.map((outcome) => destinationRecord(outcome, owner))
    return new Response(`{"events":[${records.join(",")}]}`, { headers: { "Content-Type": "application/json" } })
  }
  const body: typeof FailedEventList.Type = {
    events: page.events.map((outcome) => summary(outcome, owner)),
    ...(page.next === undefined ? {} : { next: page.next })
  }
  return Response.json(body)
})

const redrive = Effect.fnUntraced(function* (request: Request) {
  const bytes = yield* readBody(request, maxBodyBytes, () => new PayloadTooLarge({ limitBytes: maxBodyBytes }))
  const body = yield* Effect.try({
    try: (): unknown => (bytes.length === 0 ? {} : JSON.parse(new TextDecoder().decode(bytes))),
    catch: (cause) => new BodyNotJson({ detail: cause instanceof Error ? cause.message : String(cause) })
  })
  if (!Schema.is(RedriveRequest)(body)) return yield* new BodyNotJson({ detail: "expected function or requestId" })
  const selection = yield* selectionOf(body)
  const result: typeof Redriven.Type = yield* FailedEvents.use((failed) => failed.redrive(selection))
  return Response.json(result)
})

const discard = Effect.fnUntraced(function* (request: Request) {
  const selection = yield* selectionOf(Object.fromEntries(new URL(request.url).searchParams))
  const body: typeof Gone.Type = { dropped: yield* FailedEvents.use((failed) => failed.discard(selection)) }
  return Response.json(body)
})

const selectionOf = (given: {
  readonly function?: string
  readonly requestId?: string
}): Effect.Effect<Selection, ParametersInvalid> => {
  const { function: functionName, requestId } = given
  if (functionName !== undefined && !Schema.is(FunctionName)(functionName)) {
    return invalid("function", functionName, "Member must be the name of a function")
  }
  return Effect.succeed({
    ...(functionName === undefined ? {} : { functionName }),
    ...(requestId === undefined ? {} : { requestId })
  })
}

const whole = (query: URLSearchParams, name: string, least: number, most: number, otherwise: number) => {
  const text = query.get(name)
  if (text === null) return Effect.succeed(otherwise)
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  return value >= least && value <= most
    ? Effect.succeed(value)
    : invalid(name, text, `Member must be a whole number from ${least} to ${most}`)
}

const invalid = (field: string, value: string, constraint: string) =>
  Effect.fail(new ParametersInvalid({ violations: [{ value, field, constraint }] }))

const summary = ({ answer, attempts, condition, endedMillis, acceptedMillis, invocation }: Outcome, owner: Owner) => ({
  requestId: invocation.requestId,
  functionArn: functionArn(owner, invocation.functionName, invocation.qualifier ?? "$LATEST"),
  condition,
  attempts,
  acceptedAt: new Date(acceptedMillis).toISOString(),
  failedAt: new Date(endedMillis).toISOString(),
  payloadBytes: invocation.payload.length,
  ...(answer === undefined ? {} : { error: new TextDecoder().decode(answer.payload.subarray(0, 1024)) })
})
