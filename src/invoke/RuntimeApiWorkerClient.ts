/** WorkerClient for workers whose Runtime API this process serves: answers the `next` that they wait in. */
import { Duration, Effect, Layer } from "effect"
import type { AnswerSink } from "../domain/AnswerSink.ts"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { functionArn, type Owner } from "../domain/FunctionName.ts"
import type { Invocation } from "../domain/Invocation.ts"
import type { Worker } from "../domain/Worker.ts"
import { RuntimeApi } from "../runtime-api/RuntimeApi.ts"
import type { Outcome, RuntimeEvent } from "../runtime-api/RuntimeSession.ts"
import { type Limit, makeDeadlines } from "./Deadlines.ts"
import { type Abandon, type AnswerTaker, WorkerClient, WorkerLost } from "./WorkerClient.ts"

/** A runtime that has answered asks for its next event at once; one that has not within this is taken for lost. */
const fetchTimeoutMillis = 2000

export const layer = (options: { readonly owner: Owner }) =>
  Layer.effect(
    WorkerClient,
    Effect.gen(function* () {
      const api = yield* RuntimeApi
      const deadlines = yield* makeDeadlines

      const start = (
        worker: Worker,
        config: FunctionConfig,
        invocation: Invocation,
        taker: AnswerTaker,
        sink?: AnswerSink
      ): Abandon => {
        const listener = api.find(worker.id)
        if (listener === undefined) {
          taker.lost(lostOf(worker, { began: false, exit: undefined, why: "it has no Runtime API here" }))
          return nothingToAbandon
        }
        let isWanted = true
        let limit: Limit | undefined
        const done = (outcome: Outcome): void => {
          limit?.clear()
          if (!isWanted) return
          isWanted = false
          const { free } = listener.extensions
          if (outcome._tag === "Lost") taker.lost(lostOf(worker, outcome))
          else taker.answered(free === undefined ? outcome.answer : { ...outcome.answer, free })
        }
        listener.deliver(eventOf(options.owner, config, invocation), done, sink)
        // Closing the session makes sure that an event given up here is not fetched later, and run after all.
        const giveUp = (why: string): void => {
          if (listener.undelivered()) listener.end(undefined, why)
        }
        // A worker that waited has the event by now, and needs no such limit.
        if (isWanted && listener.undelivered()) {
          limit = deadlines.set(fetchTimeoutMillis, () => {
            giveUp(`it did not ask for its event within ${fetchTimeoutMillis / 1000} s`)
          })
        }
        return () => {
          if (!isWanted) return
          isWanted = false
          limit?.clear()
          giveUp("its caller left")
        }
      }

      return WorkerClient.of({
        send: (worker, config, invocation, sink) =>
          Effect.callback((resume) => {
            const taker: AnswerTaker = {
              answered: (answer) => resume(Effect.succeed(answer)),
              lost: (failure) => resume(Effect.fail(failure))
            }
            return Effect.sync(start(worker, config, invocation, taker, sink))
          }),
        direct: { takes: () => true, start }
      })
    })
  )

const nothingToAbandon: Abandon = () => {}

const lostOf = (worker: Worker, { began, exit, lastWords, why }: Omit<Lost, "_tag">) =>
  new WorkerLost({
    workerId: worker.id,
    began,
    ...(exit === undefined ? {} : { exit }),
    ...(lastWords === undefined ? {} : { lastWords }),
    target: `http://${worker.host}:${worker.port}`,
    cause: new Error(`The worker was lost: ${why}`)
  })

type Lost = Extract<Outcome, { readonly _tag: "Lost" }>

const eventOf = (owner: Owner, config: FunctionConfig, invocation: Invocation): RuntimeEvent => {
  const event = {
    requestId: invocation.requestId,
    timeoutMillis: Duration.toMillis(config.timeout),
    invokedFunctionArn: functionArn(owner, config.name, invocation.qualifier),
    traceId: invocation.traceId,
    payload: invocation.payload
  }
  return invocation.clientContext === undefined ? event : { ...event, clientContext: invocation.clientContext }
}
