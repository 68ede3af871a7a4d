/** SIGTERM to an Irori with many workers: it ends in time, and they with it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { containersOf, start } from "../support/household.ts"
import { workerImage } from "../support/images.ts"
import type { Irori } from "../support/irori.ts"
import { answerOf, lambdaClient, lambdas } from "../support/lambdas.ts"
import { processesWith } from "../support/processes.ts"

const image = await workerImage()
const folder = mkdtempSync(join(tmpdir(), "irori-shutdown-"))
afterAll(() => rmSync(folder, { recursive: true }))

/** `many` is kept warm with `count` workers. */
const functionsOf = (name: string, count: number, what: string): string => {
  const functions = mkdtempSync(join(folder, `${name}-`))
  const environment = `environment: { TEST_MARK: "\${TEST_MARK}" }`
  const scaling = `scaling: { max_capacity: ${count}, min_capacity: ${count} }`
  writeFileSync(
    join(functions, "functions.yml"),
    `functions:\n  many: { ${what}, timeout: 20, ${environment}, ${scaling} }\n`
  )
  return functions
}

/** Milliseconds from the signal, which comes with the last answer, to the end of Irori. */
const shutDown = async (irori: Irori): Promise<number> => {
  const client = lambdaClient(irori.url)
  await answerOf(client, "many", { token: "last" })
  client.destroy()
  const signalled = performance.now()
  expect(await irori.stop()).toBe(0)
  return performance.now() - signalled
}

describe("a shutdown", () => {
  it("ends 50 processes within 5 seconds of the last invocation", async () => {
    const mark = crypto.randomUUID()
    const irori = await start({
      IRORI_PROVISIONER: "process",
      IRORI_FUNCTIONS_DIR: functionsOf(
        "processes",
        50,
        `code: "${join(lambdas, "node")}", runtime: nodejs22.x, handler: index.handler`
      ),
      TEST_MARK: mark
    })
    const workers = () => processesWith(`TEST_MARK=${mark}`).filter((line) => !line.startsWith(`${irori.pid} `))
    await expect
      .poll(() => workers().filter((line) => line.includes("bootstrap.cjs")).length, { timeout: 60_000 })
      .toBe(50)
    expect(await shutDown(irori)).toBeLessThan(5000)
    expect(workers()).toEqual([])
  }, 120_000)

  if ("missing" in image) {
    it.skip(`with containers is not tested here: ${image.missing}`)
    return
  }

  it("ends 20 containers within 5 seconds of the last invocation", async () => {
    const irori = await start({
      IRORI_PROVISIONER: "docker",
      IRORI_FUNCTIONS_DIR: functionsOf("containers", 20, `image: "${image.name}"`),
      TEST_MARK: "none"
    })
    const running = async () => (await containersOf(irori.stateDir)).filter(({ State }) => State === "running").length
    await expect.poll(running, { timeout: 60_000, interval: 250 }).toBe(20)
    expect(await shutDown(irori)).toBeLessThan(5000)
    expect(await containersOf(irori.stateDir)).toEqual([])
  }, 120_000)
})
