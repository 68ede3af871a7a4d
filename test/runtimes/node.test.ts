import { describe, expect, it } from "@effect/vitest"
import { Effect, PubSub } from "effect"
import { findProgram, withoutBunsNode } from "../../src/provision/findProgram.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import { answer, deliver } from "../support/delivery.ts"
import { runtimeTests, untilLogged } from "./runtimeTest.ts"

/** In the order in which a function sees them. */
const contextKeys = [
  "functionVersion",
  "functionName",
  "memoryLimitInMB",
  "logGroupName",
  "logStreamName",
  "identity",
  "invokedFunctionArn",
  "awsRequestId",
  "getRemainingTimeInMillis"
]

const suite = (name: string, program: string | undefined) =>
  describe(`the Node.js bootstrap on ${name}`, () => {
    if (program === undefined) {
      it.skip(`is not tested here: there is no ${name}`)
      return
    }
    const { start, test } = runtimeTests("nodejs22.x", program)
    const index = (text: string) => start({ "index.mjs": text }, "index.handler")

    describe("finds the handler", () => {
      const esm = "export const handler = async () => 'found'"
      const cjs = "exports.handler = async () => 'found'"
      for (const [where, files, handler] of [
        ["in index.mjs", { "index.mjs": esm }, "index.handler"],
        ["in a CommonJS index.js", { "index.js": cjs }, "index.handler"],
        [
          "in an index.js that package.json makes a module",
          { "index.js": esm, "package.json": '{"type":"module"}' },
          "index.handler"
        ],
        ["in index.cjs", { "index.cjs": cjs }, "index.handler"],
        ["in a folder", { "src/app.js": cjs }, "src/app.handler"],
        [
          "in a folder below the package.json",
          { "src/app.js": esm, "package.json": '{"type":"module"}' },
          "src/app.handler"
        ],
        ["in a package", { "node_modules/lib/index.js": cjs }, "lib.handler"],
        [
          "in an export of an export",
          { "index.js": "exports.api = { v1: { get: async () => 'found' } }" },
          "index.api.v1.get"
        ],
        [
          "in CommonJS whose exports are made at run time",
          { "index.js": "Object.assign(module.exports, { handler: async () => 'found' })" },
          "index.handler"
        ]
      ] as const) {
        test(where, () =>
          Effect.gen(function* () {
            expect(yield* answer(yield* start(files, handler))).toEqual({ body: "found" })
          })
        )
      }
    })

    describe("answers with", () => {
      for (const [what, handler, expected] of [
        ["what an async handler returns", "async (event) => event.word + '!'", "héllo!"],
        [
          "what a returned promise becomes",
          "(event) => new Promise((done) => setTimeout(done, 5, event.word))",
          "héllo"
        ],
        [
          "what the callback is given",
          "(event, context, callback) => { setTimeout(callback, 5, null, event.word) }",
          "héllo"
        ],
        ["what context.succeed is given", "(event, context) => context.succeed(event.word)", "héllo"],
        ["null for nothing", "async () => {}", null],
        ["null for a value that JSON leaves out", "async () => () => 1", null],
        ["null when the event loop is empty and nobody called back", "(event) => { setTimeout(() => {}, 20) }", null]
      ] as const) {
        test(what, () =>
          Effect.gen(function* () {
            const worker = yield* index(`export const handler = ${handler}`)
            expect(yield* answer(worker, { word: "héllo" })).toEqual({ body: expected })
          })
        )
      }
    })

    test("waits after the callback until the event loop is empty", () =>
      Effect.gen(function* () {
        const worker = yield* index(`
          let finished = 0
          export const handler = (event, context, callback) => {
            setTimeout(() => finished++, 50)
            callback(null, { get finished() { return finished } })
          }`)
        expect((yield* answer(worker)).body).toEqual({ finished: 1 })
        expect((yield* answer(worker)).body).toEqual({ finished: 2 })
      }))

    test("does not wait for the event loop when callbackWaitsForEmptyEventLoop is false", () =>
      Effect.gen(function* () {
        const worker = yield* index(`
          let finished = 0
          export const handler = (event, context, callback) => {
            context.callbackWaitsForEmptyEventLoop = false
            setInterval(() => finished++, 600_000)
            callback(null, finished)
          }`)
        expect((yield* answer(worker)).body).toBe(0)
        expect((yield* answer(worker)).body).toBe(0)
      }))

    test("does not wait for the event loop after a promise", () =>
      Effect.gen(function* () {
        const worker = yield* index("export const handler = async () => { setInterval(() => {}, 600_000); return 1 }")
        expect((yield* answer(worker)).body).toBe(1)
      }))

    test("fails an event whose promise nobody can settle any more, and goes on", () =>
      Effect.gen(function* () {
        const worker = yield* index("export const handler = (event) => event.hang ? new Promise(() => {}) : 'x'")
        expect((yield* answer(worker, { hang: true })).body).toMatchObject({ errorType: "Runtime.NodeJsExit" })
        expect((yield* answer(worker)).body).toBe(null)
      }))

    test("gives the handler Lambda's context", () =>
      Effect.gen(function* () {
        const worker = yield* index(`
          export const handler = async (event, context) => ({
            context, keys: Object.keys(context), remaining: context.getRemainingTimeInMillis() })`)
        const invokedFunctionArn = "arn:aws:lambda:us-east-1:123456789012:function:hello:live"
        const { body } = yield* answer(worker, {}, { requestId: "an-id", invokedFunctionArn, timeoutMillis: 2500 })
        expect(body.context).toEqual({
          callbackWaitsForEmptyEventLoop: true,
          functionName: "hello",
          functionVersion: "$LATEST",
          invokedFunctionArn,
          memoryLimitInMB: "128",
          awsRequestId: "an-id",
          logGroupName: "/aws/lambda/hello",
          logStreamName: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/)
        })
        expect(body.keys).toEqual(["callbackWaitsForEmptyEventLoop", ...contextKeys, "succeed", "fail", "done"])
        expect(body.remaining).toBeGreaterThan(0)
        expect(body.remaining).toBeLessThanOrEqual(2500)
        const clientContext = JSON.stringify({ custom: { word: "héllo\n" } })
        expect((yield* answer(worker, {}, { clientContext })).body.context.clientContext).toEqual({
          custom: { word: "héllo\n" }
        })
      }))

    test("has the trace id of each event in the environment, and none when there is none", () =>
      Effect.gen(function* () {
        const worker = yield* index("export const handler = async () => process.env._X_AMZN_TRACE_ID ?? 'none'")
        expect((yield* answer(worker, {}, { traceId: "Root=1-a-b;Sampled=1" })).body).toBe("Root=1-a-b;Sampled=1")
        expect((yield* answer(worker, {}, { traceId: "" })).body).toBe("none")
      }))

    describe("tells of a failure:", () => {
      for (const [what, handler, expected] of [
        [
          "an error that was thrown",
          "async () => { throw new TypeError('boom') }",
          { errorType: "TypeError", errorMessage: "boom" }
        ],
        [
          "an error thrown before any promise",
          "() => { throw new Error('at once') }",
          { errorType: "Error", errorMessage: "at once" }
        ],
        [
          "an error of the function's own class",
          "async () => { throw new (class extends Error { name = 'Broke' })('own') }",
          { errorType: "Broke", errorMessage: "own" }
        ],
        [
          "an error given to the callback",
          "(e, c, callback) => callback(new RangeError('back'))",
          { errorType: "RangeError", errorMessage: "back" }
        ],
        ["a text", "async () => { throw 'just text' }", { errorType: "string", errorMessage: "just text", trace: [] }],
        [
          "an object that is no error",
          "() => Promise.reject({ a: 1 })",
          { errorType: "object", errorMessage: "[object Object]", trace: [] }
        ],
        ["nothing", "() => Promise.reject()", { errorType: "string", errorMessage: "handled", trace: [] }],
        [
          "a result that JSON cannot hold",
          "async () => 1n",
          { errorType: "Error", errorMessage: "Unable to stringify response body" }
        ]
      ] as const) {
        test(what, () =>
          Effect.gen(function* () {
            const worker = yield* index(`export const handler = ${handler}`)
            const { body, errorType } = yield* answer(worker)
            expect(body).toMatchObject(expected)
            expect(Object.keys(body)).toEqual(["errorType", "errorMessage", "trace"])
            expect(errorType).toBe("Function.Unknown")
          })
        )
      }

      test("the trace is the stack, line by line", () =>
        Effect.gen(function* () {
          const worker = yield* index("export const handler = async () => { throw new Error('boom') }")
          const { body } = yield* answer(worker)
          expect(body.trace[0]).toBe("Error: boom")
          expect(body.trace[1]).toMatch(/^ {4}at .*index\.mjs:1/)
        }))
    })

    test("keeps its globals after a handler has failed", () =>
      Effect.gen(function* () {
        const worker = yield* index(`
          let count = 0
          export const handler = async (event) => { count++; if (event.fail) throw new Error("no"); return count }`)
        expect((yield* answer(worker)).body).toBe(1)
        expect((yield* answer(worker, { fail: true })).body.errorMessage).toBe("no")
        expect((yield* answer(worker)).body).toBe(3)
      }))

    test("is lost with its exit code when the handler ends the process", () =>
      Effect.gen(function* () {
        const worker = yield* index("export const handler = async () => process.exit(3)")
        expect(yield* deliver(worker)).toMatchObject({ _tag: "Lost", began: true, exit: { code: 3 } })
      }))

    for (const [what, handler, document, code] of [
      [
        "an exception outside the handler",
        "setTimeout(() => { throw new Error('late') }, 1)",
        { errorType: "Error", errorMessage: "late" },
        129
      ],
      [
        "a rejection that nobody handles",
        "Promise.reject(new Error('lost'))",
        { errorType: "Runtime.UnhandledPromiseRejection", errorMessage: "Error: lost" },
        128
      ]
    ] as const) {
      test(`answers with ${what}, and ends`, () =>
        Effect.gen(function* () {
          const deaths = yield* PubSub.subscribe((yield* Provisioner).deaths)
          const worker = yield* index(
            `export const handler = async () => { ${handler}; await new Promise((done) => setTimeout(done, 60_000)) }`
          )
          expect((yield* answer(worker)).body).toMatchObject(document)
          expect(yield* PubSub.take(deaths)).toEqual({ id: worker.id, exit: { code } })
        }))
    }

    describe("fails to initialise with", () => {
      const broken = "Object.assign(new Error('at import'), { name: 'Own' })"
      for (const [what, files, handler, errorType, message] of [
        [
          "a file that is not there",
          {},
          "index.handler",
          "Runtime.ImportModuleError",
          /^Error: Cannot find module 'index'\nRequire stack:/
        ],
        [
          "a module that is not there",
          { "index.js": "require('left-pad')" },
          "index.handler",
          "Runtime.ImportModuleError",
          /^Error: Cannot find module 'left-pad'/
        ],
        [
          "an export that is not there",
          { "index.js": "exports.other = 1" },
          "index.nope",
          "Runtime.HandlerNotFound",
          /^index\.nope is undefined or not exported$/
        ],
        [
          "an export that is no function",
          { "index.js": "exports.x = 1" },
          "index.x",
          "Runtime.HandlerNotFound",
          /^index\.x is not a function$/
        ],
        ["a handler without a dot", { "index.js": "" }, "index", "Runtime.MalformedHandlerName", /^Bad handler$/],
        [
          "a handler outside of the code",
          { "index.js": "" },
          "../index.handler",
          "Runtime.MalformedHandlerName",
          /is not a valid handler name/
        ],
        [
          "a CommonJS file that is no JavaScript",
          { "index.js": "exports.handler = {;" },
          "index.handler",
          "Runtime.UserCodeSyntaxError",
          /^SyntaxError: /
        ],
        [
          "a module that is no JavaScript",
          { "index.mjs": "export const handler = {;" },
          "index.handler",
          "Runtime.UserCodeSyntaxError",
          /^SyntaxError: /
        ],
        ["what a file throws", { "index.mjs": `throw ${broken}` }, "index.handler", "Runtime.Unknown", /^at import$/]
      ] as const) {
        test(what, () =>
          Effect.gen(function* () {
            const { failure } = yield* Effect.flip(start(files, handler))
            expect(failure).toMatchObject({ reason: "InitError", errorType })
            const document = JSON.parse(failure.document ?? "")
            expect(Object.keys(document)).toEqual(["errorType", "errorMessage", "trace"])
            expect(document.errorMessage).toMatch(message)
            expect(document.errorType).toBe(errorType === "Runtime.Unknown" ? "Own" : errorType)
          })
        )
      }
    })

    test("ends with its exit code when a file ends the process", () =>
      Effect.gen(function* () {
        const { failure } = yield* Effect.flip(index("process.exit(5)"))
        expect(failure).toMatchObject({ reason: "InitExited", exit: { code: 5 } })
      }))

    test("prints a line of the console with time, request id and level", (lines) =>
      Effect.gen(function* () {
        const worker = yield* index(`
          console.log("at import")
          export const handler = async () => {
            console.log("two %s", "parts", { a: 1 })
            console.info("i"); console.warn("w"); console.error("e"); console.debug("d")
            console.log("line 1\\nline 2")
          }`)
        yield* answer(worker, {}, { requestId: "an-id" })
        yield* untilLogged(lines, 7)
        const fields = lines.map(({ text }) => text.split("\t"))
        for (const [time] of fields) expect(new Date(time ?? "").toISOString()).toBe(time)
        expect(fields.map(([, ...rest]) => rest)).toEqual([
          ["undefined", "INFO", "at import"],
          ["an-id", "INFO", "two parts { a: 1 }"],
          ["an-id", "INFO", "i"],
          ["an-id", "WARN", "w"],
          ["an-id", "ERROR", "e"],
          ["an-id", "DEBUG", "d"],
          ["an-id", "INFO", "line 1\nline 2"]
        ])
      }))

    test("prints the error of a handler as Lambda does", (lines) =>
      Effect.gen(function* () {
        const worker = yield* index(
          "export const handler = async () => { throw Object.assign(new Error('boom'), { code: 'E1', extra: 2 }) }"
        )
        yield* answer(worker, {}, { requestId: "an-id" })
        yield* untilLogged(lines, 1)
        const [, id, level, what, document] = lines[0]?.text.split("\t") ?? []
        expect([id, level, what]).toEqual(["an-id", "ERROR", "Invoke Error "])
        expect(JSON.parse(document ?? "")).toMatchObject({
          errorType: "Error",
          errorMessage: "boom",
          code: "E1",
          extra: 2,
          stack: expect.arrayContaining(["Error: boom"])
        })
      }))

    test("takes and gives six megabytes, and goes on after an answer that is too large", () =>
      Effect.gen(function* () {
        const worker = yield* index("export const handler = async ({ text, times }) => text.repeat(times)")
        const text = "ä".repeat(3_000_000)
        expect((yield* answer(worker, { text, times: 1 })).body === text).toBe(true)
        expect(yield* answer(worker, { text, times: 2 })).toMatchObject({ errorType: "Function.ResponseSizeTooLarge" })
        expect((yield* answer(worker, { text: "ok", times: 1 })).body).toBe("ok")
      }))

    test("prints JSON where the function says so, and nothing below its level", (lines) =>
      Effect.gen(function* () {
        const worker = yield* start(
          {
            "index.mjs": `
              export const handler = async () => {
                console.debug("too little")
                console.log("two\\nlines", 1)
                console.warn({ a: { b: 1 } })
                console.error("why", new TypeError("wrong"))
                throw new RangeError("thrown")
              }`
          },
          "index.handler",
          { loggingFormat: "JSON" }
        )
        yield* deliver(worker)
        yield* untilLogged(lines, 4)
        const written = lines.map(({ text }): Record<string, unknown> => JSON.parse(text))
        const requestId = written[0]?.requestId
        expect(requestId).toMatch(/^[0-9a-f-]{36}$/)
        expect(written).toMatchObject([
          { level: "INFO", requestId, message: "two\nlines 1" },
          { level: "WARN", requestId, message: { a: { b: 1 } } },
          { level: "ERROR", requestId, errorType: "TypeError", errorMessage: "wrong" },
          { level: "ERROR", requestId, message: { errorType: "RangeError", errorMessage: "thrown" } }
        ])
        for (const { timestamp } of written) expect(new Date(String(timestamp)).toISOString()).toBe(timestamp)
      }))

    test("is not the main module of its process, and nothing else is", () =>
      Effect.gen(function* () {
        const code = "exports.handler = async () => [typeof require.main, typeof process.mainModule]"
        const worker = yield* start({ "index.js": code }, "index.handler")
        expect((yield* answer(worker)).body).toEqual(["undefined", "undefined"])
      }))

    test("runs many events one after another", () =>
      Effect.gen(function* () {
        const worker = yield* index("let n = 0; export const handler = async (event) => [event, ++n]")
        for (let i = 1; i <= 500; i++) expect((yield* answer(worker, i)).body).toEqual([i, i])
      }))

    test("takes no settings or variables from files beside the code", () =>
      Effect.gen(function* () {
        const worker = yield* start(
          {
            "index.mjs":
              "export const handler = async () => [process.env.FROM_FILE ?? null, globalThis.preloaded ?? null]",
            ".env": "FROM_FILE=1",
            "bunfig.toml": 'preload = ["./preload.mjs"]',
            "preload.mjs": "globalThis.preloaded = 1"
          },
          "index.handler"
        )
        expect((yield* answer(worker)).body).toEqual([null, null])
      }))
  })

const path = withoutBunsNode(process.env.PATH ?? "")
suite("Node.js", await Effect.runPromise(findProgram(["node"], ["-p", "process.execPath"], path)))
suite("Bun", process.execPath)

describe("nodejs24.x", () => {
  const { start, test } = runtimeTests("nodejs24.x", process.execPath)

  test("has no callbacks: a handler that takes one is refused", () =>
    Effect.gen(function* () {
      const { failure } = yield* Effect.flip(
        start(
          { "index.mjs": "export const handler = (event, context, callback) => callback(null, 1)" },
          "index.handler"
        )
      )
      expect(failure).toMatchObject({ reason: "InitError", errorType: "Runtime.CallbackHandlerDeprecated" })
    }))

  test("has a context without callbacks", () =>
    Effect.gen(function* () {
      const code = "export const handler = async (event, context) => Object.keys(context)"
      expect((yield* answer(yield* start({ "index.mjs": code }, "index.handler"))).body).toEqual(contextKeys)
    }))

  test("answers with what a handler returns without a promise", () =>
    Effect.gen(function* () {
      const worker = yield* start({ "index.mjs": "export const handler = (event) => [event]" }, "index.handler")
      expect((yield* answer(worker, 1)).body).toEqual([1])
    }))
})
