import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { findProgram } from "../../src/provision/findProgram.ts"
import { answer, deliver } from "../support/delivery.ts"
import { runtimeTests, untilLogged } from "./runtimeTest.ts"

const program = await Effect.runPromise(
  findProgram(["python3"], ["-c", "import sys; print(sys.executable)"], process.env.PATH ?? "")
)

describe("the Python bootstrap", () => {
  if (program === undefined) {
    it.skip("is not tested here: there is no python3")
    return
  }
  const { start, test } = runtimeTests("python3.13", program)
  const lambda = (text: string) => start({ "lambda_function.py": text }, "lambda_function.lambda_handler")

  describe("finds the handler", () => {
    const code = "def fn(event, context):\n  return 'found'"
    for (const [where, files, handler] of [
      ["in a module", { "lambda_function.py": code }, "lambda_function.fn"],
      ["in a package named with slashes", { "pkg/__init__.py": "", "pkg/mod.py": code }, "pkg/mod.fn"],
      ["in a package named with dots", { "pkg/__init__.py": "", "pkg/mod.py": code }, "pkg.mod.fn"],
      ["in a folder that is no package", { "src/app.py": code }, "src/app.fn"],
      ["in a module that is called as the runtime's own program", { "bootstrap.py": code }, "bootstrap.fn"]
    ] as const) {
      test(where, () =>
        Effect.gen(function* () {
          expect(yield* answer(yield* start(files, handler))).toEqual({ body: "found" })
        })
      )
    }
  })

  describe("answers with", () => {
    for (const [what, result, expected] of [
      ["what the handler returns", "event", { word: "héllo 😀" }],
      ["null for nothing", "None", null],
      ["the number of a decimal", "[Decimal('1.5'), Decimal('10'), Decimal('1E+3')]", [1.5, 10, 1000]],
      ["half of a surrogate pair", "'\\ud83d'", "\ud83d"]
    ] as const) {
      test(what, () =>
        Effect.gen(function* () {
          const worker = yield* lambda(
            `from decimal import Decimal\ndef lambda_handler(event, context):\n  return ${result}`
          )
          expect(yield* answer(worker, { word: "héllo 😀" })).toEqual({ body: expected })
        })
      )
    }
  })

  test("gives the handler Lambda's context", () =>
    Effect.gen(function* () {
      const worker = yield* lambda(`
def lambda_handler(event, context):
  client = context.client_context
  return {
    "names": {name: getattr(context, name) for name in ["function_name", "function_version", "invoked_function_arn",
      "memory_limit_in_mb", "aws_request_id", "log_group_name", "log_stream_name"]},
    "client": None if client is None else [client.custom, client.env, client.client.app_title],
    "identity": context.identity.cognito_identity_id,
    "remaining": context.get_remaining_time_in_millis(),
  }`)
      const invokedFunctionArn = "arn:aws:lambda:us-east-1:123456789012:function:hello:live"
      const { body } = yield* answer(worker, {}, { requestId: "an-id", invokedFunctionArn, timeoutMillis: 2500 })
      expect(body.names).toEqual({
        function_name: "hello",
        function_version: "$LATEST",
        invoked_function_arn: invokedFunctionArn,
        memory_limit_in_mb: "128",
        aws_request_id: "an-id",
        log_group_name: "/aws/lambda/hello",
        log_stream_name: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/)
      })
      expect([body.client, body.identity]).toEqual([null, null])
      expect(body.remaining).toBeGreaterThan(0)
      expect(body.remaining).toBeLessThanOrEqual(2500)
      const clientContext = JSON.stringify({ custom: { a: "é" }, env: { b: 2 }, client: { app_title: "t" } })
      expect((yield* answer(worker, {}, { clientContext })).body.client).toEqual([{ a: "é" }, { b: 2 }, "t"])
    }))

  test("has the trace id of each event in the environment, and none when there is none", () =>
    Effect.gen(function* () {
      const worker = yield* lambda(
        "import os\ndef lambda_handler(event, context):\n  return os.environ.get('_X_AMZN_TRACE_ID', 'none')"
      )
      expect((yield* answer(worker, {}, { traceId: "Root=1-a-b;Sampled=1" })).body).toBe("Root=1-a-b;Sampled=1")
      expect((yield* answer(worker, {}, { traceId: "" })).body).toBe("none")
    }))

  test("tells of an exception with its class and the function's part of the stack, and keeps its globals", () =>
    Effect.gen(function* () {
      const worker = yield* lambda(`
count = 0
class Broke(Exception):
  pass
def inner():
  raise Broke("boom")
def lambda_handler(event, context):
  global count
  count += 1
  if event["fail"]:
    inner()
  return count`)
      const { body, errorType } = yield* answer(worker, { fail: true }, { requestId: "an-id" })
      expect(body).toEqual({
        errorMessage: "boom",
        errorType: "Broke",
        requestId: "an-id",
        stackTrace: [
          expect.stringMatching(/^ {2}File ".*lambda_function\.py", line 11, in lambda_handler\n/),
          expect.stringMatching(/^ {2}File ".*lambda_function\.py", line 6, in inner\n/)
        ]
      })
      expect(Object.keys(body)).toEqual(["errorMessage", "errorType", "requestId", "stackTrace"])
      expect(errorType).toBe("Function.Unknown")
      expect((yield* answer(worker, { fail: false })).body).toBe(2)
    }))

  test("fails an event whose result JSON cannot hold", () =>
    Effect.gen(function* () {
      const worker = yield* lambda("def lambda_handler(event, context):\n  return {1, 2}")
      expect(yield* answer(worker)).toMatchObject({
        errorType: "Runtime.MarshalError",
        body: {
          errorType: "Runtime.MarshalError",
          errorMessage: "Unable to marshal response: Object of type set is not JSON serializable",
          stackTrace: []
        }
      })
    }))

  test("fails an event that is not JSON", () =>
    Effect.gen(function* () {
      const worker = yield* lambda("def lambda_handler(event, context):\n  return event")
      const { body } = yield* answer(worker, {}, { payload: new TextEncoder().encode("{") })
      expect(body.errorType).toBe("Runtime.UnmarshalError")
      expect((yield* answer(worker, 1)).body).toBe(1)
    }))

  for (const [how, statement, exit] of [
    ["sys.exit", "import sys; sys.exit(3)", { code: 3 }],
    ["os._exit", "import os; os._exit(0)", { code: 0 }],
    ["a signal", "import os; os.kill(os.getpid(), 11)", { signal: "segmentation fault" }]
  ] as const) {
    test(`is lost with its exit when the handler ends the process by ${how}`, () =>
      Effect.gen(function* () {
        const worker = yield* lambda(`def lambda_handler(event, context):\n  ${statement}`)
        expect(yield* deliver(worker)).toMatchObject({ _tag: "Lost", began: true, exit })
      }))
  }

  describe("fails to initialise with", () => {
    for (const [what, files, handler, errorType, message] of [
      [
        "a module that is not there",
        {},
        "nope.fn",
        "Runtime.ImportModuleError",
        /^Unable to import module 'nope': No module named 'nope'$/
      ],
      [
        "an import that is not there",
        { "m.py": "import left_pad" },
        "m.fn",
        "Runtime.ImportModuleError",
        /^Unable to import module 'm': No module named 'left_pad'$/
      ],
      [
        "a function that is not there",
        { "m.py": "" },
        "m.nope",
        "Runtime.HandlerNotFound",
        /^Handler 'nope' missing on module 'm'$/
      ],
      ["a handler without a dot", { "m.py": "" }, "m", "Runtime.MalformedHandlerName", /^Bad handler 'm': /],
      [
        "a file that is no Python",
        { "m.py": "def fn(:" },
        "m.fn",
        "Runtime.UserCodeSyntaxError",
        /^Syntax error in module 'm': /
      ],
      ["what a module raises", { "m.py": "raise KeyError('gone')" }, "m.fn", "KeyError", /^'gone'$/]
    ] as const) {
      test(what, () =>
        Effect.gen(function* () {
          const { failure } = yield* Effect.flip(start(files, handler))
          expect(failure.reason).toBe("InitError")
          const document = JSON.parse(failure.document ?? "")
          expect(document).toMatchObject({ errorType, requestId: "", errorMessage: expect.stringMatching(message) })
          expect(Object.keys(document)).toEqual(["errorMessage", "errorType", "requestId", "stackTrace"])
        })
      )
    }
  })

  test("prints bare lines, and logs with level, time and request id", (lines) =>
    Effect.gen(function* () {
      const worker = yield* lambda(`
import logging, sys
logger = logging.getLogger()
logger.setLevel(logging.INFO)
def lambda_handler(event, context):
  print("bare")
  logger.info("told %s", "once")
  logger.warning("line 1\\nline 2")
  sys.stdout.write("no end of line")`)
      yield* answer(worker, {}, { requestId: "an-id" })
      yield* answer(worker, {}, { requestId: "another-id" })
      yield* untilLogged(lines, 4)
      const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`
      expect(lines[0]?.text).toBe("bare")
      expect(lines[1]?.text).toMatch(new RegExp(`^\\[INFO\\]\t${time}\tan-id\ttold once$`))
      expect(lines[2]?.text).toMatch(new RegExp(`^\\[WARNING\\]\t${time}\tan-id\tline 1\nline 2$`))
      expect(lines[3]?.text).toBe("no end of linebare")
    }))

  test("logs JSON where the function says so, and nothing below its level", (lines) =>
    Effect.gen(function* () {
      const worker = yield* start(
        {
          "app.py": `
import logging
def handler(event, context):
  print("bare")
  logging.info("too little")
  logging.getLogger("mine").warning("two\\nlines %d", 1, extra={"order": 7})
  try:
    1 / 0
  except ZeroDivisionError:
    logging.exception("caught")
  raise ValueError("thrown")`
        },
        "app.handler",
        { loggingFormat: "JSON", applicationLogLevel: "WARN" }
      )
      yield* deliver(worker)
      yield* untilLogged(lines, 4)
      const [bare, ...rest] = lines.map(({ text }) => text)
      expect(bare).toBe("bare")
      const written = rest.map((text): Record<string, unknown> => JSON.parse(text))
      const requestId = written[0]?.requestId
      expect(requestId).toMatch(/^[0-9a-f-]{36}$/)
      expect(written).toMatchObject([
        { level: "WARN", requestId, message: "two\nlines 1", logger: "mine", order: 7 },
        { level: "ERROR", requestId, message: "caught", errorType: "ZeroDivisionError" },
        { level: "ERROR", requestId, errorType: "ValueError", errorMessage: "thrown" }
      ])
      for (const { timestamp } of written) expect(new Date(String(timestamp)).toISOString()).toBe(timestamp)
    }))

  test("prints the exception of a handler in one piece", (lines) =>
    Effect.gen(function* () {
      const worker = yield* lambda("def lambda_handler(event, context):\n  raise ValueError('boom')")
      yield* answer(worker)
      yield* untilLogged(lines, 1)
      expect(lines[0]?.text).toMatch(/^\[ERROR\] ValueError: boom\nTraceback \(most recent call last\):\n {2}File "/)
    }))

  test("takes and gives six megabytes, and goes on after an answer that is too large", () =>
    Effect.gen(function* () {
      const worker = yield* lambda("def lambda_handler(event, context):\n  return event['text'] * event['times']")
      const text = "ä".repeat(3_000_000)
      expect((yield* answer(worker, { text, times: 1 })).body === text).toBe(true)
      expect(yield* answer(worker, { text, times: 2 })).toMatchObject({ errorType: "Function.ResponseSizeTooLarge" })
      expect((yield* answer(worker, { text: "ok", times: 1 })).body).toBe("ok")
    }))

  test("leaves no compiled files beside the code", () =>
    Effect.gen(function* () {
      const worker = yield* start(
        { "m.py": "import os, other\ndef fn(event, context):\n  return sorted(os.listdir('.'))", "other.py": "" },
        "m.fn"
      )
      expect((yield* answer(worker)).body).toEqual(["m.py", "other.py"])
    }))
})
