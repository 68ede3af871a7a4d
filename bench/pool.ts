/** A worker borrowed and given back, in process: as the warm path does it, and as an effect. */
import { Effect } from "effect"
import { type Bench, quantile, type Row } from "./Bench.ts"
import { configsOf, type Simulated, simulate } from "./simulated.ts"

/** Microseconds that all but a hundredth take less than. The clock itself takes a part of one. */
const p99 = (once: () => void, times: number): number => {
  const micros = new Float64Array(times)
  for (let time = 0; time < times; time++) {
    const begun = performance.now()
    once()
    micros[time] = (performance.now() - begun) * 1000
  }
  return quantile(micros, 0.99)
}

const byPlainCalls = ({ backend, configs: [config] }: Simulated) => {
  const { lend, release } = backend.warm!
  return () =>
    void lend(config!, {
      lent: release,
      refused: (failure) => {
        throw failure
      }
    })
}

const byEffect = ({ backend, configs: [config] }: Simulated) => {
  const once = Effect.flatMap(backend.acquireWorker(config!), backend.releaseWorker)
  return () => Effect.runSync(once)
}

export const pool: Bench = {
  name: "pool",
  title: "A worker borrowed and given back, in process",
  run: async ({ isShort, rounds }) => {
    const times = isShort ? 2000 : 100_000
    const counts = isShort ? [1, 20] : [1, 1000]
    const rows: Array<Row> = []
    for (const count of counts) {
      const system = await simulate(configsOf(1, { maxCapacity: count }))
      await system.fill(system.configs[0]!)
      for (const [way, once] of [
        ["plain calls", byPlainCalls(system)],
        ["an effect", byEffect(system)]
      ] as const) {
        p99(once, times)
        const ours = Array.from({ length: rounds }, () => p99(once, times))
        rows.push({ what: `p99 by ${way}, ${count} idle`, unit: "µs", digits: 2, ours, bar: { most: 20 } })
      }
      await system.close()
    }
    return rows
  }
}
