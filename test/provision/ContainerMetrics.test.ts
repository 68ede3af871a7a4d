/** What workers take, measured: of processes for real, of containers where there is an engine. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { afterAll } from "vitest"
import type { Worker } from "../../src/domain/Worker.ts"
import * as AutoContainerMetrics from "../../src/provision/AutoContainerMetrics.ts"
import {
  ContainerMetrics,
  ContainerMetricsUnavailable,
  type ContainerSample,
  fromMeasurements,
  type Measurement
} from "../../src/provision/ContainerMetrics.ts"
import { DockerAdaptor } from "../../src/provision/DockerAdaptor.ts"
import * as DockerContainerMetrics from "../../src/provision/DockerContainerMetrics.ts"
import { DockerFailed, DockerNotFound, DockerUnavailable } from "../../src/provision/DockerError.ts"
import * as ProcessContainerMetrics from "../../src/provision/ProcessContainerMetrics.ts"
import * as ProcessProvisioner from "../../src/provision/ProcessProvisioner.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { codeFolder } from "../support/codeFolder.ts"
import { answer } from "../support/delivery.ts"
import { namesWith, noDocker } from "../support/docker.ts"
import * as dockerSubjects from "../support/dockerSubjects.ts"
import { engineProxy } from "../support/engineProxy.ts"
import { functionConfig } from "../support/functions.ts"
import { nodeBaseImage } from "../support/images.ts"

const unmeasured = (id: string): Measurement => ({ container_id: id, container_name: id, error: `${id} hides` })
const sample: ContainerSample = {
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
  collected_at: 4
}

describe("a report of measurements", () => {
  const reportOf = (found: ReadonlyArray<Measurement>) =>
    Effect.flatMap(fromMeasurements(Effect.succeed(found)), ({ collect }) => collect)

  it.effect("says how many could not be measured", () =>
    Effect.gen(function* () {
      const containers = [sample, unmeasured("w2")]
      expect(yield* reportOf(containers)).toEqual({ containers, failures: 1 })
    })
  )

  it.effect("is empty where there is nothing", () =>
    Effect.gen(function* () {
      expect(yield* reportOf([])).toEqual({ containers: [] })
    })
  )

  it.effect("is none where nothing could be measured", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(reportOf([unmeasured("w1"), unmeasured("w2")]))
      expect(error).toEqual(new ContainerMetricsUnavailable({ detail: "w1 hides" }))
    })
  )

  it.effect("is made once for everybody who asks within five seconds, and for those who ask meanwhile", () =>
    Effect.gen(function* () {
      let measured = 0
      const gate = yield* Deferred.make<void>()
      const { collect } = yield* fromMeasurements(
        Effect.suspend(() => {
          measured++
          return Effect.as(Deferred.await(gate), [sample])
        })
      )
      const asking = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(collect, { startImmediately: true }))
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.joinAll(asking)
      yield* TestClock.adjust("4999 millis")
      yield* collect
      expect(measured).toBe(1)
      yield* TestClock.adjust("1 millis")
      yield* collect
      expect(measured).toBe(2)
    })
  )
})

const code = codeFolder({
  "echo.mjs": "export const handler = async (event) => event",
  "holds.mjs": `
    const held = Buffer.alloc(64 * 1024 * 1024, 1)
    const used = () => process.cpuUsage().user + process.cpuUsage().system
    export const handler = async () => {
      while (used() < 400_000);
      return { held: held.length, micros: used() }
    }`
})

const processes = ProcessProvisioner.layer({
  owner: { region: "us-east-1", accountId: "123456789012" },
  initTimeout: Duration.seconds(10),
  path: process.env.PATH ?? ""
}).pipe(Layer.provideMerge(RuntimeApi.layer), Layer.provideMerge(Logger.layer([])))

const sampleFor = ({ id }: Worker, found: ReadonlyArray<Measurement>): ContainerSample => {
  const one = found.find((measurement) => measurement.container_name === id)
  if (one === undefined || "error" in one) throw new Error(`no sample of ${id} in ${JSON.stringify(found)}`)
  return one
}

const start = (config: ReturnType<typeof functionConfig>) => Provisioner.use((machine) => machine.start(config))
const collect = ContainerMetrics.use((metrics) => metrics.collect)

describe("what workers that are processes take", () => {
  const withProcesses = ProcessContainerMetrics.layer.pipe(Layer.provideMerge(processes))

  it.live("is the memory and the CPU time of each one's whole group", () =>
    Effect.gen(function* () {
      const small = yield* start(functionConfig({ code, handler: "echo.handler" }))
      const large = yield* start(functionConfig({ code, handler: "holds.handler" }))
      const { body } = yield* answer(large, {}, { timeoutMillis: 30_000 })
      const { containers, failures } = yield* collect
      expect([containers.length, failures]).toEqual([2, 0])
      const [little, much] = [sampleFor(small, containers), sampleFor(large, containers)]
      expect(much).toMatchObject({ function_name: "hello", state: "RUNNING", exit_code: 0, memory_max: 0 })
      expect(much.memory_current - little.memory_current).toBeGreaterThan(50 * 1024 * 1024)
      // Linux counts in hundredths of a second, of the user's and of the system's time each.
      expect(much.cpu_usage_ns).toBeGreaterThan(body.micros * 1000 - 20e6)
      expect(Math.abs(much.collected_at - Date.now() / 1000)).toBeLessThan(10)
    }).pipe(Effect.provide(withProcesses))
  )

  it.live("says which ones stand still", () =>
    Effect.gen(function* () {
      const worker = yield* start(functionConfig({ code, handler: "echo.handler" }))
      yield* Provisioner.use((machine) => machine.pause(worker.id))
      // The signal is sent; a busy machine may take a moment to deliver it.
      yield* Effect.sleep("200 millis")
      expect(sampleFor(worker, (yield* collect).containers).state).toBe("PAUSED")
    }).pipe(Effect.provide(withProcesses))
  )
})

const image = noDocker === undefined ? await nodeBaseImage() : { missing: noDocker }
const mounted = dockerSubjects.codeFolder({ "echo.mjs": "export const handler = async (event) => event\n" })
afterAll(mounted.remove)

describe.skipIf("missing" in image)("what workers in containers take", () => {
  const instance = dockerSubjects.newInstance()
  const baseImages = new Map([["nodejs22.x", "name" in image ? image.name : ""]])
  const layer = DockerContainerMetrics.layer({ instance, boot: "boot-1" }).pipe(
    Layer.provideMerge(dockerSubjects.dockerLayer(instance, { baseImages }))
  )

  it.live(
    "is what the engine says of each of ours, whether it runs or stands still",
    () =>
      Effect.gen(function* () {
        const [running, paused] = yield* Effect.all(
          [1, 2].map(() => start(dockerSubjects.nodeFunction(mounted.path, "echo.handler"))),
          { concurrency: 2 }
        )
        yield* Provisioner.use((machine) => machine.pause(paused!.id))
        const { containers, failures } = yield* collect
        const names = yield* namesWith(dockerSubjects.labelOf(instance))
        expect(containers.map(({ container_name }) => container_name).toSorted()).toEqual(names)
        expect(failures).toBe(0)
        const ours = sampleFor(running!, containers)
        expect(ours).toMatchObject({
          function_name: "docker-echo",
          state: "RUNNING",
          memory_max: 128 * 1024 * 1024,
          oom_events: 0,
          exit_code: 0,
          restart_count: 0,
          exit_time: 0
        })
        expect(ours.container_id).toMatch(/^[0-9a-f]{64}$/)
        expect(ours.memory_current).toBeGreaterThan(5 * 1024 * 1024)
        expect(ours.cpu_usage_ns).toBeGreaterThan(1e6)
        const still = sampleFor(paused!, containers)
        expect(still.state).toBe("PAUSED")
        expect(still.memory_current).toBeGreaterThan(5 * 1024 * 1024)
      }).pipe(Effect.provide(layer)),
    60_000
  )
})

describe("what workers take where the engine has trouble", () => {
  const summary = (name: string) => ({
    id: `id-${name}`,
    name,
    state: "running",
    labels: { "irori.function": "hello" }
  })
  const stats = {
    state: "running",
    exitCode: 0,
    endedAtMillis: 0,
    restarts: 0,
    outOfMemory: false,
    memoryBytes: 7,
    maxMemoryBytes: 8,
    cpuNanos: 9
  }
  const engine = (adaptor: Partial<DockerAdaptor["Service"]>) => Layer.mock(DockerAdaptor)(adaptor)
  const down = new DockerUnavailable({ operation: "list", detail: "Docker is not running", cause: "down" })

  const beside = AutoContainerMetrics.layer({ instance: "i", boot: "b" }).pipe(
    Layer.provideMerge(processes),
    Layer.provide(engine({ list: () => Effect.fail(down) }))
  )

  it.effect("has the one that cannot be measured with its reason, and not the one that just went", () =>
    Effect.gen(function* () {
      const found = yield* collect
      expect(found.failures).toBe(1)
      expect(found.containers).toEqual([
        expect.objectContaining({ container_name: "a", function_name: "hello", memory_current: 7, cpu_usage_ns: 9 }),
        { container_id: "id-b", container_name: "b", error: "no cgroup" }
      ])
    }).pipe(
      Effect.provide(
        DockerContainerMetrics.layer({ instance: "i", boot: "b" }).pipe(
          Layer.provide(
            engine({
              list: () => Effect.succeed(["a", "b", "c"].map(summary)),
              stats: (name) => {
                if (name === "a") return Effect.succeed(stats)
                if (name === "c") return Effect.fail(new DockerNotFound({ operation: "stats", detail: "gone" }))
                return Effect.fail(new DockerFailed({ operation: "stats", detail: "no cgroup", cause: "no" }))
              }
            })
          )
        )
      )
    )
  )

  it.effect("is unavailable where the engine is", () =>
    Effect.gen(function* () {
      expect((yield* Effect.flip(collect)).detail).toBe("Docker is not running")
    }).pipe(
      Effect.provide(
        DockerContainerMetrics.layer({ instance: "i", boot: "b" }).pipe(
          Layer.provide(engine({ list: () => Effect.fail(down) }))
        )
      )
    )
  )

  it.live("is there all the same for processes beside it", () =>
    Effect.gen(function* () {
      expect(yield* collect).toEqual({ containers: [] })
    }).pipe(Effect.provide(beside))
  )

  it.live("is measured of processes as long as the engine is away", () =>
    Effect.gen(function* () {
      const worker = yield* start(functionConfig({ code, handler: "echo.handler" }))
      const { containers, failures } = yield* collect
      expect([sampleFor(worker, containers).state, failures]).toEqual(["RUNNING", 0])
    }).pipe(Effect.provide(beside))
  )

  it.effect("takes none of the permits of other operations, and asks for a few at a time", () =>
    Effect.gen(function* () {
      const proxy = yield* engineProxy("/nowhere")
      proxy.when(/stats/, { is: "hold" })
      proxy.when(/containers\/(json|c\d+\/json)/, { is: "answer", status: 200, body: "[]" })
      const docker = Context.get(
        yield* Layer.build(DockerAdaptor.layer({ host: proxy.host, maxWorkers: 1 })),
        DockerAdaptor
      )
      const measuring = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 20 }, (_, nth) => `c${nth}`),
          docker.stats,
          { concurrency: "unbounded" }
        )
      )
      yield* proxy.until(/stats/, 8)
      expect(yield* docker.list({ a: "b" })).toEqual([])
      expect(proxy.seen.filter((request) => request.includes("stats"))).toHaveLength(8)
      yield* Fiber.interrupt(measuring)
      yield* proxy.untilOpen(0)
    })
  )
})
