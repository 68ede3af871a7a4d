/** Warm invocations through Irori beside the bare loop: throughput with 32 callers, latency with one. */
import type { Bench, Row } from "./Bench.ts"
import { type Burst, burst, compiled, noWrk } from "./load.ts"
import { startBare, startIrori, warmUp } from "./Server.ts"

const title = "Warm invocations, 1 KiB, Runtime API"

/** Bursts of two servers in turns. */
export const bursts = async (
  urls: { readonly ours: string; readonly theirs: string },
  callers: number,
  scale: { readonly rounds: number; readonly seconds: number }
): Promise<{ readonly ours: ReadonlyArray<Burst>; readonly theirs: ReadonlyArray<Burst> }> => {
  const all = { ours: [] as Array<Burst>, theirs: [] as Array<Burst> }
  for (let round = -1; round < scale.rounds; round++) {
    for (const side of ["ours", "theirs"] as const) {
      const measured = await burst(urls[side], callers, scale.seconds)
      if (round >= 0) all[side].push(measured)
    }
  }
  return all
}

export const warm: Bench = {
  name: "warm",
  title,
  run: async (scale) => {
    if (noWrk !== undefined) return [{ what: title, skipped: noWrk }]
    const irori = await startIrori()
    const bare = await startBare()
    try {
      const urls = { ours: irori.invokeUrl("echo"), theirs: bare.url }
      await Promise.all(Object.values(urls).map((url) => warmUp(url)))
      await compiled(Object.values(urls), scale)
      const loads = { many: await bursts(urls, 32, scale), one: await bursts(urls, 1, scale) }
      const row = (load: "many" | "one", field: keyof Burst, what: string, rest: Partial<Row> = {}): Row => ({
        what,
        against: "bare loop",
        unit: field === "perSecond" ? "/s" : "ms",
        digits: field === "perSecond" ? 0 : 3,
        ours: loads[load].ours.map((one) => one[field]),
        theirs: loads[load].theirs.map((one) => one[field]),
        ...rest
      })
      return [
        row("many", "perSecond", "invocations per second, 32 callers", { bar: { least: 0.85 } }),
        row("many", "p50Millis", "p50, 32 callers"),
        row("many", "p99Millis", "p99, 32 callers"),
        row("one", "p50Millis", "p50, one caller", { bar: { most: 1.25 } }),
        row("one", "p99Millis", "p99, one caller")
      ]
    } finally {
      await Promise.all([irori.stop(), bare.stop()])
    }
  }
}
