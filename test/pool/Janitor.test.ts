import { it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { WorkerId } from "../../src/domain/Worker.ts"
import * as Janitor from "../../src/pool/Janitor.ts"
import { PoolManager } from "../../src/pool/PoolManager.ts"
import { HeartbeatClient } from "../../src/provision/HeartbeatClient.ts"
import { ManagerUnreachable } from "../../src/provision/ProvisionClient.ts"
import { hello } from "../support/functions.ts"

const sweeping = (doubles: { prune?: Effect.Effect<void>; send?: HeartbeatClient["Service"]["send"] } = {}) => {
  const log: Array<string> = []
  const say = (line: string) => Effect.sync(() => void log.push(line))
  const janitor = Janitor.layer({ interval: Duration.seconds(30) }).pipe(
    Layer.provide(
      Layer.merge(
        Layer.succeed(PoolManager, {
          pruneIdle: doubles.prune ?? say("prune"),
          fill: say("fill"),
          workerIds: Effect.succeed(new Map([[hello, [WorkerId.make("w1"), WorkerId.make("w2")]]])),
          forget: (ids) => say(`forget ${[...ids]}`),
          stats: Effect.succeed([])
        }),
        Layer.succeed(HeartbeatClient, {
          send: doubles.send ?? ((name, ids) => Effect.as(say(`beat ${name} ${ids}`), []))
        })
      )
    )
  )
  return { log, janitor }
}

describe("Janitor", () => {
  it.effect("prunes, fills and sends the heartbeat, once per interval", () =>
    Effect.gen(function* () {
      const { janitor, log } = sweeping()
      yield* Layer.build(janitor)
      yield* TestClock.adjust("29 seconds")
      expect(log).toEqual([])
      yield* TestClock.adjust("1 second")
      expect(log).toEqual(["prune", "fill", "beat hello w1,w2", "forget "])
      yield* TestClock.adjust("30 seconds")
      expect(log).toHaveLength(8)
    })
  )

  it.effect("has the pools forget workers that the manager does not have", () =>
    Effect.gen(function* () {
      const { janitor, log } = sweeping({ send: (_, [first]) => Effect.succeed([first!]) })
      yield* Layer.build(janitor)
      yield* TestClock.adjust("30 seconds")
      expect(log).toEqual(["prune", "fill", "forget w1"])
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
      expect(log).toEqual(["fill", "fill"])
    })
  )
})
