/** What every registry must do, whatever its functions come from. */
import { expect, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { describe } from "vitest"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"

/** `layer` has the functions `first` and `second`, each for Node.js 22 with the handler `index.handler`. */
export const suite = (name: string, layer: () => Layer.Layer<FunctionRegistry, unknown>) => {
  const use = <A, E>(ask: (registry: FunctionRegistry["Service"]) => Effect.Effect<A, E>) =>
    FunctionRegistry.use(ask).pipe(Effect.provide(layer()))

  describe(`FunctionRegistry: ${name}`, () => {
    it.effect("knows a function by its name, and by $LATEST", () =>
      use((registry) =>
        Effect.gen(function* () {
          const found = yield* registry.get("first")
          expect(found).toMatchObject({
            name: "first",
            version: "$LATEST",
            runtime: "nodejs22.x",
            handler: "index.handler"
          })
          expect(yield* registry.get("first", "$LATEST")).toBe(found)
        })
      )
    )

    it.effect("answers with the same object for as long as nothing changes, and lists that", () =>
      use((registry) =>
        Effect.gen(function* () {
          const found = yield* registry.get("second")
          expect(yield* registry.get("second")).toBe(found)
          const listed = yield* registry.list
          expect(listed.map(({ name }) => name)).toEqual(["first", "second"])
          expect(listed[1]).toBe(found)
        })
      )
    )

    it.effect("does not know other names, nor other versions", () =>
      use((registry) =>
        Effect.gen(function* () {
          expect(yield* Effect.flip(registry.get("third"))).toMatchObject({
            _tag: "FunctionNotFound",
            functionName: "third",
            qualifier: "$LATEST"
          })
          expect(yield* Effect.flip(registry.get("first", "7"))).toMatchObject({
            _tag: "FunctionNotFound",
            functionName: "first",
            qualifier: "7"
          })
        })
      )
    )

    it.effect("has no problems where there are none", () =>
      use((registry) =>
        Effect.gen(function* () {
          expect(yield* registry.problems).toEqual([])
        })
      )
    )
  })
}
