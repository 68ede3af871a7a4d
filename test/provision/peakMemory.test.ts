/** What the kernel remembers of memory, over folders that look like the kernel's, and of a process of this machine. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { peakOfContainer, peakOfGroup } from "../../src/provision/peakMemory.ts"

const id = "0123456789abcdef"

/** Of process 7 on a machine with these files. */
const peakOn = async (files: Readonly<Record<string, string>>) => {
  const folder = mkdtempSync(join(tmpdir(), "irori-memory-"))
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(folder, file, ".."), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  const peak = await Effect.runPromise(peakOfContainer(7, id, join(folder, "cgroup"), join(folder, "proc")))
  rmSync(folder, { recursive: true })
  return peak
}

describe("the most memory of a container", () => {
  it("is what cgroup v1 has seen", async () => {
    const rows = `4:freezer:/docker/${id}\n3:memory:/docker/${id}\n`
    const file = `cgroup/memory/docker/${id}/memory.max_usage_in_bytes`
    expect(await peakOn({ "proc/7/cgroup": rows, [file]: "37748736\n" })).toBe(37_748_736)
  })

  it("is the peak of cgroup v2", async () => {
    const group = `system.slice/docker-${id}.scope`
    const files = { "proc/7/cgroup": `0::/${group}\n`, [`cgroup/${group}/memory.peak`]: "1048576\n" }
    expect(await peakOn(files)).toBe(1_048_576)
  })

  it("is not known where the kernel does not remember it, or the group is another container's", async () => {
    const group = `system.slice/docker-${id}.scope`
    expect(await peakOn({ "proc/7/cgroup": `0::/${group}\n` })).toBeUndefined()
    const other = { "proc/7/cgroup": "3:memory:/docker/another\n" }
    expect(await peakOn({ ...other, "cgroup/memory/docker/another/memory.max_usage_in_bytes": "9" })).toBeUndefined()
    expect(await peakOn({})).toBeUndefined()
  })
})

describe("the most memory of a process group", () => {
  if (!existsSync("/proc/self/stat")) {
    it.skip("is not tested here: there is no /proc", () => {})
    return
  }

  it("is remembered after it is given back", async () => {
    // A buffer that is gone again by the time it prints.
    const script = 'Buffer.alloc(64 << 20, 1); setInterval(() => {}, 1000); console.log("done")'
    const child = spawn(process.execPath, ["-e", script], { detached: true, stdio: ["ignore", "pipe", "ignore"] })
    await once(child.stdout!, "data")
    const peak = await Effect.runPromise(peakOfGroup(child.pid!))
    child.kill("SIGKILL")
    await once(child, "exit")
    expect(peak).toBeGreaterThan(64 << 20)
    expect(await Effect.runPromise(peakOfGroup(child.pid!))).toBeUndefined()
  })
})
