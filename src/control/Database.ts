/**
 * SQLite as the control plane and the queue use it: one file in the state folder, opened once, written through
 * transactions that are on the disk when they return. Knows no tables: each service brings its own.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import { Context, Effect, Layer, Schema, type Scope } from "effect"

/** The file cannot be opened, or was written by a later version. */
export class DatabaseUnusable extends Schema.TaggedError<DatabaseUnusable>()("DatabaseUnusable", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export type Row = Readonly<Record<string, string | number | bigint | null | Uint8Array>>

/** The steps that lead from nothing to the tables of one service. A step that was released is never changed. */
export interface Tables {
  /** Names the service among those in the same file. */
  readonly name: string
  readonly steps: ReadonlyArray<string>
}

export interface SqlDatabase {
  /** Makes the tables, or brings them up to the last step. */
  readonly prepare: (tables: Tables) => Effect.Effect<void, DatabaseUnusable>
  /** Rows, as objects by column. `sql` is compiled once. */
  readonly all: (sql: string, ...values: ReadonlyArray<SQLInputValue>) => ReadonlyArray<Row>
  readonly get: (sql: string, ...values: ReadonlyArray<SQLInputValue>) => Row | undefined
  /** The number of rows that changed. */
  readonly run: (sql: string, ...values: ReadonlyArray<SQLInputValue>) => number
  /**
   * Runs `work` and commits, or undoes all of it when it throws; within another transaction it is a part of that one.
   * On the disk when it returns. Synchronous, so nothing comes between.
   */
  readonly transaction: <A>(work: () => A) => A
}

/** The file of functions and all that belongs to them. */
export class ControlDatabase extends Context.Service<ControlDatabase, SqlDatabase>()("irori/control/ControlDatabase") {
  static readonly layer = (path: string) => Layer.effect(ControlDatabase, openDatabase(path))
  /** Gone with the process; for tests. */
  static readonly layerMemory = Layer.effect(
    ControlDatabase,
    Effect.suspend(() => openDatabase(":memory:"))
  )
}

/** Opens `path`, making it where it is not there; closed with the scope. `:memory:` is a database that nobody keeps. */
export const openDatabase = (path: string): Effect.Effect<SqlDatabase, DatabaseUnusable, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Effect.try({ try: () => open(path), catch: (cause) => unusable(path, cause) }), (database) =>
      Effect.sync(() => database.close())
    ),
    (database) => over(database, path)
  )

/** Readers do not wait for the writer, and a commit returns once the disk has it. */
const settings = [
  "PRAGMA journal_mode = WAL",
  "PRAGMA synchronous = FULL",
  "PRAGMA foreign_keys = ON",
  "PRAGMA busy_timeout = 5000"
]

const open = (path: string): DatabaseSync => {
  const database = new DatabaseSync(path)
  for (const setting of settings) database.exec(setting)
  database.exec("CREATE TABLE IF NOT EXISTS tables (name TEXT PRIMARY KEY, step INTEGER NOT NULL) STRICT")
  return database
}

const over = (database: DatabaseSync, path: string): SqlDatabase => {
  const compiled = new Map<string, StatementSync>()
  const statement = (sql: string): StatementSync => {
    const known = compiled.get(sql)
    if (known !== undefined) return known
    const made = database.prepare(sql)
    compiled.set(sql, made)
    return made
  }
  let depth = 0
  const transaction = <A>(work: () => A): A => {
    if (depth > 0) return work()
    database.exec("BEGIN IMMEDIATE")
    depth++
    try {
      const result = work()
      database.exec("COMMIT")
      return result
    } catch (error) {
      // A commit that failed for want of room has left its transaction open or not, as SQLite saw fit.
      if (database.isTransaction) database.exec("ROLLBACK")
      throw error
    } finally {
      depth--
    }
  }
  const all = (sql: string, ...values: ReadonlyArray<SQLInputValue>) => statement(sql).all(...values) as Array<Row>
  const get = (sql: string, ...values: ReadonlyArray<SQLInputValue>) =>
    (statement(sql).get(...values) as Row | undefined | null) ?? undefined
  const run = (sql: string, ...values: ReadonlyArray<SQLInputValue>) => Number(statement(sql).run(...values).changes)

  const prepare = ({ name, steps }: Tables) =>
    Effect.try({
      try: () =>
        transaction(() => {
          const done = Number(get("SELECT step FROM tables WHERE name = ?", name)?.step ?? 0)
          if (done > steps.length) throw new Error(`its ${name} were written by a later version of Irori`)
          for (const step of steps.slice(done)) database.exec(step)
          run(
            "INSERT INTO tables VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET step = excluded.step",
            name,
            steps.length
          )
        }),
      catch: (cause) => unusable(path, cause)
    })

  return { prepare, all, get, run, transaction }
}

const unusable = (path: string, cause: unknown) =>
  new DatabaseUnusable({
    detail: `The database ${path} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`
  })
