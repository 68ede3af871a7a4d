import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { Effect } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { openStateFolder } from "../src/StateFolder.ts"

const root = mkdtempSync(join(tmpdir(), "irori-state-"))
afterAll(() => rmSync(root, { recursive: true }))

const open = (name: string, roles: ReadonlyArray<"gateway" | "manager"> = ["gateway", "manager"]) =>
  openStateFolder(join(root, name), roles)

describe("openStateFolder", () => {
  it("keeps the instance and the token, readable by their owner alone", async () => {
    const [first, second] = [
      await Effect.runPromise(Effect.scoped(open("kept"))),
      await Effect.runPromise(Effect.scoped(open("kept")))
    ]
    expect(second).toEqual(first)
    expect(first.managerToken).toMatch(/^[0-9a-f]{64}$/)
    expect(statSync(join(first.path, "manager-token")).mode & 0o777).toBe(0o600)
  })

  it("lets a gateway and a manager in side by side, and no second one of either", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const gateway = yield* open("shared", ["gateway"])
          const manager = yield* open("shared", ["manager"])
          expect(manager.instanceId).toBe(gateway.instanceId)
          const error = yield* Effect.flip(open("shared", ["gateway"]))
          expect(error.message).toMatch(/^Another Irori gateway is using the state folder .*IRORI_STATE_DIR/)
        })
      )
    ))

  it("is free again at once after its process was killed", async () => {
    const script = join(root, "holder.ts")
    writeFileSync(
      script,
      `import { Effect } from "effect"
       import { openStateFolder } from "${join(import.meta.dirname, "../src/StateFolder.ts")}"
       // Held on to: a fiber that nothing refers to is collected, and with it what its scope keeps open.
       globalThis.holding = Effect.runFork(Effect.scoped(Effect.andThen(openStateFolder("${join(root, "killed")}", ["gateway"]),
         Effect.andThen(Effect.sync(() => console.log("held")), Effect.never))))
       setInterval(() => {}, 60_000)`
    )
    const holder = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] })
    await once(holder.stdout, "data")
    await expect(Effect.runPromise(Effect.scoped(open("killed", ["gateway"])))).rejects.toThrow(/Another Irori/)
    holder.kill("SIGKILL")
    await once(holder, "exit")
    await Effect.runPromise(Effect.scoped(open("killed", ["gateway"])))
  })

  it("says what to do about a folder that cannot be made", async () => {
    writeFileSync(join(root, "file"), "")
    await expect(Effect.runPromise(Effect.scoped(open("file/inside")))).rejects.toThrow(
      /cannot be used .*make it writable, or set IRORI_STATE_DIR/
    )
  })
})
