/**
 * One chaos run: the whole program, callers, and things that are done to it one after the other, chosen by the seed.
 * The bar: nothing hangs, no answer goes to the wrong caller, only invocations in flight at the moment of a kill fail,
 * and once Irori has ended no container and no process is left.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Irori, startIrori } from "../support/irori.ts"
import { processesWith } from "../support/processes.ts"
import { Callers, functionName } from "./Callers.ts"
import { containersOf, type Engine } from "./engines.ts"
import { Ledger } from "./Ledger.ts"
import { between, type Random, randomOf } from "./random.ts"

/** Something to do to it. What it did is what it notes in the ledger. */
export interface Deed {
  readonly name: string
  /** How many times it is done in each round of all of them. */
  readonly weight: number
  readonly act: (scene: Scene, random: Random) => Promise<void>
}

export interface Scene {
  readonly ledger: Ledger
  /** Milliseconds since the run began. */
  readonly nowMillis: () => number
  readonly mark: string
  readonly engine: Engine | undefined
  readonly stateDir: string
  readonly instance: () => string
  /** Kills Irori, or one of its halves, and starts it again; `meanwhile` is done to it while it starts. */
  readonly restart: (part?: Part, meanwhile?: () => Promise<void>) => Promise<void>
}

/** Where they are two processes. */
export type Part = "gateway" | "manager"

export interface ChaosOptions {
  readonly title: string
  readonly seconds: number
  readonly seed: number
  readonly callers?: number
  /** Without one, workers are processes. */
  readonly engine?: Engine
  /** For containers. */
  readonly image?: string
  /** How events reach containers. */
  readonly transport?: "runtime-api" | "rie"
  /** Gateway and manager as two processes. */
  readonly twoProcesses?: boolean
  /** Called with the state folder, which is empty, and again when the run is over. */
  readonly stateFolder?: { readonly mount: (folder: string) => void; readonly unmount: (folder: string) => void }
  readonly settings?: Readonly<Record<string, string>>
  readonly deeds: ReadonlyArray<Deed>
}

export interface Report {
  readonly table: string
  /** How it fell short of the bar; empty when it did not. */
  readonly verdict: ReadonlyArray<string>
  /** What Irori has written. */
  readonly output: string
}

const code = `export const handler = async (event) => {
  await new Promise((resolve) => setTimeout(resolve, event.sleep))
  return event
}
`

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })

const functionsOf = (folder: string, image: string | undefined, transport = "runtime-api"): void => {
  mkdirSync(join(folder, functionName), { recursive: true })
  writeFileSync(join(folder, functionName, "index.mjs"), code)
  const what =
    image === undefined ? "runtime: nodejs22.x, handler: index.handler" : `image: "${image}", transport: ${transport}`
  const entry = `{ ${what}, timeout: 15, environment: { TEST_MARK: "\${TEST_MARK}" }, scaling: { max_capacity: 6 } }`
  writeFileSync(join(folder, "functions.yml"), `functions:\n  ${functionName}: ${entry}\n`)
}

export const runChaos = async (options: ChaosOptions): Promise<Report> => {
  const folder = mkdtempSync(join(tmpdir(), "irori-chaos-"))
  const stateDir = join(folder, "state")
  const mark = crypto.randomUUID()
  const began = performance.now()
  const nowMillis = () => Math.round(performance.now() - began)
  const ledger = new Ledger()
  functionsOf(join(folder, "functions"), options.image, options.transport)
  mkdirSync(stateDir)
  options.stateFolder?.mount(stateDir)
  const [port, managerPort] = [String(await freePort()), String(await freePort())]
  const environment = {
    IRORI_FUNCTIONS_DIR: join(folder, "functions"),
    IRORI_PROVISIONER: options.engine === undefined ? "process" : "docker",
    ...(options.engine === undefined ? {} : { DOCKER_HOST: options.engine.host }),
    HEARTBEAT_INTERVAL: "1",
    // Workers are killed in a row here, and those after them are to be served.
    CIRCUIT_BREAKER_THRESHOLD: "1000000",
    TEST_MARK: mark,
    ...options.settings
  }
  const parts: Readonly<Record<string, Readonly<Record<string, string>>>> = options.twoProcesses
    ? {
        manager: { IRORI_ROLE: "manager", IRORI_PORT: managerPort },
        gateway: { IRORI_ROLE: "gateway", IRORI_PORT: port, IRORI_MANAGER_URL: `http://127.0.0.1:${managerPort}` }
      }
    : { whole: { IRORI_PORT: port } }
  /** The one that callers call comes last, and ends first. */
  const front = options.twoProcesses ? "gateway" : "whole"
  const start = (part: string) => startIrori({ environment: { ...environment, ...parts[part] }, stateDir })
  let output = ""
  const running = new Map<string, Promise<Irori>>()
  for (const part of Object.keys(parts)) {
    running.set(part, start(part))
    await running.get(part)
  }

  const scene: Scene = {
    ledger,
    nowMillis,
    mark,
    engine: options.engine,
    stateDir,
    instance: () => readFileSync(join(stateDir, "instance"), "utf8").trim(),
    restart: async (part, meanwhile = async () => {}) => {
      const which = part ?? front
      const killed = await running.get(which)!
      const fromMillis = nowMillis()
      // Whoever calls from here on waits until it is there again.
      const again = killed.stop("SIGKILL").then(() => start(which))
      running.set(which, again)
      await Promise.all([again, meanwhile()])
      output += killed.output()
      ledger.faults.push({
        what: `SIGKILL of ${part === undefined ? "Irori" : `the ${part}`}, and its start`,
        fromMillis,
        toMillis: nowMillis(),
        explains: "all"
      })
    }
  }

  const callers = new Callers({
    ledger,
    nowMillis,
    count: options.callers ?? 200,
    seed: options.seed,
    url: async () => (await running.get(front)!).url
  })
  const random = randomOf(options.seed)
  // Out of a bag, so that a short run has some of each.
  let bag: Array<Deed> = []
  const endMillis = nowMillis() + options.seconds * 1000
  try {
    while (nowMillis() < endMillis) {
      await Bun.sleep(between(random, 50, 500))
      if (bag.length === 0) bag = options.deeds.flatMap((deed) => Array<Deed>(deed.weight).fill(deed))
      const [deed] = bag.splice(Math.floor(random() * bag.length), 1)
      await deed?.act(scene, random)
    }
    await callers.stop()
  } finally {
    await callers.stop()
    for (const part of Object.keys(parts).toReversed()) {
      const last = await running.get(part)!
      const code = await last.stop()
      output += last.output()
      if (code !== 0) output += `\nIrori ended with ${code}\n`
    }
  }
  const remains = {
    containers:
      options.engine === undefined
        ? []
        : (await containersOf(options.engine, scene.instance())).map(({ name }) => name),
    processes: processesWith(`TEST_MARK=${mark}`)
  }
  options.stateFolder?.unmount(stateDir)
  rmSync(folder, { recursive: true, force: true })
  return { table: ledger.table(remains), verdict: ledger.verdict(remains), output }
}

/** Runs it as `bun test/chaos/<name>.ts [seconds] [seed]` asks, prints what came of it, and gives the exit code. */
export const main = async (title: string, run: (seconds: number, seed: number) => Promise<Report>): Promise<number> => {
  const seconds = Number(process.argv[2] ?? 30)
  const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`${title}: ${seconds} s with seed ${seed}`)
  const { output, table, verdict } = await run(seconds, seed)
  console.log(table)
  for (const line of verdict.slice(0, 20)) console.log(`NOT MET: ${line}`)
  if (verdict.length > 20) console.log(`NOT MET: and ${verdict.length - 20} more`)
  if (verdict.length > 0) {
    const file = join(mkdtempSync(join(tmpdir(), "irori-chaos-log-")), "irori.log")
    writeFileSync(file, output)
    console.log(`What Irori wrote: ${file}`)
  } else console.log("The bar is met.")
  return verdict.length === 0 ? 0 : 1
}
