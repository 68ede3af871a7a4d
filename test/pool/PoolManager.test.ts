import { it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import type { FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import type { Worker } from "../../src/domain/Worker.ts"
import { InvocationBackend } from "../../src/invoke/InvocationBackend.ts"
import { PoolManager, type PoolOptions } from "../../src/pool/PoolManager.ts"
import { fingerprint } from "../../src/provision/fingerprint.ts"
import { ManagerUnreachable, ProvisionClient, ProvisionFailed } from "../../src/provision/ProvisionClient.ts"
import { WorkerGone } from "../../src/provision/Provisioner.ts"
import { functionConfig, hello, worker } from "../support/functions.ts"

type Provision = ProvisionClient["Service"]["provision"]

interface Given {
  readonly provision?: Provision
  readonly remove?: ProvisionClient["Service"]["remove"]
  readonly pause?: ProvisionClient["Service"]["pause"]
  readonly resume?: ProvisionClient["Service"]["resume"]
  readonly settings?: Partial<PoolOptions>
}

const budget = { workers: 100, megabytes: 100_000 }

/** A manager that starts a worker at once, unless `provision` says otherwise, and writes down what it is asked. */
const pool = (options: Given = {}) => {
  const log: Array<string> = []
  let count = 0
  const next = ({ name }: FunctionConfig) => {
    const started = worker(`w${++count}`, { functionName: name })
    log.push(`+${started.id}`)
    return started
  }
  const client = Layer.succeed(ProvisionClient, {
    provision: options.provision ?? ((config) => Effect.sync(() => next(config))),
    remove: (id) =>
      Effect.andThen(
        Effect.sync(() => void log.push(`-${id}`)),
        options.remove?.(id) ?? Effect.void
      ),
    pause: options.pause ?? ((id) => Effect.sync(() => void log.push(`pause ${id}`))),
    resume: options.resume ?? ((id) => Effect.sync(() => void log.push(`resume ${id}`))),
    sync: Effect.succeed([])
  })
  return {
    log,
    layer: PoolManager.layer({ budget, leaveRunning: false, refusesOverload: true, ...options.settings }).pipe(
      Layer.provide(client)
    )
  }
}

const one = functionConfig()
const acquire = (config = one) => InvocationBackend.use((backend) => backend.acquireWorker(config))
const release = (lent: Worker) => InvocationBackend.use((backend) => backend.releaseWorker(lent))
const evict = (lent: Worker) => InvocationBackend.use((backend) => backend.evictWorker(lent))
const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

describe("PoolManager", () => {
  it.effect("lends a released worker again", () => {
    const { layer, log } = pool()
    return Effect.gen(function* () {
      const first = yield* acquire()
      yield* release(first)
      expect(yield* acquire()).toBe(first)
      expect(log).toEqual(["+w1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("hands a released worker to the one who waited longest", () => {
    const { layer } = pool()
    return Effect.gen(function* () {
      const lent = yield* acquire()
      const order: Array<number> = []
      const waiters = yield* Effect.forEach([1, 2, 3], (place) =>
        fork(
          Effect.flatMap(acquire(), (given) =>
            Effect.andThen(
              Effect.sync(() => order.push(place)),
              release(given)
            )
          )
        )
      )
      yield* release(lent)
      yield* Fiber.awaitAll(waiters)
      expect(order).toEqual([1, 2, 3])
    }).pipe(Effect.provide(layer))
  })

  it.effect("refuses after the acquire timeout, not before", () => {
    const { layer } = pool()
    return Effect.gen(function* () {
      yield* acquire()
      const waiting = yield* fork(Effect.flip(acquire()))
      yield* TestClock.adjust("4999 millis")
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "NoCapacity", reason: "TimedOut" })
    }).pipe(Effect.provide(layer))
  })

  it.effect("lets a caller have the slow start that is under way for it, past its acquire timeout", () => {
    const { layer } = pool({ provision: () => Effect.delay(Effect.succeed(worker("slow")), "8 seconds") })
    return Effect.gen(function* () {
      const waiting = yield* fork(acquire())
      yield* TestClock.adjust("8 seconds")
      expect((yield* Fiber.join(waiting)).id).toBe("slow")
    }).pipe(Effect.provide(layer))
  })

  it.effect("refuses at once when the queue is full", () => {
    const { layer } = pool()
    const config = functionConfig({ maxQueued: 1 })
    return Effect.gen(function* () {
      yield* acquire(config)
      yield* fork(acquire(config))
      expect(yield* Effect.flip(acquire(config))).toMatchObject({ _tag: "NoCapacity", reason: "QueueFull" })
    }).pipe(Effect.provide(layer))
  })

  it.effect("refuses most callers, and says so once, when they come faster than they can be served", () => {
    const { layer } = pool()
    const config = functionConfig({ maxCapacity: 1, maxQueued: 1000 })
    const lines: Array<string> = []
    const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
    return Effect.gen(function* () {
      const call = Effect.acquireUseRelease(acquire(config), () => Effect.sleep("50 millis"), release)
      const callers: Array<Fiber.Fiber<void, unknown>> = []
      for (let millis = 0; millis < 2000; millis += 5) {
        callers.push(yield* fork(call))
        yield* TestClock.adjust("5 millis")
      }
      yield* TestClock.adjust("100 millis")
      const ends = yield* Fiber.awaitAll(callers)
      expect(ends.filter(Exit.isSuccess).length, "twenty a second").toBeGreaterThanOrEqual(39)
      expect(ends.slice(200).filter(Exit.isFailure).length).toBeGreaterThan(170)
      expect(lines).toEqual([
        expect.stringMatching(/^'hello' is called faster than it can be served: \d+ callers wait/)
      ])
    }).pipe(Effect.provide(layer), Effect.provide(logger))
  })

  it.effect("starts another worker for a waiter when one is evicted, and removes that one", () => {
    const { layer, log } = pool()
    return Effect.gen(function* () {
      const lent = yield* acquire()
      const waiting = yield* fork(acquire())
      yield* evict(lent)
      expect((yield* Fiber.join(waiting)).id).toBe("w2")
      expect(log.toSorted()).toEqual(["+w1", "+w2", "-w1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("tries to remove a worker until it is gone", () => {
    let failures = 3
    const { layer, log } = pool({
      remove: () =>
        Effect.suspend(() => (failures-- > 0 ? Effect.fail(new ManagerUnreachable({ cause: "down" })) : Effect.void))
    })
    return Effect.gen(function* () {
      yield* evict(yield* acquire())
      yield* TestClock.adjust("1 minute")
      expect(log).toEqual(["+w1", "-w1", "-w1", "-w1", "-w1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("loses no worker to an interrupted wait", () => {
    const { layer, log } = pool()
    return Effect.gen(function* () {
      const lent = yield* acquire()
      const waiting = yield* fork(acquire())
      yield* Fiber.interrupt(waiting)
      yield* release(lent)
      expect(yield* acquire()).toBe(lent)
      expect(log).toEqual(["+w1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("takes a worker back from a waiter that is interrupted as it is handed one", () => {
    const { layer, log } = pool()
    return Effect.gen(function* () {
      const lent = yield* acquire()
      const borrowing = yield* fork(Effect.acquireUseRelease(acquire(), () => Effect.void, release))
      yield* Effect.all([release(lent), Fiber.interrupt(borrowing)], { concurrency: 2 })
      expect(yield* acquire()).toBe(lent)
      expect(log).toEqual(["+w1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("keeps a cold start whose caller has gone", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { layer, log } = pool({ provision: () => Effect.as(Deferred.await(gate), worker("paid-for")) })
      yield* Effect.gen(function* () {
        const borrowing = yield* fork(Effect.acquireUseRelease(acquire(), () => Effect.never, release))
        yield* Fiber.interrupt(borrowing)
        yield* Deferred.succeed(gate, undefined)
        expect((yield* acquire()).id).toBe("paid-for")
        expect(log).toEqual([])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("tells the one who waited longest that a start failed, and tries again for the next", () => {
    let count = 0
    const { layer } = pool({
      provision: () =>
        ++count === 1
          ? Effect.andThen(
              Effect.yieldNow,
              new ProvisionFailed({ functionName: hello, failure: { reason: "ImageNotFound", detail: "no image" } })
            )
          : Effect.succeed(worker("second"))
    })
    return Effect.gen(function* () {
      const both = yield* Effect.forEach([1, 2], () => fork(Effect.result(acquire())))
      const [first, second] = yield* Effect.forEach(both, (fiber) => Fiber.join(fiber))
      expect(first).toMatchObject({ failure: { _tag: "WorkerStartFailed", failure: { detail: "no image" } } })
      expect(second).toMatchObject({ success: { id: "second" } })
    }).pipe(Effect.provide(layer))
  })

  it.effect("answers its caller, and keeps the place, when a provisioner has a bug", () => {
    let count = 0
    const { layer } = pool({
      provision: () => (++count === 1 ? Effect.die(new Error("bug")) : Effect.succeed(worker("w")))
    })
    return Effect.gen(function* () {
      expect(yield* Effect.flip(acquire())).toMatchObject({ _tag: "WorkerStartFailed" })
      expect((yield* acquire()).id).toBe("w")
    }).pipe(Effect.provide(layer))
  })

  it.effect("tells why the last start failed, until one succeeds or the function is another", () => {
    const failure = { reason: "InitExited", detail: "gone" } as const
    let isBroken = true
    const { layer } = pool({
      provision: () =>
        Effect.suspend(() =>
          isBroken ? new ProvisionFailed({ functionName: hello, failure }) : Effect.succeed(worker("w"))
        )
    })
    const told = PoolManager.use((pools) => Effect.map(pools.stats, ([only]) => only?.startFailure))
    return Effect.gen(function* () {
      yield* Effect.flip(acquire())
      expect(yield* told).toEqual(failure)
      isBroken = false
      yield* release(yield* acquire())
      expect(yield* told).toBeUndefined()
      isBroken = true
      yield* Effect.flip(acquire(functionConfig({ environment: { A: "1" } })))
      expect(yield* told).toEqual(failure)
      isBroken = false
      const pools = yield* PoolManager
      yield* pools.reconcile([functionConfig({ environment: { A: "2" } })])
      expect(yield* told).toBeUndefined()
    }).pipe(Effect.provide(layer))
  })

  it.effect("serves a changed function by workers started after the change, and never goes back", () => {
    const { layer, log } = pool()
    const before = functionConfig({ maxCapacity: 2 })
    const after = functionConfig({ maxCapacity: 2, environment: { CHANGED: "yes" } })
    return Effect.gen(function* () {
      const running = yield* acquire(before)
      yield* release(yield* acquire(before))
      const fresh = yield* acquire(after)
      expect(fresh.id).toBe("w3")
      yield* release(running)
      yield* release(fresh)
      expect((yield* acquire(before)).id).toBe("w3")
      expect(log.toSorted()).toEqual(["+w1", "+w2", "+w3", "-w1", "-w2"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("removes workers idle for the function's whole idle timeout, and keeps the least capacity", () => {
    const { layer, log } = pool()
    const config = functionConfig({ maxCapacity: 2, minCapacity: 1, idleTimeout: Duration.minutes(1) })
    return Effect.gen(function* () {
      const pools = yield* PoolManager
      const [a, b] = [yield* acquire(config), yield* acquire(config)]
      yield* release(a)
      yield* TestClock.adjust("59 seconds")
      yield* release(b)
      yield* pools.pruneIdle
      expect(log).toEqual(["+w1", "+w2"])
      yield* TestClock.adjust("1 second")
      yield* pools.pruneIdle
      yield* TestClock.adjust("1 hour")
      yield* pools.pruneIdle
      expect(log).toEqual(["+w1", "+w2", "-w1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("does not lend a worker that it was told is gone", () => {
    const { layer } = pool()
    return Effect.gen(function* () {
      const pools = yield* PoolManager
      const lent = yield* acquire()
      yield* release(lent)
      yield* pools.forget([lent.id])
      expect((yield* acquire()).id).toBe("w2")
    }).pipe(Effect.provide(layer))
  })

  it.effect("at its end refuses who waits and removes every idle worker", () => {
    const { layer, log } = pool()
    return Effect.gen(function* () {
      const scope = yield* Effect.scope
      const built = yield* Layer.buildWithScope(layer, scope)
      yield* Effect.gen(function* () {
        yield* release(yield* acquire())
      }).pipe(Effect.provide(built))
    }).pipe(Effect.scoped, Effect.andThen(Effect.sync(() => expect(log).toEqual(["+w1", "-w1"]))))
  })

  it.effect("keeps workers through a change that they are not made of", () => {
    const { layer, log } = pool()
    return Effect.gen(function* () {
      const lent = yield* acquire(functionConfig({ maxCapacity: 1 }))
      const waiting = yield* fork(acquire(functionConfig({ maxCapacity: 2 })))
      yield* Fiber.join(waiting)
      yield* release(lent)
      yield* acquire(functionConfig({ maxCapacity: 3, timeout: Duration.seconds(9) }))
      expect(log).toEqual(["+w1", "+w2"])
    }).pipe(Effect.provide(layer))
  })

  describe("within the budget of all functions", () => {
    const other = functionConfig({ name: FunctionName.make("other"), maxCapacity: 5 })
    const third = functionConfig({ name: FunctionName.make("third"), memoryMegabytes: 256 })
    const two = { settings: { budget: { workers: 2, megabytes: 10_000 } } }

    it.effect("makes room by removing the idle worker that is missed least, and starts only when it is gone", () =>
      Effect.gen(function* () {
        const gone = yield* Deferred.make<void>()
        const { layer, log } = pool({ ...two, remove: () => Deferred.await(gone) })
        yield* Effect.gen(function* () {
          yield* release(yield* acquire())
          yield* release(yield* acquire())
          yield* release(yield* acquire(other))
          const waiting = yield* fork(acquire(third))
          yield* Effect.yieldNow
          expect(log).toEqual(["+w1", "+w2", "-w2"])
          yield* Deferred.succeed(gone, undefined)
          expect((yield* Fiber.join(waiting)).id).toBe("w3")
        }).pipe(Effect.provide(layer))
      })
    )

    it.effect("lets callers wait, and throttles them in the end, where nothing is idle", () => {
      const { layer } = pool(two)
      return Effect.gen(function* () {
        yield* acquire(other)
        yield* acquire(other)
        const waiting = yield* fork(Effect.flip(acquire(third)))
        yield* TestClock.adjust("5 seconds")
        expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "NoCapacity", reason: "TimedOut" })
      }).pipe(Effect.provide(layer))
    })

    it.effect("serves who waits for room as soon as another function's worker goes idle", () => {
      const { layer, log } = pool(two)
      return Effect.gen(function* () {
        const lent = yield* acquire(other)
        yield* acquire(other)
        const waiting = yield* fork(acquire(third))
        yield* release(lent)
        expect((yield* Fiber.join(waiting)).functionName).toBe("third")
        expect(log).toEqual(["+w1", "+w2", "-w1", "+w3"])
      }).pipe(Effect.provide(layer))
    })

    it.effect("counts the memory that functions declare", () => {
      const { layer, log } = pool({ settings: { budget: { workers: 100, megabytes: 300 } } })
      return Effect.gen(function* () {
        yield* release(yield* acquire(other))
        yield* acquire(third)
        expect(log).toEqual(["+w1", "-w1", "+w2"])
      }).pipe(Effect.provide(layer))
    })

    it.effect("leaves alone what another function keeps warm", () => {
      const { layer, log } = pool(two)
      const warm = functionConfig({ name: FunctionName.make("warm"), minCapacity: 2, maxCapacity: 2 })
      return Effect.gen(function* () {
        yield* (yield* PoolManager).reconcile([warm])
        const waiting = yield* fork(Effect.flip(acquire(third)))
        yield* TestClock.adjust("5 seconds")
        expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "NoCapacity" })
        expect(log).toEqual(["+w1", "+w2"])
      }).pipe(Effect.provide(layer))
    })

    it.effect("gives the room of a failed start to whoever waits for it", () => {
      let count = 0
      const { layer } = pool({
        settings: { budget: { workers: 1, megabytes: 10_000 } },
        provision: (config) =>
          ++count === 1
            ? Effect.delay(
                Effect.fail(new ProvisionFailed({ functionName: hello, failure: { reason: "Refused", detail: "no" } })),
                "1 second"
              )
            : Effect.succeed(worker("w", { functionName: config.name }))
      })
      return Effect.gen(function* () {
        const failing = yield* fork(Effect.flip(acquire()))
        const waiting = yield* fork(acquire(third))
        yield* TestClock.adjust("1 second")
        expect(yield* Fiber.join(failing)).toMatchObject({ _tag: "WorkerStartFailed" })
        expect((yield* Fiber.join(waiting)).functionName).toBe("third")
      }).pipe(Effect.provide(layer))
    })
  })

  describe("told which functions there are", () => {
    it.effect("starts what is to be warm, and again what of it has gone", () => {
      const { layer, log } = pool()
      const warm = functionConfig({ minCapacity: 2, maxCapacity: 3 })
      return Effect.gen(function* () {
        const pools = yield* PoolManager
        yield* pools.reconcile([warm])
        expect(log).toEqual(["+w1", "+w2"])
        const [first] = [...(yield* pools.workerIds).values()].flat()
        yield* pools.forget([first!])
        expect(log.toSorted()).toEqual(["+w1", "+w2", "+w3", "-w1"])
        yield* evict(yield* acquire(warm))
        expect(log).toContain("+w4")
      }).pipe(Effect.provide(layer))
    })

    it.effect("has no workers of a function that is gone, but for one that finishes what it runs", () => {
      const { layer, log } = pool()
      const config = functionConfig({ maxCapacity: 2 })
      return Effect.gen(function* () {
        const pools = yield* PoolManager
        const [running, idle] = [yield* acquire(config), yield* acquire(config)]
        yield* release(idle)
        yield* pools.reconcile([])
        expect(log).toEqual(["+w1", "+w2", "-w2"])
        const again = yield* acquire(functionConfig())
        expect(again.id).toBe("w3")
        yield* release(running)
        yield* release(again)
        expect(log).toEqual(["+w1", "+w2", "-w2", "+w3", "-w1"])
        expect((yield* acquire(functionConfig())).id).toBe("w3")
      }).pipe(Effect.provide(layer))
    })
  })

  describe("given workers that were running before", () => {
    const config = functionConfig({ maxCapacity: 2 })
    const print = fingerprint(config)

    it.effect("lends those that are what it would start, and removes the others", () => {
      const { layer, log } = pool()
      const found = [
        worker("good", { fingerprint: print }),
        worker("stale", { fingerprint: "0000000000000000" }),
        worker("unmarked"),
        worker("unknown", { functionName: FunctionName.make("gone"), fingerprint: print })
      ]
      return Effect.gen(function* () {
        expect(yield* (yield* PoolManager).adopt(found, [config])).toEqual({ adopted: 1, removed: 3 })
        expect((yield* acquire(config)).id).toBe("good")
        expect(log.toSorted()).toEqual(["-stale", "-unknown", "-unmarked"])
      }).pipe(Effect.provide(layer))
    })

    it.effect("adopts no more than the function may have", () => {
      const { layer, log } = pool()
      const found = ["a", "b", "c"].map((id) => worker(id, { fingerprint: print }))
      return Effect.gen(function* () {
        yield* (yield* PoolManager).adopt(found, [config])
        expect(log).toEqual(["-c"])
      }).pipe(Effect.provide(layer))
    })

    it.effect("leaves its own running at its end, where the next process is to have them", () => {
      const { layer, log } = pool({ settings: { leaveRunning: true } })
      return Effect.gen(function* () {
        yield* Effect.provide(Effect.flatMap(acquire(), release), layer)
        expect(log).toEqual(["+w1"])
      })
    })
  })

  describe("that pauses idle workers", () => {
    const settings = { pauseAfter: Duration.seconds(30) }

    it.effect("pauses one after the grace time, not before, and resumes it before it is lent", () => {
      const { layer, log } = pool({ settings })
      return Effect.gen(function* () {
        const pools = yield* PoolManager
        yield* release(yield* acquire())
        yield* TestClock.adjust("29 seconds")
        yield* pools.pruneIdle
        expect(log).toEqual(["+w1"])
        yield* TestClock.adjust("1 second")
        yield* pools.pruneIdle
        yield* pools.pruneIdle
        expect(log).toEqual(["+w1", "pause w1"])
        yield* release(yield* acquire())
        yield* release(yield* acquire())
        expect(log).toEqual(["+w1", "pause w1", "resume w1"])
      }).pipe(Effect.provide(layer))
    })

    it.effect("resumes one that is just being paused only when that is done", () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const gate = yield* Deferred.make<void>()
        const { layer } = pool({
          settings,
          pause: () =>
            Effect.andThen(
              Deferred.await(gate),
              Effect.sync(() => void log.push("paused"))
            ),
          resume: () => Effect.sync(() => void log.push("resumed"))
        })
        yield* Effect.gen(function* () {
          yield* release(yield* acquire())
          yield* TestClock.adjust("30 seconds")
          yield* (yield* PoolManager).pruneIdle
          const waiting = yield* fork(acquire())
          yield* Effect.yieldNow
          expect(log).toEqual([])
          yield* Deferred.succeed(gate, undefined)
          yield* Fiber.join(waiting)
          expect(log).toEqual(["paused", "resumed"])
        }).pipe(Effect.provide(layer))
      })
    )

    it.effect("neither pauses nor resumes one whose turn to be paused has not come when it is needed", () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const { layer } = pool({
          settings,
          pause: (id) =>
            Effect.andThen(
              Effect.sync(() => void log.push(`pause ${id}`)),
              Effect.never
            ),
          resume: (id) => Effect.sync(() => void log.push(`resume ${id}`))
        })
        const config = functionConfig({ maxCapacity: 3 })
        yield* Effect.gen(function* () {
          const lent = yield* Effect.forEach([1, 2, 3], () => acquire(config))
          yield* Effect.forEach(lent, release)
          yield* TestClock.adjust("30 seconds")
          yield* (yield* PoolManager).pruneIdle
          expect((yield* acquire(config)).id).toBe("w3")
          expect(log).toEqual(["pause w1", "pause w2"])
        }).pipe(Effect.provide(layer))
      })
    )

    it.effect("gives a caller another worker when the paused one does not come back", () => {
      const { layer, log } = pool({ settings, resume: (id) => new WorkerGone({ id, detail: "it died" }) })
      return Effect.gen(function* () {
        yield* release(yield* acquire())
        yield* TestClock.adjust("30 seconds")
        yield* (yield* PoolManager).pruneIdle
        expect((yield* acquire()).id).toBe("w2")
        expect(log).toEqual(["+w1", "pause w1", "-w1", "+w2"])
      }).pipe(Effect.provide(layer))
    })
  })

  it.effect("has a spare worker started for each that is taken while the function is hot", () => {
    const spares = { maxSpares: 1, windowMillis: 60_000, hotCalls: 2 }
    const { layer, log } = pool({ settings: { warmth: { adaptive: false, spares } } })
    const config = functionConfig({ maxCapacity: 4 })
    return Effect.gen(function* () {
      yield* acquire(config)
      yield* acquire(config)
      expect(log).toEqual(["+w1", "+w2", "+w3"])
      expect((yield* acquire(config)).id).toBe("w3")
      expect(log).toEqual(["+w1", "+w2", "+w3", "+w4"])
      yield* TestClock.adjust("1 minute")
      yield* (yield* PoolManager).pruneIdle
      expect((yield* acquire(config)).id).toBe("w4")
      expect(log).toHaveLength(4)
    }).pipe(Effect.provide(layer))
  })

  it.effect("removes the worker of an hourly function early, and has one again before the next call", () => {
    const { layer, log } = pool({ settings: { warmth: { adaptive: true } } })
    const config = functionConfig({ idleTimeout: Duration.minutes(5) })
    return Effect.gen(function* () {
      const pools = yield* PoolManager
      for (let hour = 0; hour < 12; hour++) {
        yield* release(yield* acquire(config))
        yield* TestClock.adjust("59 minutes")
        yield* pools.pruneIdle
        yield* TestClock.adjust("1 minute")
      }
      const before = log.length
      yield* release(yield* acquire(config))
      yield* TestClock.adjust("1 minute")
      yield* pools.pruneIdle
      expect(log.slice(before).map((line) => line[0])).toEqual(["-"])
      yield* TestClock.adjust("54 minutes")
      yield* pools.pruneIdle
      expect(log.slice(before).map((line) => line[0])).toEqual(["-", "+"])
    }).pipe(Effect.provide(layer))
  })

  it.live("lends no more than the capacity, and loses nothing, in a storm of callers who leave", () => {
    const { layer } = pool({
      provision: () =>
        Effect.delay(
          Effect.sync(() => worker(`w${Math.random()}`)),
          Math.random() * 3
        )
    })
    const config = functionConfig({ maxCapacity: 3, maxQueued: 2000, acquireTimeout: Duration.millis(800) })
    return Effect.gen(function* () {
      let lent = 0
      let peak = 0
      const callers = yield* Effect.forEach(Array.from({ length: 1000 }), (_, i) =>
        Effect.acquireUseRelease(
          acquire(config),
          () =>
            Effect.andThen(
              Effect.sync(() => {
                peak = Math.max(peak, ++lent)
              }),
              Effect.sleep(Math.random())
            ),
          (given) => {
            lent--
            return i % 20 === 0 ? evict(given) : release(given)
          }
        ).pipe(Effect.delay(Math.random() * 50), Effect.forkChild)
      )
      yield* Effect.forEach(
        callers,
        (caller, i) =>
          i % 3 === 0 ? Effect.delay(Fiber.interrupt(caller), Math.random() * 60) : Effect.asVoid(Fiber.await(caller)),
        { concurrency: "unbounded", discard: true }
      )
      expect(peak).toBeLessThanOrEqual(3)
      const all = yield* Effect.forEach([1, 2, 3], () => acquire(config))
      expect(new Set(all.map(({ id }) => id)).size).toBe(3)
      expect(yield* Effect.flip(acquire(config))).toMatchObject({ _tag: "NoCapacity", reason: "TimedOut" })
    }).pipe(Effect.provide(layer))
  })
})
