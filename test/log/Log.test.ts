import { Writable } from "node:stream"
import { Cause, Effect } from "effect"
import { describe, expect, it } from "vitest"
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
    for (let count = 0; count < 20; count++) {
      writer.write(line)
      writer.flush()
    }
    expect(sink.writableLength).toBeLessThan(11 * 1024 * 1024)
    sink.flow()
    await new Promise((turn) => setImmediate(turn))
    writer.write("after")
    await writer.end()
    expect(sink.text).toMatch(/\n\d+ log lines were dropped: their reader does not keep up\nafter\n$/)
  })
})
