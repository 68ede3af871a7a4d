/**
 * Accepting asynchronous events beside bare SQLite: rows of the same bytes, committed in batches of the same size with the
 * same settings, on the same disk, in turns. `bun bench/events.ts [rounds] [events per round] [callers] [bytes]`
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Context, Duration, Effect, Exit, Layer, Scope } from "effect"
import { ConcurrencyLimits } from "../src/control/ConcurrencyLimits.ts"
import { ControlDatabase, openDatabase, type SqlDatabase } from "../src/control/Database.ts"
import { EventInvokeConfigs } from "../src/control/EventInvokeConfigs.ts"
import { FunctionStore } from "../src/control/FunctionStore.ts"
import { CodeFolder, FunctionConfig } from "../src/domain/FunctionConfig.ts"
import { FunctionName } from "../src/domain/FunctionName.ts"
import type { Invocation } from "../src/domain/Invocation.ts"
import { AsyncInvoker } from "../src/invoke/AsyncInvoker.ts"
import { EventStore } from "../src/invoke/async/EventStore.ts"
import { lambdaRetries, layer } from "../src/invoke/async/SqliteAsyncInvoker.ts"
import { LambdaInvoker } from "../src/invoke/LambdaInvoker.ts"
import { FunctionRegistry } from "../src/registry/FunctionRegistry.ts"
import { median } from "./Bench.ts"

const [rounds, events, callers, bytes] = [
  Number(process.argv[2] ?? 7),
  Number(process.argv[3] ?? 20_000),
  Number(process.argv[4] ?? 256),
  Number(process.argv[5] ?? 1024)
]

const folder = mkdtempSync(join(tmpdir(), "irori-bench-"))
const name = FunctionName.make("echo")
const config = new FunctionConfig({
  name,
  version: "$LATEST",
  code: new CodeFolder({ path: folder }),
  environment: {},
  timeout: Duration.seconds(3),
  memoryMegabytes: 128,
  transport: "runtime-api",
  maxCapacity: 10,
  minCapacity: 0,
  acquireTimeout: Duration.seconds(5),
  maxQueued: 1000,
  idleTimeout: Duration.minutes(5)
})
const payload = new TextEncoder().encode(JSON.stringify("x".repeat(Math.max(0, bytes - 2))))
const invocation = (): Invocation => ({
  requestId: crypto.randomUUID(),
  functionName: name,
  payload,
  traceId: "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"
})

/** A queue over a new file, whose functions do as `invoke` says. */
const queue = (file: string, invoke: Effect.Effect<{ payload: Uint8Array; executedVersion: string }>) =>
  layer({
    path: join(folder, file),
    maxEvents: Number.MAX_SAFE_INTEGER,
    maxRunning: 1000,
    ...lambdaRetries,
    maxFailed: 10,
    failedRetention: Duration.days(1),
    destinations: { owner: { region: "us-east-1", accountId: "000000000000" }, mapped: new Map(), fileRoots: [] }
  }).pipe(
    Layer.provide(
      Layer.mergeAll(
        Layer.mock(LambdaInvoker, { invoke: () => invoke }),
        Layer.mock(EventInvokeConfigs, { settingsOf: () => ({}) }),
        ConcurrencyLimits.layer({ accountConcurrency: 1000 }).pipe(
          Layer.provide(FunctionStore.layer),
          Layer.provide(ControlDatabase.layerMemory)
        ),
        FunctionRegistry.layerMemory([config])
      )
    )
  )

/** Events per second of `callers` that each wait for their answer before they send the next, and until all is `done`. */
const accept = async (enqueue: AsyncInvoker["Service"]["enqueue"], done = () => true): Promise<number> => {
  let left = events
  const begun = performance.now()
  const caller = async () => {
    while (left-- > 0) await Effect.runPromise(enqueue(invocation()))
  }
  await Promise.all(Array.from({ length: callers }, caller))
  while (!done()) await new Promise((next) => setImmediate(next))
  return (events / (performance.now() - begun)) * 1000
}

/** One row for each event, with its ids and its payload, and as many in a transaction as callers wait at once. */
const bare = (): (() => number) => {
  const database = new DatabaseSync(join(folder, "bare.db"))
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
  database.exec(
    "CREATE TABLE events (id INTEGER PRIMARY KEY, name TEXT, request TEXT, trace TEXT, payload BLOB) STRICT"
  )
  const insert = database.prepare("INSERT INTO events (name, request, trace, payload) VALUES (?, ?, ?, ?)")
  return () => {
    const begun = performance.now()
    for (let done = 0; done < events; done += callers) {
      database.exec("BEGIN IMMEDIATE")
      for (let nth = done; nth < Math.min(done + callers, events); nth++) {
        const { functionName, payload, requestId, traceId } = invocation()
        insert.run(functionName, requestId, traceId, payload)
      }
      database.exec("COMMIT")
    }
    return (events / (performance.now() - begun)) * 1000
  }
}

/** The queue's own rows in its own table, without anybody who waits for them. */
const bareStore = (database: SqlDatabase, store: EventStore) => (): number => {
  const begun = performance.now()
  for (let done = 0; done < events; done += callers) {
    database.transaction(() => {
      for (let nth = done; nth < Math.min(done + callers, events); nth++) {
        store.insert({ invocation: invocation(), acceptedMillis: Date.now(), dueMillis: Date.now() }, false)
      }
    })
  }
  return (events / (performance.now() - begun)) * 1000
}

const scope = Scope.makeUnsafe()
const open = async (file: string, invoke: Parameters<typeof queue>[1]) => {
  const context = await Effect.runPromise(Scope.provide(Layer.build(queue(file, invoke)), scope))
  return Context.get(context, AsyncInvoker).enqueue
}
// Of the first, nothing ends: what it takes is all it does. Of the second, each event is run and forgotten as well.
const storing = await open("storing.db", Effect.never)
const running = await open("running.db", Effect.succeed({ payload: new Uint8Array(), executedVersion: "$LATEST" }))
const bareRate = bare()
const sameDatabase = await Effect.runPromise(Scope.provide(openDatabase(join(folder, "same.db")), scope))
const sameRate = bareStore(sameDatabase, await Effect.runPromise(EventStore.make(sameDatabase)))
const looking = new DatabaseSync(join(folder, "running.db"), { readOnly: true })
const isEmpty = () => looking.prepare("SELECT id FROM events LIMIT 1").get() == null

const rates = {
  storing: [] as Array<number>,
  running: [] as Array<number>,
  bare: [] as Array<number>,
  same: [] as Array<number>
}
try {
  for (let round = -1; round < rounds; round++) {
    const measured = {
      bare: bareRate(),
      storing: await accept(storing),
      same: sameRate(),
      running: await accept(running, isEmpty)
    }
    if (round < 0) continue
    for (const key of ["storing", "running", "bare", "same"] as const) rates[key].push(measured[key])
  }
} finally {
  looking.close()
  await Effect.runPromise(Scope.close(scope, Exit.void))
  rmSync(folder, { recursive: true })
}

const spread = (numbers: ReadonlyArray<number>) =>
  `${median(numbers).toFixed(0)} (${Math.min(...numbers).toFixed(0)}–${Math.max(...numbers).toFixed(0)})`
const row = (what: string, numbers: ReadonlyArray<number>) => {
  const of = (other: ReadonlyArray<number>) => (median(numbers) / median(other)).toFixed(2)
  return `| ${what} | ${spread(numbers)} | ${of(rates.bare)} | ${of(rates.same)} |`
}

console.log(`
| ${rounds} rounds of ${events} events of ${bytes} bytes, ${callers} callers | per second | of a bare table | of the same table |
| --- | --- | --- | --- |
${row(`bare SQLite, ${callers} rows in a commit, a table of four columns`, rates.bare)}
${row(`bare SQLite, ${callers} rows in a commit, the queue's table and indexes`, rates.same)}
${row("events accepted", rates.storing)}
${row("events accepted, run ten at a time by a function that takes no time, and removed", rates.running)}
`)
