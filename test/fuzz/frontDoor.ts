/**
 * Random requests over raw sockets at the whole program: `bun test/fuzz/frontDoor.ts [seconds] [seed]`. What is well
 * formed is answered, nothing is answered with 500, and the program is alive and well in between and afterwards.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { randomOf } from "../chaos/random.ts"
import { type Irori, startIrori } from "../support/irori.ts"
import { type Message, messageOf } from "./messages.ts"

export interface FuzzReport {
  readonly requests: number
  /** Answers by their statuses; 0 is a connection that was closed without one. */
  readonly statuses: Readonly<Record<string, number>>
  /** What must not be, with the request that did it. */
  readonly verdict: ReadonlyArray<string>
}

/** At once. */
const clients = 8
/** A well-formed request has its answer by then, on a machine that is busy. */
const answerMillis = 15_000
/** Of a broken one nothing more is awaited then: the server may wait for the rest of it. */
const brokenMillis = 150

const functions = () => {
  const folder = mkdtempSync(join(tmpdir(), "irori-fuzz-"))
  mkdirSync(join(folder, "main"))
  writeFileSync(
    join(folder, "main", "index.mjs"),
    "export const handler = async (event) => ({ statusCode: 200, body: JSON.stringify(event) })"
  )
  writeFileSync(
    join(folder, "routing.yml"),
    'routes: [{ path: "/files/{path+}", method: ANY, function: main }, { path: "/users/{id}", method: ANY, function: main }]'
  )
  return folder
}

interface Outcome {
  readonly status: number
  readonly isAnswered: boolean
}

const send = (port: number, { bytes, isWellFormed }: Message): Promise<Outcome> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(Buffer.from(bytes, "latin1")))
    let received = ""
    const done = () => {
      clearTimeout(timer)
      socket.destroy()
      // A word to go on is none of the answer.
      const status = /^(?:HTTP\/1\.1 100[^\r]*\r\n\r\n)*HTTP\/1\.1 (\d{3})/.exec(received)?.[1]
      resolve({ status: Number(status ?? 0), isAnswered: status !== undefined })
    }
    const timer = setTimeout(done, isWellFormed ? answerMillis : brokenMillis)
    socket.on("data", (chunk) => {
      if (received.length < 4096) received += chunk.toString("latin1")
    })
    // The server may refuse and close before all is sent.
    socket.on("error", () => {})
    socket.on("close", done)
  })

const isAlive = async (irori: Irori): Promise<boolean> => {
  const signal = AbortSignal.timeout(answerMillis)
  const health = await fetch(`${irori.url}/health`, { signal }).catch(() => undefined)
  const route = await fetch(`${irori.url}/users/7?a=1`, { signal }).catch(() => undefined)
  const event = (await route?.json().catch(() => undefined)) as { pathParameters?: { id?: string } } | undefined
  return health?.status === 200 && event?.pathParameters?.id === "7"
}

export const frontDoor = async (seconds: number, seed: number): Promise<FuzzReport> => {
  const random = randomOf(seed)
  const folder = functions()
  const irori = await startIrori({ environment: { IRORI_FUNCTIONS_DIR: folder } })
  const port = Number(new URL(irori.url).port)
  const statuses: Record<string, number> = {}
  const verdict: Array<string> = []
  let requests = 0
  const until = performance.now() + seconds * 1000
  const client = async () => {
    while (performance.now() < until) {
      const message = messageOf(random)
      requests++
      const { isAnswered, status } = await send(port, message)
      statuses[status] = (statuses[status] ?? 0) + 1
      const shown = () => JSON.stringify(message.bytes.slice(0, 500))
      if (message.isWellFormed && !isAnswered) verdict.push(`not answered: ${shown()}`)
      if (status === 500) verdict.push(`answered with 500: ${shown()}`)
    }
  }
  const watch = async () => {
    while (performance.now() < until) {
      if (!(await isAlive(irori))) verdict.push("it did not answer a plain request")
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }
  try {
    await Promise.all([...Array.from({ length: clients }, client), watch()])
    if (!(await isAlive(irori))) verdict.push("it did not answer a plain request afterwards")
    for (const line of irori.output().split("\n")) {
      if (/no caller's fault|TypeError|RangeError|Unhandled/.test(line))
        verdict.push(`in its log: ${line.slice(0, 300)}`)
    }
  } finally {
    const code = await irori.stop()
    if (code !== 0) verdict.push(`it ended with ${code}`)
    rmSync(folder, { recursive: true })
  }
  return { requests, statuses, verdict }
}

if (import.meta.main) {
  const seconds = Number(process.argv[2] ?? 60)
  const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`The front door: ${seconds} s with seed ${seed}`)
  const { requests, statuses, verdict } = await frontDoor(seconds, seed)
  console.log(`${requests} requests, by status:`, statuses)
  for (const line of verdict.slice(0, 20)) console.log(`NOT MET: ${line}`)
  const isMet = verdict.length === 0
  console.log(isMet ? "The bar is met." : "The bar is not met.")
  process.exit(isMet ? 0 : 1)
}
