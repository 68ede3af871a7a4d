import { writeFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { Worker } from "../../src/domain/Worker.ts"
import { findProgram, withoutBunsNode } from "../../src/provision/findProgram.ts"
import { codeFolder } from "../support/codeFolder.ts"
import { answer, deliver } from "../support/delivery.ts"
import { KeptAnswer } from "../support/KeptAnswer.ts"
import { runtimeTests, untilLogged } from "./runtimeTest.ts"

const streamed = (worker: Worker, event: unknown = {}) =>
  Effect.gen(function* () {
    const sink = new KeptAnswer()
    const outcome = yield* deliver(worker, event, {}, sink)
    if (outcome._tag === "Lost") return yield* Effect.die(new Error(`the event was lost: ${outcome.why}`))
    const { errorType, payload } = outcome.answer
    const document = Buffer.from(payload).toString()
    return { contentType: sink.head?.contentType, pieces: sink.pieces, text: sink.text, errorType, document }
  })

const suite = (name: string, program: string | undefined) =>
  describe(`a function that streams, on ${name}`, () => {
    if (program === undefined) {
      it.skip(`is not tested here: there is no ${name}`)
      return
    }
    const { start, test } = runtimeTests("nodejs22.x", program)
    const handler = (text: string) =>
      start({ "index.mjs": `export const handler = awslambda.streamifyResponse(${text})` }, "index.handler")

    for (const [where, files, module] of [
      ["an ES module", { "index.mjs": "export const handler = awslambda.streamifyResponse(write)" }, "index.mjs"],
      ["CommonJS", { "index.cjs": "exports.handler = awslambda.streamifyResponse(write)" }, "index.cjs"]
    ] as const) {
      test(`may be ${where}, and goes on to the next event`, () =>
        Effect.gen(function* () {
          const write =
            "async function write(event, stream, context) { stream.write(event.word); stream.end(typeof context.awsRequestId) }"
          const worker = yield* start({ [module]: `${Object.values(files)[0]}\n${write}` }, "index.handler")
          for (const word of ["one", "two"]) {
            expect(yield* streamed(worker, { word })).toMatchObject({
              text: `${word}string`,
              contentType: "application/octet-stream",
              errorType: undefined
            })
          }
        }))
    }

    test("has each write passed on at once, as a piece of its own", () =>
      Effect.gen(function* () {
        // The next write waits for a file, so that the test says when it comes.
        const worker = yield* handler(`async (event, stream) => {
          const { existsSync } = await import("node:fs")
          for (const [word, file] of event.steps) {
            stream.write(word)
            while (!existsSync(file)) await new Promise((wait) => setTimeout(wait, 2))
          }
          stream.end()
        }`)
        const folder = codeFolder({}).path
        const sink = new KeptAnswer()
        const steps = ["one", "two", "three"].map((word) => [word, `${folder}/${word}`])
        const running = yield* Effect.forkChild(deliver(worker, { steps }, {}, sink), { startImmediately: true })
        for (const [count, [, file]] of steps.entries()) {
          yield* Effect.promise(() => sink.until(() => sink.pieces.length > count))
          expect(sink.pieces.length).toBe(count + 1)
          writeFileSync(file!, "")
        }
        expect(yield* Fiber.join(running)).toMatchObject({ _tag: "Answered" })
      }))

    test("may say what it streams, and write texts, bytes and values", () =>
      Effect.gen(function* () {
        const worker = yield* handler(`async (event, stream) => {
          stream.setContentType("text/html")
          stream.write("é")
          stream.write(new Uint8Array([33]))
          stream.write("")
          stream.write({ a: 1 })
          stream.end(Buffer.from("."))
        }`)
        expect(yield* streamed(worker)).toMatchObject({ contentType: "text/html", pieces: ["é", "!", '{"a":1}', "."] })
      }))

    test("may be the end of a pipeline", () =>
      Effect.gen(function* () {
        const worker = yield* handler(`async (event, stream) => {
          const { pipeline } = await import("node:stream/promises")
          const { Readable } = await import("node:stream")
          await pipeline(Readable.from(["a", "b", "c"]), stream)
        }`)
        expect((yield* streamed(worker)).text).toBe("abc")
      }))

    test("may put status, headers and cookies in front of its body", () =>
      Effect.gen(function* () {
        const worker = yield* handler(`async (event, stream) => {
          const body = awslambda.HttpResponseStream.from(stream, { statusCode: 201, cookies: ["a=b"] })
          if (event.body !== undefined) body.write(event.body)
          body.end()
        }`)
        const prelude = '{"statusCode":201,"cookies":["a=b"]}\0\0\0\0\0\0\0\0'
        expect(yield* streamed(worker, { body: "hello" })).toMatchObject({
          contentType: "application/vnd.awslambda.http-integration-response",
          pieces: [prelude, "hello"]
        })
        expect((yield* streamed(worker)).pieces).toEqual([prelude])
      }))

    test("may stream nothing at all", () =>
      Effect.gen(function* () {
        const worker = yield* handler("async (event, stream) => { stream.end() }")
        expect(yield* streamed(worker)).toMatchObject({ pieces: [], errorType: undefined, document: "" })
        expect(yield* streamed(worker)).toMatchObject({ pieces: [], errorType: undefined, document: "" })
      }))

    test("is gathered for who does not take streams", () =>
      Effect.gen(function* () {
        const worker = yield* handler("async (event, stream) => { stream.write('{'); stream.end('}') }")
        expect(yield* answer(worker)).toEqual({ body: {} })
      }))

    test("is told when it fails before it has written", () =>
      Effect.gen(function* () {
        const worker = yield* handler("async () => { throw new RangeError('too far') }")
        const { contentType, document } = yield* streamed(worker)
        expect(contentType).toBeUndefined()
        expect(JSON.parse(document!)).toMatchObject({ errorType: "RangeError", errorMessage: "too far" })
      }))

    for (const [what, body] of [
      ["throws", "throw new RangeError('too far')"],
      ["destroys its stream", "stream.destroy(new RangeError('too far')); await new Promise(() => {})"],
      [
        "throws after its stream has ended",
        "stream.end(); await new Promise(setImmediate); throw new RangeError('too far')"
      ]
    ] as const) {
      test(`is told when it ${what} on the way, and goes on`, () =>
        Effect.gen(function* () {
          const worker = yield* handler(`async (event, stream) => {
            stream.write("half")
            await new Promise((wait) => setTimeout(wait, 5))
            if (event.fail) { ${body} }
            stream.end()
          }`)
          const { document, errorType, text } = yield* streamed(worker, { fail: true })
          expect([text, errorType]).toEqual(["half", "RangeError"])
          expect(JSON.parse(document!)).toMatchObject({ errorType: "RangeError", errorMessage: "too far" })
          expect(yield* streamed(worker)).toMatchObject({ text: "half", errorType: undefined })
        }))
    }

    test("tells of an error that nobody caught, and ends", () =>
      Effect.gen(function* () {
        const worker = yield* handler(`async (event, stream) => {
          stream.write("half")
          setTimeout(() => { throw new RangeError("too far") }, 5)
          await new Promise((wait) => setTimeout(wait, 5000))
        }`)
        const { document, errorType, text } = yield* streamed(worker)
        expect([text, errorType]).toEqual(["half", "RangeError"])
        expect(JSON.parse(document!)).toMatchObject({ errorMessage: "too far" })
      }))

    test("has to be async", () =>
      Effect.gen(function* () {
        const worker = yield* handler("(event, stream) => { stream.end('x') }")
        const { document } = yield* streamed(worker)
        expect(JSON.parse(document!).errorMessage).toBe("Streaming does not support non-async handlers.")
      }))

    test("fails where it comes to an end and leaves its stream open", () =>
      Effect.gen(function* () {
        const worker = yield* handler("async (event, stream) => { stream.write('half') }")
        const { errorType, text } = yield* streamed(worker)
        expect([text, errorType]).toEqual(["half", "Runtime.NodeJsExit"])
      }))

    test("may go on writing after its handler has returned", () =>
      Effect.gen(function* () {
        const worker = yield* handler("async (event, stream) => { setTimeout(() => stream.end('late'), 20) }")
        expect(yield* streamed(worker)).toMatchObject({ text: "late", errorType: undefined })
      }))

    test("is told in its log that what it returns is not used", (lines) =>
      Effect.gen(function* () {
        const worker = yield* handler("async (event, stream) => { stream.end('x'); return 1 }")
        yield* streamed(worker)
        yield* untilLogged(lines, 1)
        expect(lines[0]!.text).toMatch(/\tWARN\tStreaming handlers ignore return values\.$/)
      }))

    test("is held by the one who reads it slowly, and by its highWaterMark", () =>
      Effect.gen(function* () {
        const worker = yield* start(
          {
            "index.mjs": `let full
              export const handler = awslambda.streamifyResponse(async (event, stream) => {
                if (event.ask) return stream.end(JSON.stringify({ full, limit: stream.writableHighWaterMark }))
                let sent = 0
                full = 0
                const piece = Buffer.alloc(65536, "x")
                while (sent < 20 * 1024 * 1024) {
                  sent += piece.length
                  if (!stream.write(piece)) { full++; await new Promise((drained) => stream.once("drain", drained)) }
                }
                stream.end()
              }, { highWaterMark: 100_000 })`
          },
          "index.handler"
        )
        const sink = new KeptAnswer(true)
        const running = yield* Effect.forkChild(deliver(worker, {}, {}, sink), { startImmediately: true })
        yield* Effect.promise(() => sink.until(() => sink.bytes > 0))
        // Nobody reads: the function fills what the kernel holds, and waits.
        yield* Effect.sleep("200 millis")
        expect(sink.bytes).toBeLessThan(1024 * 1024)
        const pump = setInterval(() => sink.head?.flow.resume(), 0)
        yield* Effect.promise(() => sink.until(() => sink.bytes === 20 * 1024 * 1024))
        sink.head?.flow.resume()
        clearInterval(pump)
        expect(yield* Fiber.join(running)).toMatchObject({ _tag: "Answered" })
        const asked = yield* streamed(worker, { ask: true })
        const { full, limit } = JSON.parse(asked.text)
        expect(limit).toBe(100_000)
        expect(full).toBeGreaterThan(50)
      }))
  })

const path = withoutBunsNode(process.env.PATH ?? "")
suite("Node.js", await Effect.runPromise(findProgram(["node"], ["-p", "process.execPath"], path)))
suite("Bun", process.execPath)

describe("nodejs24.x", () => {
  const { start, test } = runtimeTests("nodejs24.x", process.execPath)

  test("has streaming handlers of three parameters, though it has no callbacks", () =>
    Effect.gen(function* () {
      const worker = yield* start(
        {
          "index.mjs":
            "export const handler = awslambda.streamifyResponse(async (event, stream, context) => stream.end('x'))"
        },
        "index.handler"
      )
      expect((yield* streamed(worker)).text).toBe("x")
    }))
})
