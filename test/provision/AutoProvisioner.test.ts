/** Where functions are placed, with two machine rooms that only write down what they are asked. */
import { expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, PubSub } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { CodeImage } from "../../src/domain/FunctionConfig.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import { type Worker, WorkerId } from "../../src/domain/Worker.ts"
import * as AutoProvisioner from "../../src/provision/AutoProvisioner.ts"
import { DockerAdaptor } from "../../src/provision/DockerAdaptor.ts"
import { type DockerError, DockerUnavailable } from "../../src/provision/DockerError.ts"
import { Placements } from "../../src/provision/Placements.ts"
import { Provisioner, type WorkerDeath, WorkerGone } from "../../src/provision/Provisioner.ts"
import { functionConfig, worker } from "../support/functions.ts"

/** A machine room that starts what it is asked to at once. */
const room = (name: string, asked: Array<string>) => {
  const deaths = Effect.runSync(PubSub.unbounded<WorkerDeath>())
  const running = new Map<WorkerId, Worker>()
  const ask = (what: string, id: WorkerId) =>
    Effect.suspend(() => {
      asked.push(`${name} ${what} ${id}`)
      return running.has(id) ? Effect.void : new WorkerGone({ id, detail: `${name} has no ${id}` })
    })
  const layer = Layer.succeed(Provisioner, {
    pause: (id) => ask("pause", id),
    resume: (id) => ask("resume", id),
    start: (config) =>
      Effect.sync(() => {
        asked.push(`${name} start ${config.name}`)
        const started = worker(`${name}-${config.name}`)
        running.set(started.id, started)
        return started
      }),
    stop: (id) =>
      Effect.sync(() => {
        if (running.delete(id)) asked.push(`${name} stop ${id}`)
      }),
    isAbandoned: () => Effect.succeed(false),
    list: Effect.sync(() => [...running.values()]),
    deaths
  })
  return { layer, deaths }
}

const setUp = (imageExists: (image: string) => Effect.Effect<boolean, DockerError>) => {
  const asked: Array<string> = []
  const docker = room("docker", asked)
  const process = room("process", asked)
  const layer = AutoProvisioner.layer({
    docker: docker.layer,
    process: process.layer,
    baseImages: new Map([["nodejs22.x", "node-base:1"]])
  }).pipe(
    Layer.provide(
      Layer.mock(DockerAdaptor)({
        imageExists: (image) =>
          Effect.andThen(
            Effect.sync(() => void asked.push(`has ${image}?`)),
            imageExists(image)
          )
      })
    )
  )
  return { asked, docker, process, layer }
}

const noEngine = () =>
  Effect.fail(new DockerUnavailable({ operation: "imageExists", detail: "Docker is not there", cause: "ENOENT" }))
const code = functionConfig({ name: FunctionName.make("code") })
const image = functionConfig({ name: FunctionName.make("image"), code: new CodeImage({ uri: "own:1" }) })

describe("AutoProvisioner", () => {
  it.effect("runs an image in Docker without asking whether there is one", () => {
    const { asked, layer } = setUp(noEngine)
    return Effect.gen(function* () {
      yield* (yield* Provisioner).start(image)
      expect(asked).toEqual(["docker start image"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("pauses and resumes a worker where it runs", () => {
    const { asked, layer } = setUp(() => Effect.succeed(false))
    return Effect.gen(function* () {
      const provisioner = yield* Provisioner
      const inDocker = yield* provisioner.start(image)
      const inProcess = yield* provisioner.start(code)
      asked.length = 0
      yield* provisioner.pause(inDocker.id)
      yield* provisioner.resume(inDocker.id)
      yield* provisioner.pause(inProcess.id)
      yield* provisioner.resume(inProcess.id)
      expect(asked).toEqual([
        `docker pause ${inDocker.id}`,
        `docker resume ${inDocker.id}`,
        `process pause ${inProcess.id}`,
        `process resume ${inProcess.id}`
      ])
      yield* provisioner.stop(inDocker.id)
      expect(yield* Effect.flip(provisioner.resume(inDocker.id))).toMatchObject({ _tag: "WorkerGone" })
    }).pipe(Effect.provide(layer))
  })

  it.effect("runs code in Docker when the image of its runtime is there", () => {
    const { asked, layer } = setUp(() => Effect.succeed(true))
    return Effect.gen(function* () {
      yield* (yield* Provisioner).start(code)
      expect(asked).toEqual(["has node-base:1?", "docker start code"])
      const { placement } = yield* Placements
      expect((yield* placement(code)).why).toContain("node-base:1")
    }).pipe(Effect.provide(layer))
  })

  it.effect("runs code as a process when the image is not there, and says how that is changed", () => {
    const { asked, layer } = setUp(() => Effect.succeed(false))
    return Effect.gen(function* () {
      yield* (yield* Provisioner).start(code)
      expect(asked).toEqual(["has node-base:1?", "process start code"])
      const { placement } = yield* Placements
      expect(yield* placement(code)).toEqual({
        provisioner: "process",
        why: expect.stringContaining("node-base:1"),
        howToChange: expect.stringContaining("docker pull node-base:1")
      })
    }).pipe(Effect.provide(layer))
  })

  it.effect("runs code as a process when there is no Docker, and says why", () => {
    const { asked, layer } = setUp(noEngine)
    return Effect.gen(function* () {
      yield* (yield* Provisioner).start(code)
      expect(asked).toEqual(["has node-base:1?", "process start code"])
      expect((yield* (yield* Placements).placement(code)).why).toBe("Docker is not there")
    }).pipe(Effect.provide(layer))
  })

  it.effect("does not wait longer than five seconds for an engine that does not answer", () => {
    const { asked, layer } = setUp(() => Effect.never)
    return Effect.gen(function* () {
      const started = yield* Effect.forkChild((yield* Provisioner).start(code), { startImmediately: true })
      yield* TestClock.adjust("4999 millis")
      expect(asked).toEqual(["has node-base:1?"])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(started)
      expect(asked).toEqual(["has node-base:1?", "process start code"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("keeps to what it decided for a function, also when its image comes later", () => {
    let there = false
    const { asked, layer } = setUp(() => Effect.sync(() => there))
    return Effect.gen(function* () {
      const provisioner = yield* Provisioner
      yield* provisioner.start(code)
      there = true
      yield* provisioner.start(code)
      yield* provisioner.start(functionConfig({ name: FunctionName.make("later") }))
      expect(asked.filter((what) => what.includes("start"))).toEqual([
        "process start code",
        "process start code",
        "docker start later"
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("places two first starts of a function that come at once in the same room", () => {
    const answers = [true, false]
    return Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { asked, layer } = setUp(() => Effect.as(Deferred.await(gate), answers.shift() === true))
      yield* Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const both = yield* Effect.forkChild(
          Effect.all([provisioner.start(code), provisioner.start(code)], { concurrency: 2 }),
          { startImmediately: true }
        )
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(both)
      }).pipe(Effect.provide(layer))
      expect(new Set(asked.filter((what) => what.includes("start"))).size).toBe(1)
    })
  })

  it.effect("lists the workers of both rooms, and stops each where it is", () => {
    const { asked, layer } = setUp(noEngine)
    return Effect.gen(function* () {
      const provisioner = yield* Provisioner
      yield* provisioner.start(code)
      yield* provisioner.start(image)
      expect((yield* provisioner.list).map(({ id }) => id)).toEqual(["docker-image", "process-code"])
      yield* provisioner.stop(WorkerId.make("process-code"))
      yield* provisioner.stop(WorkerId.make("nobody"))
      expect(asked.filter((what) => what.includes("stop"))).toEqual(["process stop process-code"])
      expect((yield* provisioner.list).map(({ id }) => id)).toEqual(["docker-image"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("publishes the deaths of both rooms", () => {
    const { docker, layer, process } = setUp(noEngine)
    return Effect.gen(function* () {
      const deaths = yield* PubSub.subscribe((yield* Provisioner).deaths)
      yield* PubSub.publish(docker.deaths, { id: WorkerId.make("a"), exit: { code: 1 } })
      expect(yield* PubSub.take(deaths)).toEqual({ id: "a", exit: { code: 1 } })
      yield* PubSub.publish(process.deaths, { id: WorkerId.make("b"), exit: { signal: "killed" } })
      expect(yield* PubSub.take(deaths)).toEqual({ id: "b", exit: { signal: "killed" } })
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("tells its two rooms apart though both are the same service", () => {
    const { layer } = setUp(noEngine)
    return Effect.gen(function* () {
      const context = yield* Effect.context<Provisioner | Placements>()
      expect((yield* Context.get(context, Provisioner).start(image)).id).toBe("docker-image")
      expect((yield* Context.get(context, Provisioner).start(code)).id).toBe("process-code")
    }).pipe(Effect.provide(layer))
  })
})
