/** `irori serve`: the program itself. */
import { Effect } from "effect"
import type { Command } from "./Command.ts"

export const serve: Command = {
  usage: "",
  summary: "Serves the functions, until a signal comes",
  words: [0, 0],
  flags: [],
  // Read only here: most of the program is nothing to the other commands.
  run: () => Effect.promise(async () => (await import("../main.ts")).main())
}
