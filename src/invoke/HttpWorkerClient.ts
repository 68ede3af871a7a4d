/** WorkerClient for workers that only a manager in another process can reach: it passes their events on. */
import { Effect, Layer } from "effect"
import type { Invocation } from "../domain/Invocation.ts"
import type { Worker } from "../domain/Worker.ts"
import { ManagerClient, type ManagerClientOptions } from "../provision/ManagerClient.ts"
import { errorTypeHeader } from "../provision/ManagerProtocol.ts"
import type { HttpResponse } from "./HttpClient.ts"
import { type WorkerAnswer, WorkerClient, WorkerLost } from "./WorkerClient.ts"

export const layer = (options: ManagerClientOptions) =>
  Layer.effect(
    WorkerClient,
    Effect.gen(function* () {
      const manager = yield* ManagerClient.make(options)

      const answerOf = (worker: Worker, response: HttpResponse): Effect.Effect<WorkerAnswer, WorkerLost> => {
        const { body, headers, status } = response
        if (status === 200) {
          const errorType = headers.get(errorTypeHeader)
          return Effect.succeed({
            payload: body,
            ...(errorType === undefined ? {} : { errorType: decodeURIComponent(errorType) })
          })
        }
        const { detail, lost } = manager.errorOf(status, body)
        return Effect.fail(
          new WorkerLost({
            workerId: worker.id,
            // A manager that refuses an event has not passed it on.
            began: lost?.began ?? status >= 500,
            ...(lost?.exit === undefined ? {} : { exit: lost.exit }),
            target: targetOf(worker),
            cause: new Error(detail)
          })
        )
      }

      const targetOf = (worker: Worker) => `${manager.url}${pathOf(worker)}`

      return WorkerClient.of({
        send: (worker, _config, invocation) =>
          manager
            .send({ method: "POST", path: pathOf(worker), headers: headersOf(invocation), body: invocation.payload })
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
              Effect.flatMap((response) => answerOf(worker, response))
            )
      })
    })
  )

const pathOf = (worker: Worker): string => `/containers/${worker.id}/invocations`

const headersOf = ({ clientContext, qualifier, requestId, traceId }: Invocation) => {
  const headers: Array<readonly [string, string]> = [
    ["Content-Type", "application/octet-stream"],
    ["X-Amzn-RequestId", requestId]
  ]
  if (traceId !== "") headers.push(["X-Amzn-Trace-Id", traceId])
  if (clientContext !== undefined) headers.push(["X-Amz-Client-Context", Buffer.from(clientContext).toString("base64")])
  if (qualifier !== undefined) headers.push(["X-Irori-Qualifier", qualifier])
  return headers
}
