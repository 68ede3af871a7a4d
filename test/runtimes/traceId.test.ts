import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { findProgram, withoutBunsNode } from "../../src/provision/findProgram.ts"
import { answer } from "../support/delivery.ts"
import { runtimeTests } from "./runtimeTest.ts"

const traceIdFile = fileURLToPath(new URL("../../src/runtimes/node/traceId.cjs", import.meta.url))

/** Puts 200 MB of trace ids, one after another, where a function reads them. By how many megabytes it has grown. */
const manyTraceIds = `
const { keepTraceId, setTraceId } = require(${JSON.stringify(traceIdFile)})
keepTraceId()
const of = (i) => String(i).padStart(1000, "0")
for (let i = 0; i < 20_000; i++) setTraceId(of(i % 100))
const before = process.memoryUsage.rss()
for (let i = 0; i < 200_000; i++) setTraceId(of(i))
if (process.env._X_AMZN_TRACE_ID !== of(199_999)) throw new Error("It is not there.")
console.log((process.memoryUsage.rss() - before) / 1e6)`

const inherited = `(() => {
  const own = Object.create(process.env)
  own._X_AMZN_TRACE_ID = "changed"
  return [process.env._X_AMZN_TRACE_ID, Object.keys(own)]
})()`
const output = (call: string) => `String(childProcess.${call}).trim()`
const readsIt = `["-p", "process.env._X_AMZN_TRACE_ID"]`

const suite = (name: string, program: string | undefined) =>
  describe(`the trace id in the environment on ${name}`, () => {
    if (program === undefined) {
      it.skip(`is not tested here: there is no ${name}`)
      return
    }
    const { start, test } = runtimeTests("nodejs22.x", program)
    /** Evaluates the text it is sent, and answers with what that has become. */
    const evaluator = start(
      {
        "index.js": `
          const childProcess = require("node:child_process")
          const threads = require("node:worker_threads")
          const util = require("node:util")
          const id = "_X_AMZN_TRACE_ID"
          const first = process.env
          const fromThread = (options) => new Promise((done, failed) => {
            const code = "require('node:worker_threads').parentPort.postMessage(process.env._X_AMZN_TRACE_ID)"
            new threads.Worker(code, { eval: true, ...options }).on("message", done).on("error", failed)
          })
          exports.handler = async (text) => (await eval(text)) ?? "nothing"`
      },
      "index.handler"
    )

    it("costs no memory, however many there have been", () => {
      expect(Number(execFileSync(program, ["-e", manyTraceIds], { encoding: "utf8" }))).toBeLessThan(60)
    })

    test("is there in every way in which a variable is", () =>
      Effect.gen(function* () {
        const worker = yield* evaluator
        for (const [what, text, expected] of [
          ["is read", "process.env._X_AMZN_TRACE_ID", "Root=1-a-b"],
          ["is read from an environment that was kept before", "first._X_AMZN_TRACE_ID", "Root=1-a-b"],
          ["is in it", "[id in process.env, Object.hasOwn(process.env, id)]", [true, true]],
          ["is spread", "({ ...process.env })[id]", "Root=1-a-b"],
          ["is one of the keys, once", "Object.keys(process.env).filter((key) => key === id).length", 1],
          [
            "comes by in a loop",
            "{ let seen; for (const key in process.env) if (key === id) seen = key; seen }",
            "_X_AMZN_TRACE_ID"
          ],
          ["is in the environment as JSON", "JSON.parse(JSON.stringify(process.env))[id]", "Root=1-a-b"],
          ["is in a clone", "structuredClone(process.env)[id]", "Root=1-a-b"],
          ["is shown", 'util.inspect(process.env).includes("Root=1-a-b")', true],
          [
            "is a property as others are",
            "Object.getOwnPropertyDescriptor(process.env, id)",
            { value: "Root=1-a-b", writable: true, enumerable: true, configurable: true }
          ],
          ["is in a child process", output(`execFileSync(process.execPath, ${readsIt})`), "Root=1-a-b"],
          ["is in a shell", output(`execSync("echo $" + id)`), "Root=1-a-b"],
          [
            "is in a child process with more in its environment",
            output(`execFileSync(process.execPath, ${readsIt}, { env: { ...process.env, A: "b" } })`),
            "Root=1-a-b"
          ],
          ["is in a thread that is given the environment", "fromThread({ env: process.env })", "Root=1-a-b"],
          ["is a text, whatever it is set to", "(process.env[id] = 5, process.env[id])", "5"],
          ["is set as others are", "(Object.assign(process.env, { [id]: null }), process.env[id])", "null"],
          ["is left alone by what inherits from it", inherited, ["Root=1-a-b", ["_X_AMZN_TRACE_ID"]]],
          [
            "is gone when it was deleted",
            "[delete process.env[id], id in process.env, process.env[id] ?? null]",
            [true, false, null]
          ]
        ] as const) {
          expect(yield* answer(worker, text, { traceId: "Root=1-a-b" }), what).toEqual({ body: expected })
        }
      }))

    test("is each event's own, also after the function has changed it or has put another environment in place", () =>
      Effect.gen(function* () {
        const worker = yield* evaluator
        const seen = "process.env[id]"
        for (const [traceId, text, expected] of [
          ["Root=1", "process.env[id] = 'own'", "own"],
          ["Root=2", seen, "Root=2"],
          ["Root=3", "delete process.env[id]", true],
          ["Root=4", seen, "Root=4"],
          ["", `${seen} ?? Object.keys(process.env).includes(id)`, false],
          ["Root=5", "(process.env = { ...process.env, A: 'b' })[id]", "Root=5"],
          ["Root=6", "[process.env[id], process.env.A]", ["Root=6", "b"]],
          ["", `${seen} ?? 'none'`, "none"],
          ["Root=7", "(process.env = first, 'back')", "back"],
          ["Root=8", seen, "Root=8"]
        ] as const) {
          expect(yield* answer(worker, text, { traceId })).toEqual({ body: expected })
        }
      }))

    test("leaves everything else to the environment itself", () =>
      Effect.gen(function* () {
        const worker = yield* evaluator
        for (const [text, expected] of [
          ["(process.env.A = 5, process.env.A)", "5"],
          ["Object.keys({ ...process.env }).includes('A')", true],
          [output("execSync('echo $A')"), "5"],
          ["[delete process.env.A, 'A' in process.env, process.env.A ?? null]", [true, false, null]],
          ["(process.env.TZ = 'Asia/Tokyo', new Date(0).getHours())", 9],
          ["Object.prototype.toString.call(process.env)", "[object Object]"]
        ] as const) {
          expect(yield* answer(worker, text)).toEqual({ body: expected })
        }
      }))
  })

const path = withoutBunsNode(process.env.PATH ?? "")
suite("Node.js", await Effect.runPromise(findProgram(["node"], ["-p", "process.execPath"], path)))
suite("Bun", process.execPath)
