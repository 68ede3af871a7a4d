/**
 * Ten times what a function can do, for a minute: how long those wait that are accepted, how soon the others are
 * refused, what it takes of memory, and how soon all is as before. The function takes 50 ms of nothing, so that its
 * capacity is what is short, and not the machine, which the load's generator shares.
 */
import { type Bench, quantile, type Row } from "./Bench.ts"
import { eventOf, openLoop } from "./openLoop.ts"
import { residentBytes, startIrori, temporaryFolder, warmUp, workers } from "./Server.ts"

const serviceMillis = 50
const capacity = (workers * 1000) / serviceMillis

const files = {
  "functions.yml": `functions:\n  slow:\n    runtime: nodejs22.x\n    scaling:\n      max_capacity: ${workers}\n`,
  "slow/index.mjs": `export const handler = () => new Promise((done) => setTimeout(done, ${serviceMillis}, null))\n`
}

interface Seen {
  readonly nominal: number
  readonly accepted: number
  readonly refused: number
  /** Without the time by which the load's generator was late. */
  readonly refusedSinceSent: number
  readonly growth: number
  readonly recovery: number
  readonly strangers: number
}

const body = eventOf(1024)

/** When a call is answered in time for the first time. */
const calmAgain = async (url: string, withinMillis: number): Promise<number> => {
  const patient = performance.now() + 60_000
  for (;;) {
    const begun = performance.now()
    const answer = await fetch(url, { method: "POST", body })
    await answer.text()
    const now = performance.now()
    if (answer.ok && now - begun <= withinMillis) return now
    if (now > patient) throw new Error("it did not recover within a minute")
    if (!answer.ok) await new Promise((next) => setTimeout(next, 10))
  }
}

const round = async (seconds: number, environment: Readonly<Record<string, string>>): Promise<Seen> => {
  const folder = temporaryFolder(files)
  const irori = await startIrori({ folder: folder.path, environment })
  try {
    const url = irori.invokeUrl("slow")
    await warmUp(url, body, workers, 10)
    const p99 = (numbers: ReadonlyArray<number> | undefined) => quantile(numbers ?? [], 0.99)
    const calm = await openLoop({ url, body, perSecond: capacity / 2, seconds: Math.max(1, seconds / 10) })
    const nominal = p99(calm.latencies.get(200))
    const before = residentBytes(irori.pid)
    let most = before
    const watching = setInterval(() => {
      most = Math.max(most, residentBytes(irori.pid))
    }, 100)
    const storming = openLoop({ url, body, perSecond: capacity * 10, seconds, patienceMillis: 35_000 })
    await new Promise((next) => setTimeout(next, seconds * 1000))
    const ended = performance.now()
    const recovery = (await calmAgain(url, 2 * nominal)) - ended
    const storm = await storming
    clearInterval(watching)
    const strangers = [...storm.latencies.entries()].filter(([status]) => status !== 200 && status !== 429)
    return {
      nominal,
      accepted: p99(storm.latencies.get(200)),
      refused: p99(storm.latencies.get(429)),
      refusedSinceSent: p99(storm.sinceSent.get(429)),
      growth: (most - before) / 1e6,
      recovery,
      strangers: strangers.reduce((sum, [, { length }]) => sum + length, storm.broken + storm.unanswered)
    }
  } finally {
    await irori.stop()
    folder.remove()
  }
}

const rowsOf = (name: string, seen: ReadonlyArray<Seen>, note: string): ReadonlyArray<Row> => {
  const of = (field: keyof Seen) => seen.map((one) => one[field])
  const unit = { unit: "ms", digits: 1 }
  return [
    {
      what: `${name}: p99 of those accepted`,
      against: "at half of the capacity",
      ...unit,
      ours: of("accepted"),
      theirs: of("nominal"),
      bar: { most: 2 },
      note
    },
    { what: `${name}: p99 until 429, from when it was due`, ...unit, ours: of("refused") },
    {
      what: `${name}: p99 until 429`,
      ...unit,
      ours: of("refusedSinceSent"),
      bar: { most: 5 },
      note: "from when it was sent; the time from when it was due has the lateness of the load's generator in it"
    },
    { what: `${name}: growth of the memory`, unit: "MB", digits: 1, ours: of("growth") },
    { what: `${name}: until all is as before`, ...unit, ours: of("recovery"), bar: { most: 1000 } },
    { what: `${name}: neither answered nor refused`, unit: "", digits: 0, ours: of("strangers"), bar: { most: 0 } }
  ]
}

export const overload: Bench = {
  name: "overload",
  title: `Overload: ${capacity * 10} per second for a function that can do ${capacity}`,
  run: async ({ isShort, rounds, seconds: burst }) => {
    // A minute, where a burst has its usual three seconds.
    const seconds = isShort ? 1 : burst * 20
    const times = isShort ? 1 : Math.min(5, rounds)
    const measure = async (environment: Readonly<Record<string, string>>) => {
      const seen: Array<Seen> = []
      for (let time = 0; time < times; time++) seen.push(await round(seconds, environment))
      return seen
    }
    const few = String(workers / 2)
    return [
      ...rowsOf(
        "default queue",
        await measure({}),
        "all but a few are refused from when the queue has grown for three turns of the workers"
      ),
      ...rowsOf(
        `queue of ${few}`,
        await measure({ IRORI_MAX_QUEUED: few }),
        `IRORI_MAX_QUEUED=${few}: those accepted wait for less than one invocation`
      )
    ]
  }
}
