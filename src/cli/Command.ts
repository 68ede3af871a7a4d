/** What a command of the program `irori` is. */
import type { Effect } from "effect"
import { Schema } from "effect"
import type { Settings } from "../Config.ts"

/** One line for whoever has typed the command. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

export interface Arguments {
  readonly words: ReadonlyArray<string>
  readonly flags: ReadonlySet<string>
  /** `--url`, where it is given. */
  readonly url: string | undefined
}

export interface Command {
  /** After the command's name. */
  readonly usage: string
  readonly summary: string
  /** How many words come after its name. */
  readonly words: readonly [least: number, most: number]
  readonly flags: ReadonlyArray<string>
  /** Answers with the exit code. */
  readonly run: (args: Arguments, settings: Settings) => Effect.Effect<number, CommandFailed>
}
