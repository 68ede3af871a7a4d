import { it } from "@effect/vitest"
import { Effect, Fiber, Layer, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { GatewayId } from "../../src/domain/Worker.ts"
import * as StartMetrics from "../../src/metrics/StartMetrics.ts"
import { ProvisionClient, ProvisionFailed } from "../../src/provision/ProvisionClient.ts"
import { Provisioner, StartFailed } from "../../src/provision/Provisioner.ts"
import { FakeMachine } from "../manager/fakes.ts"
import { functionConfig, hello, worker } from "../support/functions.ts"

const counted = Effect.map(PrometheusMetrics.format(), (text) =>
  text.split("\n").filter((line) => /_(total|sum|count)\{/.test(line))
)

const ownRegistry = Layer.effect(
  Metric.MetricRegistry,
  Effect.sync(() => new Map())
)

const engineGone = { reason: "EngineUnavailable", detail: "" } as const

const onMachine = (machine: FakeMachine) =>
  StartMetrics.layerProvisioner.pipe(Layer.provide(machine.provisioner), Layer.provideMerge(ownRegistry))

describe("the metrics of a machine's starts", () => {
  it.effect("count a worker that became ready, and take its time", () => {
    const machine = new FakeMachine()
    machine.onStart = () => Effect.sleep("400 millis")
    return Effect.gen(function* () {
      const provisioner = yield* Provisioner
      const starting = yield* Effect.forkChild(provisioner.start(functionConfig(), GatewayId.make("gateway-1")), {
        startImmediately: true
      })
      yield* TestClock.adjust("400 millis")
      expect(yield* Fiber.join(starting)).toMatchObject({ id: "w-1", gateway: "gateway-1" })
      expect(yield* counted).toEqual([
        'irori_cold_starts_total{function="hello"} 1',
        'irori_worker_start_seconds_sum{function="hello"} 0.4',
        'irori_worker_start_seconds_count{function="hello"} 1'
      ])
    }).pipe(Effect.provide(onMachine(machine)))
  })

  it.effect("count a worker that did not start by the reason, which is handed on", () => {
    const machine = new FakeMachine()
    machine.onStart = () => Effect.fail(new StartFailed({ failure: engineGone }))
    return Effect.gen(function* () {
      const provisioner = yield* Provisioner
      expect(yield* Effect.flip(provisioner.start(functionConfig()))).toMatchObject({ failure: engineGone })
      expect(yield* counted).toEqual([
        'irori_worker_start_failures_total{function="hello",reason="EngineUnavailable"} 1'
      ])
    }).pipe(Effect.provide(onMachine(machine)))
  })

  it.effect("count nothing of a start that was given up", () => {
    const machine = new FakeMachine()
    machine.onStart = () => Effect.never
    return Effect.gen(function* () {
      const provisioner = yield* Provisioner
      const starting = yield* Effect.forkChild(provisioner.start(functionConfig()), { startImmediately: true })
      yield* Fiber.interrupt(starting)
      expect(machine.calls).toEqual(["start w-1", "give up w-1"])
      expect(yield* counted).toEqual([])
    }).pipe(Effect.provide(onMachine(machine)))
  })

  it.effect("leave everything else as it is", () => {
    const machine = new FakeMachine()
    return Effect.gen(function* () {
      const provisioner = yield* Provisioner
      const started = yield* provisioner.start(functionConfig())
      expect(yield* provisioner.list).toEqual([started])
      yield* provisioner.stop(started.id)
      expect(yield* provisioner.list).toEqual([])
    }).pipe(Effect.provide(onMachine(machine)))
  })
})

describe("the metrics of starts that a manager is asked for", () => {
  it.effect("count both kinds of end", () => {
    let asked = 0
    const client = Layer.mock(ProvisionClient, {
      provision: () =>
        ++asked === 1
          ? Effect.succeed(worker("w1"))
          : Effect.fail(new ProvisionFailed({ functionName: hello, failure: engineGone }))
    })
    return Effect.gen(function* () {
      const { provision } = yield* ProvisionClient
      yield* provision(functionConfig())
      yield* Effect.flip(provision(functionConfig()))
      expect(yield* counted).toEqual([
        'irori_cold_starts_total{function="hello"} 1',
        'irori_worker_start_seconds_sum{function="hello"} 0',
        'irori_worker_start_seconds_count{function="hello"} 1',
        'irori_worker_start_failures_total{function="hello",reason="EngineUnavailable"} 1'
      ])
    }).pipe(
      Effect.provide(StartMetrics.layerProvisionClient.pipe(Layer.provide(client), Layer.provideMerge(ownRegistry)))
    )
  })
})
