import { it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { WorkerId } from "../../src/domain/Worker.ts"
import * as Janitor from "../../src/pool/Janitor.ts"
import { PoolManager } from "../../src/pool/PoolManager.ts"
import { HeartbeatClient } from "../../src/provision/HeartbeatClient.ts"
import { ManagerUnreachable, ProvisionClient } from "../../src/provision/ProvisionClient.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { functionConfig, hello, worker } from "../support/functions.ts"

interface Doubles {
  readonly prune?: Effect.Effect<void>
  readonly send?: HeartbeatClient["Service"]["send"]
  /** What runs on the machine; the pools have w1 and w2. */
  readonly running?: () => ReadonlyArray<string>
}

const sweeping = (doubles: Doubles = {}) => {
  const log: Array<string> = []
  const say = (line: string) => Effect.sync(() => void log.push(line))
  const janitor = Janitor.layer({ interval: Duration.seconds(30) }).pipe(
    Layer.provide([
      Layer.mock(PoolManager, {
        reconcile: (configs) => say(`reconcile ${configs.map(({ name }) => name)}`),
        pruneIdle: doubles.prune ?? say("prune"),
        workerIds: Effect.succeed(new Map([[hello, [WorkerId.make("w1"), WorkerId.make("w2")]]])),
        forget: (ids) => say(`forget ${[...ids]}`)
      }),
      Layer.succeed(HeartbeatClient, {
        send: doubles.send ?? ((name, ids) => Effect.as(say(`beat ${name} ${ids}`), []))
      }),
      Layer.mock(ProvisionClient, {
        sync: Effect.sync(() => (doubles.running?.() ?? ["w1", "w2"]).map((id) => worker(id))),
        remove: (id) => say(`remove ${id}`)
      }),
      FunctionRegistry.layerMemory([functionConfig()])
    ])
  )
  return { log, janitor }
}

describe("Janitor", () => {
  it.effect("compares with the registry, prunes and sends the heartbeat, once per interval", () =>
    Effect.gen(function* () {
      const { janitor, log } = sweeping()
      yield* Layer.build(janitor)
      yield* TestClock.adjust("29 seconds")
      expect(log).toEqual([])
      yield* TestClock.adjust("1 second")
      expect(log).toEqual(["reconcile hello", "prune", "beat hello w1,w2", "forget "])
      yield* TestClock.adjust("30 seconds")
      expect(log).toHaveLength(8)
    })
  )

  it.effect("has the pools forget workers that the manager does not have", () =>
    Effect.gen(function* () {
      const { janitor, log } = sweeping({ send: (_, [first]) => Effect.succeed([first!]) })
      yield* Layer.build(janitor)
      yield* TestClock.adjust("30 seconds")
      expect(log).toEqual(["reconcile hello", "prune", "forget w1"])
    })
  )

  it.effect("goes on after a part of it failed", () =>
    Effect.gen(function* () {
      const { janitor, log } = sweeping({
        prune: Effect.die(new Error("bug")),
        send: () => Effect.fail(new ManagerUnreachable({ cause: "down" }))
      })
      yield* Layer.build(janitor)
      yield* TestClock.adjust("60 seconds")
      expect(log).toEqual(["reconcile hello", "reconcile hello"])
    })
  )

  it.effect("removes a worker that was in no pool at two sweeps, not one that was just starting at the first", () =>
    Effect.gen(function* () {
      let running: ReadonlyArray<string> = ["w1", "stray", "starting"]
      const { janitor, log } = sweeping({ running: () => running })
      yield* Layer.build(janitor)
      yield* TestClock.adjust("30 seconds")
      expect(log.filter((line) => line.startsWith("remove"))).toEqual([])
      running = ["w1", "stray", "later"]
      yield* TestClock.adjust("30 seconds")
      expect(log.filter((line) => line.startsWith("remove"))).toEqual(["remove stray"])
    })
  )
})
