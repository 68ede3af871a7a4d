/** The whole program as a child process, for tests that look at it from outside. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"

export const root = join(import.meta.dirname, "../..")

export interface Irori {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly pid: number
  /** All it has written so far, on both streams. */
  readonly output: () => string
  /** Waits until its output has something that matches. */
  readonly wrote: (pattern: RegExp) => Promise<RegExpExecArray>
  /** Ends it, and answers with its exit code (null if a signal ended it). */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>
}

interface Options {
  readonly environment?: Readonly<Record<string, string>>
  /** By default a new one, removed when it stops. */
  readonly stateDir?: string
  /** The program and its arguments before `src/main.ts`; by default this runtime itself. */
  readonly command?: ReadonlyArray<string>
}

/** Nothing of this process's environment but where programs are. */
const launch = (options: Options) => {
  const [program, ...args] = options.command ?? [process.execPath]
  const stateDir = options.stateDir ?? mkdtempSync(join(tmpdir(), "irori-"))
  const child = spawn(program!, [...args, "src/main.ts"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      IRORI_PORT: "0",
      IRORI_STATE_DIR: stateDir,
      IRORI_PROVISIONER: "process",
      ...options.environment
    }
  })
  const heard = listenTo(child)
  const exited = once(child, "exit").then(([code]) => {
    if (options.stateDir === undefined) rmSync(stateDir, { recursive: true, force: true })
    return code as number | null
  })
  return { child, exited, ...heard }
}

const listenTo = (child: ChildProcess) => {
  let output = ""
  const wakers = new Set<() => void>()
  const hear = (chunk: unknown) => {
    output += String(chunk)
    for (const wake of wakers) wake()
  }
  child.stdout?.on("data", hear)
  child.stderr?.on("data", hear)
  child.on("exit", () => hear(""))
  const wrote = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((found, failed) => {
      const look = () => {
        const match = pattern.exec(output)
        if (match === null && child.exitCode === null && child.signalCode === null) return
        wakers.delete(look)
        if (match !== null) found(match)
        else failed(new Error(`it ended before it wrote ${pattern}:\n${output}`))
      }
      wakers.add(look)
      look()
    })
  return { output: () => output, wrote }
}

/** Starts it and waits until it listens. */
export const startIrori = async (options: Options = {}): Promise<Irori> => {
  const { child, exited, output, wrote } = launch(options)
  const [, url] = await wrote(/ listens on (https?:\/\/127\.0\.0\.1:\d+)/)
  return {
    url: url!,
    pid: child.pid!,
    output,
    wrote,
    stop: (signal = "SIGTERM") => {
      child.kill(signal)
      return exited
    }
  }
}

/** Starts it where it cannot start, and answers with what it said and its exit code. */
export const failToStart = async (options: Options = {}): Promise<{ code: number | null; output: string }> => {
  const { exited, output } = launch(options)
  const code = await exited
  return { code, output: output() }
}
