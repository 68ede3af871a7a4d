/**
 * How long a paused worker takes until it has answered, from the moment it is wanted: as a process, and as a container
 * where there is an engine: paused by the kernel's freezer, and by the engine. One worker at rest; then a storm, where
 * eight are wanted at once while others are paused. Beside it what the engine's own unpause takes, with nothing of
 * Irori's around it: less cannot be had by the engine. `bun bench/thaw.ts [rounds]`
 */
import process from "node:process"
import { Duration, Effect, Fiber, Layer } from "effect"
import type { FunctionConfig } from "../src/domain/FunctionConfig.ts"
import type { Worker } from "../src/domain/Worker.ts"
import * as ProcessProvisioner from "../src/provision/ProcessProvisioner.ts"
import { Provisioner } from "../src/provision/Provisioner.ts"
import { RuntimeApi } from "../src/runtime-api/RuntimeApi.ts"
import { answer } from "../test/support/delivery.ts"
import { engine } from "../test/support/docker.ts"
import { codeFolder, dockerLayer, newInstance, nodeFunction } from "../test/support/dockerSubjects.ts"
import { nodeBaseImage } from "../test/support/images.ts"

const rounds = Number(process.argv[2] ?? 100)

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const since = performance.now()
    return Effect.map(effect, () => performance.now() - since)
  })

const report = (what: string, millis: ReadonlyArray<number>): void => {
  const sorted = millis.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1)
  console.log(`| ${what} | ${sorted.length} | ${at(0.5)} | ${at(0.95)} | ${at(1)} |`)
}

const measure = (name: string, config: FunctionConfig, layer: Layer.Layer<Provisioner | RuntimeApi, unknown>) =>
  Effect.gen(function* () {
    const provisioner = yield* Provisioner
    const thaw = (worker: Worker) => timed(Effect.andThen(provisioner.resume(worker.id), answer(worker)))
    const one = yield* provisioner.start(config)
    yield* answer(one)
    const warm: Array<number> = []
    const pauses: Array<number> = []
    const thaws: Array<number> = []
    for (let round = 0; round < rounds; round++) {
      warm.push(yield* timed(answer(one)))
      pauses.push(yield* timed(provisioner.pause(one.id)))
      // As long as a pause takes at least: it is no race.
      yield* Effect.sleep("20 millis")
      thaws.push(yield* thaw(one))
    }
    report(`${name}: answer of a warm one`, warm)
    report(`${name}: pause`, pauses)
    report(`${name}: resume and answer`, thaws)
    const many = yield* Effect.forEach(Array.from({ length: 15 }), () => provisioner.start(config), { concurrency: 4 })
    const [wanted, others] = [many.slice(0, 8), many.slice(8)]
    const each = (workers: ReadonlyArray<Worker>, what: "pause" | "resume") =>
      Effect.forEach(workers, ({ id }) => provisioner[what](id), { concurrency: "unbounded", discard: true })
    for (const alone of [true, false]) {
      const storm: Array<number> = []
      for (let round = 0; round < rounds / wanted.length; round++) {
        yield* each(wanted, "pause")
        yield* Effect.sleep("20 millis")
        const pausing = yield* Effect.forkChild(alone ? Effect.void : each(others, "pause"), { startImmediately: true })
        storm.push(...(yield* Effect.forEach(wanted, thaw, { concurrency: "unbounded" })))
        yield* Fiber.join(pausing)
        yield* each(others, "resume")
      }
      report(`${name}: eight at once${alone ? "" : ", while seven others are paused"}`, storm)
    }
  }).pipe(Effect.provide(layer), Effect.scoped)

/** The engine's API alone. */
const floor = (config: FunctionConfig, layer: Layer.Layer<Provisioner | RuntimeApi, unknown>) =>
  Effect.gen(function* () {
    const provisioner = yield* Provisioner
    const workers = yield* Effect.forEach(Array.from({ length: 8 }), () => provisioner.start(config), {
      concurrency: 4
    })
    const ask = (what: "pause" | "unpause") => (worker: Worker) =>
      Effect.promise(async () => {
        const answer = await engine("POST", `/containers/${worker.id}/${what}`)
        if (!answer.ok) throw new Error(await answer.text())
      })
    for (const some of [workers.slice(0, 1), workers]) {
      const unpauses: Array<number> = []
      for (let round = 0; round < rounds / some.length; round++) {
        yield* Effect.forEach(some, ask("pause"), { concurrency: "unbounded", discard: true })
        yield* Effect.sleep("20 millis")
        unpauses.push(
          ...(yield* Effect.forEach(some, (worker) => timed(ask("unpause")(worker)), { concurrency: "unbounded" }))
        )
      }
      report(`the engine's bare unpause${some.length === 1 ? "" : ": eight at once"}`, unpauses)
    }
  }).pipe(Effect.provide(layer), Effect.scoped)

const code = codeFolder({ "echo.mjs": "export const handler = async (event) => event\n" })
const config = nodeFunction(code.path, "echo.handler")
try {
  console.log("| milliseconds | rounds | p50 | p95 | most |\n| --- | --- | --- | --- | --- |")
  await Effect.runPromise(
    measure(
      "process",
      config,
      ProcessProvisioner.layer({
        owner: { region: "us-east-1", accountId: "123456789012" },
        initTimeout: Duration.seconds(10),
        path: process.env.PATH ?? ""
      }).pipe(Layer.provideMerge(RuntimeApi.layer))
    )
  )
  const image = await nodeBaseImage()
  if ("missing" in image) console.log(`SKIPPED: containers: ${image.missing}`)
  else {
    const baseImages = new Map([["nodejs22.x", image.name]])
    for (const pauseBy of ["auto", "engine"] as const) {
      const layer = dockerLayer(newInstance(), { baseImages, pauseBy })
      await Effect.runPromise(measure(pauseBy === "auto" ? "container" : "container, by the engine", config, layer))
    }
    await Effect.runPromise(floor(config, dockerLayer(newInstance(), { baseImages })))
  }
} finally {
  code.remove()
}
