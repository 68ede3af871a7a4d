/**
 * Irori without its edges, in this process: registry, gate, breaker, pool and invoker as they are by default, over a
 * machine whose workers start at once and answer when they are told.
 */
import { Context, Duration, Effect, Exit, Layer, Scope } from "effect"
import type { FunctionConfig } from "../src/domain/FunctionConfig.ts"
import { FunctionName } from "../src/domain/FunctionName.ts"
import { FunctionBreaker } from "../src/invoke/FunctionBreaker.ts"
import { InvocationBackend } from "../src/invoke/InvocationBackend.ts"
import { LambdaInvoker } from "../src/invoke/LambdaInvoker.ts"
import { WorkerClient } from "../src/invoke/WorkerClient.ts"
import { PoolManager } from "../src/pool/PoolManager.ts"
import { ProvisionClient } from "../src/provision/ProvisionClient.ts"
import { FunctionRegistry } from "../src/registry/FunctionRegistry.ts"
import { concurrencyGate } from "../test/support/concurrency.ts"
import { functionConfig, invocation, worker } from "../test/support/functions.ts"

export interface Simulated {
  readonly invoker: LambdaInvoker["Service"]
  readonly backend: InvocationBackend["Service"]
  readonly configs: ReadonlyArray<FunctionConfig>
  /** One invocation of a function, by the way that the gateway takes. */
  readonly invoke: (functionName: FunctionName) => Promise<void>
  /** Has every worker of `config` started that it may have. */
  readonly fill: (config: FunctionConfig) => Promise<void>
  readonly close: () => Promise<void>
}

export const nameOf = (index: number): FunctionName => FunctionName.make(`function-${index}`)

const answer = { payload: new TextEncoder().encode('"done"') }

/** `answers` calls back when the worker is to answer: at once, unless it keeps it. */
export const simulate = async (
  configs: ReadonlyArray<FunctionConfig>,
  answers: (done: () => void) => void = (done) => queueMicrotask(done)
): Promise<Simulated> => {
  let count = 0
  const machine = Layer.succeed(ProvisionClient, {
    provision: ({ name }) => Effect.sync(() => worker(`w${++count}`, { functionName: name })),
    remove: () => Effect.void,
    pause: () => Effect.void,
    resume: () => Effect.void,
    sync: Effect.succeed([])
  })
  const client = Layer.succeed(WorkerClient, {
    send: () => Effect.callback((resume) => answers(() => resume(Effect.succeed(answer)))),
    direct: {
      takes: () => true,
      start: (_worker, _config, _invocation, taker) => {
        answers(() => taker.answered(answer))
        return () => {}
      }
    }
  })
  const layer = LambdaInvoker.layer.pipe(
    Layer.provide([
      client,
      FunctionRegistry.layerMemory(configs),
      FunctionBreaker.layer({ threshold: 5, recoveryTimeout: Duration.seconds(30) }),
      concurrencyGate(100_000)
    ]),
    Layer.provideMerge(
      PoolManager.layer({
        budget: { workers: 100_000, megabytes: Number.MAX_SAFE_INTEGER },
        leaveRunning: true,
        refusesOverload: true
      })
    ),
    Layer.provide(machine)
  )
  const scope = Scope.makeUnsafe()
  const context = await Effect.runPromise(Scope.provide(Layer.build(layer), scope))
  const invoker = Context.get(context, LambdaInvoker)
  const backend = Context.get(context, InvocationBackend)
  return {
    invoker,
    backend,
    configs,
    invoke: (functionName) =>
      new Promise((resolve, reject) => {
        const event = invocation({ functionName })
        const started = invoker.start?.(event, { succeeded: () => resolve(), failed: reject })
        if (started === undefined) Effect.runPromise(invoker.invoke(event)).then(() => resolve(), reject)
      }),
    fill: async (config) => {
      const lent = await Effect.runPromise(
        Effect.forEach(Array.from({ length: config.maxCapacity }), () => backend.acquireWorker(config), {
          concurrency: "unbounded"
        })
      )
      for (const one of lent) await Effect.runPromise(backend.releaseWorker(one))
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** The same with nothing around it: one worker, and a queue before it. */
export const bareQueue = (): Pick<Simulated, "configs" | "invoke" | "close"> => {
  const waiting: Array<() => void> = []
  let isBusy = false
  const run = (resolve: () => void) => {
    isBusy = true
    queueMicrotask(() => {
      isBusy = false
      const next = waiting.shift()
      if (next !== undefined) run(next)
      resolve()
    })
  }
  return {
    configs: configsOf(1),
    invoke: (functionName) =>
      new Promise((resolve) => {
        const event = invocation({ functionName })
        const call = () => resolve(void event)
        if (isBusy) waiting.push(call)
        else run(call)
      }),
    close: async () => {}
  }
}

export const configsOf = (count: number, settings: Parameters<typeof functionConfig>[0] = {}) =>
  Array.from({ length: count }, (_, index) => functionConfig({ name: nameOf(index), ...settings }))
