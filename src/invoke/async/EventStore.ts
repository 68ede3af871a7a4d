/**
 * The queue's tables: events that wait or run, those that ended and have something still to be told or kept, and what
 * is to be told to whom. Synchronous statements, meant to be run in the transactions of a `Journal`; decides nothing.
 */
import { Effect } from "effect"
import type { Row, SqlDatabase, Tables } from "../../control/Database.ts"
import { FunctionName } from "../../domain/FunctionName.ts"
import type { Invocation } from "../../domain/Invocation.ts"
import type { Occasion } from "../AsyncInvoker.ts"

/** Why an event ended, as records say it. */
export type Condition = "Success" | "RetriesExhausted" | "EventAgeExceeded" | "ZeroReservedConcurrency"

/** What a function said. */
export interface Answer {
  readonly payload: Uint8Array
  readonly executedVersion: string
  readonly functionError?: "Unhandled"
}

export interface QueuedEvent {
  /** Grows in the order of acceptance. */
  readonly id: number
  readonly invocation: Invocation
  readonly acceptedMillis: number
  readonly dueMillis: number
  /** How many times the function has run to an answer. */
  readonly attempts: number
  /** How many times in a row it was not run. */
  readonly throttles: number
  /** Of the last attempt; it failed. */
  readonly answer?: Answer
}

/** An event that will not run again. */
export interface Outcome {
  readonly id: number
  readonly invocation: Invocation
  readonly acceptedMillis: number
  readonly endedMillis: number
  readonly condition: Condition
  readonly attempts: number
  readonly answer?: Answer
}

/** `record`: the whole story. `event`: the event alone, as a dead-letter queue gets it. */
export type DeliveryKind = "record" | "event"

export interface Delivery {
  readonly id: number
  readonly outcomeId: number
  readonly kind: DeliveryKind
  /** As it was configured. */
  readonly target: string
  /** How many times it has failed. */
  readonly tries: number
}

/** Failed events that are kept: of one function, or the one with an id, or all. */
export interface Selection {
  readonly functionName?: string
  readonly requestId?: string
}

export interface LaneCount {
  readonly lane: string
  readonly count: number
  readonly nextDueMillis: number
}

/**
 * `lane` is the function's name, a colon, and the qualifier if one was given. Large columns come last: what is before
 * them is read without them.
 */
const tables: Tables = {
  name: "events",
  steps: [
    `CREATE TABLE events (
       id INTEGER PRIMARY KEY,
       lane TEXT NOT NULL,
       due INTEGER NOT NULL,
       running INTEGER NOT NULL,
       attempts INTEGER NOT NULL,
       throttles INTEGER NOT NULL,
       accepted INTEGER NOT NULL,
       request_id TEXT NOT NULL,
       trace_id TEXT NOT NULL,
       client_context TEXT,
       executed_version TEXT,
       payload BLOB NOT NULL,
       answer BLOB
     ) STRICT;
     CREATE INDEX events_waiting ON events (lane, due) WHERE running = 0;
     CREATE INDEX events_running ON events (id) WHERE running = 1;
     CREATE TABLE outcomes (
       id INTEGER PRIMARY KEY,
       lane TEXT NOT NULL,
       condition TEXT NOT NULL,
       kept INTEGER NOT NULL,
       attempts INTEGER NOT NULL,
       accepted INTEGER NOT NULL,
       ended INTEGER NOT NULL,
       request_id TEXT NOT NULL,
       trace_id TEXT NOT NULL,
       client_context TEXT,
       executed_version TEXT,
       function_error TEXT,
       payload BLOB NOT NULL,
       answer BLOB
     ) STRICT;
     CREATE INDEX outcomes_kept ON outcomes (lane, id) WHERE kept = 1;
     CREATE INDEX outcomes_request ON outcomes (request_id);
     CREATE TABLE deliveries (
       id INTEGER PRIMARY KEY,
       outcome INTEGER NOT NULL,
       kind TEXT NOT NULL,
       target TEXT NOT NULL,
       tries INTEGER NOT NULL,
       given_up INTEGER NOT NULL,
       due INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX deliveries_due ON deliveries (due) WHERE given_up = 0;
     CREATE INDEX deliveries_outcome ON deliveries (outcome)`,
    "CREATE TABLE occasions (key TEXT PRIMARY KEY, due INTEGER NOT NULL) STRICT"
  ]
}

export const laneOf = ({ functionName, qualifier }: Pick<Invocation, "functionName" | "qualifier">): string =>
  `${functionName}:${qualifier ?? ""}`

export const functionOfLane = (lane: string): FunctionName => FunctionName.make(lane.slice(0, lane.indexOf(":")))

export const qualifierOfLane = (lane: string): string | undefined => lane.slice(lane.indexOf(":") + 1) || undefined

export class EventStore {
  readonly #database: SqlDatabase
  /** Given here, since asking for what SQLite gave costs as much as the row. */
  #lastEvent: number
  #lastOutcome: number

  private constructor(database: SqlDatabase) {
    this.#database = database
    this.#lastEvent = Number(database.get("SELECT COALESCE(MAX(id), 0) AS id FROM events")?.id)
    this.#lastOutcome = Number(database.get("SELECT COALESCE(MAX(id), 0) AS id FROM outcomes")?.id)
  }

  static readonly make = (database: SqlDatabase) => Effect.map(database.prepare(tables), () => new EventStore(database))

  /**
   * Of an event that is due as it comes, and belongs into `lane`. `isRunning`: its caller begins with it as soon as it is
   * written. Answers with its id.
   */
  insert(invocation: Invocation, lane: string, acceptedMillis: number, isRunning: boolean): number {
    const id = ++this.#lastEvent
    this.#database.run(
      `INSERT INTO events
         (id, lane, due, accepted, running, attempts, throttles, request_id, trace_id, client_context, payload)
       VALUES (?1, ?2, ?3, ?3, ?4, 0, 0, ?5, ?6, ?7, ?8)`,
      id,
      lane,
      acceptedMillis,
      isRunning ? 1 : 0,
      invocation.requestId,
      invocation.traceId,
      invocation.clientContext ?? null,
      invocation.payload
    )
    return id
  }

  /** Notes that it has come. False where it has before, or a later one with its key has. */
  note({ dueMillis, key }: Occasion): boolean {
    const changed = this.#database.run(
      `INSERT INTO occasions (key, due) VALUES (?, ?)
       ON CONFLICT (key) DO UPDATE SET due = excluded.due WHERE excluded.due > occasions.due`,
      key,
      dueMillis
    )
    return changed > 0
  }

  /** Takes up to `count` events of the lane that are due, those due for longest first; they count as running. */
  claim(lane: string, nowMillis: number, count: number): ReadonlyArray<QueuedEvent> {
    const rows = this.#database.all(
      "SELECT * FROM events WHERE lane = ? AND running = 0 AND due <= ? ORDER BY due, id LIMIT ?",
      lane,
      nowMillis,
      count
    )
    for (const { id } of rows) this.#database.run("UPDATE events SET running = 1 WHERE id = ?", Number(id))
    return rows.map(queuedEvent)
  }

  /** When the first event that waits in the lane is due; infinity when none does. */
  nextDueMillis(lane: string): number {
    const row = this.#database.get("SELECT due FROM events WHERE lane = ? AND running = 0 ORDER BY due LIMIT 1", lane)
    return row === undefined ? Number.POSITIVE_INFINITY : Number(row.due)
  }

  /** It was running, and waits again. */
  putBack({ answer, attempts, id, throttles }: QueuedEvent, dueMillis: number): void {
    if (answer === undefined) {
      this.#database.run(
        "UPDATE events SET running = 0, due = ?, attempts = ?, throttles = ? WHERE id = ?",
        dueMillis,
        attempts,
        throttles,
        id
      )
      return
    }
    this.#database.run(
      `UPDATE events SET running = 0, due = ?, attempts = ?, throttles = ?, executed_version = ?, answer = ?
       WHERE id = ?`,
      dueMillis,
      attempts,
      throttles,
      answer.executedVersion,
      answer.payload,
      id
    )
  }

  remove(id: number): void {
    this.#database.run("DELETE FROM events WHERE id = ?", id)
  }

  /** What was running when the process before this one ended waits again, first in its lane. By lane. */
  recover(): ReadonlyArray<{ readonly lane: string; readonly count: number }> {
    return this.#database.transaction(() => {
      const rows = this.#database.all("SELECT lane, COUNT(*) AS count FROM events WHERE running = 1 GROUP BY lane")
      if (rows.length > 0) this.#database.run("UPDATE events SET running = 0 WHERE running = 1")
      return rows.map(({ count, lane }) => ({ lane: String(lane), count: Number(count) }))
    })
  }

  waitingByLane(): ReadonlyArray<LaneCount> {
    return this.#database
      .all("SELECT lane, COUNT(*) AS count, MIN(due) AS due FROM events WHERE running = 0 GROUP BY lane")
      .map(({ count, due, lane }) => ({ lane: String(lane), count: Number(count), nextDueMillis: Number(due) }))
  }

  /** `isKept`: nothing is to be told of it, and it stays until somebody asks. Answers with its id. */
  addOutcome(outcome: Omit<Outcome, "id">, isKept: boolean): number {
    const { answer, invocation } = outcome
    const id = ++this.#lastOutcome
    this.#database.run(
      `INSERT INTO outcomes (id, lane, condition, kept, attempts, accepted, ended, request_id, trace_id, client_context,
         executed_version, function_error, payload, answer)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      laneOf(invocation),
      outcome.condition,
      isKept ? 1 : 0,
      outcome.attempts,
      outcome.acceptedMillis,
      outcome.endedMillis,
      invocation.requestId,
      invocation.traceId,
      invocation.clientContext ?? null,
      answer?.executedVersion ?? null,
      answer?.functionError ?? null,
      invocation.payload,
      answer?.payload ?? null
    )
    return id
  }

  outcome(id: number): Outcome | undefined {
    const row = this.#database.get("SELECT * FROM outcomes WHERE id = ?", id)
    return row === undefined ? undefined : outcomeOf(row)
  }

  /** Those of which something is still to be told. */
  countTelling(): number {
    return Number(this.#database.get("SELECT COUNT(*) AS count FROM outcomes WHERE kept = 0")?.count)
  }

  /** Kept ones in the order in which they failed, from after the one with the id `after` on. */
  kept(selection: Selection, after: number, limit: number): ReadonlyArray<Outcome> {
    const { sql, values } = where(selection)
    return this.#database
      .all(`SELECT * FROM outcomes WHERE kept = 1 AND id > ?${sql} ORDER BY id LIMIT ?`, after, ...values, limit)
      .map(outcomeOf)
  }

  count(selection: Selection): number {
    const { sql, values } = where(selection)
    return Number(this.#database.get(`SELECT COUNT(*) AS count FROM outcomes WHERE kept = 1${sql}`, ...values)?.count)
  }

  /** Puts up to `limit` kept events back into the queue, as if they had just come. By lane. */
  redrive(selection: Selection, nowMillis: number, limit: number): ReadonlyArray<string> {
    const { sql, values } = where(selection)
    const rows = this.#database.all(
      `SELECT id, lane FROM outcomes WHERE kept = 1${sql} ORDER BY id LIMIT ?`,
      ...values,
      limit
    )
    for (const { id } of rows) {
      this.#database.run(
        `INSERT INTO events
           (id, lane, due, running, attempts, throttles, accepted, request_id, trace_id, client_context, payload)
         SELECT ?, lane, ?, 0, 0, 0, ?, request_id, trace_id, client_context, payload FROM outcomes WHERE id = ?`,
        ++this.#lastEvent,
        nowMillis,
        nowMillis,
        Number(id)
      )
      this.#forget(Number(id))
    }
    return rows.map(({ lane }) => String(lane))
  }

  /** Forgets up to `limit` kept events; answers with how many there were. */
  discard(selection: Selection, limit: number): number {
    const { sql, values } = where(selection)
    const rows = this.#database.all(
      `SELECT id FROM outcomes WHERE kept = 1${sql} ORDER BY id LIMIT ?`,
      ...values,
      limit
    )
    for (const { id } of rows) this.#forget(Number(id))
    return rows.length
  }

  /** Forgets kept events that ended before `endedMillis`; up to `limit` of them, the oldest first. */
  expire(endedMillis: number, limit: number): number {
    const rows = this.#database.all("SELECT id, ended FROM outcomes WHERE kept = 1 ORDER BY id LIMIT ?", limit)
    const old = rows.filter(({ ended }) => Number(ended) < endedMillis)
    for (const { id } of old) this.#forget(Number(id))
    return old.length
  }

  #forget(id: number): void {
    this.#database.run("DELETE FROM deliveries WHERE outcome = ?", id)
    this.#database.run("DELETE FROM outcomes WHERE id = ?", id)
  }

  /** A lost one is never tried: it is there so that its event is kept. */
  addDelivery(outcomeId: number, kind: DeliveryKind, target: string, dueMillis: number, isLost: boolean): void {
    this.#database.run(
      "INSERT INTO deliveries (outcome, kind, target, tries, given_up, due) VALUES (?, ?, ?, 0, ?, ?)",
      outcomeId,
      kind,
      target,
      isLost ? 1 : 0,
      dueMillis
    )
  }

  dueDeliveries(nowMillis: number, limit: number): ReadonlyArray<Delivery> {
    return this.#database
      .all("SELECT * FROM deliveries WHERE given_up = 0 AND due <= ? ORDER BY due, id LIMIT ?", nowMillis, limit)
      .map(({ id, kind, outcome, target, tries }) => ({
        id: Number(id),
        outcomeId: Number(outcome),
        kind: kind === "event" ? "event" : "record",
        target: String(target),
        tries: Number(tries)
      }))
  }

  nextDeliveryMillis(): number {
    const row = this.#database.get("SELECT due FROM deliveries WHERE given_up = 0 ORDER BY due LIMIT 1")
    return row === undefined ? Number.POSITIVE_INFINITY : Number(row.due)
  }

  /** It failed: it is tried again at `dueMillis`, and nothing else goes to the same target before. */
  postponeDelivery({ id, target }: Delivery, dueMillis: number): void {
    this.#database.run("UPDATE deliveries SET tries = tries + 1 WHERE id = ?", id)
    this.#database.run(
      "UPDATE deliveries SET due = ? WHERE target = ? AND given_up = 0 AND due < ?",
      dueMillis,
      target,
      dueMillis
    )
  }

  /**
   * It is delivered, or given up. When nothing else is to be told of its event, that is forgotten; one that failed and
   * whose story was not told to all is kept. Says which of both has happened, if any.
   */
  endDelivery({ id, outcomeId }: Delivery, isDelivered: boolean): "forgotten" | "kept" | undefined {
    if (isDelivered) this.#database.run("DELETE FROM deliveries WHERE id = ?", id)
    else this.#database.run("UPDATE deliveries SET given_up = 1 WHERE id = ?", id)
    const left = this.#database.get(
      "SELECT COUNT(*) AS count, COALESCE(SUM(given_up), 0) AS lost FROM deliveries WHERE outcome = ?",
      outcomeId
    )
    if (Number(left?.count) > Number(left?.lost)) return undefined
    const condition = this.#database.get("SELECT condition FROM outcomes WHERE id = ?", outcomeId)?.condition
    if (Number(left?.lost) === 0 || condition === "Success") {
      this.#forget(outcomeId)
      return "forgotten"
    }
    this.#database.run("DELETE FROM deliveries WHERE outcome = ?", outcomeId)
    this.#database.run("UPDATE outcomes SET kept = 1 WHERE id = ?", outcomeId)
    return "kept"
  }
}

/** Of kept outcomes. A lane begins with its function's name and a colon, which `;` comes next to. */
const where = ({ functionName, requestId }: Selection) => ({
  sql: `${functionName === undefined ? "" : " AND lane >= ? AND lane < ?"}${requestId === undefined ? "" : " AND request_id = ?"}`,
  values: [
    ...(functionName === undefined ? [] : [`${functionName}:`, `${functionName};`]),
    ...(requestId === undefined ? [] : [requestId])
  ]
})

const invocationOf = (row: Row): Invocation => {
  const lane = String(row.lane)
  const qualifier = qualifierOfLane(lane)
  return {
    requestId: String(row.request_id),
    functionName: functionOfLane(lane),
    ...(qualifier === undefined ? {} : { qualifier }),
    payload: bytes(row.payload),
    traceId: String(row.trace_id),
    ...(row.client_context === null ? {} : { clientContext: String(row.client_context) })
  }
}

const queuedEvent = (row: Row): QueuedEvent => ({
  id: Number(row.id),
  invocation: invocationOf(row),
  acceptedMillis: Number(row.accepted),
  dueMillis: Number(row.due),
  attempts: Number(row.attempts),
  throttles: Number(row.throttles),
  ...(row.answer === null
    ? {}
    : {
        answer: {
          payload: bytes(row.answer),
          executedVersion: String(row.executed_version),
          functionError: "Unhandled" as const
        }
      })
})

const outcomeOf = (row: Row): Outcome => ({
  id: Number(row.id),
  invocation: invocationOf(row),
  acceptedMillis: Number(row.accepted),
  endedMillis: Number(row.ended),
  condition: row.condition as Condition,
  attempts: Number(row.attempts),
  ...(row.answer === null
    ? {}
    : {
        answer: {
          payload: bytes(row.answer),
          executedVersion: String(row.executed_version),
          ...(row.function_error === null ? {} : { functionError: "Unhandled" as const })
        }
      })
})

const bytes = (value: Row[string] | undefined): Uint8Array => (value instanceof Uint8Array ? value : new Uint8Array())
