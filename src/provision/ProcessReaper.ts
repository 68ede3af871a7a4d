/**
 * Kills the process groups of all workers when Irori is gone, however it went: SIGKILL and a crash leave no chance to
 * clean up. A shell of its own session reads the groups' numbers from a pipe whose other end is Irori's alone; when
 * that end closes, everybody still on the list is killed.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { Effect, Schema } from "effect"

/** No reaper runs and none could be started: a worker would not be cleaned up, so none must start. */
export class ReaperUnavailable extends Schema.TaggedError<ReaperUnavailable>()("ReaperUnavailable", {
  cause: Schema.Defect()
}) {}

export interface ProcessReaper {
  /** Waits until the reaper has been told. From then on the group dies with Irori. */
  readonly enlist: (group: number) => Effect.Effect<void, ReaperUnavailable>
  /** The group is gone, and its number may become another's. */
  readonly strike: (group: number) => Effect.Effect<void>
}

/** Signals to Irori's terminal or service are not for the reaper: it has to outlive whom they end. */
const script = `
trap '' HUP INT QUIT TERM PIPE
groups=' '
while read -r order group; do
  case $order in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
`

class Reaper {
  readonly #groups = new Set<number>()
  #child: ChildProcess | undefined
  #closing = false

  /** Calls `done` once the order is in the pipe, where it stays readable though Irori dies. */
  enlist(group: number, done: (failure: unknown) => void): void {
    this.#groups.add(group)
    this.#order(`+ ${group}\n`, (failure) => {
      if (failure === undefined || !this.#groups.has(group)) done(failure)
      // The reaper died under the order. The next one begins with the whole list.
      else this.#start(done)
    })
  }

  strike(group: number): void {
    if (this.#groups.delete(group)) this.#child?.stdin?.write(`- ${group}\n`)
  }

  /** Whoever is still on the list is killed. Calls `done` when the reaper has ended. */
  close(done: () => void): void {
    this.#closing = true
    const child = this.#child
    if (child === undefined) done()
    else {
      child.once("exit", () => done())
      child.stdin?.end()
    }
  }

  #order(line: string, done: (failure: unknown) => void): void {
    if (this.#child === undefined) this.#start(done)
    else this.#child.stdin?.write(line, (error) => done(error ?? undefined))
  }

  #start(done: (failure: unknown) => void): void {
    try {
      this.#tell(
        spawn("/bin/sh", ["-c", script, "irori-reaper"], {
          cwd: "/",
          detached: true,
          env: {},
          stdio: ["pipe", "ignore", "ignore"]
        }),
        done
      )
    } catch (error) {
      done(error)
    }
  }

  /** Gives a reaper the whole list, and sees it end. */
  #tell(child: ChildProcess, done: (failure: unknown) => void): void {
    let told = false
    let failure: unknown
    const lost = (error: unknown) => {
      if (this.#child === child) this.#child = undefined
      failure ??= error
    }
    this.#child = child
    child.stdin?.on("error", () => {})
    child.on("error", lost)
    child.on("exit", (code, signal) => {
      lost(new Error(`the reaper ended (${signal ?? code})`))
      // One that had taken its list is replaced at once; one that never did would only fail again.
      if (told && !this.#closing && this.#child === undefined && this.#groups.size > 0) this.#start(() => {})
    })
    // It must not keep Irori from ending: that it ends is what the reaper waits for.
    child.unref()
    const list = [...this.#groups].map((group) => `+ ${group}\n`).join("")
    child.stdin?.write(list === "" ? "\n" : list, (error) => {
      told = !error
      done(error ? (failure ?? error) : undefined)
    })
  }
}

/** The reaper starts with the first group, and ends with the scope. */
export const make = Effect.acquireRelease(
  Effect.sync(() => new Reaper()),
  (reaper) =>
    Effect.callback<void>((resume) => reaper.close(() => resume(Effect.void))).pipe(
      Effect.interruptible,
      Effect.timeoutOption("5 seconds"),
      Effect.asVoid
    )
).pipe(
  Effect.map(
    (reaper): ProcessReaper => ({
      enlist: (group) =>
        Effect.callback((resume) =>
          reaper.enlist(group, (cause) =>
            resume(cause === undefined ? Effect.void : Effect.fail(new ReaperUnavailable({ cause })))
          )
        ),
      strike: (group) => Effect.sync(() => reaper.strike(group))
    })
  )
)
