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
import {
  type Address,
  type ConnectFailed,
  type ExchangeBroken,
  HttpClient,
  type HttpRequest,
  type HttpResponse
} from "./HttpClient.ts"
import { type WorkerAnswer, WorkerClient, WorkerLost } from "./WorkerClient.ts"

const path = "/2015-03-31/functions/function/invocations"

export const layer = Layer.effect(
  WorkerClient,
  Effect.gen(function* () {
    const http = yield* HttpClient.make
    const fork = yield* FiberSet.makeRuntime<never>()

    const send = (worker: Worker, invocation: Invocation) =>
      http.send(addressOf(worker), requestOf(invocation)).pipe(
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
          const cut = http.startKept(addressOf(worker), requestOf(invocation), (exit) => {
            const answer = Exit.isSuccess(exit) ? plainAnswer(exit.value) : undefined
            if (answer !== undefined) taker.answered(answer)
            else abandon = tell(settle(worker, invocation, exit))
          })
          if (cut === undefined) return tell(send(worker, invocation))
          return () => (abandon ?? cut)()
        }
      }
    })
  })
)

const addressOf = ({ host, port }: Worker): Address => ({ host, port, secure: false })

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
    if (response.status === 200) return read(response, invocation)
    const said = `the emulator answered ${response.status}: ${snippet(response.body.toString())}`
    return lost(true, new Error(said), lastWordsOf(response))
  }
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isSome(error)) return lost(error.value._tag === "ExchangeBroken", error.value.cause)
  return Effect.failCause(exit.cause as Cause.Cause<never>)
}

/** The answer of an exchange that went as nearly all do; undefined where more is to be said of it. */
const plainAnswer = (response: HttpResponse): WorkerAnswer | undefined => {
  if (response.status !== 200) return undefined
  const value = parse(response.body.toString())
  return value === undefined || guessErrorType(response, value) !== undefined ? undefined : { payload: response.body }
}

const targetOf = (worker: Worker): string => `http://${worker.host}:${worker.port}${path}`

const headersOf = (invocation: Invocation): ReadonlyArray<readonly [string, string]> => [
  ["Content-Type", "application/json"],
  ...(invocation.traceId === "" ? [] : [["X-Amzn-Trace-Id", invocation.traceId] as const]),
  ["X-Amz-Client-Context", Buffer.from(JSON.stringify(clientContext(invocation))).toString("base64")]
]

/** What the caller sent, with the trace in `custom.trace_id`, where functions that cannot see the header look for it. */
const clientContext = ({ clientContext, traceId }: Invocation): Record<string, unknown> => {
  const given = parse(clientContext ?? "{}")
  const context = isRecord(given) ? given : {}
  const custom = isRecord(context.custom) ? context.custom : {}
  return { ...context, custom: traceId === "" ? custom : { ...custom, trace_id: traceId } }
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

const read = (response: HttpResponse, invocation: Invocation): Effect.Effect<WorkerAnswer> => {
  const text = response.body.toString()
  const value = parse(text)
  const answer = { payload: response.body }
  if (value === undefined) {
    const timedOut = /^Task timed out after (\d+\.\d\d) seconds$/.exec(text.trim())?.[1]
    if (timedOut !== undefined) {
      const document = timeoutDocument(invocation.requestId, Duration.seconds(Number(timedOut)))
      return Effect.succeed({ payload: errorDocument(document), errorType: document.errorType })
    }
    return Effect.logWarning("Failed to parse Lambda response body as JSON. Returning as string.").pipe(
      Effect.annotateLogs({
        snippet: snippet(text),
        status_code: response.status,
        function_name: invocation.functionName,
        aws_request_id: invocation.requestId
      }),
      Effect.as(answer)
    )
  }
  const errorType = guessErrorType(response, value)
  return Effect.succeed(errorType === undefined ? answer : { ...answer, errorType })
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
  if (response.headers.has("x-amz-function-error")) return typed ?? "Function.Unknown"
  return typeof fields.errorMessage === "string" ? typed : undefined
}
