/** How a container's main process ended: Docker tells a signal as a shell does, by 128 and its number. */
import type { WorkerExit } from "../domain/Worker.ts"
import { exitOf } from "./exitOf.ts"

/** Those that end a process by themselves. Runtimes use some of the other numbers for exit codes of their own. */
const signals: ReadonlyMap<number, string> = new Map([
  [4, "SIGILL"],
  [6, "SIGABRT"],
  [7, "SIGBUS"],
  [8, "SIGFPE"],
  [9, "SIGKILL"],
  [11, "SIGSEGV"],
  [15, "SIGTERM"]
])

export const containerExit = (exitCode: number, outOfMemory = false): WorkerExit => ({
  ...exitOf(exitCode, signals.get(exitCode - 128) ?? null),
  ...(outOfMemory ? { outOfMemory } : {})
})
