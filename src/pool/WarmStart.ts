/**
 * What is done before the first caller comes: workers that outlived the last process are adopted, and those that
 * functions want kept warm are started. A manager that starts at the same time is waited for, but not for long.
 */
import { Duration, Effect, Layer } from "effect"
import { ProvisionClient } from "../provision/ProvisionClient.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { PoolManager } from "./PoolManager.ts"

/** A manager that is there answers sooner. */
const sayAfter = "500 millis"

export const layer = (options: { readonly timeout: Duration.Duration }) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const pools = yield* PoolManager
      const manager = yield* ProvisionClient
      const functions = yield* (yield* FunctionRegistry).list

      const adopt = Effect.gen(function* () {
        const running = yield* manager.sync
        // The process that had paused some of them is gone, and its knowledge with it.
        yield* Effect.forEach(running, ({ id }) => Effect.ignore(manager.resume(id)), {
          concurrency: "unbounded",
          discard: true
        })
        const { adopted, removed } = yield* pools.adopt(running, functions)
        if (running.length > 0) yield* Effect.logInfo(`Adopted ${adopted} running workers, removed ${removed}`)
      })
      const sayWaiting = Effect.logInfo(
        `Waiting for the manager, which may have workers to adopt; for ${Duration.format(options.timeout)} at most`
      )
      const notAdopted = (why: string) => Effect.logWarning(`No running workers were adopted: ${why}`)
      yield* Effect.raceFirst(adopt, Effect.andThen(Effect.delay(sayWaiting, sayAfter), Effect.never)).pipe(
        Effect.catch((error) => notAdopted(error.message)),
        Effect.timeoutOrElse({ duration: options.timeout, orElse: () => notAdopted("the manager does not answer") })
      )
      yield* pools.reconcile(functions)
    })
  )
