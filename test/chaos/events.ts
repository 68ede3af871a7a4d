/**
 * Asynchronous events while Irori is killed again and again: `bun test/chaos/events.ts [events] [kills]`. The bar: every
 * event that was answered with 202 runs, and no more of them run twice than Irori says may have.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type Irori, startIrori } from "../support/irori.ts"

export interface EventsReport {
  readonly sent: number
  readonly accepted: number
  /** Of those accepted. */
  readonly ran: number
  readonly ranTwice: number
  /** How many Irori has said may run twice. */
  readonly announced: number
  /** Accepted, and never ran. */
  readonly lost: ReadonlyArray<string>
  /** In the queue at the end. */
  readonly left: number
  readonly seconds: number
  readonly output: string
}

/** Writes down who it is called for: one write to the end of the file, which no other write can come into. */
const code = `import { appendFileSync } from "node:fs"
export const handler = async (event, context) => {
  appendFileSync(process.env.NOTES, context.awsRequestId + "\\n")
}
`

const callers = 32
/** Without any progress for so long, it has stopped. */
const patienceMillis = 30_000

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const noted = (file: string): ReadonlyMap<string, number> => {
  const times = new Map<string, number>()
  for (const id of readFileSync(file, "utf8").split("\n").slice(0, -1)) times.set(id, (times.get(id) ?? 0) + 1)
  return times
}

export const runEvents = async (events: number, kills: number): Promise<EventsReport> => {
  const folder = mkdtempSync(join(tmpdir(), "irori-events-"))
  const stateDir = join(folder, "state")
  const notes = join(folder, "notes")
  writeFileSync(notes, "")
  mkdirSync(join(folder, "functions/noting"), { recursive: true })
  writeFileSync(join(folder, "functions/noting/index.mjs"), code)
  writeFileSync(
    join(folder, "functions/functions.yml"),
    `functions:
  noting:
    { runtime: nodejs22.x, handler: index.handler, environment: { NOTES: "\${NOTES}" }, scaling: { max_capacity: 4 } }
`
  )
  const environment = {
    IRORI_PORT: String(await freePort()),
    IRORI_FUNCTIONS_DIR: join(folder, "functions"),
    // Workers die with Irori, and those after them are to be served at once.
    IRORI_ASYNC_RETRY_DELAYS: "0.2,0.2",
    CIRCUIT_BREAKER_THRESHOLD: "1000000",
    NOTES: notes
  }
  const start = () => startIrori({ environment, stateDir })
  const begun = performance.now()
  let output = ""
  let irori: Promise<Irori> = start()
  const url = `${(await irori).url}/2015-03-31/functions/noting/invocations`

  const accepted: Array<string> = []
  let sent = 0
  let killed = 0
  const kill = async () => {
    const victim = await irori
    irori = victim.stop("SIGKILL").then(() => {
      output += victim.output()
      return start()
    })
    await irori
  }
  /** The kills are spread over what is accepted; while Irori is away, callers wait. */
  let killing: Promise<void> | undefined
  const killNext = () => {
    if (killing !== undefined || killed >= kills || accepted.length < ((killed + 1) * events) / (kills + 1)) return
    killed++
    killing = kill().finally(() => {
      killing = undefined
    })
  }
  /** It may have been killed in the middle: nobody knows whether that one was taken, and nobody was promised that it runs. */
  const send = async () => {
    const signal = AbortSignal.timeout(patienceMillis)
    const headers = { "X-Amz-Invocation-Type": "Event" }
    const response = await fetch(url, { method: "POST", body: "{}", headers, signal })
    const text = await response.text()
    if (response.status !== 202) throw new Error(`it answered ${response.status} ${text}`)
    accepted.push(response.headers.get("x-amzn-requestid") ?? "")
    progress = performance.now()
  }
  let progress = performance.now()
  const call = async () => {
    while (accepted.length < events) {
      await irori
      sent++
      const failure = await send().then(
        () => undefined,
        (error: unknown) => error
      )
      if (failure !== undefined && performance.now() - progress > patienceMillis) throw failure
      killNext()
    }
  }
  try {
    await Promise.all(Array.from({ length: callers }, call))
    await killing
    // What Irori owes is there when all that was accepted has run; where it stops before, that is the verdict.
    let last = -1
    let since = performance.now()
    for (;;) {
      const times = noted(notes)
      const ran = accepted.filter((id) => times.has(id)).length
      if (ran === accepted.length || performance.now() - since > patienceMillis) break
      if (ran > last) since = performance.now()
      last = ran
      await Bun.sleep(50)
    }
  } finally {
    const rest = await irori
    await rest.stop()
    output += rest.output()
  }
  const queue = new DatabaseSync(join(stateDir, "events.db"), { readOnly: true })
  const left = Number(queue.prepare("SELECT COUNT(*) AS count FROM events").get()?.count)
  queue.close()
  const times = noted(notes)
  rmSync(folder, { recursive: true, force: true })
  const announcements = [...output.matchAll(/(\d+) events? (?:was|were) running when Irori stopped/g)]
  return {
    sent,
    accepted: accepted.length,
    ran: accepted.filter((id) => times.has(id)).length,
    ranTwice: [...times.values()].filter((count) => count > 1).length,
    announced: announcements.reduce((sum, [, count]) => sum + Number(count), 0),
    lost: accepted.filter((id) => !times.has(id)),
    left,
    seconds: (performance.now() - begun) / 1000,
    output
  }
}

if (import.meta.main) {
  const [events, kills] = [Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 20)]
  const report = await runEvents(events, kills)
  const { accepted, announced, left, lost, ran, ranTwice, seconds, sent } = report
  console.log(`Events: ${events}, Irori killed ${kills} times, ${seconds.toFixed(0)} s
sent ${sent}, accepted ${accepted}, ran ${ran}, ran twice ${ranTwice} (announced ${announced}), lost ${lost.length}, left in the queue ${left}`)
  const isMet = lost.length === 0 && ranTwice <= announced && left === 0
  if (!isMet) {
    const file = join(mkdtempSync(join(tmpdir(), "irori-chaos-log-")), "irori.log")
    writeFileSync(file, report.output)
    console.log(`NOT MET. What Irori wrote: ${file}`)
  } else console.log("The bar is met.")
  process.exit(isMet ? 0 : 1)
}
