/** `irori ps`: the functions there are, and the workers that they have. */
import { Effect, Schema } from "effect"
import type { Settings } from "../Config.ts"
import { ContainersReport } from "../provision/ContainerMetrics.ts"
import { type Command, CommandFailed } from "./Command.ts"
import { askIrori, callIrori, refusedBy } from "./callIrori.ts"
import { print, table } from "./print.ts"

const FunctionPage = Schema.Struct({
  Functions: Schema.Array(
    Schema.Struct({
      FunctionName: Schema.String,
      Runtime: Schema.optionalKey(Schema.String),
      PackageType: Schema.optionalKey(Schema.String),
      MemorySize: Schema.Finite,
      Timeout: Schema.Finite
    })
  ),
  NextMarker: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const understood = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, value: unknown) =>
  Effect.mapError(
    Schema.decodeUnknownEffect(schema)(value),
    () => new CommandFailed({ detail: "What answers is no Irori, or another version of it" })
  )

const allFunctions = Effect.fnUntraced(function* (settings: Settings, url: string | undefined) {
  const found: Array<(typeof FunctionPage.Type)["Functions"][number]> = []
  let marker: string | undefined = ""
  while (marker !== undefined) {
    const query: string = marker === "" ? "" : `?Marker=${encodeURIComponent(marker)}`
    const answer = yield* askIrori(settings, url, { method: "GET", path: `/2015-03-31/functions/${query}` })
    const page: typeof FunctionPage.Type = yield* understood(FunctionPage, answer)
    found.push(...page.Functions)
    marker = page.NextMarker ?? undefined
  }
  return found
})

/** None where they cannot be measured: why, the answer says. */
const workers = Effect.fnUntraced(function* (settings: Settings, url: string | undefined) {
  const called = yield* callIrori(settings, url, { method: "GET", path: "/metrics/containers" })
  if (called.status !== 200) return yield* refusedBy(called)
  return (yield* understood(Schema.fromJsonString(ContainersReport), called.body.toString())).containers
})

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`

export const ps: Command = {
  usage: "",
  summary: "Lists functions, and the workers they have",
  words: [0, 0],
  flags: [],
  run: ({ url }, settings) =>
    Effect.gen(function* () {
      const functions = yield* allFunctions(settings, url)
      const running = yield* workers(settings, url)
      const countOf = (name: string) =>
        running.filter((worker) => "function_name" in worker && worker.function_name === name).length
      yield* print(
        table([
          ["FUNCTION", "RUNTIME", "MEMORY", "TIMEOUT", "WORKERS"],
          ...functions.map(({ FunctionName, MemorySize, PackageType, Runtime, Timeout }) => [
            FunctionName,
            Runtime ?? PackageType?.toLowerCase() ?? "",
            `${MemorySize} MB`,
            `${Timeout} s`,
            String(countOf(FunctionName))
          ])
        ])
      )
      if (running.length === 0) return 0
      yield* print("")
      yield* print(
        table([
          ["WORKER", "FUNCTION", "STATE", "MEMORY", "CPU"],
          ...running.map((worker) =>
            "error" in worker
              ? [worker.container_id.slice(0, 12), "", "UNKNOWN", "", ""]
              : [
                  worker.container_id.slice(0, 12),
                  worker.function_name,
                  worker.state,
                  megabytes(worker.memory_current),
                  `${(worker.cpu_usage_ns / 1e9).toFixed(1)} s`
                ]
          )
        ])
      )
      return 0
    })
}
