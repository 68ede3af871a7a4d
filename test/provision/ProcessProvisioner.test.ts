import { spawn } from "node:child_process"
import { chmodSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Logger, PubSub, References, type Scope } from "effect"
import { type CodeFolder, CodeImage, type FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import type { Worker } from "../../src/domain/Worker.ts"
import * as ProcessProvisioner from "../../src/provision/ProcessProvisioner.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { codeFolder } from "../support/codeFolder.ts"
import { answer, deliver } from "../support/delivery.ts"
import { functionConfig } from "../support/functions.ts"
import { childrenOf, isRunning, processesWith } from "../support/processes.ts"
import { suite } from "./ProvisionerContract.ts"

const path = process.env.PATH ?? ""

const layer = (options: Partial<ProcessProvisioner.ProcessOptions> = {}) =>
  ProcessProvisioner.layer({
    owner: { region: "eu-north-1", accountId: "123456789012" },
    initTimeout: Duration.seconds(10),
    path,
    ...options
  }).pipe(Layer.provideMerge(RuntimeApi.layer))

const code = codeFolder({
  "echo.mjs": "export const handler = async (event) => event",
  "busy.mjs": `
    setInterval(() => { for (const end = Date.now() + 5; Date.now() < end; ); }, 10)
    export const handler = async (event) => event`,
  "exits.mjs": "export const handler = () => process.exit(7)",
  "initExit.mjs": "process.exit(4)",
  "initError.mjs": `
    class Broken extends Error { name = "Runtime.Broken" }
    throw new Broken("broken")`,
  "stuck.mjs": "await new Promise(() => setInterval(() => {}, 1000))",
  "stubborn.mjs": `
    import { spawn } from "node:child_process"
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {})
    spawn("/bin/sh", ["-c", "trap '' TERM; sleep 600 & sleep 601"], { stdio: "ignore" })
    export const handler = async (event) => {
      if (event.exit !== undefined) process.exit(event.exit)
      if (event.signal !== undefined) process.kill(process.pid, event.signal)
      await new Promise(() => setInterval(() => {}, 1000))
    }`,
  "prints.mjs": `
    import { writeSync } from "node:fs"
    export const handler = async ({ lines, letters }) => {
      for (let i = 0; i < (lines ?? 0); i++) console.log("line", i)
      if (letters) writeSync(2, "é".repeat(letters))
      process.exit(0)
    }`
})

const config = (file: string, settings: Parameters<typeof functionConfig>[0] = {}): FunctionConfig =>
  functionConfig({ code, handler: `${file}.handler`, ...settings })

const ofFolder = (folder: CodeFolder) => Effect.sync(() => processesWith(`LAMBDA_TASK_ROOT=${folder.path}`))

const pidOf = ({ host, port }: Worker) =>
  Effect.sync(() => Number.parseInt(processesWith(`AWS_LAMBDA_RUNTIME_API=${host}:${port}`)[0] ?? "", 10))

const signalled = (worker: Worker, signal: NodeJS.Signals) =>
  Effect.map(pidOf(worker), (pid) => process.kill(-pid, signal))

suite("process", {
  layer: () => layer({ initTimeout: Duration.millis(1500) }),
  echo: config("echo"),
  exitsWhenCalled: config("exits"),
  initError: config("initError"),
  initExit: config("initExit"),
  stuck: config("stuck", { timeout: Duration.seconds(1) }),
  remains: ofFolder(code),
  busy: config("busy"),
  pidOf,
  pauseFromOutside: (worker) => signalled(worker, "SIGSTOP"),
  kill: (worker) => signalled(worker, "SIGKILL")
})

const test = (
  sentence: string,
  body: Effect.Effect<unknown, unknown, Provisioner | RuntimeApi | Scope.Scope>,
  options: Partial<ProcessProvisioner.ProcessOptions> = {}
) => it.live(sentence, () => Effect.provide(Effect.scoped(body), layer(options)))

/** Waits for what no event tells: that other processes are gone. */
const until = (there: Effect.Effect<ReadonlyArray<string>>, count: number, within: Duration.Input = "10 seconds") =>
  there.pipe(
    Effect.delay("10 millis"),
    Effect.repeat({ until: (found) => found.length === count }),
    Effect.timeoutOrElse({
      duration: within,
      orElse: () => Effect.flatMap(there, (found) => Effect.die(new Error(`there are ${JSON.stringify(found)}`)))
    })
  )

describe("ProcessProvisioner", () => {
  it.live.each(["node", "bun"])(
    "has %s call the Runtime API over a Unix socket, of which the function sees nothing",
    (program) =>
      Effect.gen(function* () {
        const folder = codeFolder({
          "index.mjs": `
          import { readlinkSync, readdirSync, readFileSync } from "node:fs"
          export const handler = async () => ({
            environment: Object.entries(process.env).flat().join(" "),
            tcp: readFileSync("/proc/net/tcp", "latin1").includes(
              ":" + Number(process.env.AWS_LAMBDA_RUNTIME_API.split(":")[1]).toString(16).toUpperCase().padStart(4, "0") + " 01"
            ),
            answers: await fetch("http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2018-06-01/nowhere").then((r) => r.status)
          })`
        })
        const worker = yield* (yield* Provisioner).start(functionConfig({ code: folder }))
        const { body } = yield* answer(worker)
        expect(body).toMatchObject({ answers: 404, tcp: false })
        expect(JSON.stringify(body)).not.toMatch(/runtime-api\.sock|IRORI/)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          layer({ socketFolder: mkdtempSync(join(tmpdir(), "irori-socket-")), programs: { "nodejs22.x": program } })
        )
      )
  )

  test(
    "gives a worker the environment of Lambda and nothing of the host's",
    Effect.gen(function* () {
      const folder = codeFolder({
        "index.mjs": "export const handler = async () => ({ ...process.env, cwd: process.cwd() })"
      })
      const worker = yield* (yield* Provisioner).start(
        functionConfig({ code: folder, environment: { OWN: "value", AWS_REGION: "mars-1" } })
      )
      const { body } = yield* answer(worker)
      expect(body).toMatchObject({
        OWN: "value",
        AWS_REGION: "eu-north-1",
        AWS_LAMBDA_FUNCTION_NAME: "hello",
        AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${worker.port}`,
        LAMBDA_TASK_ROOT: folder.path,
        _HANDLER: "index.handler",
        cwd: folder.path
      })
      const strange = Object.keys(body).filter((name) => !/^(_?AWS_|LAMBDA_|_HANDLER$|_X_AMZN_TRACE_ID$)/.test(name))
      expect(strange.toSorted()).toEqual(["LANG", "NODE_PATH", "OWN", "PATH", "PWD", "TZ", "cwd"])
      // What `bun run` puts in front, whose node is Bun.
      expect(body.PATH).not.toContain("bun-node-")
      expect(worker.id).toMatch(/^lambda-hello-[0-9a-f]{8}$/)
    })
  )

  test(
    "kills what a worker started together with it, whatever signals they ignore",
    Effect.gen(function* () {
      const provisioner = yield* Provisioner
      const worker = yield* provisioner.start(config("stubborn"))
      yield* until(ofFolder(code), 4)
      yield* provisioner.stop(worker.id)
      expect(yield* ofFolder(code)).toEqual([])
    })
  )

  test(
    "clears away what a worker started when the worker itself has ended",
    Effect.gen(function* () {
      const worker = yield* (yield* Provisioner).start(config("stubborn"))
      yield* until(ofFolder(code), 4)
      expect(yield* deliver(worker, { exit: 3 })).toMatchObject({ _tag: "Lost", began: true, exit: { code: 3 } })
      yield* until(ofFolder(code), 0)
    })
  )

  test(
    "stops a worker although a process that left its group holds its output",
    Effect.gen(function* () {
      const folder = codeFolder({
        "index.mjs": `
          import { spawn } from "node:child_process"
          const away = spawn("sleep", ["30"], { detached: true, stdio: "inherit" })
          export const handler = async () => away.pid`
      })
      const provisioner = yield* Provisioner
      const worker = yield* provisioner.start(functionConfig({ code: folder }))
      const { body: away } = yield* answer(worker)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.kill(away, "SIGKILL")))
      yield* provisioner.stop(worker.id).pipe(Effect.timeout("5 seconds"))
      expect(yield* ofFolder(folder)).toEqual([expect.stringMatching(new RegExp(`^${away} sleep`))])
    })
  )

  for (const [signal, words] of [
    ["SIGKILL", "killed"],
    ["SIGSEGV", "segmentation fault"],
    ["SIGABRT", "aborted"]
  ] as const) {
    test(
      `says that a worker ended by ${signal} was "${words}"`,
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const deaths = yield* PubSub.subscribe(provisioner.deaths)
        const worker = yield* provisioner.start(config("stubborn"))
        expect(yield* deliver(worker, { signal })).toMatchObject({ _tag: "Lost", began: true, exit: { signal: words } })
        expect(yield* PubSub.take(deaths)).toEqual({ id: worker.id, exit: { signal: words } })
      })
    )
  }

  test(
    "closes the Runtime API of a worker that is gone",
    Effect.gen(function* () {
      const provisioner = yield* Provisioner
      const worker = yield* provisioner.start(config("echo"))
      yield* provisioner.stop(worker.id)
      expect((yield* RuntimeApi).find(worker.id)).toBeUndefined()
    })
  )

  test(
    "gives a slow initialisation a second try, with the function's own timeout",
    Effect.gen(function* () {
      const slow = codeFolder({
        "index.mjs": `
          await new Promise((done) => setTimeout(done, 1000))
          export const handler = async () => "awake"`
      })
      const worker = yield* (yield* Provisioner).start(functionConfig({ code: slow, timeout: Duration.seconds(10) }))
      expect(yield* answer(worker)).toEqual({ body: "awake" })
      expect((yield* ofFolder(slow)).length).toBe(1)
    }),
    { initTimeout: Duration.millis(300) }
  )

  describe("refuses in one line", () => {
    const refusal = (
      sentence: string,
      settings: Parameters<typeof functionConfig>[0],
      expected: { readonly reason: string; readonly detail: RegExp },
      options: Partial<ProcessProvisioner.ProcessOptions> = {}
    ) =>
      test(
        sentence,
        Effect.gen(function* () {
          const { failure } = yield* Effect.flip((yield* Provisioner).start(functionConfig({ code, ...settings })))
          expect(failure.reason).toBe(expected.reason)
          expect(failure.detail).toMatch(expected.detail)
          expect(failure.detail).not.toContain("\n")
          expect(yield* ofFolder(code)).toEqual([])
        }),
        options
      )

    refusal(
      "a runtime whose programs are not installed",
      { runtime: "python3.13" },
      { reason: "RuntimeUnavailable", detail: /Neither python3\.13 nor python3 was found: install/ },
      { path: "/nowhere" }
    )
    refusal(
      "a runtime whose chosen program does not run",
      { runtime: "nodejs22.x" },
      { reason: "RuntimeUnavailable", detail: /'\/bin\/false', which is to run nodejs22\.x/ },
      { programs: { "nodejs22.x": "/bin/false" } }
    )
    refusal("a runtime that there is not", { runtime: "cobol1" }, { reason: "RuntimeUnavailable", detail: /'cobol1'/ })
    refusal(
      "a container image",
      { code: new CodeImage({ uri: "hello:latest" }) },
      { reason: "RuntimeUnavailable", detail: /only Docker/ }
    )
    refusal(
      "code whose folder is not there",
      { code: { ...code, path: "/nowhere/at/all" } as CodeFolder },
      { reason: "Refused", detail: /no folder \/nowhere\/at\/all/ }
    )
    refusal(
      "an environment that no process can have",
      { environment: { HUGE: "x".repeat(4_000_000) } },
      { reason: "Refused", detail: /\(E2BIG\)/ }
    )
  })

  test(
    "tells the caller of a function without its bootstrap what Lambda would",
    Effect.gen(function* () {
      const empty = codeFolder({ "readme.txt": "" })
      const { failure } = yield* Effect.flip(
        (yield* Provisioner).start(functionConfig({ code: empty, runtime: "provided.al2023" }))
      )
      expect(failure).toMatchObject({ reason: "InitError", errorType: "Runtime.InvalidEntrypoint" })
      expect(JSON.parse(failure.document ?? "")).toEqual({
        errorType: "Runtime.InvalidEntrypoint",
        errorMessage: `Couldn't find valid bootstrap(s): [${empty.path}/bootstrap]`
      })
    })
  )

  test(
    "runs the function's own bootstrap",
    Effect.gen(function* () {
      const shell = codeFolder({
        bootstrap: `#!/usr/bin/env node
          const api = "http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2018-06-01/runtime/invocation/"
          for (;;) {
            const event = await fetch(api + "next")
            const id = event.headers.get("lambda-runtime-aws-request-id")
            await fetch(api + id + "/response", { method: "POST", body: "own " + (await event.text()) })
          }`,
        "package.json": '{"type":"module"}'
      })
      const worker = yield* (yield* Provisioner).start(functionConfig({ code: shell, runtime: "provided.al2023" }))
      const outcome = yield* deliver(worker, { a: 1 })
      expect(outcome._tag === "Answered" && new TextDecoder().decode(outcome.answer.payload)).toBe('own {"a":1}')
    })
  )

  test(
    "prefers the program that was chosen for the runtime",
    Effect.gen(function* () {
      const folder = codeFolder({ "index.mjs": "export const handler = async () => process.versions.bun ?? 'node'" })
      const worker = yield* (yield* Provisioner).start(functionConfig({ code: folder }))
      expect((yield* answer(worker)).body).toBe(process.versions.bun)
    }),
    { programs: { "nodejs22.x": process.execPath } }
  )

  describe("writes what workers print to the log", () => {
    const logged = (event: unknown) =>
      Effect.gen(function* () {
        const lines: Array<{ text: string; annotations: Record<string, unknown> }> = []
        const logger = Logger.make(({ fiber, message }) => {
          const text = String(Array.isArray(message) ? message[0] : message)
          lines.push({ text, annotations: { ...fiber.getRef(References.CurrentLogAnnotations) } })
        })
        const id = yield* Effect.gen(function* () {
          const provisioner = yield* Provisioner
          const deaths = yield* PubSub.subscribe(provisioner.deaths)
          const worker = yield* provisioner.start(config("prints"))
          yield* Effect.forkChild(deliver(worker, event))
          yield* PubSub.take(deaths)
          return worker.id
        }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(layer(), Logger.layer([logger]))))
        return { id, lines }
      })

    it.live("line by line, up to the last one of a worker that exits, with who wrote it", () =>
      Effect.gen(function* () {
        const { id, lines } = yield* logged({ lines: 20_000 })
        expect(lines.map(({ text }) => text.split("\t")[3])).toEqual(
          Array.from({ length: 20_000 }, (_, i) => `line ${i}`)
        )
        expect(lines[0]?.annotations).toEqual({ job: "lambda", function_name: "hello", worker: id, stream: "stdout" })
      })
    )

    it.live("in pieces of 256 KiB where there is no end of line, without breaking a character", () =>
      Effect.gen(function* () {
        const { lines } = yield* logged({ letters: 300_000 })
        expect(lines.map(({ text }) => Buffer.byteLength(text))).toEqual([262_144, 262_144, 75_712])
        expect(lines.map(({ text }) => text).join("")).toBe("é".repeat(300_000))
        expect(lines[0]?.annotations).toMatchObject({ stream: "stderr" })
      })
    )
  })

  describe("leaves no worker behind when Irori is killed", () => {
    const host = fileURLToPath(new URL("./provisionerHost.ts", import.meta.url))

    /** A process with a provisioner and two workers, each with children of its own. Ended with the test. */
    const hostWithWorkers = (folder: CodeFolder) =>
      Effect.gen(function* () {
        const child = yield* Effect.acquireRelease(
          Effect.sync(() => spawn(process.execPath, [host, folder.path], { stdio: ["ignore", "pipe", "inherit"] })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        yield* Effect.callback<void>((resume) => {
          createInterface({ input: child.stdout }).on("line", (line) => line === "ready" && resume(Effect.void))
        })
        yield* until(ofFolder(folder), 8)
        return child.pid!
      })

    const reapersOf = (pid: number) =>
      childrenOf(pid)
        .filter(({ command }) => command.endsWith("irori-reaper"))
        .map((child) => child.pid)

    const stubborn = () =>
      codeFolder({
        "index.mjs": `
          import { spawn } from "node:child_process"
          spawn("/bin/sh", ["-c", "trap '' TERM HUP; sleep 600 & sleep 601"], { stdio: "ignore" })
          export const handler = async () => null`
      })

    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      it.live(`by ${signal}: workers and what they started are gone within a second`, () =>
        Effect.gen(function* () {
          const folder = stubborn()
          const pid = yield* hostWithWorkers(folder)
          const reapers = reapersOf(pid)
          expect(reapers.length).toBe(1)
          process.kill(pid, signal)
          yield* until(ofFolder(folder), 0, "1 second")
          // None of those that were killed held the reaper's pipe open.
          yield* until(
            Effect.sync(() => reapers.filter(isRunning).map(String)),
            0,
            "1 second"
          )
        }).pipe(Effect.scoped)
      )
    }

    it.live("though the reaper was killed before: another has taken its place", () =>
      Effect.gen(function* () {
        const folder = stubborn()
        const pid = yield* hostWithWorkers(folder)
        const [first] = reapersOf(pid)
        process.kill(Number(first), "SIGKILL")
        yield* until(
          Effect.sync(() =>
            reapersOf(pid)
              .filter((reaper) => reaper !== first)
              .map(String)
          ),
          1
        )
        process.kill(pid, "SIGKILL")
        yield* until(ofFolder(folder), 0, "1 second")
      }).pipe(Effect.scoped)
    )

    it.live("and a terminal's interrupt does not reach workers or reaper: ending them is Irori's", () =>
      Effect.gen(function* () {
        const folder = stubborn()
        const pid = yield* hostWithWorkers(folder)
        const sessions = childrenOf(pid).map((child) => child.pid)
        // Each is the leader of a group of its own, so it is in no terminal's foreground group.
        for (const leader of sessions) expect(() => process.kill(-leader, 0)).not.toThrow()
        expect(sessions.length).toBe(3)
      }).pipe(Effect.scoped)
    )
  })

  test(
    "ends a start whose caller leaves while its process comes up",
    Effect.gen(function* () {
      const provisioner = yield* Provisioner
      const fibers = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkChild(provisioner.start(config("stuck"))))
      yield* until(ofFolder(code), 4)
      yield* Effect.forEach(fibers, Fiber.interrupt, { concurrency: "unbounded" })
      expect(yield* ofFolder(code)).toEqual([])
      expect(yield* provisioner.list).toEqual([])
    })
  )
})

describe("a bootstrap that may not be executed", () => {
  test(
    "is none",
    Effect.gen(function* () {
      const folder = codeFolder({ bootstrap: "#!/bin/sh\n" })
      chmodSync(`${folder.path}/bootstrap`, 0o644)
      const { failure } = yield* Effect.flip(
        (yield* Provisioner).start(functionConfig({ code: folder, runtime: "provided.al2" }))
      )
      expect(failure.errorType).toBe("Runtime.InvalidEntrypoint")
    })
  )
})
