/** Layers, external extensions and image settings in containers, on the engine of this machine. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, PubSub, type Scope } from "effect"
import { afterAll } from "vitest"
import { CodeImage, FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import type { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { answer, deliver } from "../support/delivery.ts"
import { namesWith } from "../support/docker.ts"
import { codeFolder, dockerLayer, labelOf, newInstance, nodeFunction } from "../support/dockerSubjects.ts"
import { nodeBaseImage } from "../support/images.ts"
import { imageWithExtension, nodeImages } from "../support/lambdaImages.ts"
import { type WorkerLine, workerLog } from "../support/workerLog.ts"

const baseImage = await nodeBaseImage()
const images = await nodeImages()
/** Subscribes to telemetry at its own address; prints what it gets of everything. */
const watcher = `#!/usr/bin/node
const http = require("node:http")
const api = "http://" + process.env.AWS_LAMBDA_RUNTIME_API
const main = async () => {
  const registered = await fetch(api + "/2020-01-01/extension/register", {
    method: "POST", headers: { "Lambda-Extension-Name": "watcher" }, body: JSON.stringify({ events: ["INVOKE", "SHUTDOWN"] })
  })
  const headers = { "Lambda-Extension-Identifier": registered.headers.get("lambda-extension-identifier") }
  const server = http.createServer((request, response) => {
    const pieces = []
    request.on("data", (piece) => pieces.push(piece))
    request.on("end", () => {
      for (const { type } of JSON.parse(Buffer.concat(pieces))) if (type.startsWith("platform.")) console.log("telemetry", type)
      response.end()
    })
  })
  await new Promise((done) => server.listen(4243, "sandbox.localdomain", done))
  const subscribed = await fetch(api + "/2022-07-01/telemetry", {
    method: "PUT", headers, body: JSON.stringify({
      schemaVersion: "2022-07-01", types: ["platform"], buffering: { maxItems: 1000, maxBytes: 262144, timeoutMs: 25 },
      destination: { protocol: "HTTP", URI: "http://sandbox.localdomain:4243" }
    })
  })
  console.log("subscribed", subscribed.status)
  for (;;) {
    const event = await (await fetch(api + "/2020-01-01/extension/event/next", { headers })).json()
    console.log("watched", event.eventType, event.shutdownReason ?? "")
    if (event.eventType === "SHUTDOWN") process.exit(0)
    if (process.env.CRASHES) process.exit(5)
  }
}
main()
`

const extended = "missing" in images ? images : await imageWithExtension(images.names.working, "watcher", watcher)
const why = "missing" in baseImage ? baseImage.missing : "missing" in images ? images.missing : undefined

const code = codeFolder({
  "index.mjs": `
import { readFileSync, statfsSync } from "node:fs"
import { hostname } from "node:os"
const blocks = statfsSync("/tmp")
export const handler = async (event) => {
  if (event.wait) await new Promise((done) => setTimeout(done, event.wait))
  console.log("handled")
  return { layer: readFileSync("/opt/layer.txt", "utf8"), tmpMegabytes: (blocks.blocks * blocks.bsize) / 1048576 }
}`
})

const layers = mkdtempSync(join(tmpdir(), "irori-layers-"))
chmodSync(layers, 0o755)
mkdirSync(join(layers, "extensions"))
writeFileSync(join(layers, "layer.txt"), "of the layer")
writeFileSync(join(layers, "extensions/watcher"), watcher, { mode: 0o755 })

afterAll(() => {
  code.remove()
  rmSync(layers, { recursive: true })
})

describe("a container", () => {
  if ("missing" in baseImage || "missing" in images || "missing" in extended) {
    it.skip(`is not tested here: ${why}`)
    return
  }

  const test = (
    sentence: string,
    body: (lines: ReadonlyArray<WorkerLine>) => Effect.Effect<unknown, unknown, Provisioner | RuntimeApi | Scope.Scope>
  ) =>
    it.live(sentence, () =>
      Effect.gen(function* () {
        const instance = newInstance()
        const log = workerLog()
        const baseImages = new Map([["nodejs22.x", baseImage.name]])
        const layer = dockerLayer(instance, { baseImages }, {}, log.layer)
        yield* Effect.scoped(body(log.lines)).pipe(Effect.provide(layer))
        expect(yield* namesWith(labelOf(instance))).toEqual([])
      })
    )

  const start = (settings: Parameters<typeof nodeFunction>[2] = {}) =>
    Effect.flatMap(Provisioner, (provisioner) =>
      provisioner.start(
        nodeFunction(code.path, "index.handler", { layersPath: layers, timeout: Duration.seconds(5), ...settings })
      )
    )

  const logged = (lines: ReadonlyArray<WorkerLine>, text: string) =>
    Effect.sync(() => lines.find((line) => line.text.includes(text))).pipe(
      Effect.delay("10 millis"),
      Effect.repeat({ until: (found) => found !== undefined }),
      Effect.timeoutOrElse({
        duration: "8 seconds",
        orElse: () => Effect.die(new Error(`not logged: ${text}; but ${lines.map((line) => line.text).join(" | ")}`))
      })
    )

  test("has its layers in /opt, its extensions beside the runtime, and as much of /tmp as the function says", (lines) =>
    Effect.gen(function* () {
      const worker = yield* start({ ephemeralStorageMegabytes: 600 })
      expect((yield* answer(worker)).body).toEqual({ layer: "of the layer", tmpMegabytes: 600 })
      expect((yield* logged(lines, "watched INVOKE"))?.annotations).toMatchObject({ extension: "watcher" })
      expect((yield* logged(lines, "handled"))?.annotations).not.toHaveProperty("extension")
      yield* logged(lines, "subscribed 200")
      yield* logged(lines, "telemetry platform.initStart")
      yield* logged(lines, "telemetry platform.report")
      yield* (yield* Provisioner).stop(worker.id)
      yield* logged(lines, "watched SHUTDOWN spindown")
    }))

  test("goes on for its extensions when it is stopped while it stands still", (lines) =>
    Effect.gen(function* () {
      const { pause, stop } = yield* Provisioner
      const worker = yield* start()
      yield* pause(worker.id)
      yield* stop(worker.id)
      yield* logged(lines, "watched SHUTDOWN spindown")
    }))

  test("ends with an extension that ends, and its event fails", () =>
    Effect.gen(function* () {
      const { deaths } = yield* Provisioner
      const subscription = yield* PubSub.subscribe(deaths)
      const worker = yield* start({ environment: { CRASHES: "yes" } })
      const outcome = yield* deliver(worker, { wait: 60_000 })
      expect(outcome).toMatchObject({ _tag: "Lost", began: true, lastWords: { errorType: "Extension.Crash" } })
      expect((yield* PubSub.take(subscription)).id).toBe(worker.id)
    }))

  test("starts the extensions that the image has itself, beside a runtime that is the image's", (lines) =>
    Effect.gen(function* () {
      const {
        handler: _,
        runtime: __,
        ...settings
      } = nodeFunction(code.path, "x.y", { code: new CodeImage({ uri: extended.name }) })
      const { start, stop } = yield* Provisioner
      const config = new FunctionConfig(settings)
      for (const worker of [yield* start(config), yield* start(config)]) {
        expect((yield* answer(worker)).body).toMatchObject({ calls: 1 })
        yield* stop(worker.id)
      }
      expect((yield* logged(lines, "watched SHUTDOWN spindown"))?.annotations).toMatchObject({ extension: "watcher" })
    }))

  test("is run as the function says where that differs from its image", () =>
    Effect.gen(function* () {
      const {
        handler: _,
        runtime: __,
        ...image
      } = nodeFunction(code.path, "x.y", { code: new CodeImage({ uri: images.names.nowhere }) })
      const config = (imageConfig: FunctionConfig["imageConfig"], layersPath?: string) =>
        new FunctionConfig({
          ...image,
          ...(imageConfig === undefined ? {} : { imageConfig }),
          ...(layersPath === undefined ? {} : { layersPath })
        })
      const { start } = yield* Provisioner
      // Its own command names a handler that is not there.
      expect((yield* Effect.flip(start(config(undefined)))).failure.errorType).toBe("Runtime.HandlerNotFound")
      const command = yield* start(config({ command: ["index.handler"] }, layers))
      expect((yield* answer(command)).body).toMatchObject({ calls: 1 })
      const entryPoint = ["/bin/sh", "-c", "cd / && exec /lambda-entrypoint.sh index.handler"]
      const other = yield* start(config({ entryPoint, workingDirectory: "/var/task" }))
      expect((yield* answer(other)).body).toMatchObject({ calls: 1 })
    }))
})
