import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { start as startOne } from "../support/household.ts"
import type { Irori } from "../support/irori.ts"

const scratch = mkdtempSync(join(tmpdir(), "irori-schedules-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const functionsDir = join(scratch, "functions")
const seen = join(scratch, "seen")
mkdirSync(join(functionsDir, "tick"), { recursive: true })
writeFileSync(seen, "")
writeFileSync(
  join(functionsDir, "tick", "index.mjs"),
  `import { appendFileSync } from "node:fs"
export const handler = async (event, context) =>
  appendFileSync(${JSON.stringify(seen)}, JSON.stringify({ event, id: context.awsRequestId }) + "\\n")
`
)

const at = (millis: number) => new Date(millis).toISOString().slice(0, 19)
const declare = (schedules: ReadonlyArray<object>) =>
  writeFileSync(join(functionsDir, "functions.yml"), JSON.stringify({ functions: { tick: { schedules } } }))

const start = (stateDir: string, environment: Readonly<Record<string, string>> = {}) =>
  startOne({ IRORI_FUNCTIONS_DIR: functionsDir, ...environment }, { stateDir })

const runs = (): ReadonlyArray<{ readonly event: { readonly nth?: number }; readonly id: string }> =>
  readFileSync(seen, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

const until = async (isSo: () => boolean | Promise<boolean>) => {
  for (let turn = 0; turn < 400; turn++) {
    if (await isSo()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`it did not come to be: ${readFileSync(seen, "utf8")}`)
}

const metricsOf = async (irori: Irori) => (await fetch(`${irori.url}/metrics`)).text()

describe("a schedule", { timeout: 60_000 }, () => {
  it("runs its function when it is due, once, also where the program is killed at that moment and comes back", async () => {
    const stateDir = join(scratch, "killed")
    writeFileSync(seen, "")
    const due = Date.now() + 3000
    const expected = Array.from({ length: 20 }, (_, nth) => nth)
    declare(
      expected.map((nth) => ({
        name: `at-${nth}`,
        // Some every second, so that a kill comes before, between and after them.
        expression: `at(${at(due + (nth % 4) * 1000)})`,
        input: { nth, at: "<aws.scheduler.scheduled-time>" }
      }))
    )
    for (let life = 0; Date.now() < due + 4000; life++) {
      const irori = await start(stateDir)
      await new Promise((resolve) => setTimeout(resolve, 700 + (life % 3) * 300))
      await irori.stop("SIGKILL")
    }
    const irori = await start(stateDir)
    await until(() => new Set(runs().map(({ event }) => event.nth)).size === expected.length)
    await irori.stop()
    // An event that was running when the program was killed runs again, but it is the same event.
    const ids = new Map<number, Set<string>>()
    for (const { event, id } of runs()) ids.set(event.nth!, (ids.get(event.nth!) ?? new Set()).add(id))
    expect([...ids.keys()].sort((left, right) => left - right)).toEqual(expected)
    expect([...ids.values()].map(({ size }) => size)).toEqual(expected.map(() => 1))
    expect(runs()[0]!.event).toMatchObject({ at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) })
  })

  it("is taken up when the file changes, and shown by the metrics until it is over", async () => {
    writeFileSync(seen, "")
    declare([])
    const irori = await start(join(scratch, "changed"))
    const due = Math.ceil(Date.now() / 1000) * 1000 + 3000
    declare([{ name: "soon", expression: `at(${at(due)})`, input: { nth: 0 } }])
    const shown = `irori_schedule_next_firing_timestamp_seconds{function="tick",schedule="soon"} ${due / 1000}`
    await until(async () => (await metricsOf(irori)).includes(shown))
    await until(() => runs().length === 1)
    const metrics = await metricsOf(irori)
    expect(metrics).toContain('irori_schedule_firings_total{function="tick",schedule="soon",outcome="fired"} 1')
    expect(metrics).not.toContain("irori_schedule_next_firing_timestamp_seconds{")
    await irori.stop()
    expect(runs()).toHaveLength(1)
  })

  it("that cannot be read leaves its function running, and is a problem that is told", async () => {
    declare([{ name: "wrong", expression: "cron(* * * * *)" }])
    const irori = await start(join(scratch, "wrong"))
    const ready = await fetch(`${irori.url}/health/ready`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({
      problems: [{ functionName: "tick", detail: expect.stringContaining("Schedule 'wrong' of function 'tick': cron") }]
    })
    const invoked = await fetch(`${irori.url}/2015-03-31/functions/tick/invocations`, { method: "POST", body: "{}" })
    expect(invoked.status).toBe(200)
    await irori.stop()
  })
})
