/**
 * The functions made through the API: their versions and aliases, in the control database and, the same, in memory, so
 * that reading costs no SQL. What may be done to a function is for `Functions`, `Versions` and `Aliases` to decide.
 */
import { Context, Effect, Layer } from "effect"
import { ControlDatabase, type SqlDatabase } from "./Database.ts"
import { dependentTables, qualifiedTables } from "./dependentTables.ts"
import {
  type AliasRecord,
  decodeAlias,
  decodeVersion,
  encodeAlias,
  encodeVersion,
  latest,
  type VersionRecord
} from "./FunctionRecord.ts"

/** By version, `$LATEST` first, then in the order of their numbers. */
export type Versions = ReadonlyMap<string, VersionRecord>

export class FunctionStore extends Context.Service<
  FunctionStore,
  {
    /** Undefined where there is no such function. A record that did not change is the same object. */
    readonly versions: (name: string) => Versions | undefined
    /** By name, in their order; also those of functions that come from files. */
    readonly aliases: (name: string) => ReadonlyMap<string, AliasRecord>
    /** In their order. */
    readonly names: () => ReadonlyArray<string>
    /** Puts a version in the place of the one there is. On the disk when it returns, like all that follow. */
    readonly putVersion: (name: string, record: VersionRecord) => void
    /** With the rows of other services that are this version's alone, as `removeAlias` does with an alias's. */
    readonly removeVersion: (name: string, version: string) => void
    /** The next number of a function of this name. No number is used twice, whatever was deleted in between. */
    readonly takeNumber: (name: string) => string
    readonly putAlias: (name: string, record: AliasRecord) => void
    readonly removeAlias: (name: string, alias: string) => void
    /** The function with all its versions and aliases, and the rows of every other service that are its. */
    readonly remove: (name: string) => void
    /** Several of these as one: all or nothing. */
    readonly transaction: <A>(work: () => A) => A
    /** Tells of each function of which something has changed, once that is on the disk. */
    readonly onChange: (listener: (name: string) => void) => void
  }
>()("irori/control/FunctionStore") {
  static readonly layer = Layer.effect(
    FunctionStore,
    Effect.gen(function* () {
      const database = yield* ControlDatabase
      yield* database.prepare({ name: "functions", steps })
      return over(database)
    })
  )
}

const steps = [
  `CREATE TABLE versions (
    function TEXT NOT NULL,
    version TEXT NOT NULL,
    number INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (function, version)
  ) STRICT;
  CREATE TABLE aliases (
    function TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (function, name)
  ) STRICT;
  CREATE TABLE version_numbers (function TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT;`
]

const over = (database: SqlDatabase): FunctionStore["Service"] => {
  const { all, get, run } = database
  let memory = load(database)
  const listeners: Array<(name: string) => void> = []
  /** Changed in the transaction that is open. */
  const touched = new Set<string>()
  let depth = 0

  const transaction = <A>(work: () => A): A => {
    if (depth > 0) return work()
    depth++
    let result: A
    try {
      result = database.transaction(work)
    } catch (error) {
      // What the disk does not have, memory must not have either.
      if (touched.size > 0) memory = load(database)
      touched.clear()
      throw error
    } finally {
      depth--
    }
    const names = [...touched]
    touched.clear()
    for (const name of names) for (const listener of listeners) listener(name)
    return result
  }

  const change = (name: string, work: () => void): void =>
    transaction(() => {
      touched.add(name)
      work()
    })

  const tablesOf = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
    const present = new Set(all("SELECT name FROM sqlite_master WHERE type = 'table'").map((row) => row.name))
    return names.filter((table) => present.has(table))
  }

  const removeQualified = (name: string, qualifier: string): void => {
    for (const table of tablesOf(qualifiedTables)) {
      run(`DELETE FROM "${table}" WHERE function = ? AND qualifier = ?`, name, qualifier)
    }
  }

  return {
    versions: (name) => memory.versions.get(name),
    aliases: (name) => memory.aliases.get(name) ?? none,
    names: () => [...memory.versions.keys()].sort(),
    putVersion: (name, record) =>
      change(name, () => {
        const sql =
          "INSERT INTO versions VALUES (?, ?, ?, ?) ON CONFLICT (function, version) DO UPDATE SET record = excluded.record"
        run(sql, name, record.version, numberOf(record.version), encodeVersion(record))
        memory.versions.set(name, new Map(memory.versions.get(name)).set(record.version, record))
      }),
    removeVersion: (name, version) =>
      change(name, () => {
        run("DELETE FROM versions WHERE function = ? AND version = ?", name, version)
        removeQualified(name, version)
        memory.versions.set(name, without(memory.versions.get(name), version))
      }),
    takeNumber: (name) =>
      database.transaction(() => {
        const last = Number(get("SELECT last FROM version_numbers WHERE function = ?", name)?.last ?? 0) + 1
        const sql =
          "INSERT INTO version_numbers VALUES (?, ?) ON CONFLICT (function) DO UPDATE SET last = excluded.last"
        run(sql, name, last)
        return String(last)
      }),
    putAlias: (name, record) =>
      change(name, () => {
        const sql =
          "INSERT INTO aliases VALUES (?, ?, ?) ON CONFLICT (function, name) DO UPDATE SET record = excluded.record"
        run(sql, name, record.name, encodeAlias(record))
        memory.aliases.set(name, sorted(new Map(memory.aliases.get(name)).set(record.name, record)))
      }),
    removeAlias: (name, alias) =>
      change(name, () => {
        run("DELETE FROM aliases WHERE function = ? AND name = ?", name, alias)
        removeQualified(name, alias)
        memory.aliases.set(name, without(memory.aliases.get(name), alias))
      }),
    remove: (name) =>
      change(name, () => {
        for (const table of tablesOf(["versions", "aliases", ...dependentTables])) {
          run(`DELETE FROM "${table}" WHERE function = ?`, name)
        }
        memory.versions.delete(name)
        memory.aliases.delete(name)
      }),
    transaction,
    onChange: (listener) => {
      listeners.push(listener)
    }
  }
}

const none: ReadonlyMap<string, AliasRecord> = new Map()

const load = ({ all }: SqlDatabase) => {
  const versions = new Map<string, Map<string, VersionRecord>>()
  for (const row of all("SELECT function, record FROM versions ORDER BY function, number")) {
    const record = decodeVersion(row.record)
    entryOf(versions, String(row.function)).set(record.version, record)
  }
  const aliases = new Map<string, Map<string, AliasRecord>>()
  for (const row of all("SELECT function, record FROM aliases ORDER BY function, name")) {
    const record = decodeAlias(row.record)
    entryOf(aliases, String(row.function)).set(record.name, record)
  }
  return { versions, aliases }
}

const entryOf = <A>(maps: Map<string, Map<string, A>>, name: string): Map<string, A> => {
  const known = maps.get(name)
  if (known !== undefined) return known
  const made = new Map<string, A>()
  maps.set(name, made)
  return made
}

const numberOf = (version: string): number => (version === latest ? 0 : Number(version))

const without = <A>(map: ReadonlyMap<string, A> | undefined, key: string): Map<string, A> => {
  const copy = new Map(map)
  copy.delete(key)
  return copy
}

const sorted = <A>(map: ReadonlyMap<string, A>): Map<string, A> =>
  new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)))
