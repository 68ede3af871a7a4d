/** Events and answers of 6 MB: throughput beside the bare loop, the event loop's longest stretch, copies that are held. */
import { tmpdir } from "node:os"
import { join } from "node:path"
import { askWatch, watchProgram } from "./askWatch.ts"
import { type Bench, inTurns } from "./Bench.ts"
import { burst, noWrk } from "./load.ts"
import { eventOf } from "./openLoop.ts"
import { startBare, startIrori, temporaryFolder, warmUp, workers } from "./Server.ts"

const title = "6 MB in, 6 MB out"

/** A megabyte of Lambda's limit is 2^20 bytes; a little less, for what the answer adds. */
const bytes = 6 * 2 ** 20 - 1024

const declared = ["echo", "hold"].map(
  (name) => `  ${name}:
    runtime: nodejs22.x
    memory_size: 512
    timeout: 60
    scaling:
      max_capacity: ${workers}
`
)

const files = {
  "functions.yml": `functions:\n${declared.join("")}`,
  "echo/index.mjs": "export const handler = async (event) => event\n",
  "hold/index.mjs": `export const handler = () => new Promise((done) => setTimeout(done, 6000))\n`
}

/** How many times the server holds each of the events that its workers are at. */
const copies = async (url: string, watch: string, times: number): Promise<ReadonlyArray<number>> => {
  const body = eventOf(bytes)
  const held: Array<number> = []
  for (let time = 0; time < times; time++) {
    const before = await askWatch(watch)
    const calls = Array.from({ length: workers }, () =>
      fetch(url, { method: "POST", body }).then((answer) => answer.text())
    )
    // Long enough for the events to have come, and short enough for none to have been answered.
    await new Promise((next) => setTimeout(next, 3000))
    const during = await askWatch(watch)
    await Promise.all(calls)
    held.push((during.residentBytes - before.residentBytes) / (workers * bytes))
  }
  return held
}

export const payload: Bench = {
  name: "payload",
  title,
  run: async ({ isShort, rounds, seconds }) => {
    if (noWrk !== undefined) return [{ what: title, skipped: noWrk }]
    const folder = temporaryFolder(files)
    const watch = join(tmpdir(), `irori-bench-watch-${process.pid}`)
    const irori = await startIrori({
      folder: folder.path,
      preload: watchProgram,
      environment: { BENCH_WATCH: watch }
    })
    const bare = await startBare()
    try {
      const ours = irori.invokeUrl("echo")
      await Promise.all([ours, bare.url].map((url) => warmUp(url, eventOf(bytes), workers, 1)))
      const longest: Array<number> = []
      const busy: Array<number> = []
      const measured = await inTurns(rounds, {
        ours: async () => {
          await askWatch(watch)
          const { perSecond } = await burst(ours, workers, seconds, { bytes })
          const seen = await askWatch(watch)
          longest.push(seen.longestMillis)
          busy.push(seen.longestBusyMillis)
          return perSecond
        },
        theirs: async () => (await burst(bare.url, workers, seconds, { bytes })).perSecond
      })
      return [
        {
          what: `invocations per second, ${workers} callers`,
          against: "bare loop",
          unit: "/s",
          digits: 1,
          ...measured,
          bar: { least: 0.8 }
        },
        {
          what: "longest stretch of the event loop, of its own CPU",
          unit: "ms",
          digits: 1,
          ours: busy.slice(1),
          bar: { most: 50 },
          note: "the time that the loop was late, or the CPU that its process used in it if that is less"
        },
        { what: "longest stretch of the event loop, by the clock", unit: "ms", digits: 1, ours: longest.slice(1) },
        {
          what: "copies held of an event while its worker has it",
          unit: "copies",
          digits: 2,
          ours: await copies(irori.invokeUrl("hold"), watch, isShort ? 1 : Math.min(5, rounds)),
          bar: { most: 2 },
          note: "growth of the resident memory, after a collection, by event and worker; the connection's buffers included"
        }
      ]
    } finally {
      await Promise.all([irori.stop(), bare.stop()])
      folder.remove()
    }
  }
}
