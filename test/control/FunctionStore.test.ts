import { it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { describe, expect } from "vitest"
import { ControlDatabase } from "../../src/control/Database.ts"
import { EventInvokeConfigs } from "../../src/control/EventInvokeConfigs.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { FunctionUrls } from "../../src/control/FunctionUrls.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { aliasRecord, versionRecord } from "../support/functionRecords.ts"
import { functionConfig } from "../support/functions.ts"

const owner = { region: "us-east-1", accountId: "123456789012" }

const anything = Layer.mock(FunctionRegistry, { get: () => Effect.succeed(functionConfig()) })

const services = Layer.mergeAll(
  EventInvokeConfigs.layer({ owner, mapped: new Map(), fileRoots: [] }),
  FunctionUrls.layer({ owner, domain: "localhost" })
).pipe(
  Layer.provide(anything),
  Layer.provideMerge(FunctionStore.layer),
  Layer.provideMerge(ControlDatabase.layerMemory)
)

const hello = FunctionName.make("hello")

/** With settings of its own for `$LATEST`, for version 1 and for the alias `live`; and one that is called alike. */
const made = Effect.gen(function* () {
  const store = yield* FunctionStore
  const configs = yield* EventInvokeConfigs
  const urls = yield* FunctionUrls
  for (const name of [hello, "hello2"]) {
    store.putVersion(name, versionRecord())
    store.putVersion(name, versionRecord("1"))
    store.putAlias(name, aliasRecord("live", "1"))
    for (const qualifier of ["$LATEST", "1", "live"]) {
      yield* configs.put({ name, qualifier }, { MaximumRetryAttempts: 0 })
    }
    yield* urls.create({ name }, { authType: "NONE" })
    yield* urls.create({ name, qualifier: "live" }, { authType: "NONE" })
  }
  const rows = (table: string) =>
    ControlDatabase.useSync((database) =>
      database
        .all(`SELECT function, qualifier FROM ${table} ORDER BY function, qualifier`)
        .filter((row) => row.function === hello)
        .map(({ qualifier }) => qualifier)
    )
  return {
    store,
    rows,
    others: Effect.map(configs.list("hello2", {}), (page) => page.FunctionEventInvokeConfigs.length)
  }
})

describe("FunctionStore", () => {
  it.effect("removes what other services keep of an alias together with it", () =>
    Effect.gen(function* () {
      const { others, rows, store } = yield* made
      store.removeAlias(hello, "live")
      expect(yield* rows("event_invoke_configs")).toEqual(["$LATEST", "1"])
      expect(yield* rows("function_urls")).toHaveLength(2)
      expect(yield* others).toBe(3)
    }).pipe(Effect.provide(services))
  )

  it.effect("removes what other services keep of a version together with it", () =>
    Effect.gen(function* () {
      const { rows, store } = yield* made
      store.removeVersion(hello, "1")
      expect(yield* rows("event_invoke_configs")).toEqual(["$LATEST", "live"])
      expect(yield* rows("function_urls")).toHaveLength(2)
    }).pipe(Effect.provide(services))
  )

  it.effect("removes what other services keep of a function together with it", () =>
    Effect.gen(function* () {
      const { others, rows, store } = yield* made
      store.remove(hello)
      expect([...(yield* rows("event_invoke_configs")), ...(yield* rows("function_urls"))]).toEqual([])
      expect(yield* others).toBe(3)
    }).pipe(Effect.provide(services))
  )
})
