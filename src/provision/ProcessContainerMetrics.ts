/**
 * ContainerMetrics for workers that are processes: what Linux's `/proc` says of each worker's whole group. A worker's
 * group is led by the child of this process whose Runtime API is the worker's.
 */
import { readdir, readFile } from "node:fs/promises"
import process from "node:process"
import { Effect, Layer } from "effect"
import type { Worker, WorkerId } from "../domain/Worker.ts"
import {
  ContainerMetrics,
  type ContainerSample,
  fromMeasurements,
  type Measurement,
  nowSeconds
} from "./ContainerMetrics.ts"
import { Provisioner } from "./Provisioner.ts"

export const layer = Layer.effect(
  ContainerMetrics,
  Effect.flatMap(Provisioner, (machine) =>
    fromMeasurements(
      Effect.gen(function* () {
        const workers = yield* machine.list
        const samples = yield* measureProcesses(workers)
        return workers.map((worker): Measurement => samples.get(worker.id) ?? notFound(worker))
      })
    )
  )
)

const notFound = ({ id }: Worker) => ({
  container_id: id,
  container_name: id,
  error: `The process of worker ${id} is not to be found in /proc.`
})

/** Those of `workers` that are processes of this one; a worker that ends meanwhile is missing. */
export const measureProcesses = (
  workers: ReadonlyArray<Worker>
): Effect.Effect<ReadonlyMap<WorkerId, ContainerSample>> =>
  Effect.gen(function* () {
    if (workers.length === 0) return new Map()
    const groups = Map.groupBy(yield* Effect.promise(listProcesses), ({ group }) => group)
    const leaders = [...groups.values()]
      .flat()
      .filter(({ group, parent, pid }) => pid === group && parent === process.pid)
    const byApi = new Map(
      yield* Effect.forEach(
        leaders,
        (leader) =>
          Effect.map(
            Effect.promise(() => runtimeApiOf(leader.pid)),
            (api) => [api, leader] as const
          ),
        { concurrency: 8 }
      )
    )
    const collectedAt = yield* nowSeconds
    return new Map(
      yield* Effect.forEach(
        workers.flatMap((worker) => {
          const leader = byApi.get(`${worker.host}:${worker.port}`)
          return leader === undefined ? [] : [{ worker, members: groups.get(leader.group) ?? [], leader }]
        }),
        ({ leader, members, worker }) =>
          Effect.map(
            Effect.promise(() => Promise.all(members.map(({ pid }) => memoryOf(pid)))),
            (memory) => [worker.id, sampleOf(worker, leader, members, sum(memory), collectedAt)] as const
          )
      )
    )
  })

interface ProcessStat {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly state: string
  readonly cpuNanos: number
}

const sampleOf = (
  worker: Worker,
  leader: ProcessStat,
  members: ReadonlyArray<ProcessStat>,
  memory: number,
  collectedAt: number
): ContainerSample => ({
  container_id: worker.id,
  function_name: worker.functionName,
  container_name: worker.id,
  state: leader.state === "T" ? "PAUSED" : "RUNNING",
  memory_current: memory,
  // Nothing limits the memory of a process, ends it for want of it unseen, or starts it again.
  memory_max: 0,
  oom_events: 0,
  cpu_usage_ns: sum(members.map(({ cpuNanos }) => cpuNanos)),
  exit_code: 0,
  restart_count: 0,
  exit_time: 0,
  collected_at: collectedAt
})

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)

/** None where there is no `/proc`. */
export const listProcesses = async (): Promise<ReadonlyArray<ProcessStat>> => {
  const entries = await readdir("/proc").catch(() => [])
  const found = await Promise.all(entries.filter((name) => /^\d+$/.test(name)).map(statOf))
  return found.filter((stat) => stat !== undefined)
}

/** Linux counts CPU time for programs in hundredths of a second, whatever its own clock. */
const nanosPerTick = 1e7

const statOf = async (pid: string): Promise<ProcessStat | undefined> => {
  const text = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined)
  // `pid (name) state parent group …`; a name may hold anything. Times of the user and of the system are 14 and 15.
  const [state, parent, group, ...rest] = text?.replace(/^.*\) /s, "").split(" ") ?? []
  if (state === undefined || state === "Z" || state === "X") return undefined
  const cpuNanos = (Number(rest[8]) + Number(rest[9])) * nanosPerTick
  return { pid: Number(pid), parent: Number(parent), group: Number(group), state, cpuNanos }
}

const runtimeApiOf = async (pid: number): Promise<string | undefined> => {
  const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "")
  const name = "AWS_LAMBDA_RUNTIME_API="
  return environment
    .split("\0")
    .find((entry) => entry.startsWith(name))
    ?.slice(name.length)
}

/** Bytes; none for one that has ended. */
const memoryOf = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, "latin1").catch(() => "")
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}
