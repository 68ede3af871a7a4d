/** Chaos with gateway and manager as two processes, each killed by itself: `bun test/chaos/twoProcesses.ts [seconds] [seed]`. */
import { main, type Report, runChaos } from "./chaos.ts"
import { killProcess, restartGateway, restartManager } from "./deeds.ts"

export const twoProcesses = (seconds: number, seed: number): Promise<Report> =>
  runChaos({
    title: "two processes",
    seconds,
    seed,
    twoProcesses: true,
    deeds: [killProcess, restartGateway, restartManager]
  })

if (import.meta.main) process.exit(await main("Chaos with two processes", twoProcesses))
