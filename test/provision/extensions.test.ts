/** External extensions as real programs, beside real runtimes, over process workers. */
import { chmodSync, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, PubSub, type Scope } from "effect"
import * as ProcessProvisioner from "../../src/provision/ProcessProvisioner.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { codeFolder } from "../support/codeFolder.ts"
import { answer, deliver } from "../support/delivery.ts"
import { layersWith } from "../support/extensions.ts"
import { functionConfig } from "../support/functions.ts"
import { processesWith } from "../support/processes.ts"
import { type WorkerLine, workerLog } from "../support/workerLog.ts"

const provisioner = ProcessProvisioner.layer({
  owner: { region: "us-east-1", accountId: "123456789012" },
  initTimeout: Duration.seconds(10),
  path: process.env.PATH ?? ""
}).pipe(Layer.provideMerge(RuntimeApi.layer))

const test = (
  sentence: string,
  body: (lines: ReadonlyArray<WorkerLine>) => Effect.Effect<unknown, unknown, Provisioner | RuntimeApi | Scope.Scope>
) =>
  it.live(sentence, () => {
    const log = workerLog()
    return Effect.scoped(body(log.lines)).pipe(Effect.provide(Layer.provideMerge(provisioner, log.layer)))
  })

const code = codeFolder({
  "index.mjs": `
    console.log("function starts")
    export const handler = async (event) => {
      if (event.print) console.log(event.print)
      if (event.throw) throw new Error(event.throw)
      if (event.exit !== undefined) process.exit(event.exit)
      if (event.wait) await new Promise((done) => setTimeout(done, event.wait))
      return { pid: process.pid }
    }`,
  "broken.mjs": `throw new Error("never works")`
})

type Behaviour = Readonly<Record<string, unknown>>

const config = (behaviour: Behaviour = {}, settings: Parameters<typeof functionConfig>[0] = {}) =>
  functionConfig({
    code,
    layersPath: layersWith(["watcher"]),
    environment: { EXTENSION: JSON.stringify(behaviour) },
    ...settings
  })

const start = (behaviour: Behaviour = {}, settings: Parameters<typeof functionConfig>[0] = {}) =>
  Effect.flatMap(Provisioner, (provisioner) => provisioner.start(config(behaviour, settings)))

/** The lines that contain `text`, as soon as there are `count` of them. */
const logged = (lines: ReadonlyArray<WorkerLine>, text: string, count = 1) =>
  Effect.sync(() => lines.filter((line) => line.text.includes(text))).pipe(
    Effect.delay("5 millis"),
    Effect.repeat({ until: (found) => found.length >= count }),
    Effect.timeoutOrElse({
      duration: "5 seconds",
      orElse: () => Effect.die(new Error(`not logged: ${text}; but ${lines.map((line) => line.text).join(" | ")}`))
    })
  )

const eventIn = (line: WorkerLine | undefined): Record<string, unknown> =>
  JSON.parse(line?.text.replace(/^[^{]*/, "") ?? "{}")

describe("an external extension", () => {
  test("registers before the runtime starts, and learns which function it is for", (lines) =>
    Effect.gen(function* () {
      yield* start({ registerAfter: 0.3 })
      const [registered] = yield* logged(lines, "registered 200")
      expect(eventIn(registered)).toEqual({
        functionName: "hello",
        functionVersion: "$LATEST",
        handler: "index.handler",
        accountId: "123456789012"
      })
      expect(registered?.annotations).toMatchObject({ extension: "watcher" })
      const [runtime] = yield* logged(lines, "function starts")
      expect(runtime?.annotations).not.toHaveProperty("extension")
      const texts = lines.map(({ text }) => text)
      expect(texts.indexOf(registered?.text ?? "")).toBeLessThan(texts.indexOf(runtime?.text ?? ""))
    }))

  test("gets each event that the function gets", (lines) =>
    Effect.gen(function* () {
      const worker = yield* start()
      const before = Date.now()
      yield* answer(worker, {}, { requestId: "11111111-0000-4000-8000-000000000000" })
      yield* answer(worker, {}, { requestId: "22222222-0000-4000-8000-000000000000" })
      const invokes = (yield* logged(lines, '"INVOKE"', 2)).map(eventIn)
      expect(invokes.map(({ requestId }) => requestId)).toEqual([
        "11111111-0000-4000-8000-000000000000",
        "22222222-0000-4000-8000-000000000000"
      ])
      expect(invokes[0]).toMatchObject({
        eventType: "INVOKE",
        invokedFunctionArn: "arn:aws:lambda:us-east-1:123456789012:function:hello",
        tracing: {
          type: "X-Amzn-Trace-Id",
          value: "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
        }
      })
      expect(invokes[0]?.deadlineMs).toBeGreaterThanOrEqual(before + 3000)
    }))

  test("does not hold up the answer, but the next event", () =>
    Effect.gen(function* () {
      const worker = yield* start({ invokeTakes: 0.8 })
      const begin = Date.now()
      yield* answer(worker)
      expect(Date.now() - begin).toBeLessThan(700)
      const listener = (yield* RuntimeApi).find(worker.id)
      expect(listener?.extensions.free).toBeDefined()
      yield* answer(worker)
      expect(Date.now() - begin).toBeGreaterThan(790)
      yield* listener?.extensions.free ?? Effect.die("free at once")
      expect(Date.now() - begin).toBeGreaterThan(790)
      expect(listener?.extensions.free).toBeUndefined()
    }))

  test("ends the worker when it is at an event for longer than the function may be", () =>
    Effect.gen(function* () {
      const { deaths } = yield* Provisioner
      const subscription = yield* PubSub.subscribe(deaths)
      const worker = yield* start({ invokeTakes: 30 })
      yield* answer(worker, {}, { timeoutMillis: 500 })
      const next = yield* Effect.forkChild(deliver(worker))
      expect((yield* PubSub.take(subscription)).id).toBe(worker.id)
      // It never began: another worker may have it.
      expect(yield* Fiber.join(next)).toMatchObject({ _tag: "Lost", began: false })
      yield* gone()
    }))

  test("has two seconds when its worker is not needed any more", (lines) =>
    Effect.gen(function* () {
      const worker = yield* start({ shutdownTakes: 0.2 })
      const before = Date.now()
      yield* (yield* Provisioner).stop(worker.id)
      const [shutdown] = yield* logged(lines, '"SHUTDOWN"')
      expect(eventIn(shutdown)).toMatchObject({ eventType: "SHUTDOWN", shutdownReason: "spindown" })
      expect(eventIn(shutdown).deadlineMs).toBeGreaterThanOrEqual(before + 2000)
      yield* logged(lines, "farewell")
      expect(Date.now() - before).toBeLessThan(1900)
      expect(processesWith(`LAMBDA_TASK_ROOT=${code.path}`)).toEqual([])
    }))

  test("is killed when it takes longer than that", (lines) =>
    Effect.gen(function* () {
      const worker = yield* start({ shutdownTakes: 60 })
      const before = Date.now()
      yield* (yield* Provisioner).stop(worker.id)
      expect(Date.now() - before).toBeGreaterThan(1950)
      expect(Date.now() - before).toBeLessThan(4000)
      expect(lines.filter(({ text }) => text.includes("farewell"))).toEqual([])
      expect(processesWith(`LAMBDA_TASK_ROOT=${code.path}`)).toEqual([])
    }))

  test("is not waited for when it does not want to know of the end", () =>
    Effect.gen(function* () {
      const worker = yield* start({ events: ["INVOKE"] })
      const before = Date.now()
      yield* (yield* Provisioner).stop(worker.id)
      expect(Date.now() - before).toBeLessThan(1500)
      expect(processesWith(`LAMBDA_TASK_ROOT=${code.path}`)).toEqual([])
    }))

  test("learns that the worker's last event ran out of time", (lines) =>
    Effect.gen(function* () {
      const worker = yield* start()
      yield* Effect.forkChild(deliver(worker, { wait: 60_000 }, { timeoutMillis: 400 }))
      yield* Effect.sleep("400 millis")
      yield* (yield* Provisioner).stop(worker.id)
      const [shutdown] = yield* logged(lines, '"SHUTDOWN"')
      expect(eventIn(shutdown)).toMatchObject({ shutdownReason: "timeout" })
    }))

  test("learns that the runtime has ended", (lines) =>
    Effect.gen(function* () {
      const worker = yield* start()
      expect(yield* deliver(worker, { exit: 7 })).toMatchObject({ _tag: "Lost", began: true, exit: { code: 7 } })
      const [shutdown] = yield* logged(lines, '"SHUTDOWN"')
      expect(eventIn(shutdown)).toMatchObject({ shutdownReason: "failure" })
      yield* logged(lines, "farewell")
    }))

  test("fails the event and ends the worker when it ends by itself", () =>
    Effect.gen(function* () {
      const { deaths } = yield* Provisioner
      const subscription = yield* PubSub.subscribe(deaths)
      const worker = yield* start({ exitWhenInvoked: 4 })
      const requestId = "33333333-0000-4000-8000-000000000000"
      const outcome = yield* deliver(worker, { wait: 60_000 }, { requestId })
      const lastWords = outcome._tag === "Lost" ? outcome.lastWords : undefined
      expect(JSON.parse(new TextDecoder().decode(lastWords?.document))).toEqual({
        errorType: "Extension.Crash",
        errorMessage: `RequestId: ${requestId} Error: watcher: exit status 4`
      })
      expect((yield* PubSub.take(subscription)).id).toBe(worker.id)
      yield* gone()
    }))

  test("fails the event with the error that it posts to exit/error", () =>
    Effect.gen(function* () {
      const worker = yield* start({ exitError: "Extension.Enough" })
      const outcome = yield* deliver(worker, { wait: 60_000 })
      expect(outcome).toMatchObject({ _tag: "Lost", began: true, lastWords: { errorType: "Extension.Enough" } })
      yield* gone()
    }))

  for (const [what, behaviour, errorType, errorMessage] of [
    ["ends before it registers", { exitAtStart: 0 }, "Extension.Crash", "Error: watcher: exit code 0"],
    ["posts an init error", { initError: "Extension.ConfigInvalid" }, "Extension.ConfigInvalid", "Error: no use"]
  ] as const) {
    test(`fails the initialisation when it ${what}`, () =>
      Effect.gen(function* () {
        const { failure } = yield* Effect.flip(start(behaviour))
        expect(failure).toMatchObject({ reason: "InitError", errorType })
        expect(JSON.parse(failure.document ?? "")).toEqual({ errorType, errorMessage })
        yield* gone()
      }))
  }

  test("fails the initialisation when there is no program that can run it", () =>
    Effect.gen(function* () {
      const layersPath = layersWith([], { "extensions/odd": "#!/nowhere/to/be/found\n" })
      chmodSync(join(layersPath, "extensions/odd"), 0o755)
      const { failure } = yield* Effect.flip(start({}, { layersPath }))
      expect(failure).toMatchObject({ reason: "InitError", errorType: "Extension.LaunchError" })
    }))

  test("does not hide that the function itself fails to initialise", () =>
    Effect.gen(function* () {
      const { failure } = yield* Effect.flip(start({}, { handler: "broken.handler" }))
      expect(failure).toMatchObject({ reason: "InitError", errorType: "Runtime.Unknown" })
      expect(JSON.parse(failure.document ?? "")).toMatchObject({ errorMessage: "never works" })
      yield* gone()
    }))

  test("is one of several, and all are waited for", (lines) =>
    Effect.gen(function* () {
      const worker = yield* start({}, { layersPath: layersWith(["one", "two"]) })
      yield* answer(worker)
      const extensions = (yield* logged(lines, '"INVOKE"', 2)).map(({ annotations }) => annotations.extension)
      expect(extensions.toSorted()).toEqual(["one", "two"])
      yield* (yield* Provisioner).stop(worker.id)
      yield* logged(lines, "farewell", 2)
    }))

  test("goes on with its worker when that is resumed to be stopped", (lines) =>
    Effect.gen(function* () {
      const provisioner = yield* Provisioner
      const worker = yield* start()
      yield* provisioner.pause(worker.id)
      yield* provisioner.stop(worker.id)
      yield* logged(lines, "farewell")
    }))
})

describe("an internal extension", () => {
  const inside = codeFolder({
    "index.mjs": `
      const api = "http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2020-01-01/extension"
      const register = (events, name = "inside") =>
        fetch(api + "/register", { method: "POST", headers: { "Lambda-Extension-Name": name }, body: JSON.stringify({ events }) })
      const refused = await (await register(["SHUTDOWN"])).json()
      const registered = await register(["INVOKE"])
      const headers = { "Lambda-Extension-Identifier": registered.headers.get("lambda-extension-identifier") }
      const events = []
      const next = async () => {
        for (;;) events.push((await (await fetch(api + "/event/next", { headers })).json()).eventType)
      }
      next()
      process.on("SIGTERM", () => { console.log("told to end"); process.exit(0) })
      export const handler = async () => ({ refused, status: registered.status, events, late: (await register(["INVOKE"], "late")).status })`
  })

  test("registers from inside of the runtime, before its first event, and for INVOKE alone", (lines) =>
    Effect.gen(function* () {
      const worker = yield* (yield* Provisioner).start(functionConfig({ code: inside }))
      const { body } = yield* answer(worker)
      expect(body).toMatchObject({ status: 200, late: 403, refused: { errorType: "Extension.InvalidEventType" } })
      expect((yield* answer(worker)).body.events).toEqual(["INVOKE", "INVOKE"])
      yield* (yield* Provisioner).stop(worker.id)
      yield* logged(lines, "told to end")
    }))
})

describe("telemetry", () => {
  const folder = codeFolder({}).path
  let files = 0

  const subscribed = (path: string, body: Behaviour, settings: Parameters<typeof functionConfig>[0] = {}) =>
    Effect.gen(function* () {
      const telemetryFile = join(folder, `telemetry-${++files}`)
      const worker = yield* start({ telemetryFile, subscribe: { path, body } }, settings)
      const records = (): ReadonlyArray<{ time: string; type: string; record: Record<string, unknown> }> =>
        existsSync(telemetryFile)
          ? readFileSync(telemetryFile, "utf8")
              .trim()
              .split("\n")
              .map((line) => JSON.parse(line))
          : []
      const until = (type: string) =>
        Effect.sync(records).pipe(
          Effect.delay("10 millis"),
          Effect.repeat({ until: (found) => found.some((record) => record.type === type) }),
          Effect.timeoutOrElse({
            duration: "5 seconds",
            orElse: () => Effect.die(new Error(`no ${type} in ${JSON.stringify(records())}`))
          })
        )
      return { worker, records, until }
    })

  const subscription = (settings: Behaviour = {}) => ({
    schemaVersion: "2022-07-01",
    types: ["platform", "function", "extension"],
    buffering: { maxItems: 1000, maxBytes: 262144, timeoutMs: 50 },
    destination: { protocol: "HTTP", URI: "http://sandbox.localdomain:PORT/path" },
    ...settings
  })

  test("tells an extension of the initialisation, of each event and of what is printed", (lines) =>
    Effect.gen(function* () {
      const { until, worker } = yield* subscribed("/2022-07-01/telemetry", subscription())
      expect((yield* logged(lines, "subscribed 200"))[0]?.text).toBe('subscribed 200 "OK"')
      const requestId = "44444444-0000-4000-8000-000000000000"
      yield* answer(worker, { print: "printed by the function" }, { requestId })
      const records = yield* until("platform.report")
      const types = records.map(({ type }) => type)
      expect(types.filter((type) => type.startsWith("platform.") && type !== "platform.extension")).toEqual([
        "platform.initStart",
        "platform.telemetrySubscription",
        "platform.initRuntimeDone",
        "platform.initReport",
        "platform.start",
        "platform.runtimeDone",
        "platform.report"
      ])
      const of = (type: string) => records.find((record) => record.type === type)?.record
      expect(of("platform.initStart")).toMatchObject({ initializationType: "on-demand", functionName: "hello" })
      expect(of("platform.initRuntimeDone")).toMatchObject({ phase: "init", status: "success" })
      expect(of("platform.start")).toMatchObject({ requestId, version: "$LATEST" })
      expect(of("platform.runtimeDone")).toMatchObject({ requestId, status: "success" })
      expect(of("platform.report")).toMatchObject({ requestId, metrics: { memorySizeMB: 128 } })
      expect(records.every(({ time }) => new Date(time).toISOString() === time)).toBe(true)
      const printed = records.filter(({ type }) => type === "function").map(({ record }) => String(record))
      expect(printed.some((text) => text.endsWith("printed by the function"))).toBe(true)
      expect(records.some(({ record, type }) => type === "extension" && String(record).includes("INVOKE"))).toBe(true)
    }))

  test("tells of an error of the function, and of nothing that was not asked for", () =>
    Effect.gen(function* () {
      const { until, worker } = yield* subscribed("/2022-07-01/telemetry", subscription({ types: ["platform"] }))
      yield* answer(worker, { throw: "thrown", print: "printed" })
      const records = yield* until("platform.report")
      expect(records.find(({ type }) => type === "platform.runtimeDone")?.record).toMatchObject({
        status: "error",
        errorType: "Function.Unknown"
      })
      expect(records.filter(({ type }) => !type.startsWith("platform."))).toEqual([])
    }))

  test("speaks the words of the Logs API to those who subscribe there", () =>
    Effect.gen(function* () {
      const body = subscription({ schemaVersion: "2020-08-15" })
      const { until, worker } = yield* subscribed("/2020-08-15/logs", body)
      yield* answer(worker, { print: "printed" })
      const types = (yield* until("platform.report")).map(({ type }) => type)
      expect(types.filter((type) => type.startsWith("platform."))).toEqual([
        "platform.logsSubscription",
        "platform.start",
        "platform.end",
        "platform.report"
      ])
      expect(types).toContain("function")
    }))

  test("gives lines of JSON as objects where the function logs JSON", () =>
    Effect.gen(function* () {
      const { until, worker } = yield* subscribed("/2022-07-01/telemetry", subscription({ types: ["function"] }), {
        loggingFormat: "JSON",
        runtime: "provided.al2023",
        code: codeFolder({
          bootstrap: `#!/usr/bin/env python3
import json, os, urllib.request
root = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(root + "next") as event:
        id = event.headers["Lambda-Runtime-Aws-Request-Id"]
    print(json.dumps({"level": os.environ["AWS_LAMBDA_LOG_LEVEL"], "message": "hi"}), flush=True)
    urllib.request.urlopen(root + id + "/response", data=b"{}")
`
        })
      })
      yield* answer(worker)
      const [line] = yield* until("function")
      expect(line?.record).toEqual({ level: "INFO", message: "hi" })
    }))

  for (const [what, body] of [
    ["goes elsewhere", subscription({ destination: { protocol: "HTTP", URI: "http://169.254.169.254:PORT/" } })],
    ["has no types", subscription({ types: [] })],
    ["is of another API", subscription({ schemaVersion: "2020-08-15" })]
  ] as const) {
    test(`refuses a subscription that ${what}`, (lines) =>
      Effect.gen(function* () {
        yield* subscribed("/2022-07-01/telemetry", body)
        expect((yield* logged(lines, "subscribed"))[0]?.text).toMatch(/^subscribed 400 .*ValidationError/)
      }))
  }
})

/** Nothing of any worker is left. */
const gone = () =>
  Effect.sync(() => processesWith(`LAMBDA_TASK_ROOT=${code.path}`)).pipe(
    Effect.delay("10 millis"),
    Effect.repeat({ until: (found) => found.length === 0 }),
    Effect.timeout("5 seconds")
  )
