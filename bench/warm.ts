/**
 * Warm invocations through Irori beside the bare loop, in turns in one run: throughput with 32 callers, latency with
 * one. Ratios are of the medians; the spread is that of the rounds. `bun run bench [rounds] [seconds per burst]`
 */
import process from "node:process"
import { type Burst, burst, hasWrk, median } from "./load.ts"
import { startBare, startIrori } from "./Server.ts"

/** As many as `functions/functions.yml` allows. */
const workers = 4
const [rounds, seconds] = [Number(process.argv[2] ?? 5), Number(process.argv[3] ?? 3)]

if (!hasWrk()) {
  console.log("SKIPPED: the benchmark needs wrk, Debian's package of that name")
  process.exit(0)
}

const irori = { server: await startIrori(), many: [] as Burst[], one: [] as Burst[] }
const bare = { server: await startBare(workers), many: [] as Burst[], one: [] as Burst[] }
try {
  for (const { server } of [irori, bare]) burst(server.url, 32, 2)
  for (let round = 0; round < rounds; round++) {
    for (const { server, many } of [irori, bare]) many.push(burst(server.url, 32, seconds))
    for (const { server, one } of [irori, bare]) one.push(burst(server.url, 1, seconds))
  }
} finally {
  await Promise.all([irori.server.stop(), bare.server.stop()])
}

const spread = (numbers: ReadonlyArray<number>, digits: number) =>
  `${median(numbers).toFixed(digits)} (${Math.min(...numbers).toFixed(digits)}–${Math.max(...numbers).toFixed(digits)})`

const row = (what: string, load: "many" | "one", field: keyof Burst, digits: number): string => {
  const [ours, theirs] = [irori[load].map((result) => result[field]), bare[load].map((result) => result[field])]
  const ratio = (median(ours) / median(theirs)).toFixed(2)
  return `| ${what} | ${spread(ours, digits)} | ${spread(theirs, digits)} | ${ratio} |`
}

console.log(`
| ${rounds} rounds of ${seconds} s, 1 KiB, ${workers} workers | Irori | bare loop | ratio |
| --- | --- | --- | --- |
${row("invocations per second, 32 callers", "many", "perSecond", 0)}
${row("p50, ms, 32 callers", "many", "p50Millis", 2)}
${row("p99, ms, 32 callers", "many", "p99Millis", 2)}
${row("p50, ms, one caller", "one", "p50Millis", 3)}
${row("p99, ms, one caller", "one", "p99Millis", 3)}
`)

const failed = [...irori.many, ...irori.one, ...bare.many, ...bare.one].reduce((sum, result) => sum + result.failed, 0)
if (failed > 0) {
  console.log(`${failed} requests failed: these numbers say nothing`)
  process.exit(1)
}
