import { Writable } from "node:stream"
import { Cause, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { type AccessEntry, AccessLog, messageOf } from "../../src/log/AccessLog.ts"
import { LineWriter } from "../../src/log/LineWriter.ts"
import * as Log from "../../src/log/Log.ts"

/** A stream that keeps what is written, and can be made to stall. */
class Sink extends Writable {
  text = ""
  #stalled: (() => void) | undefined
  stall = false

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString()
    if (this.stall) this.#stalled = done
    else done()
  }

  flow(): void {
    this.stall = false
    this.#stalled?.()
  }
}

const logged = async (
  program: Effect.Effect<void>,
  format: "json" | "pretty" = "json",
  level: "INFO" | "ERROR" = "INFO"
) => {
  const sink = new Sink()
  await Effect.runPromise(Effect.provide(program, Log.layer({ stream: sink, format, level })))
  return sink.text
}

describe("the log", () => {
  it("has one JSON object a line, with the time, the level, the logger, the message and its fields", async () => {
    const text = await logged(
      Effect.logWarning("Failed to\nparse").pipe(Effect.annotateLogs({ status_code: 200, logger: "gateway.proxy" }))
    )
    expect(text.split("\n")).toHaveLength(2)
    expect(JSON.parse(text)).toEqual({
      _time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/),
      level: "WARN",
      logger: "gateway.proxy",
      message: "Failed to\nparse",
      status_code: 200
    })
  })

  it("has a line for each request that was answered, alike whichever way it came", async () => {
    const entry: AccessEntry = {
      trace_id: `1-68000000-${"a".repeat(24)}`,
      aws_request_id: "8c8a2c9e-9a3b-4f0a-8a1e-0f0d7c1b2a3d",
      method: "POST",
      path: "/2015-03-31/functions/echo/invocations",
      status: 200,
      latency_ms: 1.25,
      user_agent: "curl/8",
      client_ip: "127.0.0.1"
    }
    const direct = Effect.map(AccessLog, (record) => record?.(entry))
    const throughLogger = Effect.logInfo(messageOf(entry)).pipe(Effect.annotateLogs({ ...entry }))
    const lines = (await logged(Effect.andThen(direct, throughLogger))).trimEnd().split("\n")
    const [one, other] = lines.map((line) => ({ ...JSON.parse(line), _time: "" }))
    expect(one).toEqual({ ...entry, _time: "", level: "INFO", logger: "irori", message: `POST ${entry.path} 200` })
    expect(other).toEqual(one)
    expect(await logged(direct, "json", "ERROR")).toBe("")
    expect(await logged(direct, "pretty")).toContain(`POST ${entry.path} 200 aws_request_id=${entry.aws_request_id}`)
  })

  it("tells of an exception with its cause", async () => {
    const text = await logged(Effect.logError("it broke", Cause.die(new Error("because"))))
    expect(JSON.parse(text)).toMatchObject({
      level: "ERROR",
      message: "it broke",
      exception: expect.stringContaining("because")
    })
  })

  it("survives a field that JSON cannot hold", async () => {
    const circular: Record<string, unknown> = {}
    circular.self = circular
    expect(await logged(Effect.logInfo("odd").pipe(Effect.annotateLogs({ circular })))).toContain("\n")
  })

  it("leaves out what is below its level", async () => {
    expect(await logged(Effect.logInfo("quiet"), "json", "ERROR")).toBe("")
  })

  it("shows people a function's own output as it is, after the function's name", async () => {
    const line = Effect.logInfo("hello").pipe(
      Effect.annotateLogs({ job: "lambda", function_name: "echo", worker: "w1" })
    )
    expect(await logged(line, "pretty")).toMatch(/^\d\d:\d\d:\d\d echo \| hello\n$/)
  })
})

describe("LineWriter", () => {
  it("drops lines rather than hold ever more of them for a reader who does not keep up, and says how many", async () => {
    const sink = new Sink()
    sink.stall = true
    const writer = new LineWriter(sink)
    const line = "x".repeat(1024 * 1024)
    const turn = () => new Promise((next) => setImmediate(next))
    writer.write(line)
    await turn()
    for (let count = 0; count < 20; count++) {
      writer.write(line)
      await turn()
    }
    // A stream that is full is not written to again.
    expect(sink.writableLength).toBeLessThan(1.1 * line.length)
    sink.flow()
    await turn()
    expect(sink.text.length).toBeLessThan(11 * line.length)
    writer.write("after")
    await writer.end()
    expect(sink.text).toMatch(/\n11 log lines were dropped: their reader does not keep up\nafter\n$/)
  })
})
