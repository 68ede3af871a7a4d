/** What a request costs as the system grows: more functions, more idle workers, more callers that wait. */

import { join } from "node:path"
import { type Bench, inTurns, type Row, type Scale, type Skipped } from "./Bench.ts"
import { burst, noWrk } from "./load.ts"
import { cpuMillis, functions, startIrori, temporaryFolder, warmUp, workers } from "./Server.ts"
import { bareQueue, configsOf, nameOf, type Simulated, simulate } from "./simulated.ts"

const flat = { most: 1.15 }

type System = Pick<Simulated, "configs" | "invoke" | "close">

/** Microseconds of one invocation, of `times`, by `callers` that each wait for their answer. */
const micros = async ({ configs, invoke }: System, callers: number, times: number): Promise<number> => {
  let left = times
  // The same ten whatever the number of functions: only how many there are besides them differs.
  const step = Math.max(1, Math.floor(configs.length / 10))
  const begun = performance.now()
  const caller = async (nth: number) => {
    for (let time = nth; left-- > 0; time++) await invoke(nameOf(((time % 10) * step) % configs.length))
  }
  await Promise.all(Array.from({ length: callers }, (_, nth) => caller(nth)))
  return ((performance.now() - begun) * 1000) / times
}

const compare = async (
  what: string,
  scale: Scale,
  callers: { readonly few: number; readonly many: number },
  systems: { readonly few: System; readonly many: System }
): Promise<Row> => {
  const times = scale.isShort ? 2000 : 20_000
  try {
    const measured = await inTurns(scale.rounds * 3, {
      many: () => micros(systems.many, callers.many, times),
      few: () => micros(systems.few, callers.few, times)
    })
    const row = { what, against: "with the few", unit: "µs", digits: 2 }
    return { ...row, ours: measured.many, theirs: measured.few, bar: flat }
  } finally {
    await systems.few.close()
    await systems.many.close()
  }
}

/** How much of what callers that wait cost is the machine's: no bar. */
const bareGrowth = async (scale: Scale, many: number, callers: { readonly few: number; readonly many: number }) => {
  const what = `a queue with nothing around it, 1 → ${many} callers that wait`
  const { bar: _, ...row } = await compare(what, scale, callers, { few: bareQueue(), many: bareQueue() })
  return { ...row, note: "not Irori: an array, and one worker that answers at once" }
}

const inProcess = async (scale: Scale): Promise<ReadonlyArray<Row>> => {
  const [fewFunctions, manyFunctions] = [10, scale.isShort ? 100 : 10_000]
  const [fewIdle, manyIdle] = [10, scale.isShort ? 50 : 1000]
  const manyWaiting = scale.isShort ? 50 : 1000
  const touched = async (count: number) => {
    const system = await simulate(configsOf(count))
    for (const { name } of system.configs) await system.invoke(name)
    return system
  }
  const idle = async (count: number) => {
    const system = await simulate(configsOf(1, { maxCapacity: count }))
    await system.fill(system.configs[0]!)
    return system
  }
  const apart = async (count: number) => {
    const system = await simulate(configsOf(count))
    for (const config of system.configs) await system.fill(config)
    return system
  }
  /** One worker, for which all but one of them wait. */
  const queue = () => simulate(configsOf(1))
  const waiting = { few: 2, many: manyWaiting + 1 }
  const one = { few: 1, many: 1 }
  return [
    await compare(`an invocation, ${fewFunctions} → ${manyFunctions} functions`, scale, one, {
      few: await touched(fewFunctions),
      many: await touched(manyFunctions)
    }),
    await compare(`an invocation, ${fewIdle} → ${manyIdle} idle workers of one function`, scale, one, {
      few: await idle(fewIdle),
      many: await idle(manyIdle)
    }),
    await compare(`an invocation, ${fewIdle} → ${manyIdle} functions with an idle worker each`, scale, one, {
      few: await apart(fewIdle),
      many: await apart(manyIdle)
    }),
    await compare(`an invocation, 1 → ${manyWaiting} callers that wait`, scale, waiting, {
      few: await queue(),
      many: await queue()
    }),
    await bareGrowth(scale, manyWaiting, waiting)
  ]
}

const code = join(functions, "echo")

/** A function of that name, as `functions.yml` has it. */
const declared = (name: string, maxCapacity?: number): string =>
  `  ${name}:\n    runtime: nodejs22.x\n    code: ${code}\n` +
  (maxCapacity === undefined ? "" : `    scaling:\n      max_capacity: ${maxCapacity}\n`)

interface Whole {
  readonly what: string
  /** What `functions.yml` says of the two servers; one server where they are the same. */
  readonly functions: { readonly few: string; readonly many: string }
  readonly callers: { readonly few: number; readonly many: number }
  readonly environment?: Readonly<Record<string, string>>
}

/** The whole program, whose CPU is counted for each request: what others do on the machine is not in that. */
const whole = async (
  { isShort, rounds, seconds }: Scale,
  { callers, environment, functions: declaredFunctions, what }: Whole
): Promise<Row | Skipped> => {
  if (noWrk !== undefined) return { what, skipped: noWrk }
  const texts = [...new Set([declaredFunctions.few, declaredFunctions.many])]
  const folders = texts.map((text) => temporaryFolder({ "functions.yml": `functions:\n${text}` }))
  const started = await Promise.all(
    folders.map(({ path }) =>
      startIrori({ folder: path, environment: { ...environment, IRORI_CODE_ROOTS: functions } })
    )
  )
  const [few, many] = [started[0]!, started.at(-1)!]
  try {
    for (const server of started) {
      await warmUp(server.invokeUrl("echo"), "{}", 2)
      // So many at once have to have been there before: the room that they take is not made in what is measured.
      if (!isShort) await burst(server.invokeUrl("echo"), callers.many, seconds)
    }
    const cpu = async (server: typeof few, count: number) => {
      const before = cpuMillis(server.pid)
      const { perSecond } = await burst(server.invokeUrl("echo"), count, seconds)
      return ((cpuMillis(server.pid) - before) * 1000) / (perSecond * Math.max(1, Math.round(seconds)))
    }
    const measured = await inTurns(rounds, { many: () => cpu(many, callers.many), few: () => cpu(few, callers.few) })
    const row = { what, against: "with the few", unit: "µs", digits: 0 }
    return { ...row, ours: measured.many, theirs: measured.few, bar: flat }
  } finally {
    await Promise.all(started.map((server) => server.stop()))
    for (const folder of folders) folder.remove()
  }
}

const wholePrograms = async (scale: Scale): Promise<ReadonlyArray<Row | Skipped>> => {
  const what = "CPU of the whole program for a request"
  const [fewFunctions, manyFunctions] = [10, scale.isShort ? 50 : 10_000]
  const [fewer, few, many] = scale.isShort ? [1, 8, 50] : [1, 32, 1000]
  const others = (count: number) =>
    declared("echo", workers) + Array.from({ length: count - 1 }, (_, index) => declared(`other-${index}`)).join("")
  const one = declared("echo", 1)
  const waiting = (count: number): Whole => ({
    what: `${what}, ${count} → ${many} callers that wait`,
    functions: { few: one, many: one },
    callers: { few: count + 1, many: many + 1 },
    // Those who have just left count for as long as nobody has seen it.
    environment: { IRORI_ACCOUNT_CONCURRENCY: "3000", IRORI_MAX_QUEUED: "2000" }
  })
  return [
    await whole(scale, {
      what: `${what}, ${fewFunctions} → ${manyFunctions} functions`,
      functions: { few: others(fewFunctions), many: others(manyFunctions) },
      callers: { few: 8, many: 8 }
    }),
    await whole(scale, waiting(fewer)),
    await whole(scale, waiting(few))
  ]
}

export const growth: Bench = {
  name: "growth",
  title: "The cost of a request as the system grows",
  run: async (scale) => [...(await inProcess(scale)), ...(await wholePrograms(scale))]
}
