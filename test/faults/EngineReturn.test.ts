/** How soon a function runs again whose callers were refused since the engine was away. */
import { Effect, Logger } from "effect"
import { describe, expect, it } from "vitest"
import { workerImage } from "../support/images.ts"
import { makePlace } from "./faultyPlace.ts"

const image = await workerImage()

describe("an engine that comes back", () => {
  if ("missing" in image) {
    it.skip(`is not tested here: ${image.missing}`)
    return
  }

  it(
    "is used again within seconds, though callers were refused meanwhile",
    () =>
      Effect.gen(function* () {
        const { onMachine, open, proxy } = yield* makePlace({ image: image.name })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const place = yield* open
            proxy.when(/./, { is: "drop" })
            const refused = Effect.repeat(place.invoke("steady", "refused"), {
              until: ({ failure }) => failure?.startsWith("CircuitOpen") === true
            })
            yield* refused
            proxy.release()
            const backAt = performance.now()
            yield* Effect.repeat(Effect.delay(place.invoke("steady", "again"), "50 millis"), {
              until: ({ token }) => token === "again"
            })
            // A second of the circuit, and a start of a container, on a machine that may be busy; a breaker waits 30.
            expect(performance.now() - backAt).toBeLessThan(6000)
          })
        )
        expect(yield* onMachine).toEqual([])
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([])), Effect.runPromise),
    60_000
  )
})
