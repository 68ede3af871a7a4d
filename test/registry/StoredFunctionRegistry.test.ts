import { expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { describe } from "vitest"
import { ConcurrencyLimits } from "../../src/control/ConcurrencyLimits.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { aliasRecord, versionRecord } from "../support/functionRecords.ts"
import { functionConfig } from "../support/functions.ts"
import { functionServices } from "../support/functionsApp.ts"

interface Ground {
  readonly store: FunctionStore["Service"]
  readonly limits: ConcurrencyLimits["Service"]
  readonly registry: FunctionRegistry["Service"]
}

/** Over `hello` from a file. */
const withGround = <A, E>(use: (ground: Ground) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const ground = { store: yield* FunctionStore, limits: yield* ConcurrencyLimits, registry: yield* FunctionRegistry }
    return yield* use(ground)
  }).pipe(Effect.provide(functionServices({ files: [functionConfig()] })))

const settings = versionRecord().settings

describe("StoredFunctionRegistry", () => {
  it.effect("makes of a record what workers are started with", () =>
    withGround(({ registry, store }) =>
      Effect.gen(function* () {
        store.putVersion(
          "f",
          versionRecord("$LATEST", {
            code: { sha256: "ab".repeat(32), sizeBytes: 1 },
            settings: {
              ...settings,
              Timeout: 2000,
              MemorySize: 256,
              EphemeralStorage: 1024,
              Environment: { AA: "1" },
              LoggingConfig: {
                LogFormat: "JSON",
                ApplicationLogLevel: "DEBUG",
                SystemLogLevel: "WARN",
                LogGroup: "g"
              }
            }
          })
        )
        expect(yield* registry.get("f")).toMatchObject({
          name: "f",
          version: "$LATEST",
          code: { _tag: "CodeFolder", path: expect.stringMatching(/\/(ab){32}$/), revision: "ab".repeat(8) },
          runtime: "nodejs22.x",
          handler: "index.handler",
          timeout: Duration.minutes(15),
          memoryMegabytes: 256,
          ephemeralStorageMegabytes: 1024,
          environment: { AA: "1" },
          loggingFormat: "JSON",
          applicationLogLevel: "DEBUG",
          systemLogLevel: "WARN",
          transport: "runtime-api",
          maxCapacity: 10,
          minCapacity: 0
        })
      })
    )
  )

  it.effect("makes of an image's record an image, with what the function says over it", () =>
    withGround(({ registry, store }) =>
      Effect.gen(function* () {
        const { Handler: _, Runtime: __, ...image } = settings
        const ImageConfig = { Command: ["a"], EntryPoint: ["/e"], WorkingDirectory: "/w" }
        store.putVersion(
          "f",
          versionRecord("$LATEST", {
            code: { imageUri: "i:1" },
            settings: { ...image, PackageType: "Image", ImageConfig }
          })
        )
        expect(yield* registry.get("f")).toMatchObject({
          code: { _tag: "CodeImage", uri: "i:1" },
          imageConfig: { command: ["a"], entryPoint: ["/e"], workingDirectory: "/w" }
        })
      })
    )
  )

  it.effect("keeps the object where only the state has changed, and makes another where the function has", () =>
    withGround(({ registry, store }) =>
      Effect.gen(function* () {
        const { update: _, ...pending } = versionRecord("$LATEST", { state: "Pending" })
        store.putVersion("f", pending)
        const before = yield* registry.get("f")
        store.putVersion("f", versionRecord())
        expect(yield* registry.get("f")).toBe(before)
        store.putAlias("f", aliasRecord("live", "$LATEST"))
        expect(yield* registry.get("f", "live")).toBe(before)
        store.putVersion("f", versionRecord("$LATEST", { settings: { ...settings, MemorySize: 256 } }))
        const after = yield* registry.get("f")
        expect(after).not.toBe(before)
        expect(after.memoryMegabytes).toBe(256)
      })
    )
  )

  it.effect("leads an alias to its version, and elsewhere once it is moved", () =>
    withGround(({ registry, store }) =>
      Effect.gen(function* () {
        for (const version of ["$LATEST", "1", "2"]) store.putVersion("f", versionRecord(version))
        store.putAlias("f", aliasRecord("live", "1"))
        expect(yield* registry.get("f", "live")).toBe(yield* registry.get("f", "1"))
        store.putAlias("f", aliasRecord("live", "2"))
        expect((yield* registry.get("f", "live")).version).toBe("2")
        store.removeAlias("f", "live")
        expect(yield* Effect.flip(registry.get("f", "live"))).toMatchObject({ qualifier: "live" })
      })
    )
  )

  it.effect("gives a weighted alias' other version its share", () =>
    withGround(({ registry, store }) =>
      Effect.gen(function* () {
        for (const version of ["$LATEST", "1", "2"]) store.putVersion("f", versionRecord(version))
        const share = (weight: number) =>
          Effect.gen(function* () {
            store.putAlias("f", { ...aliasRecord("live", "1"), weights: { "2": weight } })
            let others = 0
            for (let call = 0; call < 1000; call++) {
              if ((yield* registry.get("f", "live")).version === "2") others++
            }
            return others
          })
        expect(yield* share(0)).toBe(0)
        expect(yield* share(1)).toBe(1000)
        const some = yield* share(0.2)
        // Six standard deviations to each side.
        expect(some).toBeGreaterThan(124)
        expect(some).toBeLessThan(276)
      })
    )
  )

  it.effect("leads aliases of functions from files to them", () =>
    withGround(({ registry, store }) =>
      Effect.gen(function* () {
        store.putAlias("hello", aliasRecord("live", "$LATEST"))
        expect(yield* registry.get("hello", "live")).toBe(yield* registry.get("hello"))
      })
    )
  )

  it.effect("takes limits over when they change, for functions of either kind", () =>
    withGround(({ limits, registry, store }) =>
      Effect.gen(function* () {
        store.putVersion("f", versionRecord())
        store.putVersion("f", versionRecord("1"))
        const before = yield* registry.get("f", "1")
        limits.provision({ functionName: "f", qualifier: "1", version: "1", requested: 12, modifiedMillis: 0 })
        const provisioned = yield* registry.get("f", "1")
        expect(provisioned).toMatchObject({ minCapacity: 12, maxCapacity: 12 })
        expect(yield* registry.get("f", "1")).toBe(provisioned)
        limits.unprovision("f", "1")
        expect(yield* registry.get("f", "1")).toEqual(before)
        for (const name of ["f", "hello"]) {
          limits.reserve(name, 1)
          const reserved = yield* registry.get(name)
          expect(reserved.maxCapacity).toBe(1)
          expect(yield* registry.get(name)).toBe(reserved)
          limits.reserve(name, undefined)
        }
        expect((yield* registry.get("f")).maxCapacity).toBe(10)
      })
    )
  )

  it.effect("lists every version, so that none of their workers is taken for a stray", () =>
    withGround(({ registry, store }) =>
      Effect.gen(function* () {
        for (const version of ["$LATEST", "1"]) store.putVersion("f", versionRecord(version))
        const listed = (yield* registry.list).map(({ name, version }) => `${name}:${version}`)
        expect(listed).toEqual(["f:$LATEST", "f:1", "hello:$LATEST"])
        store.remove("f")
        expect((yield* registry.list).map(({ name }) => name)).toEqual(["hello"])
        expect(yield* Effect.flip(registry.get("f"))).toMatchObject({ _tag: "FunctionNotFound" })
      })
    )
  )

  it.effect("puts a function made through the API before one of a file", () =>
    withGround(({ registry, store }) =>
      Effect.gen(function* () {
        store.putVersion("hello", versionRecord("$LATEST", { settings: { ...settings, MemorySize: 512 } }))
        expect((yield* registry.get("hello")).memoryMegabytes).toBe(512)
        expect(yield* registry.list).toHaveLength(1)
        store.remove("hello")
        expect((yield* registry.get("hello")).memoryMegabytes).toBe(128)
      })
    )
  )
})
