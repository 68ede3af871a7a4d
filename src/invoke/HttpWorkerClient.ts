/** WorkerClient for workers that only a manager in another process can reach: it passes their events on. */
import { Effect, Layer } from "effect"
import type { AnswerSink } from "../domain/AnswerSink.ts"
import type { Invocation } from "../domain/Invocation.ts"
import type { Worker } from "../domain/Worker.ts"
import { AnswerFrameReader } from "../provision/AnswerFrames.ts"
import { ManagerClient, type ManagerClientOptions } from "../provision/ManagerClient.ts"
import {
  type AnswerEnd,
  answerStreamType,
  contentTypeHeader,
  errorTypeHeader,
  logHeader,
  type ManagerError
} from "../provision/ManagerProtocol.ts"
import type { BodyTaker, HttpResponse } from "./HttpExchange.ts"
import { type WorkerAnswer, WorkerClient, WorkerLost } from "./WorkerClient.ts"

export const layer = (options: ManagerClientOptions) =>
  Layer.effect(
    WorkerClient,
    Effect.gen(function* () {
      const manager = yield* ManagerClient.make(options)

      const answerOf = (
        worker: Worker,
        response: HttpResponse,
        stream: AnswerStream | undefined
      ): Effect.Effect<WorkerAnswer, WorkerLost> => {
        const { body, headers, status } = response
        if (stream?.hasBegun === true) return endOf(worker, stream.end)
        if (status === 200) {
          const errorType = headers.get(errorTypeHeader)
          const log = headers.get(logHeader)
          return Effect.succeed({
            payload: body,
            ...(errorType === undefined ? {} : { errorType: decodeURIComponent(errorType) }),
            ...(log === undefined ? {} : { log: Buffer.from(log, "base64").toString() })
          })
        }
        // A manager that refuses an event has not passed it on.
        return lostOf(worker, manager.errorOf(status, body), status >= 500)
      }

      const lostOf = (worker: Worker, { detail, lost }: ManagerError, began: boolean) =>
        Effect.fail(
          new WorkerLost({
            workerId: worker.id,
            began: lost?.began ?? began,
            ...(lost?.exit === undefined ? {} : { exit: lost.exit }),
            ...(lost?.log === undefined ? {} : { log: lost.log }),
            ...(lost?.timed_out === undefined ? {} : { timedOut: lost.timed_out }),
            target: targetOf(worker),
            cause: new Error(detail)
          })
        )

      const endOf = (worker: Worker, end: AnswerEnd | undefined): Effect.Effect<WorkerAnswer, WorkerLost> => {
        if (end === undefined) return lostOf(worker, { detail: "The answer broke off." }, true)
        if (end.failure !== undefined) return lostOf(worker, end.failure, true)
        return Effect.succeed({
          payload: end.document ?? new Uint8Array(),
          ...(end.error_type === undefined ? {} : { errorType: end.error_type }),
          ...(end.log === undefined ? {} : { log: end.log })
        })
      }

      const targetOf = (worker: Worker) => `${manager.url}${pathOf(worker)}`

      return WorkerClient.of({
        send: (worker, _config, invocation, sink) => {
          const stream = sink === undefined ? undefined : new AnswerStream(sink)
          const headers = headersOf(invocation, stream !== undefined)
          return manager
            .send({ method: "POST", path: pathOf(worker), headers, body: invocation.payload }, stream?.take)
            .pipe(
              Effect.mapError(
                (error) =>
                  new WorkerLost({
                    workerId: worker.id,
                    began: error._tag === "ExchangeBroken",
                    target: targetOf(worker),
                    cause: manager.silent(error)
                  })
              ),
              Effect.flatMap((response) => answerOf(worker, response, stream))
            )
        }
      })
    })
  )

/** The response of a manager that passes an answer on while it is made. */
class AnswerStream {
  readonly #sink: AnswerSink
  #reader: AnswerFrameReader | undefined

  constructor(sink: AnswerSink) {
    this.#sink = sink
  }

  readonly take: BodyTaker = ({ headers, status }, flow) => {
    if (status !== 200 || headers.get("content-type") !== answerStreamType) return undefined
    const reader = new AnswerFrameReader(this.#sink.piece)
    this.#reader = reader
    const contentType = headers.get(contentTypeHeader)
    this.#sink.begin({ flow, ...(contentType === undefined ? {} : { contentType: decodeURIComponent(contentType) }) })
    return (piece) => reader.push(piece)
  }

  get hasBegun(): boolean {
    return this.#reader !== undefined
  }

  get end(): AnswerEnd | undefined {
    return this.#reader?.end
  }
}

const pathOf = (worker: Worker): string => `/containers/${worker.id}/invocations`

const headersOf = ({ clientContext, logTail, qualifier, requestId, traceId }: Invocation, streaming: boolean) => {
  const headers: Array<readonly [string, string]> = [
    ["Content-Type", "application/octet-stream"],
    ["X-Amzn-RequestId", requestId]
  ]
  if (traceId !== "") headers.push(["X-Amzn-Trace-Id", traceId])
  if (clientContext !== undefined) headers.push(["X-Amz-Client-Context", Buffer.from(clientContext).toString("base64")])
  if (qualifier !== undefined) headers.push(["X-Irori-Qualifier", qualifier])
  if (streaming) headers.push(["X-Irori-Response-Mode", "streaming"])
  if (logTail === true) headers.push(["X-Irori-Log-Type", "tail"])
  return headers
}
