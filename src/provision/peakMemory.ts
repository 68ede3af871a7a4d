/** The most memory that a worker has had in its life, as the kernel remembers it. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { listProcesses } from "./ProcessContainerMetrics.ts"

/** Bytes: of those that are in the group now, added up. Undefined where there is nobody, or no `/proc`. */
export const peakOfGroup = (group: number): Effect.Effect<number | undefined> =>
  Effect.promise(async () => {
    const members = (await listProcesses()).filter((one) => one.group === group)
    const peaks = await Promise.all(members.map(({ pid }) => peakOf(pid)))
    return members.length === 0 ? undefined : peaks.reduce((total, peak) => total + peak, 0)
  })

const peakOf = async (pid: number): Promise<number> => {
  const status = (await read(`/proc/${pid}/status`)) ?? ""
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}

/**
 * Bytes, of a container whose first process is `pid`. Undefined where the engine's machine is another one, where this
 * process sees other groups than the kernel does, or where the kernel does not remember. `root` and `proc` are where
 * Linux has them.
 */
export const peakOfContainer = (
  pid: number,
  containerId: string,
  root = "/sys/fs/cgroup",
  proc = "/proc"
): Effect.Effect<number | undefined> =>
  Effect.promise(async () => {
    for (const file of peakFiles((await read(join(proc, String(pid), "cgroup"))) ?? "", containerId, root)) {
      const bytes = Number((await read(file)) ?? "")
      if (bytes > 0) return bytes
    }
    return undefined
  })

/** A row of `cgroup` is `number:controllers:path`; cgroup v2 has a single one, with the number 0 and no controllers. */
const peakFiles = (rows: string, containerId: string, root: string): ReadonlyArray<string> =>
  rows.split("\n").flatMap((row) => {
    const [number, controllers = "", path = ""] = row.split(":")
    if (containerId === "" || !path.includes(containerId) || path.includes("..")) return []
    if (controllers.split(",").includes("memory")) return [join(root, "memory", path, "memory.max_usage_in_bytes")]
    return number === "0" ? [join(root, path, "memory.peak")] : []
  })

const read = (file: string): Promise<string | undefined> => readFile(file, "latin1").catch(() => undefined)
