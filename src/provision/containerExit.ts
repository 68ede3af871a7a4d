/** How a container's main process ended, as Lambda tells it. */
import type { WorkerExit } from "../domain/Worker.ts"
import type { ContainerState } from "./DockerAdaptor.ts"

/** Docker reports a signal as 128 and its number, as a shell does. */
const signals: ReadonlyMap<number, string> = new Map([
  [4, "illegal instruction"],
  [6, "aborted"],
  [7, "bus error"],
  [8, "floating point exception"],
  [9, "killed"],
  [11, "segmentation fault"],
  [15, "terminated"]
])

export const exitOf = (exitCode: number, outOfMemory = false): WorkerExit => {
  const signal = signals.get(exitCode - 128)
  return {
    ...(signal === undefined ? { code: exitCode } : { signal }),
    ...(outOfMemory ? { outOfMemory } : {})
  }
}

export const exitOfState = (state: ContainerState): WorkerExit => exitOf(state.exitCode, state.outOfMemory)

/** For a person: `exit status 3`, `signal: killed`. */
export const describeEnd = (exit: WorkerExit): string => {
  if (exit.outOfMemory === true) return "it ran out of memory"
  if (exit.signal !== undefined) return `signal: ${exit.signal}`
  return exit.code === undefined ? "nobody saw how" : `exit status ${exit.code}`
}
