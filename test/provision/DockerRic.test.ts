/** An image whose entry point is AWS's own runtime client, as functions are built that know nothing of Irori. */
import { expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { describe } from "vitest"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import { answer } from "../support/delivery.ts"
import { namesWith } from "../support/docker.ts"
import { dockerLayer, imageFunction, labelOf, newInstance } from "../support/dockerSubjects.ts"
import { ricImage } from "../support/images.ts"

const image = await ricImage()

describe("DockerProvisioner (aws-lambda-ric)", () => {
  if ("missing" in image) {
    it.skip(`is not tested here: ${image.missing}`)
    return
  }

  it.live("runs a function with AWS's own runtime client, one event after the other", () =>
    Effect.gen(function* () {
      const instance = newInstance()
      yield* Effect.gen(function* () {
        const config = imageFunction(image.name, "", { timeout: Duration.seconds(10), memoryMegabytes: 256 })
        const worker = yield* (yield* Provisioner).start(config)
        for (const requestId of ["8f507cfc-0000-4000-8000-000000000001", "8f507cfc-0000-4000-8000-000000000002"]) {
          const { body, errorType } = yield* answer(worker, { say: "irori 囲炉裏" }, { requestId })
          expect(errorType).toBe(undefined)
          expect(body).toEqual({ event: { say: "irori 囲炉裏" }, requestId })
        }
        expect(yield* answer(worker, { fail: "on purpose" })).toMatchObject({
          errorType: "Error",
          body: { errorType: "Error", errorMessage: "on purpose" }
        })
      }).pipe(Effect.provide(dockerLayer(instance)))
      expect(yield* namesWith(labelOf(instance))).toEqual([])
    })
  )
})
