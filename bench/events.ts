/**
 * Accepting asynchronous events beside bare SQLite: rows of the same bytes, committed in batches of the same size with the
 * same settings, on the same disk, in turns. The bare side makes the same ids, and knows beforehand what a batch is: it
 * has nobody to answer, no queue, no limit and no count.
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
import { EventStore, laneOf } from "../src/invoke/async/EventStore.ts"
import { lambdaRetries, layer } from "../src/invoke/async/SqliteAsyncInvoker.ts"
import { LambdaInvoker } from "../src/invoke/LambdaInvoker.ts"
import { FunctionRegistry } from "../src/registry/FunctionRegistry.ts"
import { type Bench, inTurns } from "./Bench.ts"

const [callers, bytes] = [256, 1024]

const name = FunctionName.make("echo")
const config = new FunctionConfig({
  name,
  version: "$LATEST",
  code: new CodeFolder({ path: tmpdir() }),
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
const queue = (path: string, invoke: Effect.Effect<{ payload: Uint8Array; executedVersion: string }>) =>
  layer({
    path,
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

/** How one event is given to the queue; until it is on the disk. */
type Give = (invocation: Invocation) => Promise<void>

/** Events per second of `callers` that each wait for their answer before they send the next, and until all is `done`. */
const accept = async (give: Give, events: number, done = () => true): Promise<number> => {
  let left = events
  const begun = performance.now()
  const caller = async () => {
    while (left-- > 0) await give(invocation())
  }
  await Promise.all(Array.from({ length: callers }, caller))
  while (!done()) await new Promise((next) => setImmediate(next))
  return (events / (performance.now() - begun)) * 1000
}

/** One row for each event, with its ids and its payload, and as many in a transaction as callers wait at once. */
const bare = (path: string, events: number): (() => number) => {
  const database = new DatabaseSync(path)
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
const bareStore = (database: SqlDatabase, store: EventStore, events: number) => (): number => {
  const begun = performance.now()
  for (let done = 0; done < events; done += callers) {
    database.transaction(() => {
      for (let nth = done; nth < Math.min(done + callers, events); nth++) {
        const given = invocation()
        store.insert(given, laneOf(given), Date.now(), false)
      }
    })
  }
  return (events / (performance.now() - begun)) * 1000
}

export const events: Bench = {
  name: "events",
  title: `Asynchronous events accepted, durable: ${bytes} bytes, ${callers} callers`,
  run: async ({ isShort, rounds }) => {
    const count = isShort ? 500 : 20_000
    const folder = mkdtempSync(join(tmpdir(), "irori-bench-"))
    const scope = Scope.makeUnsafe()
    const open = async (file: string, invoke: Parameters<typeof queue>[1]) => {
      const context = await Effect.runPromise(Scope.provide(Layer.build(queue(join(folder, file), invoke)), scope))
      const { accept, enqueue } = Context.get(context, AsyncInvoker)
      const plainly: Give = (invocation) =>
        new Promise((resolve, reject) =>
          accept?.(invocation, (error) => (error === undefined ? resolve() : reject(error)))
        )
      const byFiber: Give = (invocation) => Effect.runPromise(enqueue(invocation))
      return { plainly, byFiber }
    }
    // Of the first two, nothing ends: what they take is all they do. Of the third, each event is run and forgotten as well.
    const storing = await open("storing.db", Effect.never)
    const fibers = await open("fibers.db", Effect.never)
    const running = await open("running.db", Effect.succeed({ payload: new Uint8Array(), executedVersion: "$LATEST" }))
    const sameDatabase = await Effect.runPromise(Scope.provide(openDatabase(join(folder, "same.db")), scope))
    const sameStore = await Effect.runPromise(EventStore.make(sameDatabase))
    const looking = new DatabaseSync(join(folder, "running.db"), { readOnly: true })
    const isEmpty = () => looking.prepare("SELECT id FROM events LIMIT 1").get() == null
    try {
      const rates = await inTurns(rounds, {
        bare: bare(join(folder, "bare.db"), count),
        storing: () => accept(storing.plainly, count),
        same: bareStore(sameDatabase, sameStore, count),
        byFiber: () => accept(fibers.byFiber, count),
        running: () => accept(running.plainly, count, isEmpty)
      })
      const accepted = { unit: "/s", digits: 0, ours: rates.storing }
      const [same, fourColumns] = ["bare SQLite, the queue's table and indexes", "bare SQLite, a table of four columns"]
      return [
        { what: "accepted per second", against: same, ...accepted, theirs: rates.same, bar: { least: 0.7 } },
        { what: "accepted per second, beside a plainer table", against: fourColumns, ...accepted, theirs: rates.bare },
        {
          what: "accepted per second, with a fiber for each",
          against: same,
          unit: "/s",
          digits: 0,
          ours: rates.byFiber,
          theirs: rates.same
        },
        {
          what: "accepted, run ten at a time by a function that takes no time, and removed",
          against: same,
          unit: "/s",
          digits: 0,
          ours: rates.running,
          theirs: rates.same
        }
      ]
    } finally {
      looking.close()
      await Effect.runPromise(Scope.close(scope, Exit.void))
      rmSync(folder, { recursive: true })
    }
  }
}
