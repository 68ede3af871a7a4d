import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { CodeFolder, CodeImage } from "../../src/domain/FunctionConfig.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import { GatewayId, WorkerId } from "../../src/domain/Worker.ts"
import { WorkerLost } from "../../src/invoke/WorkerClient.ts"
import * as ManagerLayer from "../../src/provision/Manager.ts"
import { Manager, WorkerUnknown } from "../../src/provision/Manager.ts"
import { StartFailed } from "../../src/provision/Provisioner.ts"
import type { Lease } from "../../src/provision/WorkerLeases.ts"
import { functionConfig, hello, invocation, worker } from "../support/functions.ts"
import { FakeMachine } from "./fakes.ts"

const config = functionConfig({ code: new CodeImage({ uri: "hello:latest" }) })
const ids = (...names: ReadonlyArray<string>) => names.map((name) => WorkerId.make(name))
const imageNotFound = new StartFailed({ failure: { reason: "ImageNotFound", detail: "no image" } })

const withManager = <A, E>(
  machine: FakeMachine,
  body: (manager: Manager["Service"]) => Effect.Effect<A, E>,
  options: Partial<ManagerLayer.ManagerOptions> = {}
) =>
  Effect.provide(
    Manager.use(body),
    ManagerLayer.layer({ codeRoots: [], idleTimeout: Duration.minutes(5), ...options }).pipe(
      Layer.provide([machine.provisioner, machine.workerClient])
    )
  )

describe("Manager", () => {
  it.effect("starts the workers of a batch at the same time", () => {
    const machine = new FakeMachine()
    machine.onStart = () => Effect.sleep("1 second")
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        const batch = yield* Effect.forkChild(manager.provision(config, 3))
        yield* TestClock.adjust("999 millis")
        expect(batch.pollUnsafe()).toBeUndefined()
        yield* TestClock.adjust("1 millis")
        expect((yield* Fiber.join(batch)).map(({ worker }) => worker.id)).toEqual(["w-1", "w-2", "w-3"])
      })
    )
  })

  it.effect("resumes a paused worker before it is anybody's", () => {
    const machine = new FakeMachine()
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        const { id } = yield* manager.ensure(config)
        yield* manager.pause(id)
        expect((yield* manager.ensure(config)).id).toBe(id)
        yield* manager.ensure(config)
        expect(machine.calls).toEqual([`start ${id}`, `pause ${id}`, `resume ${id}`])
      })
    )
  })

  it.effect("starts another worker for one that was paused and died where nobody saw it", () => {
    const machine = new FakeMachine()
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        const { id } = yield* manager.ensure(config)
        yield* manager.pause(id)
        machine.gone.add(id)
        expect((yield* manager.ensure(config)).id).toBe("w-2")
      })
    )
  })

  it.effect("a resume renews the lease", () => {
    const machine = new FakeMachine()
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        const { id } = yield* manager.ensure(config)
        yield* manager.pause(id)
        yield* TestClock.adjust("4 minutes")
        yield* manager.resume(id)
        yield* TestClock.adjust("4 minutes")
        expect(machine.running.size).toBe(1)
        yield* manager.pause(id)
        // Nobody named it in a heartbeat.
        yield* TestClock.adjust("2 minutes")
        expect(machine.running.size).toBe(0)
      })
    )
  })

  it.effect("leaves nothing of a batch of which one failed: neither what ran nor what was starting", () => {
    const machine = new FakeMachine()
    machine.onStart = (nth) =>
      nth === 1 ? Effect.void : nth === 2 ? Effect.andThen(Effect.sleep("1 second"), imageNotFound) : Effect.never
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        const batch = yield* Effect.forkChild(Effect.flip(manager.provision(config, 3)))
        yield* TestClock.adjust("1 second")
        expect(yield* Fiber.join(batch)).toBe(imageNotFound)
        expect(machine.running.size).toBe(0)
        expect(machine.calls.slice(3).sort()).toEqual(["give up w-3", "stop w-1"])
      })
    )
  })

  it.effect("leaves nothing of a batch whose caller left", () => {
    const machine = new FakeMachine()
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        const second = yield* Deferred.make<void>()
        machine.onStart = (nth) =>
          nth === 1 ? Effect.void : Effect.andThen(Deferred.succeed(second, undefined), Effect.never)
        const batch = yield* Effect.forkChild(manager.provision(config, 2))
        yield* Deferred.await(second)
        yield* Fiber.interrupt(batch)
        expect(machine.running.size).toBe(0)
        expect(machine.calls.slice(2).sort()).toEqual(["give up w-2", "stop w-1"])
      })
    )
  })

  it.effect("keeps to its limit of workers, those included that are starting", () => {
    const machine = new FakeMachine()
    machine.onStart = () => Effect.sleep("1 second")
    return withManager(
      machine,
      (manager) =>
        Effect.gen(function* () {
          const batch = yield* Effect.forkChild(manager.provision(config, 2))
          yield* TestClock.adjust("1 millis")
          expect((yield* Effect.flip(manager.provision(config, 2)))._tag).toBe("WorkerLimitReached")
          expect((yield* Effect.flip(manager.check(config, 2)))._tag).toBe("WorkerLimitReached")
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(batch)
          expect((yield* Effect.flip(manager.provision(config, 2)))._tag).toBe("WorkerLimitReached")
          const last = yield* Effect.forkChild(manager.provision(config, 1))
          yield* TestClock.adjust("1 second")
          expect((yield* Fiber.join(last)).length).toBe(1)
          yield* manager.remove(WorkerId.make("w-1"))
          yield* manager.check(config, 1)
        }),
      { maxWorkers: 3 }
    )
  })

  it.effect("gives no code and no layers to workers that are outside its roots, also not through a link", () => {
    const root = mkdtempSync(join(tmpdir(), "irori-roots-"))
    mkdirSync(join(root, "code/f"), { recursive: true })
    mkdirSync(join(root, "code-secret"))
    symlinkSync(join(root, "code-secret"), join(root, "code/link"))
    const machine = new FakeMachine()
    const of = (path: string) => functionConfig({ code: new CodeFolder({ path }) })
    return withManager(
      machine,
      (manager) =>
        Effect.gen(function* () {
          for (const path of [
            "/etc",
            join(root, "code-secret"),
            join(root, "code/link"),
            join(root, "code/../code-secret"),
            "code"
          ]) {
            expect((yield* Effect.flip(manager.provision(of(path), 1)))._tag).toBe("CodeOutsideRoots")
          }
          const layers = (layersPath: string) =>
            functionConfig({ code: new CodeFolder({ path: join(root, "code/f") }), layersPath })
          const refused = yield* Effect.flip(manager.provision(layers(join(root, "code-secret")), 1))
          expect(refused).toMatchObject({ _tag: "CodeOutsideRoots", path: join(root, "code-secret") })
          yield* manager.provision(layers(join(root, "code")), 1)
          expect(machine.calls).toEqual(["start w-1"])
        }),
      { codeRoots: [join(root, "code")] }
    ).pipe(Effect.ensuring(Effect.sync(() => rmSync(root, { recursive: true }))))
  })

  it.effect("ensures one worker, however many ask for it at once", () => {
    const machine = new FakeMachine()
    machine.onStart = () => Effect.sleep("1 second")
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        const both = yield* Effect.forkChild(
          Effect.all([manager.ensure(config), manager.ensure(config)], { concurrency: "unbounded" })
        )
        yield* TestClock.adjust("2 seconds")
        expect((yield* Fiber.join(both)).map(({ id }) => id)).toEqual(["w-1", "w-1"])
        expect(machine.calls).toEqual(["start w-1"])
      })
    )
  })

  it.effect("removes a worker that no heartbeat has named for the idle timeout, and no other", () => {
    const machine = new FakeMachine()
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        yield* manager.provision(config, 2)
        yield* TestClock.adjust("4 minutes")
        expect(yield* manager.heartbeat(hello, ids("w-2"))).toEqual([])
        yield* TestClock.adjust("59 seconds")
        expect([...machine.running.keys()]).toEqual(["w-1", "w-2"])
        yield* TestClock.adjust("1 second")
        expect([...machine.running.keys()]).toEqual(["w-2"])
        yield* TestClock.adjust("3 minutes")
        expect([...machine.running.keys()]).toEqual(["w-2"])
        yield* TestClock.adjust("1 minute")
        expect(machine.running.size).toBe(0)
        expect(yield* manager.heartbeat(hello, ids("w-2"))).toEqual(["w-2"])
      })
    )
  })

  it.effect("gives a worker that was running before it the whole idle timeout to be named", () => {
    const machine = new FakeMachine()
    const found = worker("found")
    machine.running.set(found.id, found)
    return withManager(machine, () =>
      Effect.gen(function* () {
        yield* TestClock.adjust("299 seconds")
        expect(machine.running.size).toBe(1)
        yield* TestClock.adjust("61 seconds")
        expect(machine.running.size).toBe(0)
      })
    )
  })

  it.effect("reports the workers of a heartbeat that do not run, or are another function's", () => {
    const machine = new FakeMachine()
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        yield* manager.provision(config, 1)
        yield* manager.provision(functionConfig({ name: FunctionName.make("other"), code: config.code }), 1)
        expect(yield* manager.heartbeat(hello, ids("w-1", "w-2", "w-9"))).toEqual(["w-2", "w-9"])
      })
    )
  })

  it.effect("passes an event to its worker with the settings that the worker was started from", () => {
    const machine = new FakeMachine()
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        yield* manager.provision(config, 1)
        const answer = yield* manager.invoke(WorkerId.make("w-1"), invocation())
        expect(answer.payload).toEqual(invocation().payload)
        expect(machine.events).toEqual([invocation()])
        expect((yield* Effect.flip(manager.invoke(WorkerId.make("w-9"), invocation())))._tag).toBe("WorkerUnknown")
        expect((yield* Effect.flip(manager.remove(WorkerId.make("w-9"))))._tag).toBe("WorkerUnknown")
      })
    )
  })

  const one = GatewayId.make("one")

  /** A worker of `one` whose event is answered by `done`, and whose caller has left it. */
  const abandoned = (
    body: (
      manager: Manager["Service"],
      done: Deferred.Deferred<void, WorkerLost>,
      machine: FakeMachine
    ) => Effect.Effect<void>
  ) => {
    const machine = new FakeMachine()
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        const done = yield* Deferred.make<void, WorkerLost>()
        machine.onEvent = (_, { payload }) => Effect.as(Deferred.await(done), { payload })
        yield* Effect.orDie(manager.provision(config, 1, one))
        const caller = yield* Effect.forkChild(manager.invoke(WorkerId.make("w-1"), invocation()), {
          startImmediately: true
        })
        yield* Fiber.interrupt(caller)
        yield* body(manager, done, machine)
      })
    )
  }
  const idsOf = (leases: ReadonlyArray<Lease>) => leases.map(({ worker }) => worker.id)

  it.effect("keeps a worker whose caller left until it is done, and lets nobody have it before", () =>
    abandoned((manager, done) =>
      Effect.gen(function* () {
        expect(idsOf(yield* manager.sync(one))).toEqual([])
        expect(idsOf(yield* manager.sync())).toEqual(["w-1"])
        const refused = yield* Effect.exit(manager.invoke(WorkerId.make("w-1"), invocation()))
        expect(refused).toEqual(Exit.fail(new WorkerUnknown({ id: WorkerId.make("w-1") })))
        yield* Deferred.succeed(done, undefined)
        yield* TestClock.adjust("0 millis")
        expect(idsOf(yield* manager.sync(one))).toEqual(["w-1"])
        const answer = yield* Effect.orDie(manager.invoke(WorkerId.make("w-1"), invocation()))
        expect(answer.payload).toEqual(invocation().payload)
      })
    )
  )

  it.effect("lets nobody have a worker that was posted an event by a gateway that has gone, until it is done", () => {
    const machine = new FakeMachine()
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        yield* Effect.orDie(manager.provision(config, 2, one))
        machine.abandoned.add(WorkerId.make("w-1"))
        expect(idsOf(yield* manager.sync(one))).toEqual(["w-2"])
        expect((yield* Effect.orDie(manager.ensure(config, one))).id).toBe("w-2")
        expect(idsOf(yield* manager.list)).toEqual(["w-1", "w-2"])
        machine.abandoned.clear()
        expect(idsOf(yield* manager.sync(one))).toEqual(["w-1", "w-2"])
      })
    )
  })

  it.effect("offers a worker that is paused, whatever its connections look like", () => {
    const machine = new FakeMachine()
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        yield* Effect.orDie(manager.provision(config, 1, one))
        yield* Effect.orDie(manager.pause(WorkerId.make("w-1")))
        machine.abandoned.add(WorkerId.make("w-1"))
        expect(idsOf(yield* manager.sync(one))).toEqual(["w-1"])
      })
    )
  })

  it.effect("ends a worker whose caller left when the function's timeout is over", () =>
    abandoned((manager, _, machine) =>
      Effect.gen(function* () {
        yield* TestClock.adjust(Duration.subtract(config.timeout, Duration.millis(1)))
        expect(idsOf(yield* manager.sync())).toEqual(["w-1"])
        yield* TestClock.adjust("1 millis")
        expect(idsOf(yield* manager.sync())).toEqual([])
        expect(machine.calls).toContain("stop w-1")
      })
    )
  )

  it.effect("ends a worker that broke off after its caller left", () =>
    abandoned((manager, done, machine) =>
      Effect.gen(function* () {
        const id = WorkerId.make("w-1")
        yield* Deferred.fail(done, new WorkerLost({ workerId: id, began: true, target: "", cause: new Error("lost") }))
        yield* TestClock.adjust("0 millis")
        expect(idsOf(yield* manager.sync())).toEqual([])
        expect(machine.calls).toContain("stop w-1")
      })
    )
  )

  it.effect("removes a worker whose caller left, when it is asked to", () =>
    abandoned((manager, _, machine) =>
      Effect.gen(function* () {
        yield* Effect.orDie(manager.remove(WorkerId.make("w-1")))
        expect(machine.running.size).toBe(0)
      })
    )
  )

  it.effect("ensures a worker for each gateway that asks for one", () => {
    const machine = new FakeMachine()
    return withManager(machine, (manager) =>
      Effect.gen(function* () {
        const { id } = yield* manager.ensure(config, one)
        expect((yield* manager.ensure(config, GatewayId.make("two"))).id).not.toBe(id)
        expect((yield* manager.ensure(config)).id).not.toBe(id)
        expect((yield* manager.ensure(config, one)).id).toBe(id)
        expect(machine.running.size).toBe(3)
      })
    )
  })
})
