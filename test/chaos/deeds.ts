/** What is done to Irori, its workers and its engine. */
import { spawnSync } from "node:child_process"
import { rmSync } from "node:fs"
import { join } from "node:path"

import { processesWith } from "../support/processes.ts"
import { functionName } from "./Callers.ts"
import type { Deed, Scene } from "./chaos.ts"
import { containersOf, type OwnEngine } from "./engines.ts"
import { between, oneOf, type Random } from "./random.ts"

const note = (scene: Scene, what: string, fromMillis: number, explains: "one" | "all" | "none") =>
  void scene.ledger.faults.push({ what, fromMillis, toMillis: scene.nowMillis(), explains })

const kill = (pid: number): boolean => {
  try {
    process.kill(pid, "SIGKILL")
    return true
  } catch {
    return false
  }
}

export const killProcess: Deed = {
  name: "kill -9 of a worker's process",
  weight: 6,
  act: async (scene, random) => {
    const victim = await victimOf(random, async () => {
      const marked = new Set(processesWith(`TEST_MARK=${scene.mark}`))
      return processesWith(`AWS_LAMBDA_FUNCTION_NAME=${functionName}`).filter((line) => marked.has(line))
    })
    const fromMillis = scene.nowMillis()
    if (victim !== undefined && kill(Number.parseInt(victim, 10))) note(scene, killProcess.name, fromMillis, "one")
  }
}

/** Waits until there is one: after a restart there is none for a while. */
const victimOf = async <A>(random: Random, look: () => Promise<ReadonlyArray<A>>): Promise<A | undefined> => {
  const choice = random()
  for (let tries = 0; tries < 30; tries++) {
    const found = oneOf(() => choice, await look())
    if (found !== undefined) return found
    await Bun.sleep(100)
  }
  return undefined
}

const running = async ({ engine, instance }: Scene) =>
  engine === undefined ? [] : (await containersOf(engine, instance())).filter(({ state }) => state === "running")

export const killContainer: Deed = {
  name: "kill -9 of a container",
  weight: 6,
  act: async (scene, random) => {
    const victim = await victimOf(random, () => running(scene))
    const byPid = random() < 0.5
    if (victim === undefined) return
    const fromMillis = scene.nowMillis()
    if (byPid) {
      const answer = await scene.engine!.ask("GET", `/containers/${victim.name}/json`)
      const { State } = (await answer.json()) as { readonly State?: { readonly Pid: number } }
      if (State === undefined || State.Pid === 0 || !kill(State.Pid)) return
    } else {
      const answer = await scene.engine!.ask("POST", `/containers/${victim.name}/kill`)
      if (!answer.ok) return
    }
    note(scene, killContainer.name, fromMillis, "one")
  }
}

/** Nothing may fail of it: whoever has the worker waits. */
export const pauseContainer: Deed = {
  name: "docker pause of a container, and unpause",
  weight: 2,
  act: async (scene, random) => {
    const victim = await victimOf(random, () => running(scene))
    const millis = between(random, 100, 1500)
    if (victim === undefined) return
    const fromMillis = scene.nowMillis()
    const answer = await scene.engine!.ask("POST", `/containers/${victim.name}/pause`)
    if (!answer.ok) return
    await Bun.sleep(millis)
    // It may be gone by then.
    await scene.engine!.ask("POST", `/containers/${victim.name}/unpause`)
    note(scene, pauseContainer.name, fromMillis, "none")
  }
}

export const restartIrori: Deed = {
  name: "SIGKILL of Irori",
  weight: 1,
  act: (scene) => scene.restart()
}

export const restartGateway: Deed = {
  name: "SIGKILL of the gateway",
  weight: 1,
  act: (scene) => scene.restart("gateway")
}

/** Events in flight fail with it, where it has the workers' Runtime APIs. */
export const restartManager: Deed = {
  name: "SIGKILL of the manager",
  weight: 1,
  act: (scene) => scene.restart("manager")
}

/** Containers end, or stand still, while the next run takes them in; some of them are at an event of the last one. */
export const disturbAdoption: Deed = {
  name: "SIGKILL of Irori, and of a container while it is adopted",
  weight: 2,
  act: (scene, random) =>
    scene.restart(undefined, async () => {
      await Bun.sleep(between(random, 0, 900))
      await (random() < 0.5 ? killContainer : pauseContainer).act(scene, random)
    })
}

export const killEngine = (engine: OwnEngine): Deed => ({
  name: "SIGKILL of the engine, and its start",
  weight: 1,
  act: async (scene, random: Random) => {
    const millis = between(random, 0, 2500)
    const fromMillis = scene.nowMillis()
    await engine.stop("SIGKILL")
    await Bun.sleep(millis)
    await engine.start()
    note(scene, "SIGKILL of the engine, and its start", fromMillis, "all")
    await Bun.sleep(between(random, 1000, 4000))
  }
})

/** Nothing may fail of it but what the worker's end explains: to invoke a function nothing is written there. */
export const fillState: Deed = {
  name: "the state folder full",
  weight: 2,
  act: async (scene, random) => {
    const file = join(scene.stateDir, "filler")
    const fromMillis = scene.nowMillis()
    spawnSync("dd", ["if=/dev/zero", `of=${file}`, "bs=64k"])
    await killProcess.act(scene, random)
    await Bun.sleep(between(random, 500, 2000))
    if (random() < 0.5) await scene.restart()
    rmSync(file)
    note(scene, "the state folder full", fromMillis, "none")
  }
}

export const restartEngine = (engine: OwnEngine): Deed => ({
  name: "the engine stopped and started",
  weight: 1,
  act: async (scene, random: Random) => {
    const millis = between(random, 0, 2500)
    const fromMillis = scene.nowMillis()
    await engine.stop()
    await Bun.sleep(millis)
    await engine.start()
    note(scene, "the engine stopped and started", fromMillis, "all")
    await Bun.sleep(between(random, 1000, 4000))
  }
})

/** Whoever needs a worker that is not there cannot have one for so long. */
export const fillDisk = (folder: string): Deed => ({
  name: "the disk full",
  weight: 2,
  act: async (scene, random) => {
    const millis = between(random, 500, 3000)
    const file = join(folder, "filler")
    const fromMillis = scene.nowMillis()
    spawnSync("dd", ["if=/dev/zero", `of=${file}`, "bs=64k"])
    // A worker that ends now cannot be replaced.
    await killContainer.act(scene, random)
    await Bun.sleep(millis)
    rmSync(file)
    note(scene, "the disk full", fromMillis, "all")
    await Bun.sleep(between(random, 500, 2000))
  }
})
