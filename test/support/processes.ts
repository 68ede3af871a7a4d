/** What runs on this machine, from /proc: for tests that no process is left behind. */
import { readdirSync, readFileSync } from "node:fs"

const read = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    // It ended while we looked.
    return ""
  }
}

const pids = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name))

/** `pid command line` of every process that has `variable` in its environment. The dead have none. */
export const processesWith = (variable: string): ReadonlyArray<string> =>
  pids()
    .filter((pid) => read(`/proc/${pid}/environ`).split("\0").includes(variable))
    .map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`)

/** The children of a process, by their command line. */
export const childrenOf = (parent: number): ReadonlyArray<{ readonly pid: number; readonly command: string }> =>
  pids()
    .filter((pid) => read(`/proc/${pid}/stat`).replace(/^.*\)/s, "").split(" ")[2] === String(parent))
    .map((pid) => ({ pid: Number(pid), command: read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim() }))

/** The CPU time that a process and its threads have taken, in hundredths of a second. */
export const cpuTicks = (pid: number): number => {
  const fields = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, "")
    .split(" ")
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
}

/** False for one that is dead, though its parent has not asked for it. */
export const isRunning = (pid: number): boolean => read(`/proc/${pid}/cmdline`) !== ""

/** The memory that a process holds. */
export const residentMegabytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024
