/**
 * One worker as a process group of this machine. It is started behind a gate: nothing of it runs before the reaper
 * knows the group, so that no death of Irori leaves a worker behind.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { getDefaultHighWaterMark, setDefaultHighWaterMark } from "node:stream"
import { Deferred, type Duration, Effect, Exit, Schema, Scope } from "effect"
import type { WorkerExit } from "../domain/Worker.ts"
import { exitOf } from "./exitOf.ts"
import { startExtensions } from "./externalExtensions.ts"
import { LineSplitter } from "./LineSplitter.ts"
import type { ProcessReaper } from "./ProcessReaper.ts"

/** The machine has no room for another process, or does not allow it. Nothing ran. */
export class SpawnRefused extends Schema.TaggedError<SpawnRefused>()("SpawnRefused", {
  cause: Schema.Defect()
}) {}

export interface Launch {
  /** Absolute. */
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly folder: string
  /** All of it: nothing of Irori's own environment is added. */
  readonly environment: Readonly<Record<string, string>>
  /** A folder whose programs are started first, as `externalExtensions` has it. */
  readonly extensions?: string
  readonly log: (stream: "stdout" | "stderr", line: string) => void
}

export interface WorkerProcess {
  /** The number of its process group. */
  readonly group: number
  /** Lets the extensions start and then, at once where there are none, the program. */
  readonly release: () => void
  /** Lets the program start for which extensions go first. */
  readonly proceed: () => void
  /** Asks the worker's own process to end, and waits until it has. A group that stands still goes on for it. */
  readonly terminate: Effect.Effect<void>
  /**
   * Has `listener` called when the worker's own process has ended, at once where it has. What it started may still be
   * there. There is one listener.
   */
  readonly whenExited: (listener: (exit: WorkerExit) => void) => void
  /** True once it has ended. */
  readonly hasExited: () => boolean
  /** Stops or continues the whole group. False when nobody in it takes the signal. */
  readonly signal: (signal: "SIGSTOP" | "SIGCONT") => boolean
}

/** A worker that prints without line feeds is cut into pieces of this many bytes. */
const maxLineBytes = 256 * 1024

/**
 * Reads one line, then becomes the program. Should Irori die before it writes the line, the program never runs. The
 * variable's name is none that a function may have.
 */
const gate = 'read -r _gate || exit 125; exec "$@" </dev/null'
const gateWithExtensions = `read -r _gate || exit 125${startExtensions}${gate}`

/** Runs `launch` as a process group. When the scope closes the whole group is killed, and it is gone after that. */
export const start = Effect.fnUntraced(function* (launch: Launch, reaper: ProcessReaper) {
  const scope = yield* Effect.scope
  const started = yield* spawnGated(launch)
  yield* Effect.onError(reaper.enlist(started.group), () => started.killed)
  // `acquireRelease` would keep all that its caller has been given for as long as the worker lives.
  yield* Scope.addFinalizer(
    scope,
    Effect.suspend(() => Effect.andThen(started.killed, reaper.strike(started.group)))
  )
  return started satisfies WorkerProcess
}, Effect.uninterruptible)

/** All that is kept of a worker's process: there may be a thousand. */
class GatedProcess implements WorkerProcess {
  readonly group: number
  readonly #child: ChildProcess
  /** It is the second line that lets the program start. */
  readonly #isGatedTwice: boolean
  readonly #exited = Deferred.makeUnsafe<void>()
  /** Done when all that it and what it started have printed is in the log. */
  readonly #drained = Deferred.makeUnsafe<void>()
  #exit: WorkerExit | undefined
  #listener: (exit: WorkerExit) => void = ignore

  constructor(child: ChildProcess, isGatedTwice: boolean) {
    this.group = child.pid!
    this.#child = child
    this.#isGatedTwice = isGatedTwice
    child.on("exit", (code, signal) => {
      this.#exit = exitOf(code, signal)
      Deferred.doneUnsafe(this.#exited, Exit.void)
      this.#listener(this.#exit)
    })
    child.on("close", () => Deferred.doneUnsafe(this.#drained, Exit.void))
  }

  release(): void {
    if (this.#isGatedTwice) this.#child.stdin?.write("\n")
    else this.proceed()
  }

  proceed(): void {
    this.#child.stdin?.end("\n")
  }

  get terminate(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.hasExited()) return Effect.void
      signalGroup(this.group, "SIGCONT")
      this.#child.kill("SIGTERM")
      return Deferred.await(this.#exited)
    })
  }

  whenExited(listener: (exit: WorkerExit) => void): void {
    this.#listener = listener
    if (this.#exit !== undefined) listener(this.#exit)
  }

  hasExited(): boolean {
    return this.#exit !== undefined
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): boolean {
    // The number of a group that is gone may be another's by then.
    return !this.hasExited() && signalGroup(this.group, signal)
  }

  /** Kills the group again and again until nobody in it lives. A process that left the group is not found. */
  get killed(): Effect.Effect<void> {
    const { group } = this
    let tries = 0
    return Effect.sync(() => killGroup(group)).pipe(
      Effect.tap((there) => (there ? Effect.sleep("2 millis") : Effect.void)),
      // Looking at every process takes its time, and is seldom needed.
      Effect.repeat({ until: (there) => !there || (++tries % 10 === 0 && allDead(group)) }),
      // One that the kernel does not let die (it waits for a broken disk) is not waited for for ever.
      waitAtMost("1 second"),
      Effect.andThen(waitAtMost("5 seconds")(Deferred.await(this.#exited))),
      // Whoever left the group may still hold its output.
      Effect.andThen(waitAtMost("1 second")(Deferred.await(this.#drained)))
    )
  }
}

const spawnGated = (launch: Launch) =>
  Effect.callback<GatedProcess, SpawnRefused>((resume) => {
    const refuse = (cause: unknown) => resume(Effect.fail(new SpawnRefused({ cause })))
    try {
      const { args, extensions, log, program } = launch
      const started = extensions === undefined ? [gate, "sh"] : [gateWithExtensions, "sh", extensions]
      const child = spawnToReadInPieces("/bin/sh", ["-c", ...started, program, ...args], {
        cwd: launch.folder,
        // A session and process group of its own, whose number is its process id.
        detached: true,
        env: { ...launch.environment },
        stdio: ["pipe", "pipe", "pipe"]
      })
      const spawned = new GatedProcess(child, extensions !== undefined)
      child.once("error", refuse)
      child.once("spawn", () => {
        child.off("error", refuse)
        child.on("error", ignore)
        resume(Effect.succeed(spawned))
      })
      // The shell may be killed before it reads its line.
      child.stdin?.on("error", ignore)
      readLines(child, "stdout", log)
      readLines(child, "stderr", log)
    } catch (cause) {
      refuse(cause)
    }
  })

const ignore = (): void => {}

const readLines = (child: ChildProcess, stream: "stdout" | "stderr", log: Launch["log"]): void => {
  const lines = new LineSplitter(maxLineBytes, (line) => log(stream, line))
  const pipe = child[stream]
  pipe?.on("data", (chunk: Buffer) => lines.push(chunk))
  pipe?.on("end", () => lines.end())
  pipe?.on("error", ignore)
}

/**
 * `spawn`, whose pipes set aside no 64 KiB each to read into, which Bun does at once and for as long as a worker idles. How
 * much is read at a time is not changed by that where there is much. Options of a process have no word for it, so it is
 * the default of all streams until the pipes are there.
 */
const spawnToReadInPieces = (program: string, args: ReadonlyArray<string>, options: SpawnOptions): ChildProcess => {
  const usual = getDefaultHighWaterMark(false)
  setDefaultHighWaterMark(false, 256)
  try {
    const child = spawn(program, args, options)
    // Made when they are first asked for.
    void [child.stdout, child.stderr]
    return child
  } finally {
    setDefaultHighWaterMark(false, usual)
  }
}

/** Finalizers cannot be interrupted, and a time limit interrupts: what it limits has to allow it. */
const waitAtMost =
  (limit: Duration.Input) =>
  (wait: Effect.Effect<unknown>): Effect.Effect<void> =>
    Effect.asVoid(Effect.timeoutOption(Effect.interruptible(wait), limit))

/** Members that are dead stay in a group until their parent asks for them, which some containers' init never does. */
const allDead = (group: number): boolean => {
  if (!existsSync("/proc/self/stat")) return false
  return !readdirSync("/proc").some((pid) => /^\d+$/.test(pid) && livesIn(group, pid))
}

const livesIn = (group: number, pid: string): boolean => {
  try {
    // `pid (name) state parent group …`; a name may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ")
    return fields[2] === String(group) && fields[0] !== "Z" && fields[0] !== "X"
  } catch {
    return false
  }
}

const signalGroup = (group: number, signal: "SIGSTOP" | "SIGCONT"): boolean => {
  try {
    process.kill(-group, signal)
    return true
  } catch {
    return false
  }
}

/** False when there is nobody in the group. */
const killGroup = (group: number): boolean => {
  try {
    process.kill(-group, "SIGKILL")
    return true
  } catch (error) {
    // EPERM: only members that took on another user's identity are left.
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}
