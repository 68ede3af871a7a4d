/**
 * What is known of each schedule from before: since when it counts, and up to when its due times are settled. One row a
 * schedule, on the disk when a method returns. Decides nothing.
 */
import { Effect } from "effect"
import type { Row, SqlDatabase, Tables } from "../control/Database.ts"

export interface LedgerEntry {
  readonly key: string
  /** What it said about its times; with another text it is another schedule. */
  readonly timing: string
  /** When it came to be. */
  readonly anchorMillis: number
  /** Due times up to this one are settled: fired, or left out. */
  readonly pastMillis: number
  readonly isEnabled: boolean
}

const tables: Tables = {
  name: "schedules",
  steps: [
    `CREATE TABLE schedules (
       key TEXT PRIMARY KEY,
       timing TEXT NOT NULL,
       anchor INTEGER NOT NULL,
       past INTEGER NOT NULL,
       enabled INTEGER NOT NULL
     ) STRICT`
  ]
}

export interface ScheduleLedger {
  readonly entries: () => ReadonlyMap<string, LedgerEntry>
  readonly put: (entry: LedgerEntry) => void
  readonly remove: (key: string) => void
}

export const makeLedger = (database: SqlDatabase) =>
  Effect.map(
    database.prepare(tables),
    (): ScheduleLedger => ({
      entries: () => new Map(database.all("SELECT * FROM schedules").map((row) => [String(row.key), entryOf(row)])),
      put: ({ anchorMillis, isEnabled, key, pastMillis, timing }) => {
        database.run(
          "INSERT OR REPLACE INTO schedules (key, timing, anchor, past, enabled) VALUES (?, ?, ?, ?, ?)",
          key,
          timing,
          anchorMillis,
          pastMillis,
          isEnabled ? 1 : 0
        )
      },
      remove: (key) => {
        database.run("DELETE FROM schedules WHERE key = ?", key)
      }
    })
  )

const entryOf = (row: Row): LedgerEntry => ({
  key: String(row.key),
  timing: String(row.timing),
  anchorMillis: Number(row.anchor),
  pastMillis: Number(row.past),
  isEnabled: row.enabled === 1
})
