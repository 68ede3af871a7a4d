/** The Iroris of one test file: none of them outlives it, nor a container of theirs, nor a state folder. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll } from "vitest"
import { containersWith, noDocker, removeContainer, type Summary } from "./docker.ts"
import { type Irori, startIrori } from "./irori.ts"

const running: Array<Irori> = []
const stateDirs: Array<string> = []

afterAll(async () => {
  for (const irori of running.splice(0)) await irori.stop("SIGKILL")
  for (const stateDir of stateDirs.splice(0)) {
    for (const { Id } of await containersOf(stateDir)) await Effect.runPromise(removeContainer(Id))
    rmSync(stateDir, { recursive: true, force: true })
  }
})

export const newStateDir = (): string => {
  const stateDir = mkdtempSync(join(tmpdir(), "irori-state-"))
  stateDirs.push(stateDir)
  return stateDir
}

/** As `startIrori`, in a state folder that is kept until the file is done. */
export const start = async (
  environment: Readonly<Record<string, string>>,
  { command, stateDir = newStateDir() }: { readonly command?: ReadonlyArray<string>; readonly stateDir?: string } = {}
): Promise<Irori & { readonly stateDir: string }> => {
  const irori = await startIrori({ environment, stateDir, ...(command === undefined ? {} : { command }) })
  running.push(irori)
  return { ...irori, stateDir }
}

/** The containers of the installation with that state folder, whatever their state. */
export const containersOf = async (stateDir: string): Promise<ReadonlyArray<Summary>> =>
  noDocker === undefined ? Effect.runPromise(containersWith(`irori.instance=${instanceOf(stateDir)}`)) : []

/** Who the installation is; one that never started is nobody. */
const instanceOf = (stateDir: string): string => {
  try {
    return readFileSync(join(stateDir, "instance"), "utf8").trim()
  } catch {
    return "nobody"
  }
}
