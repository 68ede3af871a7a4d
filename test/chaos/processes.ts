/** Chaos with workers that are processes: `bun test/chaos/processes.ts [seconds] [seed]`. */
import { main, type Report, runChaos } from "./chaos.ts"
import { killProcess, restartIrori } from "./deeds.ts"

export const processes = (seconds: number, seed: number): Promise<Report> =>
  runChaos({ title: "processes", seconds, seed, deeds: [killProcess, restartIrori] })

if (import.meta.main) process.exit(await main("Chaos with processes", processes))
