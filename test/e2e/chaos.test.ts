/** The short form of the runs in `test/chaos`: the same bar, a few seconds of each. */
import { describe, expect, it } from "vitest"
import { containers } from "../chaos/containers.ts"
import { processes } from "../chaos/processes.ts"
import { workerImage } from "../support/images.ts"

const image = await workerImage()

/** Another one each time would be a test that fails for no change; other seeds are for the scripts. */
const seed = 20_261_122

describe("a chaos run", () => {
  it("with processes: nobody hangs, gets another's answer or fails for no reason, and nothing is left", async () => {
    const { output, table, verdict } = await processes(6, seed)
    expect(verdict, `${table}\n${output}`).toEqual([])
  }, 60_000)

  if ("missing" in image) {
    it.skip(`with containers is not tested here: ${image.missing}`)
  } else {
    it("with containers: nobody hangs, gets another's answer or fails for no reason, and nothing is left", async () => {
      const { output, table, verdict } = await containers(8, seed)
      expect(verdict, `${table}\n${output}`).toEqual([])
    }, 60_000)
  }
})
