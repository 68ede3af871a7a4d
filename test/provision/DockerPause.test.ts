/** Pausing containers: over an engine that answers on command, and on the engine of this machine behind a proxy. */
import { expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, type Scope } from "effect"
import { describe } from "vitest"
import type { Worker } from "../../src/domain/Worker.ts"
import { DockerAdaptor, type DockerOptions } from "../../src/provision/DockerAdaptor.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import type { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { answer } from "../support/delivery.ts"
import { engine, namesWith } from "../support/docker.ts"
import { dockerLayer, imageFunction, labelOf, newInstance } from "../support/dockerSubjects.ts"
import { type EngineProxy, engineProxy } from "../support/engineProxy.ts"
import { workerImage } from "../support/images.ts"

describe("DockerAdaptor, asked to pause or to unpause", () => {
  const setUp = (options: DockerOptions = {}) =>
    Effect.gen(function* () {
      const proxy = yield* engineProxy("/nowhere")
      const context = yield* Layer.build(DockerAdaptor.layer({ host: proxy.host, ...options }))
      return { proxy, docker: Context.get(context, DockerAdaptor) }
    })

  it.effect("waits for no permit that slow operations hold", () =>
    Effect.gen(function* () {
      const { docker, proxy } = yield* setUp({ maxWorkers: 1 })
      proxy.when(/GET/, { is: "hold" })
      proxy.when(/POST/, { is: "answer", status: 204, body: "" })
      const slow = yield* Effect.forkChild(Effect.exit(docker.list({ a: "b" })))
      yield* proxy.until(/GET/)
      yield* docker.pause("c")
      yield* docker.unpause("c")
      expect(proxy.seen.slice(1)).toEqual([
        expect.stringContaining("POST /containers/c/pause"),
        expect.stringContaining("POST /containers/c/unpause")
      ])
      yield* Fiber.interrupt(slow)
    })
  )

  const state = (Running: boolean, Paused: boolean) => ({ Running, Paused })
  const refusing = Effect.fnUntraced(function* (status: number, State: ReturnType<typeof state>) {
    const { docker, proxy } = yield* setUp()
    proxy.when(/POST/, { is: "answer", status, body: '{"message":"no"}' })
    proxy.when(/GET/, { is: "answer", status: 200, body: JSON.stringify({ State }) })
    return docker
  })

  it.effect.each([409, 500])("takes what is so already for done, where the engine refuses it with %i", (status) =>
    Effect.gen(function* () {
      yield* (yield* refusing(status, state(true, true))).pause("c")
      yield* (yield* refusing(status, state(true, false))).unpause("c")
    })
  )

  it.effect.each([409, 500])(
    "fails for a container that does not run, whether it is refused with %i or not",
    (status) =>
      Effect.gen(function* () {
        const docker = yield* refusing(status, state(false, false))
        expect(yield* Effect.flip(docker.pause("c"))).toMatchObject({ _tag: "DockerConflict" })
        expect(yield* Effect.flip(docker.unpause("c"))).toMatchObject({ _tag: "DockerConflict" })
      })
  )

  it.effect("fails with what the engine says when nothing came of it", () =>
    Effect.gen(function* () {
      const refusal = { _tag: "DockerFailed", status: 500, detail: "no" }
      expect(yield* Effect.flip((yield* refusing(500, state(true, false))).pause("c"))).toMatchObject(refusal)
      expect(yield* Effect.flip((yield* refusing(500, state(true, true))).unpause("c"))).toMatchObject(refusal)
    })
  )

  it.effect("fails for a container that there is not", () =>
    Effect.gen(function* () {
      const docker = yield* refusing(404, state(true, true))
      expect(yield* Effect.flip(docker.pause("c"))).toMatchObject({ _tag: "DockerNotFound" })
      expect(yield* Effect.flip(docker.unpause("c"))).toMatchObject({ _tag: "DockerNotFound" })
    })
  )
})

const image = await workerImage()

describe("DockerProvisioner, asked to pause or to resume", () => {
  if ("missing" in image) {
    it.skip(`is not tested here: ${image.missing}`)
    return
  }

  const test = (
    sentence: string,
    body: (
      proxy: EngineProxy,
      provisioner: Provisioner["Service"]
    ) => Effect.Effect<unknown, unknown, Provisioner | RuntimeApi | Scope.Scope>
  ) =>
    it.live(sentence, () =>
      Effect.gen(function* () {
        const instance = newInstance()
        const proxy = yield* engineProxy()
        yield* Effect.scoped(Effect.flatMap(Provisioner, (provisioner) => body(proxy, provisioner))).pipe(
          Effect.ensuring(Effect.sync(() => proxy.release())),
          Effect.provide(dockerLayer(instance, { pauseBy: "engine" }, { host: proxy.host }))
        )
        expect(yield* namesWith(labelOf(instance))).toEqual([])
      }).pipe(Effect.scoped)
    )

  const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })
  const config = imageFunction(image.name)
  const pauseOf = ({ id }: Worker) => new RegExp(`POST /containers/${id}/pause`)

  test("resumes only when a pause that is under way is over, though whoever asked for it has left", (proxy, rooms) =>
    Effect.gen(function* () {
      const worker = yield* rooms.start(config)
      proxy.when(pauseOf(worker), { is: "hold" })
      const pausing = yield* fork(rooms.pause(worker.id))
      yield* proxy.until(pauseOf(worker))
      yield* Fiber.interrupt(pausing)
      const resuming = yield* fork(rooms.resume(worker.id))
      yield* Effect.sleep("50 millis")
      expect(resuming.pollUnsafe()).toBeUndefined()
      proxy.release()
      yield* Fiber.join(resuming)
      expect(yield* answer(worker, "awake")).toEqual({ body: "awake" })
    }))

  test("resumes at once a worker whose pause waits for its turn, and does not pause it after that", (proxy, rooms) =>
    Effect.gen(function* () {
      const workers = yield* Effect.forEach([1, 2, 3], () => rooms.start(config), { concurrency: 3 })
      proxy.when(/\/pause/, { is: "hold" })
      const pauses = yield* Effect.forEach(workers, ({ id }) => fork(rooms.pause(id)))
      yield* proxy.until(/\/pause/, 2)
      const last = workers[2]!
      yield* rooms.resume(last.id)
      expect(yield* answer(last, "awake")).toEqual({ body: "awake" })
      proxy.release()
      yield* Fiber.joinAll(pauses)
      expect(proxy.seen.filter((request) => pauseOf(last).test(request))).toEqual([])
      expect(yield* answer(last, "still")).toEqual({ body: "still" })
      // The next pause is one of its own.
      yield* rooms.pause(last.id)
      expect(proxy.seen.filter((request) => pauseOf(last).test(request)).length).toBe(1)
    }))

  test("keeps a paused worker when the engine's events have to be followed anew", (proxy, rooms) =>
    Effect.gen(function* () {
      const [ours, theirs] = [yield* rooms.start(config), yield* rooms.start(config)]
      yield* rooms.pause(ours.id)
      yield* Effect.promise(() => engine("POST", `/containers/${theirs.id}/pause`))
      const lists = proxy.seen.filter((request) => request.startsWith("GET /containers/json")).length
      proxy.cut(/GET \/events/)
      yield* proxy.until(/GET \/containers\/json/, lists + 1)
      for (const worker of [ours, theirs]) {
        yield* rooms.resume(worker.id)
        expect(yield* answer(worker, 1)).toEqual({ body: 1 })
      }
      expect((yield* rooms.list).length).toBe(2)
    }))

  test("gives up a worker that the engine does not resume, and says what the engine said", (proxy, rooms) =>
    Effect.gen(function* () {
      const worker = yield* rooms.start(config)
      yield* rooms.pause(worker.id)
      proxy.when(/\/unpause/, { is: "answer", status: 500, body: '{"message":"cgroup is on fire"}' })
      expect(yield* Effect.flip(rooms.resume(worker.id))).toMatchObject({
        _tag: "WorkerGone",
        id: worker.id,
        detail: "cgroup is on fire"
      })
    }))

  test("gives up a worker that the engine does not resume within five seconds", (proxy, rooms) =>
    Effect.gen(function* () {
      const worker = yield* rooms.start(config)
      yield* rooms.pause(worker.id)
      proxy.when(/\/unpause/, { is: "hold" })
      expect(yield* Effect.flip(rooms.resume(worker.id))).toMatchObject({ _tag: "WorkerGone", id: worker.id })
    }))
})
