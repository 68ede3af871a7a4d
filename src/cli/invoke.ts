/** `irori invoke`: one event to one function, and its answer. */
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { type Command, CommandFailed } from "./Command.ts"
import { callIrori, refusedBy } from "./callIrori.ts"
import { print, printAside } from "./print.ts"

/** `-` is what comes in, `@file` is a file's content, anything else is the event itself. */
const payloadOf = (word: string | undefined): Effect.Effect<Uint8Array, CommandFailed> =>
  Effect.try({
    try: () => {
      if (word === "-") return readFileSync(0)
      return word?.startsWith("@") === true ? readFileSync(word.slice(1)) : new TextEncoder().encode(word ?? "")
    },
    catch: (cause) => new CommandFailed({ detail: `The payload cannot be read: ${String(cause)}` })
  })

export const invoke: Command = {
  usage: "<function> [<payload>|@<file>|-] [--tail] [--event]",
  summary: "Gives one event to a function; --tail shows the end of its log, --event does not wait",
  words: [1, 2],
  flags: ["tail", "event"],
  run: ({ flags, url, words }, settings) =>
    Effect.gen(function* () {
      const called = yield* callIrori(settings, url, {
        method: "POST",
        path: `/2015-03-31/functions/${encodeURIComponent(words[0]!)}/invocations`,
        headers: {
          ...(flags.has("tail") ? { "x-amz-log-type": "Tail" } : {}),
          ...(flags.has("event") ? { "x-amz-invocation-type": "Event" } : {})
        },
        body: yield* payloadOf(words[1])
      })
      const log = called.headers["x-amz-log-result"]
      if (typeof log === "string") yield* printAside(Buffer.from(log, "base64").toString().trimEnd())
      if (called.status === 202) return 0
      if (called.status !== 200) return yield* refusedBy(called)
      yield* print(called.body)
      if (called.headers["x-amz-function-error"] === undefined) return 0
      yield* printAside("irori: the function failed")
      return 1
    })
}
