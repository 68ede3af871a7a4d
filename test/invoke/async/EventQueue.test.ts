import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { openDatabase, type SqlDatabase } from "../../../src/control/Database.ts"
import type { EventNotStored, EventQueueFull } from "../../../src/invoke/AsyncInvoker.ts"
import { EventQueue } from "../../../src/invoke/async/EventQueue.ts"
import { EventStore, type QueuedEvent } from "../../../src/invoke/async/EventStore.ts"
import { turns } from "../../support/asyncInvoking.ts"
import { invocation } from "../../support/functions.ts"

const payload = new TextEncoder().encode(JSON.stringify("x".repeat(20_000)))

/** A queue over a database that a test can fill up, and the events that it has begun to run. */
const queueOver = Effect.fnUntraced(function* (database: SqlDatabase) {
  const store = yield* EventStore.make(database)
  const begun: Array<QueuedEvent> = []
  const stuck: Array<string> = []
  const queue = new EventQueue(database, store, {
    maxEvents: 1000,
    maxRunning: 1000,
    maxFailed: 10,
    now: () => 0,
    begin: (event) => begun.push(event),
    appeared: () => {},
    due: () => {},
    tell: () => {},
    stuck: (cause) => stuck.push(String(cause))
  })
  queue.recover()
  const accept = (requestId: string) =>
    Effect.callback<void, EventQueueFull | EventNotStored>((resume) =>
      queue.accept(invocation({ requestId, payload }), (error) =>
        resume(error === undefined ? Effect.void : Effect.fail(error))
      )
    )
  return { queue, begun, stuck, accept }
})

/** As a disk that has no more room than what is used, and `pages` more. */
const limit = (database: SqlDatabase, pages: number) =>
  Effect.sync(() => {
    const used = Number(database.get("PRAGMA page_count")?.page_count)
    database.get(`PRAGMA max_page_count = ${used + pages}`)
  })

const stored = (database: SqlDatabase) =>
  database.all("SELECT request_id FROM events ORDER BY id").map(({ request_id }) => String(request_id))

describe("a queue whose disk is full", () => {
  it.effect("refuses what it cannot store, and has all that it did not refuse", () =>
    Effect.gen(function* () {
      const database = yield* openDatabase(":memory:")
      const { accept } = yield* queueOver(database)
      yield* limit(database, 40)
      const accepted: Array<string> = []
      const refused: Array<string> = []
      for (let nth = 0; nth < 20; nth++) {
        yield* Effect.match(accept(`id-${nth}`), {
          onSuccess: () => accepted.push(`id-${nth}`),
          onFailure: (error) => refused.push(`${error._tag} ${"isDiskFull" in error && error.isDiskFull}`)
        })
      }
      expect(accepted.length).toBeGreaterThan(3)
      expect(refused.length).toBeGreaterThan(3)
      expect(new Set(refused)).toEqual(new Set(["EventNotStored true"]))
      expect(stored(database)).toEqual(accepted)
      yield* limit(database, 1000)
      yield* accept("later")
      expect(stored(database)).toEqual([...accepted, "later"])
    })
  )

  it.effect("refuses all of what came at the same moment, where that has no room together", () =>
    Effect.gen(function* () {
      const database = yield* openDatabase(":memory:")
      const { accept } = yield* queueOver(database)
      yield* limit(database, 12)
      const exits = yield* Effect.forEach(["a", "b", "c", "d"], (id) => Effect.exit(accept(id)), {
        concurrency: "unbounded"
      })
      expect(exits.map(({ _tag }) => _tag)).toEqual(["Failure", "Failure", "Failure", "Failure"])
      expect(stored(database)).toEqual([])
    })
  )

  it.effect("writes down what became of an event as soon as it can, and till then lets it be", () =>
    Effect.gen(function* () {
      const database = yield* openDatabase(":memory:")
      const { accept, begun, queue, stuck } = yield* queueOver(database)
      yield* accept("id-1")
      yield* limit(database, 0)
      const answer = { payload, executedVersion: "$LATEST", functionError: "Unhandled" as const }
      queue.putBack({ ...begun[0]!, attempts: 1, answer }, 1000, "ran")
      yield* turns
      expect(stuck).toHaveLength(1)
      expect(database.get("SELECT running, attempts FROM events")).toMatchObject({ running: 1, attempts: 0 })
      yield* limit(database, 1000)
      queue.retry()
      yield* turns
      expect(database.get("SELECT running, attempts, due FROM events")).toMatchObject({
        running: 0,
        attempts: 1,
        due: 1000
      })
    })
  )

  it.effect("forgets events that have ended, which takes no room", () =>
    Effect.gen(function* () {
      const database = yield* openDatabase(":memory:")
      const { accept, begun, queue, stuck } = yield* queueOver(database)
      yield* accept("id-1")
      yield* limit(database, 0)
      queue.end(begun[0]!, "ran")
      yield* turns
      expect(stuck).toEqual([])
      expect(stored(database)).toEqual([])
    })
  )
})
