/** The manager's routes of the metrics, and a gateway that asks for them over HTTP. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, ManagedRuntime } from "effect"
import { manager } from "../../plugins/manager/index.ts"
import {
  ContainerMetrics,
  ContainerMetricsUnavailable,
  type ContainersReport
} from "../../src/provision/ContainerMetrics.ts"
import * as HttpContainerMetrics from "../../src/provision/HttpContainerMetrics.ts"
import * as Manager from "../../src/provision/Manager.ts"
import { FakeMachine } from "./fakes.ts"
import { measuring } from "./measuring.ts"
import { clientOptions, token } from "./server.ts"

const report: ContainersReport = {
  containers: [
    {
      container_id: "w1",
      function_name: "hello",
      container_name: "w1",
      state: "RUNNING",
      memory_current: 1,
      memory_max: 2,
      oom_events: 0,
      cpu_usage_ns: 3,
      exit_code: 0,
      restart_count: 0,
      exit_time: 0,
      collected_at: 4.5
    },
    { container_id: "w2", container_name: "w2", error: "why" }
  ],
  failures: 1
}

const app = (collect: ContainerMetrics["Service"]["collect"], besideGateway = false) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const machine = new FakeMachine()
        return ManagedRuntime.make(
          Manager.layer({ codeRoots: [], idleTimeout: Duration.minutes(5) }).pipe(
            Layer.provide([machine.provisioner, machine.workerClient]),
            Layer.merge(measuring(collect))
          )
        )
      }),
      (runtime) => Effect.promise(() => runtime.dispose())
    ),
    (runtime) => manager(runtime, { token, besideGateway })
  )

const get = (served: ReturnType<typeof manager>, path: string, authorization = `Bearer ${token}`) =>
  Effect.promise(async () => {
    const response = await served.handle(new Request(`http://localhost${path}`, { headers: { authorization } }))
    return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
  })

const unavailable = Effect.fail(new ContainerMetricsUnavailable({ detail: "no engine" }))

describe("the manager's metrics", () => {
  it.effect("are in the format that Prometheus reads", () =>
    Effect.gen(function* () {
      expect(yield* get(yield* app(Effect.succeed(report)), "/metrics")).toEqual({
        status: 200,
        type: "text/plain; version=0.0.4; charset=utf-8",
        text: "a_total 1\n"
      })
    })
  )

  it.effect("have what each worker takes", () =>
    Effect.gen(function* () {
      const { status, text } = yield* get(yield* app(Effect.succeed(report)), "/metrics/containers")
      expect([status, JSON.parse(text)]).toEqual([200, report])
    })
  )

  it.effect("are unavailable where nothing could be measured", () =>
    Effect.gen(function* () {
      const { status, text } = yield* get(yield* app(unavailable), "/metrics/containers")
      expect([status, JSON.parse(text)]).toEqual([503, { detail: "no engine" }])
    })
  )

  it.effect("are for those with the token", () =>
    Effect.gen(function* () {
      const served = yield* app(Effect.succeed(report))
      for (const path of ["/metrics", "/metrics/containers", "/metrics/nothing"]) {
        expect(yield* get(served, path, "Bearer another")).toMatchObject({ status: 401 })
      }
      expect((yield* get(served, "/%6detrics", "Bearer another")).status).not.toBe(200)
    })
  )

  it.effect("are the gateway's where one is in the same app", () =>
    Effect.gen(function* () {
      const served = yield* app(Effect.succeed(report), true)
      expect(yield* get(served, "/metrics")).toMatchObject({ status: 404 })
      expect(yield* get(served, "/metrics/containers")).toMatchObject({ status: 404 })
    })
  )
})

describe("a gateway that asks its manager what workers take", () => {
  const asking = (collect: ContainerMetrics["Service"]["collect"]) =>
    Effect.gen(function* () {
      const served = yield* app(collect)
      const listening = yield* Effect.acquireRelease(
        Effect.sync(() => served.listen({ hostname: "127.0.0.1", port: 0, reusePort: false })),
        (listening) => Effect.promise(() => listening.stop(true))
      )
      return clientOptions(`http://127.0.0.1:${listening.server?.port}`)
    })
  const collectFrom = (options: Parameters<typeof HttpContainerMetrics.layer>[0]) =>
    ContainerMetrics.use((metrics) => metrics.collect).pipe(Effect.provide(HttpContainerMetrics.layer(options)))

  it.effect("hands on what the manager has", () =>
    Effect.gen(function* () {
      expect(yield* collectFrom(yield* asking(Effect.succeed(report)))).toEqual(report)
    })
  )

  it.effect("has nothing where the manager has nothing, with its reason", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(collectFrom(yield* asking(unavailable)))
      expect(error).toMatchObject({ _tag: "ContainerMetricsUnavailable", detail: "no engine" })
    })
  )

  it.effect("has nothing where the manager refuses it", () =>
    Effect.gen(function* () {
      const options = yield* asking(Effect.succeed(report))
      const error = yield* Effect.flip(collectFrom({ ...options, token: "another" }))
      expect(error.message).toContain("refuses this gateway's token")
    })
  )
})
