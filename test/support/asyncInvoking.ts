/** The queue of events over doubles: what is invoked is the test's to say, and so is what functions have set. */
import { Duration, Effect, Layer, Queue } from "effect"
import { ConcurrencyLimits } from "../../src/control/ConcurrencyLimits.ts"
import { ControlDatabase } from "../../src/control/Database.ts"
import { EventInvokeConfigs, type EventInvokeSettings } from "../../src/control/EventInvokeConfigs.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import type { FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import type { Invocation } from "../../src/domain/Invocation.ts"
import { AsyncInvoker } from "../../src/invoke/AsyncInvoker.ts"
import { lambdaRetries, layer, type SqliteAsyncOptions } from "../../src/invoke/async/SqliteAsyncInvoker.ts"
import { NoCapacity } from "../../src/invoke/InvocationBackend.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { functionConfig, hello, invocation } from "./functions.ts"

type Invoke = LambdaInvoker["Service"]["invoke"]

export const owner = { region: "us-east-1", accountId: "123456789012" }

const text = (value: string) => new TextEncoder().encode(value)

export const ok = Effect.succeed({ payload: text('"done"'), executedVersion: "$LATEST" })
export const failed = Effect.succeed({
  payload: text('{"errorType":"Error","errorMessage":"no"}'),
  executedVersion: "$LATEST",
  functionError: "Unhandled" as const
})
export const throttled = Effect.fail(new NoCapacity({ functionName: hello, reason: "TimedOut" }))

export interface AsyncScript {
  readonly invoke?: (attempt: number, invocation: Invocation) => ReturnType<Invoke>
  readonly functions?: ReadonlyArray<FunctionConfig>
  readonly options?: Partial<SqliteAsyncOptions>
  /** Of every qualifier. */
  readonly settings?: EventInvokeSettings
  readonly reserved?: number
}

export const inMemory: SqliteAsyncOptions = {
  path: ":memory:",
  maxEvents: 100,
  maxRunning: 100,
  ...lambdaRetries,
  maxFailed: 100,
  failedRetention: Duration.days(14),
  destinations: { owner, mapped: new Map(), fileRoots: [] }
}

/** Every function has the same reservation. */
export const limits = (reserved?: number) =>
  Layer.effect(
    ConcurrencyLimits,
    Effect.map(ConcurrencyLimits, (real) => ({ ...real, reservedOf: () => reserved }))
  ).pipe(
    Layer.provide(ConcurrencyLimits.layer({ accountConcurrency: 1000 })),
    Layer.provide(FunctionStore.layer),
    Layer.provide(ControlDatabase.layerMemory)
  )

/** `attempts` has every invocation; whoever takes from it waits for the next. */
export const asyncInvoking = (script: AsyncScript = {}) => {
  const attempts = Effect.runSync(Queue.unbounded<Invocation>())
  let count = 0
  const invoker = Layer.mock(LambdaInvoker, {
    invoke: (given) =>
      Effect.suspend(() => {
        Queue.offerUnsafe(attempts, given)
        return script.invoke?.(++count, given) ?? ok
      })
  })
  const doubles = Layer.mergeAll(
    invoker,
    limits(script.reserved),
    FunctionRegistry.layerMemory(script.functions ?? [functionConfig({ maxCapacity: 10 })]),
    Layer.mock(EventInvokeConfigs, { settingsOf: () => script.settings ?? {} })
  )
  const whole = layer({ ...inMemory, ...script.options }).pipe(Layer.provideMerge(doubles))
  return { attempts, layer: whole }
}

export const enqueue = (requestId = "id-1", given: Partial<Invocation> = {}) =>
  AsyncInvoker.use((async) => async.enqueue(invocation({ requestId, ...given })))

/** What is written is written on the next turns of the real event loop, whatever the clock of the test says. */
export const turns = Effect.promise(async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((next) => setImmediate(next))
})
