/**
 * Stops and starts the clock of a container by the kernel's freezer, where this process may: a fraction of a
 * millisecond, where an engine starts a program for each. The engine knows nothing of it: to it the container runs.
 */
import { accessSync, constants, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Schedule } from "effect"

export interface CgroupFreezer {
  /** False where it did not come to a stop, and runs on. */
  readonly freeze: Effect.Effect<boolean>
  /** False where it is no more. */
  readonly thaw: Effect.Effect<boolean>
  readonly isFrozen: () => boolean
}

/** How the two generations of the kernel's interface say it, and where. */
interface Interface {
  readonly file: string
  readonly freeze: string
  readonly thaw: string
  readonly told: string
  readonly frozen: RegExp
}

/**
 * Undefined where the kernel does not let this process: without the right to, or where the engine's machine is another
 * one. `containerId` is the engine's; a group that does not carry it in its path is not touched. `root` and `proc` are
 * where Linux has them.
 */
export const cgroupFreezer = (
  pid: number,
  containerId: string,
  root = "/sys/fs/cgroup",
  proc = "/proc"
): CgroupFreezer | undefined => {
  const found = interfacesOf(read(join(proc, String(pid), "cgroup")) ?? "", containerId, root).find(({ file }) =>
    isWritable(file)
  )
  if (found === undefined) return undefined
  const say = (what: string) => {
    try {
      writeFileSync(found.file, what)
      return true
    } catch {
      return false
    }
  }
  const isFrozen = () => found.frozen.test(read(found.told) ?? "")
  const thaw = Effect.sync(() => say(found.thaw))
  // Its processes stop one by one; one in the middle of a system call takes a moment.
  const stopped = Effect.repeat(
    Effect.sync(() => say(found.freeze) && isFrozen()),
    { until: (is) => is, times: 100, schedule: Schedule.spaced("2 millis") }
  )
  return {
    freeze: Effect.andThen(
      stopped,
      Effect.suspend(() => (isFrozen() ? Effect.succeed(true) : Effect.as(thaw, false)))
    ),
    thaw,
    isFrozen
  }
}

/** A row of `cgroup` is `number:controllers:path`; cgroup v2 has a single one, with the number 0 and no controllers. */
const interfacesOf = (rows: string, containerId: string, root: string): ReadonlyArray<Interface> =>
  rows.split("\n").flatMap((row) => {
    const [number, controllers, path = ""] = row.split(":")
    if (containerId === "" || !path.includes(containerId) || path.includes("..")) return []
    if (controllers === "freezer") {
      const file = join(root, "freezer", path, "freezer.state")
      return [{ file, freeze: "FROZEN", thaw: "THAWED", told: file, frozen: /^FROZEN/ }]
    }
    if (number !== "0") return []
    const folder = join(root, path)
    const file = join(folder, "cgroup.freeze")
    return [{ file, freeze: "1", thaw: "0", told: join(folder, "cgroup.events"), frozen: /^frozen 1$/m }]
  })

const read = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return undefined
  }
}

const isWritable = (file: string): boolean => {
  try {
    accessSync(file, constants.W_OK)
    return true
  } catch {
    return false
  }
}
