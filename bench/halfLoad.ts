/** Latency at half of the most that Irori does, which is asked of both whatever they do: an open loop. */
import { type Bench, inTurns, quantile, type Row } from "./Bench.ts"
import { burst, compiled, noWrk } from "./load.ts"
import { eventOf, openLoop } from "./openLoop.ts"
import { startBare, startIrori, warmUp } from "./Server.ts"

const title = "Warm invocations at half of the maximum load, open loop"

export const halfLoad: Bench = {
  name: "half-load",
  title,
  run: async ({ isShort, rounds, seconds }) => {
    if (noWrk !== undefined) return [{ what: title, skipped: noWrk }]
    const irori = await startIrori()
    const bare = await startBare()
    try {
      const [ours, theirs] = [irori.invokeUrl("echo"), bare.url]
      await Promise.all([ours, theirs].map((url) => warmUp(url)))
      await compiled([ours, theirs], { isShort })
      const most = await burst(ours, 32, seconds)
      const perSecond = Math.floor(most.perSecond / 2)
      const p50 = { ours: [] as Array<number>, theirs: [] as Array<number> }
      const lateness: Array<number> = []
      const measure = (side: "ours" | "theirs", url: string) => async () => {
        const result = await openLoop({ url, body: eventOf(1024), perSecond, seconds })
        const answers = result.latencies.get(200) ?? []
        if (result.broken + result.unanswered > 0 || result.latencies.size !== 1) {
          throw new Error(`of ${perSecond} per second, ${answers.length} were answered`)
        }
        p50[side].push(quantile(answers, 0.5))
        lateness.push(quantile(result.lateness, 0.99))
        return quantile(answers, 0.99)
      }
      const p99 = await inTurns(rounds, { ours: measure("ours", ours), theirs: measure("theirs", theirs) })
      const rest = { against: "bare loop", unit: "ms", digits: 2 }
      const late = `p99 of the generator's own lateness, which is in all of these: ${quantile(lateness, 0.5).toFixed(2)} ms`
      const rows: ReadonlyArray<Row> = [
        { what: `p99 at ${perSecond} per second`, ...rest, ...p99, bar: { most: 2 }, note: late },
        {
          what: `p50 at ${perSecond} per second`,
          ...rest,
          ours: p50.ours.slice(1),
          theirs: p50.theirs.slice(1)
        }
      ]
      return rows
    } finally {
      await Promise.all([irori.stop(), bare.stop()])
    }
  }
}
