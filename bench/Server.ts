/** A server under measurement: a child process that says its port, and is gone when told. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"
import { nodeRuntimes } from "../src/runtimes/node.ts"

export interface Server {
  readonly name: string
  /** Where to post events. */
  readonly url: string
  readonly stop: () => Promise<void>
}

const root = join(import.meta.dirname, "..")
const functions = join(import.meta.dirname, "functions")

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

const stopped = async (child: ChildProcess): Promise<void> => {
  const exit = once(child, "exit")
  child.kill("SIGTERM")
  await exit
}

/** Irori as it is by default, but for its log, which goes to a pipe that is read and thrown away. */
export const startIrori = async (): Promise<Server> => {
  const state = mkdtempSync(join(tmpdir(), "irori-bench-"))
  const child = spawn(process.execPath, ["src/main.ts"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      PATH: process.env.PATH,
      NODE_ENV: "production",
      IRORI_PORT: "0",
      IRORI_STATE_DIR: state,
      IRORI_FUNCTIONS_DIR: functions,
      IRORI_PROVISIONER: "process"
    }
  })
  const url = await lineOf(child, /(http:\/\/127\.0\.0\.1:\d+)/)
  return {
    name: "Irori",
    url: `${url}/2015-03-31/functions/echo/invocations`,
    stop: async () => {
      await stopped(child)
      rmSync(state, { recursive: true })
    }
  }
}

/** The bare loop, with the same worker program and the same number of workers. */
export const startBare = async (workers: number): Promise<Server> => {
  const [runtime] = nodeRuntimes
  const command = ["node", ...runtime!.process.args("node", { memoryMegabytes: 128 })]
  const child = spawn(process.execPath, [join(import.meta.dirname, "bare.ts"), String(workers), ...command], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      PATH: process.env.PATH,
      NODE_ENV: "production",
      _HANDLER: "index.handler",
      LAMBDA_TASK_ROOT: join(functions, "echo"),
      AWS_LAMBDA_FUNCTION_NAME: "echo",
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "128",
      AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/echo",
      AWS_LAMBDA_LOG_STREAM_NAME: "bench"
    }
  })
  return { name: "bare loop", url: `http://127.0.0.1:${await lineOf(child, /^(\d+)$/)}/`, stop: () => stopped(child) }
}
