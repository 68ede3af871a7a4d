import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ConcurrencyLimits, withLimits } from "../../src/control/ConcurrencyLimits.ts"
import { ControlDatabase } from "../../src/control/Database.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { aliasRecord, versionRecord } from "../support/functionRecords.ts"
import { functionConfig } from "../support/functions.ts"

const over = (database: Layer.Layer<ControlDatabase, unknown>) =>
  ConcurrencyLimits.layer({ accountConcurrency: 1000 }).pipe(
    Layer.provideMerge(FunctionStore.layer),
    Layer.provideMerge(database)
  )

/** There are versions 1 and 2 of `hello`, and aliases of the first, `live` and `next`. */
const using = <A>(work: (limits: ConcurrencyLimits["Service"], store: FunctionStore["Service"]) => A) =>
  Effect.gen(function* () {
    const store = yield* FunctionStore
    for (const version of ["$LATEST", "1", "2"]) store.putVersion("hello", versionRecord(version))
    for (const name of ["live", "next"]) store.putAlias("hello", aliasRecord(name, "1"))
    return work(yield* ConcurrencyLimits, store)
  }).pipe(Effect.provide(over(ControlDatabase.layerMemory)))

const provisioned = (qualifier: string, version: string, requested: number) => ({
  functionName: "hello",
  qualifier,
  version,
  requested,
  modifiedMillis: 5
})

describe("ConcurrencyLimits", () => {
  it.effect("knows nothing of a function for which nothing was set", () =>
    using((limits) => {
      expect(limits.reservedOf("hello")).toBeUndefined()
      expect(limits.provisionedOf("hello", "1")).toBe(0)
      expect(limits.provisioned()).toEqual([])
    })
  )

  it.effect("keeps a reservation until it is taken back; none at all is one too", () =>
    using((limits) => {
      limits.reserve("hello", 3)
      limits.reserve("hello", 0)
      expect(limits.reservedOf("hello")).toBe(0)
      limits.reserve("hello", undefined)
      expect(limits.reservedOf("hello")).toBeUndefined()
    })
  )

  it.effect("counts for a version what is provisioned for it and for aliases that lead to it", () =>
    using((limits) => {
      limits.provision(provisioned("1", "1", 2))
      limits.provision(provisioned("live", "1", 3))
      limits.provision(provisioned("next", "2", 4))
      expect(limits.provisionedOf("hello", "1")).toBe(5)
      limits.provision(provisioned("1", "1", 1))
      expect(limits.provisionedOf("hello", "1")).toBe(4)
      limits.unprovision("hello", "1")
      expect(limits.provisionedOf("hello", "1")).toBe(3)
      expect(limits.provisionedOf("hello", "2")).toBe(4)
    })
  )

  it.effect("moves what is provisioned for an alias with the alias, and drops it with the alias", () =>
    using((limits, store) => {
      limits.provision(provisioned("live", "1", 3))
      store.putAlias("hello", aliasRecord("live", "2"))
      expect([limits.provisionedOf("hello", "1"), limits.provisionedOf("hello", "2")]).toEqual([0, 3])
      store.removeAlias("hello", "live")
      expect(limits.provisioned("hello")).toEqual([])
    })
  )

  it.effect("forgets with a version what was provisioned for it, and with a function all", () =>
    using((limits, store) => {
      limits.reserve("hello", 9)
      limits.provision(provisioned("1", "1", 1))
      limits.provision(provisioned("2", "2", 1))
      store.removeVersion("hello", "1")
      expect(limits.provisioned("hello")).toEqual([provisioned("2", "2", 1)])
      expect(limits.reservedOf("hello")).toBe(9)
      store.remove("hello")
      expect([limits.provisioned("hello"), limits.reservedOf("hello")]).toEqual([[], undefined])
    })
  )

  it.effect("tells of each change once it holds, and of none of a function without limits", () =>
    using((limits, store) => {
      const told: Array<string> = []
      limits.onChange((name) => told.push(`${name} ${limits.reservedOf(name)} ${limits.provisionedOf(name, "1")}`))
      store.putAlias("hello", aliasRecord("live", "1"))
      limits.reserve("hello", 9)
      limits.provision(provisioned("live", "1", 2))
      store.putAlias("hello", aliasRecord("live", "2"))
      store.remove("hello")
      expect(told).toEqual(["hello 9 0", "hello 9 2", "hello 9 0", "hello undefined 0"])
    })
  )

  it.effect("outlives the process", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "irori-limits-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      // Each is a database of its own, opened and closed.
      const opened = () => over(Layer.fresh(ControlDatabase.layer(join(folder, "control.db"))))
      yield* Effect.provide(
        Effect.gen(function* () {
          const limits = yield* ConcurrencyLimits
          const store = yield* FunctionStore
          store.putAlias("hello", aliasRecord("live", "4"))
          limits.reserve("hello", 7)
          limits.provision(provisioned("live", "4", 2))
        }),
        opened()
      )
      const kept = yield* Effect.provide(
        Effect.map(ConcurrencyLimits, (limits) => [limits.reservedOf("hello"), limits.provisioned("hello")]),
        opened()
      )
      expect(kept).toEqual([7, [provisioned("live", "4", 2)]])
    }).pipe(Effect.scoped)
  )
})

describe("withLimits", () => {
  const config = functionConfig({ version: "1", maxCapacity: 10, minCapacity: 1 })

  const limited = (reserved: number | undefined, provisionedWorkers: number) => {
    const { maxCapacity, minCapacity, initializationType } = withLimits(config, {
      reservedOf: () => reserved,
      provisionedOf: () => provisionedWorkers
    })
    return [minCapacity, maxCapacity, initializationType ?? "on-demand"]
  }

  it("leaves a function without limits the object it is", () => {
    expect(withLimits(config, { reservedOf: () => undefined, provisionedOf: () => 0 })).toBe(config)
  })

  it.each([
    ["bounds workers by the reservation", 4, 0, [1, 4, "on-demand"]],
    ["bounds them by the capacity where that is less", 40, 0, [1, 10, "on-demand"]],
    ["keeps ready what is provisioned", undefined, 3, [3, 10, "provisioned-concurrency"]],
    ["makes room for what is provisioned", undefined, 12, [12, 12, "provisioned-concurrency"]],
    ["has no workers of a function that may not run", 0, 0, [1, 0, "on-demand"]]
  ] as const)("%s", (_, reserved, provisionedWorkers, expected) => {
    expect(limited(reserved, provisionedWorkers)).toEqual(expected)
  })
})
