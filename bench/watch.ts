/**
 * Looks at a server from inside, without a word of it in the server: to be loaded before its program (`--preload`). A
 * line `watch:longest` or `watch:memory` in the file that `BENCH_WATCH` names is a question, answered by a JSON file
 * beside it.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import process from "node:process"

/** What is said of the process in which this is loaded. */
export interface Watched {
  /** Milliseconds that the event loop was not free at a stretch, at most: of the clock, and of this process's CPU. */
  readonly longestMillis: number
  readonly longestBusyMillis: number
  /** After everything that nobody holds is gone. */
  readonly residentBytes: number
}

const everyMillis = 5

/** Reads the question once in a while, and measures by the same timer how late it is. */
const watch = (file: string): void => {
  let longestMillis = 0
  let longestBusyMillis = 0
  let last = performance.now()
  let cpu = process.cpuUsage()
  let ticks = 0
  const answer = () => {
    Bun.gc(true)
    const { rss } = process.memoryUsage()
    writeFileSync(`${file}.part`, JSON.stringify({ longestMillis, longestBusyMillis, residentBytes: rss }))
    writeFileSync(`${file}.json`, readFileSync(`${file}.part`))
    longestMillis = longestBusyMillis = 0
  }
  const timer = setInterval(() => {
    const now = performance.now()
    const used = process.cpuUsage(cpu)
    const late = now - last - everyMillis
    longestMillis = Math.max(longestMillis, late)
    // Not running because others do is the machine's doing.
    longestBusyMillis = Math.max(longestBusyMillis, Math.min(late, (used.user + used.system) / 1000))
    if (++ticks % 10 === 0) {
      try {
        readFileSync(file)
        rmSync(file)
        answer()
      } catch {}
    }
    last = performance.now()
    cpu = process.cpuUsage()
  }, everyMillis)
  timer.unref()
}

if (process.env.BENCH_WATCH !== undefined) watch(process.env.BENCH_WATCH)
