/** What happens before the first caller comes, with a manager that takes its time. */
import { expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { PoolManager } from "../../src/pool/PoolManager.ts"
import * as WarmStart from "../../src/pool/WarmStart.ts"
import { ManagerUnreachable, ProvisionClient } from "../../src/provision/ProvisionClient.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { functionConfig, worker } from "../support/functions.ts"

/** A start with a manager whose `sync` is so, and what it did and said. */
const starting = (sync: ProvisionClient["Service"]["sync"]) =>
  Effect.gen(function* () {
    const log: Array<string> = []
    const say = (line: string) => Effect.sync(() => void log.push(line))
    const layer = WarmStart.layer({ timeout: Duration.seconds(5) }).pipe(
      Layer.provide([
        Layer.mock(PoolManager, {
          adopt: (workers) =>
            Effect.as(say(`adopt ${workers.map(({ id }) => id)}`), { adopted: workers.length, removed: 0 }),
          reconcile: (configs) => say(`reconcile ${configs.map(({ name }) => name)}`)
        }),
        Layer.mock(ProvisionClient, { sync, resume: (id) => say(`resume ${id}`) }),
        FunctionRegistry.layerMemory([functionConfig()]),
        Logger.layer([Logger.make(({ logLevel, message }) => void log.push(`${logLevel}: ${message}`))])
      ])
    )
    const started = yield* Effect.forkChild(Layer.build(layer), { startImmediately: true })
    return { log, started }
  })

describe("WarmStart", () => {
  it.effect("adopts what the manager has, resumed first, before it starts what is to be kept warm", () =>
    Effect.gen(function* () {
      const { log, started } = yield* starting(Effect.succeed([worker("w1"), worker("w2")]))
      yield* Fiber.join(started)
      expect(log).toEqual([
        "resume w1",
        "resume w2",
        "adopt w1,w2",
        "Info: Adopted 2 running workers, removed 0",
        "reconcile hello"
      ])
    })
  )

  it.effect("waits for a manager that is about to come, and says so", () =>
    Effect.gen(function* () {
      const { log, started } = yield* starting(Effect.delay(Effect.succeed([worker("w1")]), "4 seconds"))
      yield* TestClock.adjust("499 millis")
      expect(log).toEqual([])
      yield* TestClock.adjust("1 millis")
      expect(log).toEqual(["Info: Waiting for the manager, which may have workers to adopt; for 5s at most"])
      yield* TestClock.adjust("3500 millis")
      yield* Fiber.join(started)
      expect(log.slice(1)).toEqual([
        "resume w1",
        "adopt w1",
        "Info: Adopted 1 running workers, removed 0",
        "reconcile hello"
      ])
    })
  )

  it.effect("is done when its time is up, without what it could not learn", () =>
    Effect.gen(function* () {
      const { log, started } = yield* starting(Effect.never)
      yield* TestClock.adjust("4999 millis")
      expect(log.slice(1)).toEqual([])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(started)
      expect(log.slice(1)).toEqual([
        "Warn: No running workers were adopted: the manager does not answer",
        "reconcile hello"
      ])
    })
  )

  it.effect("does not wait for a manager that has refused", () =>
    Effect.gen(function* () {
      const { log, started } = yield* starting(
        Effect.fail(new ManagerUnreachable({ cause: new Error("who are you?") }))
      )
      yield* Fiber.join(started)
      expect(log).toEqual(["Warn: No running workers were adopted: who are you?", "reconcile hello"])
    })
  )
})
