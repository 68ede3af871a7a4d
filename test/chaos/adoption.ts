/**
 * Chaos with containers that events are posted to, which outlive Irori and are adopted, on the machine's engine, which
 * itself is left alone: `bun test/chaos/adoption.ts [seconds] [seed]`.
 */
import { workerImage } from "../support/images.ts"
import { main, type Report, runChaos } from "./chaos.ts"
import { disturbAdoption, killContainer } from "./deeds.ts"
import { machine } from "./engines.ts"

export const adoption = async (seconds: number, seed: number): Promise<Report> => {
  const image = await workerImage()
  if ("missing" in image) throw new Error(image.missing)
  return runChaos({
    title: "adoption",
    seconds,
    seed,
    engine: machine,
    image: image.name,
    transport: "rie",
    deeds: [{ ...killContainer, weight: 2 }, disturbAdoption]
  })
}

if (import.meta.main) process.exit(await main("Chaos while containers are adopted", adoption))
