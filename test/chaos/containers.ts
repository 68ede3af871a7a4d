/** Chaos with containers on the machine's engine, which itself is left alone: `bun test/chaos/containers.ts [seconds] [seed]`. */
import { workerImage } from "../support/images.ts"
import { main, type Report, runChaos } from "./chaos.ts"
import { killContainer, pauseContainer, restartIrori } from "./deeds.ts"
import { machine } from "./engines.ts"

export const containers = async (seconds: number, seed: number): Promise<Report> => {
  const image = await workerImage()
  if ("missing" in image) throw new Error(image.missing)
  return runChaos({
    title: "containers",
    seconds,
    seed,
    engine: machine,
    image: image.name,
    deeds: [killContainer, pauseContainer, restartIrori]
  })
}

if (import.meta.main) process.exit(await main("Chaos with containers", containers))
