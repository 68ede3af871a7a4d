/** What a request costs as the system grows: more functions, more idle workers, more callers that wait. */

import { join } from "node:path"
import { type Bench, inTurns, type Row, type Scale, type Skipped } from "./Bench.ts"
import { burst, noWrk } from "./load.ts"
import { cpuMillis, functions, startIrori, temporaryFolder, warmUp, workers } from "./Server.ts"
import { configsOf, nameOf, type Simulated, simulate } from "./simulated.ts"

const flat = { most: 1.15 }

/** Microseconds of one invocation, of `times`, by `callers` that each wait for their answer. */
const micros = async ({ configs, invoke }: Simulated, callers: number, times: number): Promise<number> => {
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
  systems: { readonly few: Simulated; readonly many: Simulated }
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
    await compare(
      `an invocation, 1 → ${manyWaiting} callers that wait`,
      scale,
      { few: 2, many: manyWaiting + 1 },
      { few: await queue(), many: await queue() }
    )
  ]
}

const declared = (count: number): string => {
  const code = join(functions, "echo")
  const others = Array.from(
    { length: count - 1 },
    (_, index) => `  other-${index}:\n    runtime: nodejs22.x\n    code: ${code}\n`
  )
  return `functions:\n  echo:\n    runtime: nodejs22.x\n    code: ${code}\n    scaling:\n      max_capacity: ${workers}\n${others.join("")}`
}

/** The whole program, whose CPU is counted for each request: what others do on the machine is not in that. */
const whole = async ({ isShort, rounds, seconds }: Scale): Promise<Row | Skipped> => {
  const [fewFunctions, manyFunctions] = [10, isShort ? 50 : 10_000]
  const what = `CPU of the whole program for a request, ${fewFunctions} → ${manyFunctions} functions`
  if (noWrk !== undefined) return { what, skipped: noWrk }
  const folders = [fewFunctions, manyFunctions].map((count) => temporaryFolder({ "functions.yml": declared(count) }))
  const started = await Promise.all(
    folders.map(({ path }) => startIrori({ folder: path, environment: { IRORI_CODE_ROOTS: functions } }))
  )
  const [few, many] = started
  try {
    for (const server of started) await warmUp(server.invokeUrl("echo"))
    const cpu = async (server: NonNullable<typeof few>) => {
      const before = cpuMillis(server.pid)
      const { perSecond } = await burst(server.invokeUrl("echo"), 8, seconds)
      return ((cpuMillis(server.pid) - before) * 1000) / (perSecond * Math.max(1, Math.round(seconds)))
    }
    const measured = await inTurns(rounds, { many: () => cpu(many!), few: () => cpu(few!) })
    const row = { what, against: "with the few", unit: "µs", digits: 0 }
    return { ...row, ours: measured.many, theirs: measured.few, bar: flat }
  } finally {
    await Promise.all(started.map((server) => server.stop()))
    for (const folder of folders) folder.remove()
  }
}

export const growth: Bench = {
  name: "growth",
  title: "The cost of a request as the system grows",
  run: async (scale) => [...(await inProcess(scale)), await whole(scale)]
}
