/** What becomes of the containers of a run that ended without closing, at the next run of its instance. */

import { connect } from "node:net"
import { expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, PubSub, References, Schedule, type Scope } from "effect"
import { describe } from "vitest"
import type { FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { GatewayId, type Worker } from "../../src/domain/Worker.ts"
import { hasAbandonedRequest } from "../../src/provision/abandonedRequest.ts"
import { fingerprint } from "../../src/provision/fingerprint.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import type { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { answer } from "../support/delivery.ts"
import { containersWith, engine, namesWith, removeContainer } from "../support/docker.ts"
import { dockerLayer, imageFunction, labelOf, newInstance } from "../support/dockerSubjects.ts"
import { engineProxy } from "../support/engineProxy.ts"
import { workerImage } from "../support/images.ts"

const image = await workerImage()

describe("DockerProvisioner, after a run that did not close", () => {
  if ("missing" in image) {
    it.skip(`is not tested here: ${image.missing}`)
    return
  }
  const posted = (behaviour = "") => imageFunction(image.name, behaviour, { transport: "rie" })
  const polling = imageFunction(image.name)

  type Run = Context.Context<Provisioner | RuntimeApi>

  /** A run of the instance. It goes on as long as the test, as if it had been killed: nobody asks it for anything. */
  const run = (
    instance: string,
    boot: string,
    docker: Parameters<typeof dockerLayer>[2] = {},
    logger = Logger.layer([])
  ): Effect.Effect<Run, never, Scope.Scope> => Layer.build(Layer.fresh(dockerLayer(instance, { boot }, docker, logger)))
  const provisionerOf = (run: Run) => Context.get(run, Provisioner)
  const start = (run: Run, config: FunctionConfig, gateway?: GatewayId) => provisionerOf(run).start(config, gateway)

  const post = (worker: Worker, event: unknown) =>
    Effect.promise(async () => {
      const url = `http://${worker.host}:${worker.port}/2015-03-31/functions/function/invocations`
      return (await fetch(url, { method: "POST", body: JSON.stringify(event) })).json()
    })
  const call = (method: string, path: string, body?: unknown) =>
    Effect.promise(async () => {
      const answer = await engine(method, path, body === undefined ? undefined : JSON.stringify(body))
      if (!answer.ok) throw new Error(await answer.text())
      return answer.text()
    })
  const stateOf = (id: string, instance: string) =>
    Effect.map(containersWith(labelOf(instance)), (all) => all.find(({ Names }) => Names[0] === `/${id}`)?.State)

  /** `body` gets an instance with an earlier run, and afterwards nothing of it may be left. */
  const test = (
    sentence: string,
    body: (place: { readonly instance: string; readonly before: Run }) => Effect.Effect<unknown, unknown, Scope.Scope>
  ) =>
    it.live(sentence, () => {
      const instance = newInstance()
      return Effect.gen(function* () {
        const before = yield* run(instance, "boot-1")
        yield* Effect.scoped(body({ instance, before }))
        expect(yield* namesWith(labelOf(instance))).toEqual([])
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
    })

  test("adopts a worker that events are posted to, as it was", ({ before, instance }) =>
    Effect.gen(function* () {
      const worker = yield* start(before, posted(), GatewayId.make("one"))
      const unnamed = yield* start(before, posted())
      const after = yield* run(instance, "boot-2")
      const adopted = yield* provisionerOf(after).list
      expect(adopted.toSorted((a, b) => a.createdAtMillis - b.createdAtMillis)).toEqual([worker, unnamed])
      expect(worker).toMatchObject({ gateway: "one", fingerprint: fingerprint(posted()), transport: "rie" })
      expect(unnamed.gateway).toBeUndefined()
      expect(yield* post(adopted[0]!, { a: 1 })).toEqual({ a: 1 })
    }))

  test("removes a worker that is still at an event of the run that was killed", ({ before, instance }) =>
    Effect.gen(function* () {
      const [busy, idle] = [yield* start(before, posted()), yield* start(before, posted())]
      // Its caller goes away in the middle, as one that is killed.
      const caller = connect({ host: busy.host, port: busy.port })
      const body = '{"sleep":20000}'
      caller.write(
        `POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      )
      yield* Effect.promise(() => new Promise<void>((sent) => caller.end(() => sent())))
      const { State } = JSON.parse(yield* call("GET", `/containers/${busy.id}/json`)) as { State: { Pid: number } }
      const seen = Effect.sync(() => hasAbandonedRequest(State.Pid, busy.port))
      yield* Effect.repeat(seen, { until: (yes) => yes, schedule: Schedule.spaced("10 millis") })
      const after = yield* run(instance, "boot-2")
      expect((yield* provisionerOf(after).list).map(({ id }) => id)).toEqual([idle.id])
      caller.destroy()
    }))

  test("hands on what an adopted worker prints from then on, and not again what it printed", ({ before, instance }) =>
    Effect.gen(function* () {
      const printed: Array<unknown> = []
      const heard = yield* PubSub.unbounded<void>()
      const logger = Logger.make(({ fiber, message }) => {
        const { job, worker } = fiber.getRef(References.CurrentLogAnnotations)
        if (job !== "lambda") return
        printed.push([message, worker])
        PubSub.publishUnsafe(heard, undefined)
      })
      const worker = yield* start(before, posted())
      yield* post(worker, { print: "early" })
      // The engine gives a line the time at which it has it.
      const log = call("GET", `/containers/${worker.id}/logs?stdout=1`)
      yield* Effect.repeat(log, { until: (lines) => lines.includes("early"), schedule: Schedule.spaced("20 millis") })
      yield* run(instance, "boot-2", {}, Logger.layer([logger]))
      const hears = yield* PubSub.subscribe(heard)
      yield* post(worker, { print: "late" })
      yield* PubSub.take(hears)
      expect(printed).toEqual([[["late"], worker.id]])
    }))

  test("sees the death of an adopted worker, and removes it", ({ before, instance }) =>
    Effect.gen(function* () {
      const worker = yield* start(before, posted())
      const after = yield* run(instance, "boot-2")
      const deaths = yield* PubSub.subscribe(provisionerOf(after).deaths)
      yield* call("POST", `/containers/${worker.id}/kill`)
      expect((yield* PubSub.take(deaths)).id).toBe(worker.id)
      expect(yield* provisionerOf(after).list).toEqual([])
      yield* provisionerOf(after).stop(worker.id)
      expect(yield* namesWith(labelOf(instance))).toEqual([])
    }))

  test("stops an adopted worker, and starts others beside it", ({ before, instance }) =>
    Effect.gen(function* () {
      const worker = yield* start(before, posted())
      const after = yield* run(instance, "boot-2")
      const second = yield* start(after, polling)
      yield* provisionerOf(after).stop(worker.id)
      expect(yield* provisionerOf(after).list).toEqual([second])
      expect(yield* namesWith(labelOf(instance))).toEqual([second.id])
      expect((yield* answer(second, "hello").pipe(Effect.provide(after))).body).toBe("hello")
    }))

  test("lets a paused worker that it adopts go on", ({ before, instance }) =>
    Effect.gen(function* () {
      const worker = yield* start(before, posted())
      yield* call("POST", `/containers/${worker.id}/pause`)
      const after = yield* run(instance, "boot-2")
      expect(yield* provisionerOf(after).list).toEqual([worker])
      expect(yield* stateOf(worker.id, instance)).toBe("running")
      expect(yield* post(worker, "awake")).toBe("awake")
    }))

  test("adopts a worker once more, two runs later", ({ before, instance }) =>
    Effect.gen(function* () {
      const worker = yield* start(before, posted())
      yield* run(instance, "boot-2")
      expect(yield* provisionerOf(yield* run(instance, "boot-3")).list).toEqual([worker])
    }))

  test("removes at once, side by side, whatever cannot be used any more", ({ before, instance }) =>
    Effect.gen(function* () {
      const survivor = yield* start(before, posted())
      yield* Effect.all([start(before, polling), start(before, polling)], { concurrency: 2 })
      const paused = yield* start(before, polling)
      yield* call("POST", `/containers/${paused.id}/pause`)
      const { Labels: labels } = (yield* containersWith(labelOf(instance))).find(
        ({ Names }) => Names[0] === `/${survivor.id}`
      )!
      const left = (name: string, behaviour: string, changes: Readonly<Record<string, string>> = {}) =>
        call("POST", `/containers/create?name=${instance}-${name}`, {
          Image: image.name,
          Env: [`BEHAVIOUR=${behaviour}`],
          Labels: { ...labels, "irori.boot": "boot-0", ...changes }
        })
      yield* left("created", "")
      yield* left("exited", "exit:1")
      yield* call("POST", `/containers/${instance}-exited/start`)
      yield* call("POST", `/containers/${instance}-exited/wait`)
      yield* left("deaf", "stuck")
      yield* call("POST", `/containers/${instance}-deaf/start`)
      yield* left("unreadable", "", { "irori.created-at": "yesterday" })
      yield* call("POST", `/containers/${instance}-unreadable/start`)
      const startedAt = performance.now()
      const after = yield* run(instance, "boot-2")
      expect(yield* namesWith(labelOf(instance))).toEqual([survivor.id])
      expect(performance.now() - startedAt).toBeLessThan(5000)
      expect(yield* provisionerOf(after).list).toEqual([survivor])
    }))

  test("touches nothing of another instance", ({ before, instance }) =>
    Effect.gen(function* () {
      const theirs = newInstance()
      const other = yield* run(theirs, "boot-1")
      const workers = yield* Effect.all([start(other, posted()), start(other, polling)])
      yield* start(before, posted())
      const ids = workers.map(({ id }) => id).toSorted()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const after = yield* run(instance, "boot-2")
          expect((yield* provisionerOf(after).list).length).toBe(1)
          yield* provisionerOf(after).stop(workers[0]!.id)
          expect(yield* namesWith(labelOf(theirs))).toEqual(ids)
        })
      )
      expect(yield* namesWith(labelOf(theirs))).toEqual(ids)
      expect((yield* answer(workers[1]!, "alive").pipe(Effect.provide(other))).body).toBe("alive")
    }))

  test("adopts as soon as the engine is there, where it was not at the start", ({ before, instance }) =>
    Effect.gen(function* () {
      const worker = yield* start(before, posted())
      const gone = yield* start(before, polling)
      const proxy = yield* engineProxy()
      proxy.when(/./, { is: "drop" })
      const after = yield* run(instance, "boot-2", { host: proxy.host })
      expect(yield* provisionerOf(after).list).toEqual([])
      proxy.release()
      yield* proxy.until(new RegExp(`DELETE /containers/${gone.id}`))
      const list = provisionerOf(after).list
      yield* Effect.repeat(Effect.delay(list, "20 millis"), { until: (workers) => workers.length > 0 })
      expect(yield* list).toEqual([worker])
    }))

  test("removes what the engine makes late for the run that was killed", ({ before, instance }) =>
    Effect.gen(function* () {
      const worker = yield* start(before, posted())
      const [found] = yield* containersWith(labelOf(instance))
      const proxy = yield* engineProxy()
      yield* run(instance, "boot-2", { host: proxy.host })
      yield* call("POST", `/containers/create?name=${instance}-late`, {
        Image: image.name,
        Labels: { ...found!.Labels, "irori.boot": "boot-0" }
      })
      yield* proxy.until(new RegExp(`DELETE /containers/${instance}-late`))
      yield* Effect.repeat(Effect.delay(namesWith(labelOf(instance)), "20 millis"), {
        until: (names) => names.length === 1
      })
      expect(yield* namesWith(labelOf(instance))).toEqual([worker.id])
    }).pipe(Effect.ensuring(removeContainer(`${instance}-late`))))
})
