/** A server under measurement: a child process that says its port, and is gone when told. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"
import { nodeRuntimes } from "../src/runtimes/node.ts"

export interface Server {
  readonly pid: number
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly stop: () => Promise<void>
}

export interface Irori extends Server {
  /** Where events of a function are posted. */
  readonly invokeUrl: (functionName: string) => string
}

const root = join(import.meta.dirname, "..")

/** The functions of most benchmarks. */
export const functions = join(import.meta.dirname, "functions")

/** As many workers as `functions/functions.yml` allows. */
export const workers = 4

/** The first line of `child`'s output that matches. */
const lineOf = async (child: ChildProcess, pattern: RegExp): Promise<string> => {
  for await (const line of createInterface({ input: child.stdout! })) {
    const found = pattern.exec(line)?.[1]
    if (found !== undefined) {
      child.stdout!.resume()
      return found
    }
  }
  throw new Error("the server ended before it said where it listens")
}

/** Ends `child`; one that does not end when asked is killed. */
export const stopped = async (child: ChildProcess, patienceMillis = 10_000): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, "exit")
  child.kill("SIGTERM")
  const impatient = setTimeout(() => child.kill("SIGKILL"), patienceMillis)
  await exit
  clearTimeout(impatient)
}

interface IroriOptions {
  /** The folder of functions; by default `functions`. */
  readonly folder?: string
  readonly environment?: Readonly<Record<string, string>>
  /** A program to run in its process, before it. */
  readonly preload?: string
}

/** Irori as it is by default, but for its log, which goes to a pipe that is read and thrown away. */
export const startIrori = async ({ environment, folder = functions, preload }: IroriOptions = {}): Promise<Irori> => {
  const state = mkdtempSync(join(tmpdir(), "irori-bench-"))
  const child = spawn(process.execPath, [...(preload === undefined ? [] : ["--preload", preload]), "src/main.ts"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      PATH: process.env.PATH,
      NODE_ENV: "production",
      IRORI_PORT: "0",
      IRORI_STATE_DIR: state,
      IRORI_FUNCTIONS_DIR: folder,
      IRORI_PROVISIONER: "process",
      ...environment
    }
  })
  const url = await lineOf(child, /(http:\/\/127\.0\.0\.1:\d+)/)
  return {
    pid: child.pid!,
    url,
    invokeUrl: (name) => `${url}/2015-03-31/functions/${name}/invocations`,
    stop: async () => {
      await stopped(child, 40_000)
      rmSync(state, { recursive: true, force: true })
    }
  }
}

/** The program that runs workers of Irori's, and the variables it needs, for whoever runs it by hand. */
export const workerCommand = (): ReadonlyArray<string> => {
  const [runtime] = nodeRuntimes
  return ["node", ...runtime!.process.args("node", { memoryMegabytes: 128 })]
}

export const workerVariables = (taskRoot: string): Readonly<Record<string, string>> => ({
  _HANDLER: "index.handler",
  LAMBDA_TASK_ROOT: taskRoot,
  AWS_LAMBDA_FUNCTION_NAME: "echo",
  AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "128",
  AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/echo",
  AWS_LAMBDA_LOG_STREAM_NAME: "bench"
})

/** A program of this folder that prints its port. */
export const startProgram = async (
  file: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {}
): Promise<Server> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env.PATH, NODE_ENV: "production", ...environment }
  })
  const url = `http://127.0.0.1:${await lineOf(child, /^(\d+)$/)}`
  return { pid: child.pid!, url, stop: () => stopped(child) }
}

/** The bare loop, with the same worker program and the same number of workers. */
export const startBare = (count = workers): Promise<Server> =>
  startProgram("bare.ts", [String(count), ...workerCommand()], workerVariables(join(functions, "echo")))

/** Has every worker of a function started and its code compiled, before anything is measured. */
export const warmUp = async (url: string, body = "{}", callers = 2 * workers, times = 50): Promise<void> => {
  const call = async () => {
    for (let time = 0; time < times; time++) {
      const answer = await fetch(url, { method: "POST", body, headers: { "Content-Type": "application/json" } })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${url} answers ${answer.status}: ${text}`)
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
}

/** A folder with the files given, for as long as a benchmark takes. */
export const temporaryFolder = (
  files: Readonly<Record<string, string>>
): { readonly path: string; readonly remove: () => void } => {
  const path = mkdtempSync(join(tmpdir(), "irori-bench-code-"))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), text)
  }
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

const ticksPerSecond = 100

/** Milliseconds of CPU that a process has used so far, its threads together. */
export const cpuMillis = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1000
}

/** Bytes of memory that a process has in use, as the kernel counts them. */
export const residentBytes = (pid: number): number => {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
  return Number(kilobytes) * 1024
}
