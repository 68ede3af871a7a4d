/** WorkerClient for workers whose Runtime API this process serves: answers the `next` that they wait in. */
import { Duration, Effect, Layer } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { functionArn, type Owner } from "../domain/FunctionName.ts"
import type { Invocation } from "../domain/Invocation.ts"
import { RuntimeApi } from "../runtime-api/RuntimeApi.ts"
import type { Outcome, RuntimeEvent } from "../runtime-api/RuntimeSession.ts"
import { type WorkerAnswer, WorkerClient, WorkerLost } from "./WorkerClient.ts"

/** A runtime that has answered asks for its next event at once; one that has not within this is taken for lost. */
const fetchTimeout = "2 seconds"

export const layer = (options: { readonly owner: Owner }) =>
  Layer.effect(
    WorkerClient,
    Effect.gen(function* () {
      const api = yield* RuntimeApi
      return WorkerClient.of({
        send: (worker, config, invocation, sink) =>
          Effect.suspend(() => {
            const target = `http://${worker.host}:${worker.port}`
            const listener = api.find(worker.id)
            const answerOf = (answer: WorkerAnswer): WorkerAnswer => {
              const free = listener?.extensions.free
              return free === undefined ? answer : { ...answer, free }
            }
            const settle = (outcome: Outcome): Effect.Effect<WorkerAnswer, WorkerLost> =>
              outcome._tag === "Answered"
                ? Effect.succeed(answerOf(outcome.answer))
                : Effect.fail(
                    new WorkerLost({
                      workerId: worker.id,
                      began: outcome.began,
                      ...(outcome.exit === undefined ? {} : { exit: outcome.exit }),
                      ...(outcome.lastWords === undefined ? {} : { lastWords: outcome.lastWords }),
                      target,
                      cause: new Error(`The worker was lost: ${outcome.why}`)
                    })
                  )
            if (listener === undefined) {
              return settle({ _tag: "Lost", began: false, exit: undefined, why: "it has no Runtime API here" })
            }
            let outcome: Outcome | undefined
            let notify = (known: Outcome): void => {
              outcome = known
            }
            listener.deliver(eventOf(options.owner, config, invocation), (known) => notify(known), sink)
            const answered = Effect.callback<WorkerAnswer, WorkerLost>((resume) => {
              if (outcome !== undefined) return resume(settle(outcome))
              notify = (known) => resume(settle(known))
            })
            // A worker that waits has the event by now: the usual case, which needs no timer.
            if (!listener.undelivered()) return answered
            // Closing the session makes sure that an event given up here is not fetched later, and run after all.
            const giveUp = (why: string) =>
              Effect.sync(() => {
                if (listener.undelivered()) listener.end(undefined, why)
              })
            const lateWorker = Effect.sleep(fetchTimeout).pipe(
              Effect.andThen(giveUp(`it did not ask for its event within ${fetchTimeout}`)),
              Effect.andThen(Effect.never)
            )
            return Effect.raceFirst(answered, lateWorker).pipe(Effect.onInterrupt(() => giveUp("its caller left")))
          })
      })
    })
  )

const eventOf = (owner: Owner, config: FunctionConfig, invocation: Invocation): RuntimeEvent => ({
  requestId: invocation.requestId,
  timeoutMillis: Duration.toMillis(config.timeout),
  invokedFunctionArn: functionArn(owner, config.name, invocation.qualifier),
  traceId: invocation.traceId,
  ...(invocation.clientContext === undefined ? {} : { clientContext: invocation.clientContext }),
  payload: invocation.payload
})
