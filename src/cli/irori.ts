#!/usr/bin/env bun
/** The program `irori`: finds the command that is meant, and says what there is where none is. */
import process from "node:process"
import { parseArgs } from "node:util"
import { Cause, Effect, Exit } from "effect"
import { loadSettings } from "../Config.ts"
import { build } from "./build.ts"
import { type Command, CommandFailed } from "./Command.ts"
import { down } from "./down.ts"
import { invoke } from "./invoke.ts"
import { ps } from "./ps.ts"
import { reload } from "./reload.ts"
import { serve } from "./serve.ts"

const commands: Readonly<Record<string, Command>> = { serve, invoke, ps, reload, build, down }

const help = (): string => {
  const lines = Object.entries(commands).map(
    ([name, { summary, usage }]) => `  irori ${`${name} ${usage}`.trim()}\n      ${summary}`
  )
  return [
    "AWS Lambda on your own machine.",
    "",
    ...lines,
    "",
    "  --url <url>   the Irori that is meant; by default the one with the settings of this environment"
  ].join("\n")
}

/** What was typed, or why it is no command. */
const read = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const [name = "", ...rest] = args
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (command === undefined)
      return yield* new CommandFailed({ detail: `There is no command '${name}'.\n\n${help()}` })
    const wrong = (why: string) =>
      new CommandFailed({ detail: `${why}\nUsage: irori ${name} ${command.usage}`.trimEnd() })
    const { positionals, values } = yield* Effect.try({
      try: () =>
        parseArgs({
          args: rest,
          allowPositionals: true,
          options: {
            url: { type: "string" as const },
            ...Object.fromEntries(command.flags.map((flag) => [flag, { type: "boolean" as const }]))
          }
        }),
      catch: (cause) => wrong(cause instanceof Error ? cause.message : String(cause))
    })
    const [least, most] = command.words
    if (positionals.length < least) return yield* wrong("Something is missing.")
    if (positionals.length > most) return yield* wrong(`'${positionals[most]}' is too much.`)
    const flags = new Set(command.flags.filter((flag) => Reflect.get(values, flag) === true))
    return { command, args: { words: positionals, flags, url: values.url } }
  })

const run = Effect.fnUntraced(function* (words: ReadonlyArray<string>) {
  const { args, command } = yield* read(words)
  return yield* command.run(args, yield* loadSettings())
})

const main = async (words: ReadonlyArray<string>): Promise<number> => {
  if (words.length === 0 || words[0] === "help" || words.includes("--help")) {
    process.stdout.write(`${help()}\n`)
    return 0
  }
  const exit = await Effect.runPromiseExit(run(words))
  if (Exit.isSuccess(exit)) return exit.value
  const error = Cause.squash(exit.cause)
  process.stderr.write(
    `irori: ${error instanceof Error ? ("_tag" in error ? error.message : error.stack) : String(error)}\n`
  )
  return 1
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)))
