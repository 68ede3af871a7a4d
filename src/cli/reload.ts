/** `irori reload`: what is served is read again out of its files. */
import { Effect, Schema } from "effect"
import { type Command, CommandFailed } from "./Command.ts"
import { askIrori } from "./callIrori.ts"
import { print, printAside } from "./print.ts"

const Report = Schema.Struct({
  changed: Schema.Struct({
    functions: Schema.Array(Schema.String),
    routes: Schema.Array(Schema.Struct({ method: Schema.String, path: Schema.String })),
    schedules: Schema.Array(Schema.Struct({ name: Schema.String }))
  }),
  problems: Schema.Array(Schema.Struct({ detail: Schema.String }))
})

export const reload: Command = {
  usage: "",
  summary: "Reads functions, routes and schedules again out of their files",
  words: [0, 0],
  flags: [],
  run: ({ url }, settings) =>
    Effect.gen(function* () {
      const answer = yield* askIrori(settings, url, { method: "POST", path: "/irori/reload" })
      const { changed, problems } = yield* Effect.mapError(
        Schema.decodeUnknownEffect(Report)(answer),
        () => new CommandFailed({ detail: "What answers is no Irori, or another version of it" })
      )
      for (const name of changed.functions) yield* print(`function ${name}`)
      for (const { method, path } of changed.routes) yield* print(`route ${method} ${path}`)
      for (const { name } of changed.schedules) yield* print(`schedule ${name}`)
      for (const { detail } of problems) yield* printAside(`irori: ${detail}`)
      return problems.length === 0 ? 0 : 1
    })
}
