/** The short form of the runs in `test/chaos`: the same bar, a few seconds of each. */
import { describe, expect, it } from "vitest"
import { adoption } from "../chaos/adoption.ts"
import { containers } from "../chaos/containers.ts"
import { processes } from "../chaos/processes.ts"
import { stateFolder } from "../chaos/stateFolder.ts"
import { twoProcesses } from "../chaos/twoProcesses.ts"
import { workerImage } from "../support/images.ts"

const image = await workerImage()

/** Another one each time would be a test that fails for no change; other seeds are for the scripts. */
const seed = 20_261_122

describe("a chaos run", () => {
  it("with processes: nobody hangs, gets another's answer or fails for no reason, and nothing is left", async () => {
    const { output, table, verdict } = await processes(6, seed)
    expect(verdict, `${table}\n${output}`).toEqual([])
  }, 60_000)

  it("with two processes, each of which is killed, meets the same bar", async () => {
    const { output, table, verdict } = await twoProcesses(5, seed)
    expect(verdict, `${table}\n${output}`).toEqual([])
  }, 60_000)

  if (process.getuid?.() === 0) {
    it("with a state folder that is full at times: invocations are answered all the same", async () => {
      const { output, table, verdict } = await stateFolder(5, seed)
      expect(verdict, `${table}\n${output}`).toEqual([])
    }, 60_000)
  } else {
    it.skip("with a state folder that is full is not tested here: this is not root")
  }

  if ("missing" in image) {
    it.skip(`with containers is not tested here: ${image.missing}`)
  } else {
    it("with containers: nobody hangs, gets another's answer or fails for no reason, and nothing is left", async () => {
      const { output, table, verdict } = await containers(8, seed)
      expect(verdict, `${table}\n${output}`).toEqual([])
    }, 60_000)

    it("while containers are adopted that are at an event, end or stand still, meets the same bar", async () => {
      const { output, table, verdict } = await adoption(4, seed)
      expect(verdict, `${table}\n${output}`).toEqual([])
    }, 60_000)
  }
})
