/** What somebody might use in place of Irori, from the registry that has it to a URL that takes events. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { stopped } from "../Server.ts"

export interface Running {
  /** Takes events as Lambda's Invoke does. */
  readonly url: string
  readonly stop: () => Promise<void>
}

export interface Peer {
  readonly name: string
  /** Starts it with a function that answers each event with itself, or says why that cannot be done here. */
  readonly start: () => Promise<Running | { readonly skipped: string }>
}

/** Where a peer is installed, once. */
export const installFolder = (name: string): string => {
  const folder = join(tmpdir(), "irori-bench-peers", name)
  mkdirSync(folder, { recursive: true })
  return folder
}

/** Runs a program to its end. What it said, where it failed. */
export const runProgram = (
  program: string,
  args: ReadonlyArray<string>,
  cwd: string
): Promise<{ readonly failed: string } | undefined> =>
  new Promise((resolve) => {
    const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"], timeout: 300_000 })
    let said = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += String(chunk)))
    child.on("error", (error) => resolve({ failed: error.message }))
    child.on("exit", (code) => resolve(code === 0 ? undefined : { failed: said.trim().split("\n").at(-1) ?? "" }))
  })

/** Starts a server and waits until it answers an event at `url` with success. */
export const startServer = async (
  program: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd: string; readonly url: string; readonly environment?: Readonly<Record<string, string>> }
): Promise<Running | { readonly skipped: string }> => {
  const child: ChildProcess = spawn(program, args, {
    cwd: options.cwd,
    stdio: "ignore",
    env: { PATH: process.env.PATH, HOME: options.cwd, ...options.environment }
  })
  for (let tries = 0; tries < 60 && child.exitCode === null; tries++) {
    await new Promise((next) => setTimeout(next, 500))
    const answer = await fetch(options.url, { method: "POST", body: "{}" }).catch(() => undefined)
    if (answer?.ok === true && (await answer.text()) === "{}") return { url: options.url, stop: () => stopped(child) }
  }
  await stopped(child)
  return { skipped: `it did not answer at ${new URL(options.url).pathname}` }
}

/** A port that is free at this moment. */
export const freePort = (): number => {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() })
  const { port } = server
  server.stop(true)
  return port ?? 0
}
