/** Memory: of Irori at rest, and what each idle worker and each request that waits adds to it. */

import { execFileSync } from "node:child_process"
import { copyFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { hasProgram, noDocker } from "../test/support/docker.ts"
import { askWatch, watchProgram } from "./askWatch.ts"
import type { Bench, Row, Skipped } from "./Bench.ts"
import { eventOf } from "./openLoop.ts"
import { type Irori, residentBytes, startIrori, temporaryFolder, warmUp } from "./Server.ts"

const payloadBytes = 1024
const watch = join(tmpdir(), `irori-bench-watch-${process.pid}`)
const watched = { preload: watchProgram, environment: { BENCH_WATCH: watch } }

/** `engine`: whether a Docker engine is asked where functions are to run, as by default. */
const atRest = async (engine: boolean, times: number): Promise<Row> => {
  const ours: Array<number> = []
  for (let time = 0; time < times; time++) {
    const irori = await startIrori({ environment: { IRORI_PROVISIONER: engine ? "auto" : "process" } })
    try {
      await warmUp(irori.invokeUrl("echo"), "{}", 4, 5)
      await new Promise((next) => setTimeout(next, 1000))
      ours.push(residentBytes(irori.pid) / 1e6)
    } finally {
      await irori.stop()
    }
  }
  const what = `at rest, four workers warm, all in one process${engine ? ", beside a Docker engine" : ""}`
  return { what, unit: "MB", digits: 1, ours, bar: { most: 100 } }
}

/** The smallest worker there is, so that a thousand fit on the machine: `test/support/images/worker.c` as a bootstrap. */
const smallWorkers = (name: string, scaling: string) => {
  const folder = temporaryFolder({
    "functions.yml": `functions:\n  ${name}:\n    runtime: provided.al2023\n    handler: none\n    timeout: 60\n    scaling:\n${scaling}`,
    [`${name}/README`]: ""
  })
  const source = join(import.meta.dirname, "../test/support/images/worker.c")
  execFileSync("gcc", ["-O2", "-static", "-pthread", "-o", join(folder.path, name, "bootstrap"), source])
  copyFileSync(source, join(folder.path, name, "worker.c"))
  return folder
}

/** A number of a function's pool, as Irori says itself. */
const gaugeOf = async (irori: Irori, gauge: string, functionName: string): Promise<number> => {
  const report = await (await fetch(`${irori.url}/metrics`)).text()
  return Number(new RegExp(`^${gauge}\\{[^}]*function="${functionName}"[^}]*\\} (\\d+)`, "m").exec(report)?.[1])
}

const queued = (irori: Irori): Promise<number> => gaugeOf(irori, "irori_pool_waiting_callers", "busy")

const perWorker = async (isShort: boolean, times: number): Promise<Row> => {
  const [few, many] = isShort ? [2, 6] : [20, 220]
  const ours: Array<number> = []
  for (let time = 0; time < times; time++) {
    const folder = smallWorkers("small", `      max_capacity: ${many}\n`)
    // As much as it takes, whatever there is: these workers need next to nothing of it.
    const environment = { ...watched.environment, IRORI_MEMORY_BUDGET: String(many * 128) }
    const irori = await startIrori({ folder: folder.path, ...watched, environment })
    try {
      const memoryOf = async (count: number) => {
        // Connections that are kept would be counted with the workers.
        const asked = { method: "POST", body: '{"sleep":2000}', keepalive: false }
        const call = () => fetch(irori.invokeUrl("small"), asked).then((answer) => answer.text())
        await Promise.all(Array.from({ length: count }, call))
        // Some may have been free again before the last was there.
        const workers = await gaugeOf(irori, "irori_pool_idle_workers", "small")
        return { workers, bytes: (await askWatch(watch)).residentBytes }
      }
      // What it takes to have run at all is not the workers'.
      await warmUp(irori.invokeUrl("small"), "{}", few, isShort ? 10 : 200)
      await memoryOf(few)
      const before = await memoryOf(few)
      const after = await memoryOf(many)
      ours.push((after.bytes - before.bytes) / (after.workers - before.workers) / 1024)
    } finally {
      await irori.stop()
      folder.remove()
    }
  }
  return {
    what: `an idle worker, ${few} → as many as ${many}`,
    unit: "KB",
    digits: 1,
    ours,
    bar: { most: 8 },
    note: "workers are processes: their pipes, watchers and Runtime API listeners are in it, their own memory is not"
  }
}

const open = (url: URL, body: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true })
    socket.on("error", reject)
    socket.on("connect", () => {
      const head = `POST ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Length: ${body.length}\r\n\r\n`
      socket.write(head + body, () => resolve(socket))
    })
  })

const perRequest = async (isShort: boolean, times: number): Promise<Row> => {
  const [few, many] = isShort ? [5, 25] : [100, 900]
  const ours: Array<number> = []
  for (let time = 0; time < times; time++) {
    const folder = smallWorkers("busy", "      max_capacity: 1\n      acquire_timeout: 60\n")
    const irori = await startIrori({ folder: folder.path, ...watched })
    const sockets: Array<Socket> = []
    try {
      const url = new URL(irori.invokeUrl("busy"))
      await warmUp(url.href, "{}", 4, 20)
      sockets.push(await open(url, '{"sleep":50000}'))
      const memoryWith = async (count: number) => {
        while (sockets.length <= count) sockets.push(await open(url, eventOf(payloadBytes)))
        for (let tries = 0; (await queued(irori)) !== count; tries++) {
          if (tries === 100) throw new Error(`${await queued(irori)} wait, and not ${count}`)
          await new Promise((next) => setTimeout(next, 50))
        }
        return (await askWatch(watch)).residentBytes
      }
      const before = await memoryWith(few)
      ours.push((((await memoryWith(many)) - before) / (many - few) - payloadBytes) / 1024)
    } finally {
      for (const socket of sockets) socket.destroy()
      await irori.stop()
      folder.remove()
    }
  }
  return {
    what: `a request that waits, beside its payload of 1 KiB, ${few} → ${many}`,
    unit: "KB",
    digits: 1,
    ours,
    bar: { most: 2 },
    note: "its connection and what the HTTP server holds for it are in it"
  }
}

export const memory: Bench = {
  name: "memory",
  title: "Memory",
  run: async ({ isShort, rounds }) => {
    const times = isShort ? 1 : Math.min(5, rounds)
    const rows: Array<Row | Skipped> = [await atRest(false, times)]
    if (noDocker === undefined) rows.push(await atRest(true, times))
    else rows.push({ what: "at rest, beside a Docker engine", skipped: noDocker })
    if (!hasProgram("gcc")) {
      return [...rows, { what: "an idle worker, a request that waits", skipped: "it needs gcc, for a small worker" }]
    }
    return [...rows, await perWorker(isShort, times), await perRequest(isShort, times)]
  }
}
