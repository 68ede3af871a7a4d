/** `irori down`: ends what works in the state folder, and waits until it is gone with its workers. */
import process from "node:process"
import { Duration, Effect, Schedule } from "effect"
import { processIn } from "../StateFolder.ts"
import { type Command, CommandFailed } from "./Command.ts"
import { print } from "./print.ts"

const roles = ["gateway", "manager"] as const

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const end = Effect.fnUntraced(function* (pid: number, patience: Duration.Duration) {
  yield* Effect.try({
    try: () => process.kill(pid, "SIGTERM"),
    catch: (cause) => new CommandFailed({ detail: `Process ${pid} cannot be ended: ${String(cause)}` })
  })
  yield* Effect.sync(() => isAlive(pid)).pipe(
    Effect.repeat({ while: (alive) => alive, schedule: Schedule.spaced("100 millis") }),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => new CommandFailed({ detail: `Process ${pid} has not ended yet` })
    })
  )
  yield* print(`Process ${pid} has ended`)
})

export const down: Command = {
  usage: "",
  summary: "Ends the Irori of the state folder, when what runs has had its time",
  words: [0, 0],
  flags: [],
  run: (_, { shutdownTimeout, stateDir }) =>
    Effect.gen(function* () {
      // One process may have both roles, and a second signal would end it at once.
      const pids = new Set(roles.flatMap((role) => processIn(stateDir, role) ?? []))
      if (pids.size === 0) return yield* new CommandFailed({ detail: `No Irori works in the state folder ${stateDir}` })
      // Beside what runs, workers take their time to go.
      const patience = Duration.sum(shutdownTimeout, Duration.seconds(30))
      yield* Effect.forEach(pids, (pid) => end(pid, patience), { concurrency: "unbounded" })
      return 0
    })
}
