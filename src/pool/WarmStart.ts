/**
 * What is done before the first caller comes: workers that outlived the last process are adopted, and those that
 * functions want kept warm are started. A manager that does not answer does not hold up the start for long.
 */
import { type Duration, Effect, Layer } from "effect"
import { ProvisionClient } from "../provision/ProvisionClient.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { PoolManager } from "./PoolManager.ts"

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
      yield* adopt.pipe(
        Effect.timeout(options.timeout),
        Effect.catch((error) =>
          Effect.logWarning(`No running workers were adopted: ${error.message || "the manager does not answer"}`)
        )
      )
      yield* pools.reconcile(functions)
    })
  )
