/** Irori ended by the one signal that it cannot see: nothing that it started goes on. */
import process from "node:process"
import { describe, expect, it } from "vitest"
import { denoCommand } from "../support/deno.ts"
import { start } from "../support/household.ts"
import { answerOf, errorOf, lambdaClient, lambdas } from "../support/lambdas.ts"
import { processesWith } from "../support/processes.ts"

const runtimes: ReadonlyArray<readonly [string, ReadonlyArray<string> | undefined]> = [
  ["Bun", [process.execPath]],
  ["Deno", denoCommand]
]

describe("SIGKILL of Irori", () => {
  for (const [runtime, command] of runtimes) {
    if (command === undefined) {
      it.skip(`on ${runtime} is not tested here: it is not installed`)
      continue
    }

    it(`on ${runtime} leaves none of its workers behind, nor what they started`, async () => {
      const mark = crypto.randomUUID()
      const irori = await start(
        {
          IRORI_PROVISIONER: "process",
          IRORI_FUNCTIONS_DIR: lambdas,
          TEST_MARK: mark,
          DENO_NO_UPDATE_CHECK: "1"
        },
        { command }
      )
      const client = lambdaClient(irori.url)
      const left = () => processesWith(`TEST_MARK=${mark}`)

      await answerOf(client, "node-wide", { spawn: "1000" })
      const cut = [
        errorOf(client, "node-wide", { print: `${mark} is at work`, sleep: 30_000 }),
        errorOf(client, "node-slow")
      ].map((call) => call.catch(() => "cut off"))
      await irori.wrote(new RegExp(`${mark} is at work`))
      await irori.wrote(new RegExp(`${mark} starts slowly`))
      const before = left()
      // Irori, the worker at work and what it started before, and the worker that starts.
      expect(before.filter((line) => line.includes("sleep 1000"))).toHaveLength(1)
      expect(before.length).toBeGreaterThanOrEqual(4)

      expect(await irori.stop("SIGKILL")).toBeNull()
      await expect.poll(left, { interval: 20, timeout: 1000 }).toEqual([])
      client.destroy()
      expect(await Promise.all(cut)).toEqual(["cut off", "cut off"])
    })
  }
})
