/** The kernel's freezer, over folders that look like the kernel's, and over containers of this machine's engine. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { describe } from "vitest"
import { cgroupFreezer } from "../../src/provision/cgroupFreezer.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import { answer } from "../support/delivery.ts"
import { engine, namesWith } from "../support/docker.ts"
import { dockerLayer, imageFunction, labelOf, newInstance } from "../support/dockerSubjects.ts"
import { engineProxy } from "../support/engineProxy.ts"
import { workerImage } from "../support/images.ts"

const id = "0123456789abcdef"

describe("a container's freezer", () => {
  /** A machine on which process 7 is in the groups that `rows` say, and the files that there are. */
  const machine = <A>(
    rows: string,
    files: Readonly<Record<string, string>>,
    body: (root: string, proc: string) => Effect.Effect<A>
  ) =>
    Effect.acquireUseRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "irori-cgroup-"))),
      (folder) => {
        for (const [file, text] of Object.entries({ "proc/7/cgroup": rows, ...files })) {
          mkdirSync(join(folder, file, ".."), { recursive: true })
          writeFileSync(join(folder, file), text)
        }
        return body(join(folder, "cgroup"), join(folder, "proc"))
      },
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )

  it.live("of cgroup v2 is the group's `cgroup.freeze`, and frozen is what its events say", () => {
    const group = `cgroup/system.slice/docker-${id}.scope`
    const files = { [`${group}/cgroup.freeze`]: "0", [`${group}/cgroup.events`]: "populated 1\nfrozen 0\n" }
    return machine(`0::/system.slice/docker-${id}.scope\n`, files, (root, proc) =>
      Effect.gen(function* () {
        const freezer = cgroupFreezer(7, id, root, proc)!
        const told = (file: string) => readFileSync(join(root, "..", group, file), "utf8")
        const freezing = yield* Effect.forkChild(freezer.freeze, { startImmediately: true })
        expect(told("cgroup.freeze")).toBe("1")
        expect(freezing.pollUnsafe()).toBeUndefined()
        writeFileSync(join(root, "..", group, "cgroup.events"), "populated 1\nfrozen 1\n")
        expect(yield* Fiber.join(freezing)).toBe(true)
        expect(yield* freezer.thaw).toBe(true)
        expect(told("cgroup.freeze")).toBe("0")
      })
    )
  })

  it.live("of a group that does not come to a stop is let go again", () => {
    const group = `cgroup/docker/${id}`
    const files = { [`${group}/cgroup.freeze`]: "0", [`${group}/cgroup.events`]: "populated 1\nfrozen 0\n" }
    return machine(`0::/docker/${id}\n`, files, (root, proc) =>
      Effect.gen(function* () {
        expect(yield* cgroupFreezer(7, id, root, proc)!.freeze).toBe(false)
        expect(readFileSync(join(root, "docker", id, "cgroup.freeze"), "utf8")).toBe("0")
      })
    )
  })

  it.live.each([
    ["a process in another group", "3:freezer:/user.slice\n0::/user.slice\n"],
    ["a group that is seen from inside another", `0::/../../docker/${id}\n`],
    ["a group that this process may not write to", `3:freezer:/docker/${id}/inner\n`]
  ])("is not touched for %s", ([, rows = ""]) =>
    machine(
      rows,
      { "cgroup/freezer/user.slice/freezer.state": "THAWED", "cgroup/user.slice/cgroup.freeze": "0" },
      (root, proc) => Effect.sync(() => expect(cgroupFreezer(7, id, root, proc)).toBeUndefined())
    )
  )
})

const image = await workerImage()
const isRoot = process.getuid?.() === 0

describe("DockerProvisioner, where the kernel's freezer may be used", () => {
  if ("missing" in image || !isRoot) {
    it.skip(`is not tested here: ${"missing" in image ? image.missing : "this is not root"}`)
    return
  }
  const config = imageFunction(image.name)

  it.live("pauses and resumes without a word to the engine, and ends what it has paused", () =>
    Effect.gen(function* () {
      const instance = newInstance()
      const proxy = yield* engineProxy()
      yield* Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const [one, two] = [yield* provisioner.start(config), yield* provisioner.start(config)]
        const asked = proxy.seen.length
        yield* provisioner.pause(one.id)
        const waiting = yield* Effect.forkChild(answer(one, 1), { startImmediately: true })
        expect(yield* answer(two, 2)).toEqual({ body: 2 })
        expect(waiting.pollUnsafe()).toBeUndefined()
        yield* provisioner.resume(one.id)
        expect(yield* Fiber.join(waiting)).toEqual({ body: 1 })
        expect(proxy.seen.slice(asked)).toEqual([])
        yield* provisioner.pause(two.id)
        yield* provisioner.stop(two.id)
        expect(yield* namesWith(labelOf(instance))).toEqual([one.id])
        yield* provisioner.pause(one.id)
      }).pipe(Effect.provide(dockerLayer(instance, {}, { host: proxy.host })))
      expect(yield* namesWith(labelOf(instance))).toEqual([])
    }).pipe(Effect.scoped)
  )

  it.live("lets a worker go on that an earlier run had frozen, when it adopts it", () =>
    Effect.gen(function* () {
      const instance = newInstance()
      const before = yield* Layer.build(Layer.fresh(dockerLayer(instance)))
      const posted = imageFunction(image.name, "", { transport: "rie" })
      const worker = yield* Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const worker = yield* provisioner.start(posted)
        yield* provisioner.pause(worker.id)
        return worker
      }).pipe(Effect.provide(before))
      yield* Effect.gen(function* () {
        expect(yield* (yield* Provisioner).list).toEqual([worker])
        const url = `http://${worker.host}:${worker.port}/2015-03-31/functions/function/invocations`
        const answered = yield* Effect.promise(async () => (await fetch(url, { method: "POST", body: "3" })).text())
        expect(answered).toBe("3")
      }).pipe(Effect.provide(Layer.fresh(dockerLayer(instance, { boot: "boot-2" }))))
      expect(yield* namesWith(labelOf(instance))).toEqual([])
    }).pipe(Effect.scoped)
  )

  it.live("leaves nothing behind that an engine cannot remove", () =>
    Effect.gen(function* () {
      const instance = newInstance()
      yield* Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const worker = yield* provisioner.start(config)
        yield* provisioner.pause(worker.id)
        const removed = yield* Effect.promise(() => engine("DELETE", `/containers/${worker.id}?force=1`))
        expect(removed.status).toBe(204)
      }).pipe(Effect.provide(dockerLayer(instance)))
      expect(yield* namesWith(labelOf(instance))).toEqual([])
    })
  )
})
