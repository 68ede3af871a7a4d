/**
 * Chaos with an engine of its own whose disk, a small one in memory, is full at times. As root, with `dockerd`
 * installed: `bun test/chaos/disk.ts [seconds] [seed]`.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { workerImage } from "../support/images.ts"
import { main, type Report, runChaos } from "./chaos.ts"
import { fillDisk, killContainer } from "./deeds.ts"
import { OwnEngine } from "./engines.ts"

const run = (program: string, ...args: ReadonlyArray<string>): void => {
  const { status, stderr } = spawnSync(program, args)
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`)
}

export const disk = async (seconds: number, seed: number): Promise<Report> => {
  const image = await workerImage()
  if ("missing" in image) throw new Error(image.missing)
  const folder = mkdtempSync(join(tmpdir(), "irori-dockerd-"))
  const dataRoot = join(folder, "data")
  mkdirSync(dataRoot)
  run("mount", "-t", "tmpfs", "-o", "size=64m", "irori-chaos", dataRoot)
  const own = new OwnEngine(folder, dataRoot)
  try {
    await own.start()
    await own.load(image.name)
    return await runChaos({
      title: "disk",
      seconds,
      seed,
      engine: own,
      image: image.name,
      deeds: [killContainer, fillDisk(dataRoot)]
    })
  } finally {
    await own.dispose()
  }
}

if (import.meta.main) process.exit(await main("Chaos with a disk that is full at times", disk))
