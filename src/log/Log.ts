/** The program's log, on one stream, in one format, from one level up. */

import process from "node:process"
import type { Writable } from "node:stream"
import { Context, Effect, Layer, Logger, References } from "effect"
import { AccessLog, jsonAccessLine, messageOf } from "./AccessLog.ts"
import { LineWriter } from "./LineWriter.ts"
import { formatted, jsonLine, prettyLine } from "./logger.ts"

const effectLevels = { DEBUG: "Debug", INFO: "Info", WARN: "Warn", WARNING: "Warn", ERROR: "Error" } as const

export interface LogOptions {
  readonly stream: Writable & { readonly isTTY?: boolean }
  readonly format: "json" | "pretty"
  readonly level: keyof typeof effectLevels
}

/** Writes a text as it is, after everything that was logged before. */
export const PlainText = Context.Reference<(text: string) => void>("irori/log/PlainText", {
  defaultValue: () => (text) => void process.stdout.write(`${text}\n`)
})

/** Everything logged before the layer's scope closes has been written when it has closed. */
export const layer = (options: LogOptions) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const writer = yield* Effect.acquireRelease(
        Effect.sync(() => new LineWriter(options.stream)),
        (open) => Effect.promise(() => open.end())
      )
      const render = options.format === "json" ? jsonLine : prettyLine(options.stream.isTTY === true)
      const isLogged = options.level === "DEBUG" || options.level === "INFO"
      return Layer.mergeAll(
        Logger.layer([Logger.map(formatted(render), (line) => writer.write(line))]),
        Layer.succeed(PlainText, (text) => writer.write(text)),
        Layer.succeed(References.MinimumLogLevel, effectLevels[options.level]),
        Layer.succeed(AccessLog, (entry) => {
          if (!isLogged) return
          const time = Date.now()
          if (options.format === "json") writer.write(jsonAccessLine(time, entry))
          else writer.write(() => render(new Date(time), "INFO", messageOf(entry), { ...entry }))
        })
      )
    })
  )
