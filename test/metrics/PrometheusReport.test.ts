import { it } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Layer, Logger, Metric } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { EventInvokeConfigs } from "../../src/control/EventInvokeConfigs.ts"
import type { FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import { AsyncInvoker } from "../../src/invoke/AsyncInvoker.ts"
import * as SqliteAsyncInvoker from "../../src/invoke/async/SqliteAsyncInvoker.ts"
import { FunctionBreaker } from "../../src/invoke/FunctionBreaker.ts"
import { InvocationBackend, NoCapacity, WorkerStartFailed } from "../../src/invoke/InvocationBackend.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { type WorkerAnswer, WorkerClient, WorkerLost } from "../../src/invoke/WorkerClient.ts"
import { MetricsReport } from "../../src/metrics/MetricsReport.ts"
import * as PrometheusReport from "../../src/metrics/PrometheusReport.ts"
import { PoolManager, type PoolStats } from "../../src/pool/PoolManager.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { inMemory, limits } from "../support/asyncInvoking.ts"
import { concurrencyGate } from "../support/concurrency.ts"
import { functionConfig, hello, invocation, worker } from "../support/functions.ts"

const answer: WorkerAnswer = { payload: new Uint8Array() }

interface Script {
  functions?: ReadonlyArray<FunctionConfig>
  pools?: ReadonlyArray<PoolStats>
  acquire?: InvocationBackend["Service"]["acquireWorker"]
  send?: WorkerClient["Service"]["send"]
}

/** What serves callers, over doubles that do as `script` says at the moment, with a registry of metrics of its own. */
const serving = Effect.fnUntraced(function* (script: Script = {}) {
  // The same object as long as nothing changes, as registries promise.
  script.functions ??= [functionConfig()]
  const current = <A, E>(use: (registry: FunctionRegistry["Service"]) => Effect.Effect<A, E>) =>
    Effect.suspend(() =>
      FunctionRegistry.use(use).pipe(Effect.provide(FunctionRegistry.layerMemory(script.functions ?? [])))
    )
  const doubles = Layer.mergeAll(
    Layer.succeed(InvocationBackend, {
      acquireWorker: (config) => script.acquire?.(config) ?? Effect.succeed(worker("w1")),
      releaseWorker: () => Effect.void,
      evictWorker: () => Effect.void
    }),
    Layer.succeed(WorkerClient, {
      send: (...given) => script.send?.(...given) ?? Effect.succeed(answer)
    }),
    Layer.mock(PoolManager, { stats: Effect.sync(() => script.pools ?? []) }),
    Layer.succeed(FunctionRegistry, {
      get: (name, qualifier) => current((registry) => registry.get(name, qualifier)),
      list: current((registry) => registry.list),
      problems: Effect.succeed([])
    }),
    FunctionBreaker.layer({ threshold: 2, recoveryTimeout: Duration.seconds(30) }),
    concurrencyGate(),
    Layer.succeed(Metric.MetricRegistry, new Map()),
    Logger.layer([])
  )
  const context = yield* Layer.build(
    Layer.merge(PrometheusReport.layerGateway, SqliteAsyncInvoker.layer(inMemory)).pipe(
      Layer.provide(Layer.mock(EventInvokeConfigs, { settingsOf: () => ({}) })),
      Layer.provide(limits()),
      Layer.provideMerge(LambdaInvoker.layer),
      Layer.provideMerge(doubles)
    )
  )
  const invoke = (name = "hello") =>
    Effect.exit(Context.get(context, LambdaInvoker).invoke(invocation({ functionName: FunctionName.make(name) })))
  const lines = (pattern: RegExp) =>
    Effect.map(Context.get(context, MetricsReport).prometheus, (text) =>
      text.split("\n").filter((line) => !line.startsWith("#") && pattern.test(line))
    )
  return { context, invoke, lines, script }
})

const lost = new WorkerLost({ workerId: worker("w1").id, began: true, target: "http://worker", cause: "gone" })

describe("the metrics of invocations", () => {
  it.effect.each<readonly [outcome: string, script: Script]>([
    ["ok", {}],
    ["function_error", { send: () => Effect.succeed({ ...answer, errorType: "Error" }) }],
    ["worker_lost", { send: () => Effect.fail(lost) }],
    [
      "start_failed",
      {
        acquire: () =>
          Effect.fail(
            new WorkerStartFailed({ functionName: hello, failure: { reason: "EngineUnavailable", detail: "" } })
          )
      }
    ],
    [
      "start_failed",
      {
        acquire: () =>
          Effect.fail(new WorkerStartFailed({ functionName: hello, failure: { reason: "InitExited", detail: "" } }))
      }
    ],
    ["throttled", { acquire: () => Effect.fail(new NoCapacity({ functionName: hello, reason: "TimedOut" })) }],
    ["fault", { send: () => Effect.die(new Error("bug")) }]
  ])("count one that ended with %s", ([outcome, script]) =>
    Effect.gen(function* () {
      const { invoke, lines } = yield* serving(script)
      yield* invoke()
      expect(yield* lines(/invocations_total/)).toEqual([
        `irori_invocations_total{function="hello",outcome="${outcome}"} 1`
      ])
    })
  )

  it.effect("count a function that ran out of time, and take its time", () =>
    Effect.gen(function* () {
      const { invoke, lines } = yield* serving({ send: () => Effect.never })
      const running = yield* Effect.forkChild(invoke(), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(running)
      expect(yield* lines(/invocations_total/)).toEqual([
        'irori_invocations_total{function="hello",outcome="timeout"} 1'
      ])
      expect(yield* lines(/duration_seconds_(bucket.*le="(2.5|5|\+Inf)"|sum|count)/)).toEqual([
        'irori_invocation_duration_seconds_bucket{function="hello",le="2.5"} 0',
        'irori_invocation_duration_seconds_bucket{function="hello",le="5"} 1',
        'irori_invocation_duration_seconds_bucket{function="hello",le="+Inf"} 1',
        'irori_invocation_duration_seconds_sum{function="hello"} 3',
        'irori_invocation_duration_seconds_count{function="hello"} 1'
      ])
    })
  )

  it.effect("count a caller who left, without a time", () =>
    Effect.gen(function* () {
      const { invoke, lines } = yield* serving({ send: () => Effect.never })
      const running = yield* Effect.forkChild(invoke(), { startImmediately: true })
      yield* Fiber.interrupt(running)
      expect(yield* lines(/invocation/)).toEqual(['irori_invocations_total{function="hello",outcome="cancelled"} 1'])
    })
  )

  it.effect("have no series for what callers make up", () =>
    Effect.gen(function* () {
      const { invoke, lines } = yield* serving()
      for (let nth = 0; nth < 50; nth++) yield* invoke(`made-up-${nth}`)
      expect(yield* lines(/made-up/)).toEqual([])
    })
  )

  it.effect("add up over a function's configurations", () =>
    Effect.gen(function* () {
      const { invoke, lines, script } = yield* serving()
      yield* invoke()
      script.functions = [functionConfig({ memoryMegabytes: 512 })]
      yield* invoke()
      expect(yield* lines(/invocations_total/)).toEqual(['irori_invocations_total{function="hello",outcome="ok"} 2'])
    })
  )

  it.effect("forget a function that is gone, and begin anew should it come back", () =>
    Effect.gen(function* () {
      const { invoke, lines, script } = yield* serving()
      yield* invoke()
      script.functions = [functionConfig({ name: FunctionName.make("other") })]
      expect(yield* lines(/hello/)).toEqual([])
      script.functions = [functionConfig()]
      yield* invoke()
      expect(yield* lines(/invocations_total/)).toEqual(['irori_invocations_total{function="hello",outcome="ok"} 1'])
    })
  )
})

describe("the metrics of pools, circuits and events", () => {
  it.effect("are what the pools have at the moment, and nothing of a pool that is gone", () =>
    Effect.gen(function* () {
      const pool = { functionName: hello, version: "7", idle: 1, lent: 2, starting: 3, waiting: 4, maxCapacity: 10 }
      const { lines, script } = yield* serving({ pools: [pool] })
      const gauges = (values: ReadonlyArray<number>) =>
        ["idle_workers", "lent_workers", "starting_workers", "waiting_callers", "max_workers"].map(
          (name, index) => `irori_pool_${name}{function="hello",version="7"} ${values[index]}`
        )
      expect(yield* lines(/pool/)).toEqual(gauges([1, 2, 3, 4, 10]))
      script.pools = [{ ...pool, idle: 0, lent: 3 }]
      expect(yield* lines(/pool/)).toEqual(gauges([0, 3, 3, 4, 10]))
      script.pools = []
      expect(yield* lines(/pool/)).toEqual([])
    })
  )

  it.effect("show a circuit open, then half open, then closed", () =>
    Effect.gen(function* () {
      const { invoke, lines, script } = yield* serving({ send: () => Effect.fail(lost) })
      const state = (value: number) => [`irori_circuit_state{function="hello",version="$LATEST"} ${value}`]
      yield* invoke()
      expect(yield* lines(/circuit_state/)).toEqual(state(0))
      yield* invoke()
      yield* invoke()
      expect(yield* lines(/circuit_state/)).toEqual(state(2))
      expect(yield* lines(/circuit_open/)).toEqual([
        'irori_invocations_total{function="hello",outcome="circuit_open"} 1'
      ])
      yield* TestClock.adjust("30 seconds")
      expect(yield* lines(/circuit_state/)).toEqual(state(1))
      delete script.send
      yield* invoke()
      expect(yield* lines(/circuit_state/)).toEqual(state(0))
    })
  )

  it.effect("count the asynchronous events that have not finished", () =>
    Effect.gen(function* () {
      const { context, lines } = yield* serving({ send: () => Effect.never })
      expect(yield* lines(/async/)).toEqual(["irori_async_events 0", "irori_async_failed_events 0"])
      yield* Context.get(context, AsyncInvoker).enqueue(invocation())
      yield* Context.get(context, AsyncInvoker).enqueue(invocation())
      expect(yield* lines(/async/)).toEqual([
        "irori_async_events 2",
        "irori_async_failed_events 0",
        'irori_async_events_total{function="hello",outcome="accepted"} 2'
      ])
    })
  )
})
