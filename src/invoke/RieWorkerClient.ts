/**
 * WorkerClient for images with AWS's Runtime Interface Emulator: events are posted to it.
 *
 * The emulator answers 200 also where the function failed, without a header that says so (`LAMBDA-CONTRACT.md`
 * section 8.1). Whether it did is a guess from the answer; the Runtime API is the transport that knows.
 */
import { Cause, Duration, Effect, Exit, FiberSet, Layer, Option } from "effect"
import type { Invocation } from "../domain/Invocation.ts"
import { isRecord } from "../domain/json.ts"
import type { Worker } from "../domain/Worker.ts"
import { errorDocument, timeoutDocument } from "./errorDocuments.ts"
import { HttpClient } from "./HttpClient.ts"
import type { ConnectFailed, ExchangeBroken, HttpRequest, HttpResponse } from "./HttpExchange.ts"
import { type WorkerAnswer, WorkerClient, WorkerLost } from "./WorkerClient.ts"

const path = "/2015-03-31/functions/function/invocations"

export const layer = Layer.effect(
  WorkerClient,
  Effect.gen(function* () {
    const http = yield* HttpClient.make
    const fork = yield* FiberSet.makeRuntime<never>()

    const send = (worker: Worker, invocation: Invocation) =>
      http.send(worker, requestOf(invocation)).pipe(
        Effect.exit,
        Effect.flatMap((exit) => settle(worker, invocation, exit))
      )

    return WorkerClient.of({
      send: (worker, _config, invocation) => send(worker, invocation),
      direct: {
        takes: () => true,
        start: (worker, _config, invocation, taker) => {
          const tell = (outcome: Effect.Effect<WorkerAnswer, WorkerLost>) => {
            const told = Effect.match(outcome, {
              onSuccess: (answer) => taker.answered(answer),
              onFailure: (failure) => taker.lost(failure)
            })
            const fiber = fork(told)
            return () => fiber.interruptUnsafe()
          }
          let abandon: (() => void) | undefined
          const cut = http.startKept(worker, requestOf(invocation), (exit) => {
            const said = Exit.isSuccess(exit) && exit.value.status === 200 ? saidIn(exit.value) : undefined
            if (said?.isJson === true) taker.answered(answerOf(said))
            else abandon = tell(settle(worker, invocation, exit))
          })
          if (cut === undefined) return tell(send(worker, invocation))
          return () => (abandon ?? cut)()
        }
      }
    })
  })
)

const requestOf = (invocation: Invocation): HttpRequest => ({
  method: "POST",
  path,
  headers: headersOf(invocation),
  body: invocation.payload
})

/** What the end of an exchange says of the function, or of its worker. */
const settle = (
  worker: Worker,
  invocation: Invocation,
  exit: Exit.Exit<HttpResponse, ConnectFailed | ExchangeBroken>
): Effect.Effect<WorkerAnswer, WorkerLost> => {
  const lost = (began: boolean, cause: unknown, said: Pick<WorkerLost, "lastWords"> = {}) =>
    Effect.fail(new WorkerLost({ workerId: worker.id, began, target: targetOf(worker), cause, ...said }))
  if (Exit.isSuccess(exit)) {
    const response = exit.value
    if (response.status === 200) return read(saidIn(response), invocation)
    const said = `the emulator answered ${response.status}: ${snippet(response.body.toString())}`
    return lost(true, new Error(said), lastWordsOf(response))
  }
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isSome(error)) return lost(error.value._tag === "ExchangeBroken", error.value.cause)
  return Effect.failCause(exit.cause as Cause.Cause<never>)
}

const targetOf = (worker: Worker): string => `http://${worker.host}:${worker.port}${path}`

const contentType = ["Content-Type", "application/json"] as const

const headersOf = (invocation: Invocation): ReadonlyArray<readonly [string, string]> => {
  const context = ["X-Amz-Client-Context", encodedContext(invocation)] as const
  return invocation.traceId === ""
    ? [contentType, context]
    : [contentType, ["X-Amzn-Trace-Id", invocation.traceId], context]
}

/** What the caller sent, with the trace in `custom.trace_id`, where functions that cannot see the header look for it. */
const encodedContext = ({ clientContext, traceId }: Invocation): string => {
  const trace = traceId === "" ? {} : { trace_id: traceId }
  // A trace is ASCII, which is all that this encodes, and faster than by way of a buffer.
  if (clientContext === undefined) return btoa(JSON.stringify({ custom: trace }))
  return Buffer.from(contextWith(trace, clientContext)).toString("base64")
}

const contextWith = (trace: object, clientContext: string): string => {
  const given = parse(clientContext)
  const context = isRecord(given) ? given : {}
  return JSON.stringify({ ...context, custom: { ...(isRecord(context.custom) ? context.custom : {}), ...trace } })
}

/** The value of a JSON text; undefined when it is none. */
const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const snippet = (text: string): string => text.slice(0, 200)

/** What is in an answer that is no refusal. */
interface Said {
  readonly response: HttpResponse
  readonly text: string
  readonly isJson: boolean
  readonly errorType: string | undefined
}

const saidIn = (response: HttpResponse): Said => {
  const text = response.body.toString()
  const value = parse(text)
  return { response, text, isJson: value !== undefined, errorType: guessErrorType(response, value) }
}

const answerOf = ({ errorType, response: { body } }: Said): WorkerAnswer =>
  errorType === undefined ? { payload: body } : { payload: body, errorType }

const read = (said: Said, invocation: Invocation): Effect.Effect<WorkerAnswer> => {
  if (said.isJson) return Effect.succeed(answerOf(said))
  const timedOut = /^Task timed out after (\d+\.\d\d) seconds$/.exec(said.text.trim())?.[1]
  if (timedOut !== undefined) {
    const document = timeoutDocument(invocation.requestId, Duration.seconds(Number(timedOut)))
    return Effect.succeed({ payload: errorDocument(document), errorType: document.errorType })
  }
  return Effect.logWarning("Failed to parse Lambda response body as JSON. Returning as string.").pipe(
    Effect.annotateLogs({
      snippet: snippet(said.text),
      status_code: said.response.status,
      function_name: invocation.functionName,
      aws_request_id: invocation.requestId
    }),
    Effect.as({ payload: said.response.body })
  )
}

/** After a crash, or an initialisation that failed, the emulator still tells what happened. */
const lastWordsOf = (response: HttpResponse): Pick<WorkerLost, "lastWords"> => {
  const said = parse(response.body.toString())
  if (!isRecord(said) || typeof said.errorType !== "string" || typeof said.errorMessage !== "string") return {}
  return { lastWords: { errorType: said.errorType, document: response.body } }
}

/**
 * An error document always has both texts, `errorType` and `errorMessage`; a result that has both is taken for one by
 * mistake, and one that has a single of them is not. Images that set the header on errors need no guess.
 */
const guessErrorType = (response: HttpResponse, value: unknown): string | undefined => {
  const fields = isRecord(value) ? value : {}
  const typed = typeof fields.errorType === "string" ? fields.errorType : undefined
  if (response.headers.get("x-amz-function-error") !== undefined) return typed ?? "Function.Unknown"
  return typeof fields.errorMessage === "string" ? typed : undefined
}
