/** Chaos with a state folder that is full at times; as root: `bun test/chaos/stateFolder.ts [seconds] [seed]`. */
import { spawnSync } from "node:child_process"
import { main, type Report, runChaos } from "./chaos.ts"
import { fillState, killProcess } from "./deeds.ts"

const run = (program: string, ...args: ReadonlyArray<string>): void => {
  const { status, stderr } = spawnSync(program, args)
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`)
}

export const stateFolder = (seconds: number, seed: number): Promise<Report> =>
  runChaos({
    title: "state folder",
    seconds,
    seed,
    stateFolder: {
      mount: (folder) => run("mount", "-t", "tmpfs", "-o", "size=8m", "irori-chaos", folder),
      unmount: (folder) => run("umount", folder)
    },
    deeds: [{ ...killProcess, weight: 2 }, fillState]
  })

if (import.meta.main) process.exit(await main("Chaos with a state folder that is full at times", stateFolder))
