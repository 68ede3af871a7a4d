/**
 * Chaos with an engine of its own that is stopped or killed, and started, whose containers die with it; the machine's
 * engine is not touched. As root, with `dockerd` installed: `bun test/chaos/engine.ts [seconds] [seed]`.
 */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { workerImage } from "../support/images.ts"
import { main, type Report, runChaos } from "./chaos.ts"
import { killContainer, killEngine, restartEngine, restartIrori } from "./deeds.ts"
import { OwnEngine } from "./engines.ts"

export const engine = async (seconds: number, seed: number): Promise<Report> => {
  const image = await workerImage()
  if ("missing" in image) throw new Error(image.missing)
  const folder = mkdtempSync(join(tmpdir(), "irori-dockerd-"))
  const own = new OwnEngine(folder)
  try {
    await own.start()
    await own.load(image.name)
    return await runChaos({
      title: "engine",
      seconds,
      seed,
      engine: own,
      image: image.name,
      deeds: [{ ...killContainer, weight: 3 }, restartIrori, restartEngine(own), killEngine(own)]
    })
  } finally {
    await own.dispose()
  }
}

if (import.meta.main) process.exit(await main("Chaos with an engine that stops", engine))
