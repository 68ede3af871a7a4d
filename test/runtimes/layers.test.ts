/** Every runtime with layers and wrappers, as a process, where there is no `/opt` to mount anything at. */
import { chmodSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, type Scope } from "effect"
import * as ProcessProvisioner from "../../src/provision/ProcessProvisioner.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { runtimes } from "../../src/runtimes/runtimes.ts"
import { codeFolder } from "../support/codeFolder.ts"
import { answer } from "../support/delivery.ts"
import { functionConfig } from "../support/functions.ts"

type Settings = Parameters<typeof functionConfig>[0]

const layer = ProcessProvisioner.layer({
  owner: { region: "us-east-1", accountId: "123456789012" },
  initTimeout: Duration.seconds(15),
  path: process.env.PATH ?? ""
}).pipe(Layer.provideMerge(RuntimeApi.layer), Layer.provideMerge(Logger.layer([])))

const test = (sentence: string, body: Effect.Effect<unknown, unknown, Provisioner | RuntimeApi | Scope.Scope>) =>
  it.live(sentence, () => Effect.provide(Effect.scoped(body), layer))

const start = (settings: Settings) =>
  Effect.flatMap(Provisioner, (provisioner) => provisioner.start(functionConfig(settings)))

const executable = (folder: string, ...names: ReadonlyArray<string>): string => {
  for (const name of names) chmodSync(join(folder, name), 0o755)
  return folder
}

/** A runtime of its own, in Python: answers with its variables. */
const bootstrap = `#!/usr/bin/env python3
import json, os, urllib.request
root = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(root + "next") as event:
        id = event.headers["Lambda-Runtime-Aws-Request-Id"]
    urllib.request.urlopen(root + id + "/response", data=json.dumps(dict(os.environ)).encode())
`

const node = codeFolder({ "index.mjs": "export const handler = async () => ({ ...process.env })" })
const python = codeFolder({ "index.py": "import os\ndef handler(event, context):\n  return dict(os.environ)" })
const own = codeFolder({ bootstrap })

const codeOf = (id: string) => (id.startsWith("node") ? node : id.startsWith("python") ? python : own)

describe("every runtime", () => {
  for (const id of runtimes.keys()) {
    test(
      `${id} runs a function with its own name in the environment`,
      Effect.gen(function* () {
        const worker = yield* start({ runtime: id, code: codeOf(id) })
        const { body } = yield* answer(worker)
        expect(body.AWS_EXECUTION_ENV).toBe(id.startsWith("provided") ? undefined : `AWS_Lambda_${id}`)
      })
    )
  }
})

describe("layers", () => {
  test(
    "are where Node.js looks for packages, those of its version first",
    Effect.gen(function* () {
      const layersPath = codeFolder({
        "nodejs/node_modules/one/index.js": "module.exports = 'one'",
        "nodejs/node_modules/two/index.js": "module.exports = 'two'",
        "nodejs/node22/node_modules/two/index.js": "module.exports = 'two for 22'",
        "nodejs/node20/node_modules/two/index.js": "module.exports = 'two for 20'"
      }).path
      const code = codeFolder({ "index.js": "exports.handler = async () => [require('one'), require('two')]" })
      expect((yield* answer(yield* start({ code, layersPath }))).body).toEqual(["one", "two for 22"])
    })
  )

  test(
    "are where Python looks for modules, behind the function's own",
    Effect.gen(function* () {
      const layersPath = codeFolder({
        "python/first.py": "name = 'layer'",
        "python/mine.py": "name = 'layer'",
        "python/lib/python3.12/site-packages/second.py": "name = 'site-packages'",
        "python/lib/python3.11/site-packages/third.py": "name = 'of another version'"
      }).path
      const code = codeFolder({
        "mine.py": "name = 'own'",
        "app.py": `
import importlib.util, first, mine, second
def handler(event, context):
  return [first.name, mine.name, second.name, importlib.util.find_spec("third") is None]`
      })
      const worker = yield* start({ code, runtime: "python3.12", handler: "app.handler", layersPath })
      expect((yield* answer(worker)).body).toEqual(["layer", "own", "site-packages", true])
    })
  )

  test(
    "have programs and libraries on the paths, behind those of the machine",
    Effect.gen(function* () {
      const layersPath = executable(codeFolder({ "bin/tool": "#!/bin/sh\necho from the layer" }).path, "bin/tool")
      const code = codeFolder({
        "index.mjs": `
          import { execFileSync } from "node:child_process"
          export const handler = async () => [execFileSync("tool").toString().trim(), process.env.PATH, process.env.LD_LIBRARY_PATH]`
      })
      const { body } = yield* answer(yield* start({ code, layersPath }))
      expect(body[0]).toBe("from the layer")
      expect(body[1].endsWith(`:${layersPath}/bin`)).toBe(true)
      expect(body[2]).toBe(`${layersPath}/lib`)
    })
  )

  test(
    "have the bootstrap of a function that brings none",
    Effect.gen(function* () {
      const layersPath = codeFolder({ bootstrap }).path
      const code = codeFolder({ "data.txt": "" })
      const worker = yield* start({ code, runtime: "provided.al2023", layersPath })
      expect((yield* answer(worker)).body.LAMBDA_TASK_ROOT).toBe(code.path)
    })
  )

  test(
    "and the code are both named where neither has a bootstrap",
    Effect.gen(function* () {
      const [code, layers] = [codeFolder({}), codeFolder({})]
      const { failure } = yield* Effect.flip(start({ code, runtime: "provided.al2023", layersPath: layers.path }))
      expect(JSON.parse(failure.document ?? "")).toEqual({
        errorType: "Runtime.InvalidEntrypoint",
        errorMessage: `Couldn't find valid bootstrap(s): [${code.path}/bootstrap ${layers.path}/bootstrap]`
      })
    })
  )

  test(
    "that are not there keep a function from starting",
    Effect.gen(function* () {
      const { failure } = yield* Effect.flip(start({ code: node, layersPath: "/nowhere/at/all" }))
      expect(failure).toMatchObject({ reason: "Refused", detail: expect.stringContaining("/nowhere/at/all") })
    })
  )
})

describe("AWS_LAMBDA_EXEC_WRAPPER", () => {
  const wrapper = '#!/bin/sh\nexport WRAPPED_BY="$0" WRAPPED="$*"\nexec "$@"\n'
  const layersPath = executable(codeFolder({ wrapper }).path, "wrapper")

  for (const [id, code] of [
    ["nodejs22.x", node],
    ["python3.12", python]
  ] as const) {
    test(
      `starts the runtime of ${id}, whose command line it gets`,
      Effect.gen(function* () {
        const environment = { AWS_LAMBDA_EXEC_WRAPPER: "/opt/wrapper" }
        const worker = yield* start({ code, runtime: id, layersPath, environment })
        const { body } = yield* answer(worker)
        expect(body.WRAPPED_BY).toBe(`${layersPath}/wrapper`)
        expect(body.WRAPPED).toMatch(/^\/\S+ .*bootstrap\.(cjs|py)$/)
      })
    )
  }

  test(
    "is found in the function's code too",
    Effect.gen(function* () {
      const code = codeFolder({ wrapper, "index.mjs": "export const handler = async () => process.env.WRAPPED_BY" })
      executable(code.path, "wrapper")
      const worker = yield* start({ code, environment: { AWS_LAMBDA_EXEC_WRAPPER: "/var/task/wrapper" } })
      expect((yield* answer(worker)).body).toBe(`${code.path}/wrapper`)
    })
  )

  test(
    "that does not exist is exit status 127",
    Effect.gen(function* () {
      const environment = { AWS_LAMBDA_EXEC_WRAPPER: "/opt/nothing" }
      const { failure } = yield* Effect.flip(start({ code: node, layersPath, environment }))
      expect(failure).toMatchObject({ reason: "InitExited", exit: { code: 127 } })
    })
  )

  test(
    "is nothing to a runtime that the function brings",
    Effect.gen(function* () {
      const environment = { AWS_LAMBDA_EXEC_WRAPPER: "/opt/wrapper" }
      const worker = yield* start({ code: own, runtime: "provided.al2", layersPath, environment })
      expect((yield* answer(worker)).body).not.toHaveProperty("WRAPPED_BY")
    })
  )
})

describe("a worker's environment", () => {
  test(
    "says how it logs and why it initialises",
    Effect.gen(function* () {
      const { body } = yield* answer(yield* start({ code: node }))
      expect(body).toMatchObject({ AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand" })
      expect(Object.keys(body).filter((name) => /^AWS_LAMBDA_LOG_(FORMAT|LEVEL)$/.test(name))).toEqual([])
      const settings = { loggingFormat: "JSON", applicationLogLevel: "WARN" } as const
      const other = yield* start({ code: node, ...settings, initializationType: "provisioned-concurrency" })
      expect((yield* answer(other)).body).toMatchObject({
        AWS_LAMBDA_INITIALIZATION_TYPE: "provisioned-concurrency",
        AWS_LAMBDA_LOG_FORMAT: "JSON",
        AWS_LAMBDA_LOG_LEVEL: "WARN"
      })
    })
  )
})
