/**
 * How many of a function may run at once, and how many workers of a version are to be kept ready: what was set through
 * the API, kept in the database and in memory for as long as that function, version or alias is there. Whether a number
 * may be set is `Concurrency`'s to say; who is refused for it, `ConcurrencyGate`'s.
 */
import { Context, Effect, Layer } from "effect"
import { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Qualifier } from "../domain/FunctionName.ts"
import { ControlDatabase, type Row, type Tables } from "./Database.ts"
import { FunctionStore } from "./FunctionStore.ts"

/** What is provisioned under one qualifier. */
export interface ProvisionedConfig {
  readonly functionName: string
  /** A version's number, or an alias. */
  readonly qualifier: Qualifier
  /** The version it leads to. */
  readonly version: string
  readonly requested: number
  /** Unix milliseconds. */
  readonly modifiedMillis: number
}

export interface ConcurrencyLimitsOptions {
  /** What all functions together may run at once. */
  readonly accountConcurrency: number
}

export class ConcurrencyLimits extends Context.Service<
  ConcurrencyLimits,
  {
    readonly accountConcurrency: number
    /** What `name` may run at once over all its versions; undefined where it shares with others what is unreserved. */
    readonly reservedOf: (name: string) => number | undefined
    /** How many workers of this version are to be kept ready, for itself and for the aliases that lead to it. */
    readonly provisionedOf: (name: string, version: string) => number
    /** By function. */
    readonly reserved: () => ReadonlyMap<string, number>
    /** Of one function, or of all. */
    readonly provisioned: (name?: string) => ReadonlyArray<ProvisionedConfig>

    /**
     * What functions of files reserve for themselves, in place of what they did before; what is set through the API
     * counts before it. Answers with the names of those for which too little of the account is left: they have none.
     */
    readonly declare: (reservations: ReadonlyMap<string, number>) => ReadonlyArray<string>
    /** Undefined takes the reservation back. */
    readonly reserve: (name: string, executions: number | undefined) => void
    /** Takes the place of what was provisioned under the same qualifier. */
    readonly provision: (config: ProvisionedConfig) => void
    /** Does nothing where nothing is provisioned. */
    readonly unprovision: (name: string, qualifier: Qualifier) => void

    /**
     * `hook` is called with a function's name after each change of its limits, in the order in which hooks came; also
     * when an alias goes to another version, and what is provisioned for it with it. It does not fail.
     */
    readonly onChange: (hook: (name: string) => void) => void
  }
>()("irori/control/ConcurrencyLimits") {
  static readonly layer = (options: ConcurrencyLimitsOptions) => Layer.effect(ConcurrencyLimits, make(options))
}

/** What can never be set aside for one function. */
export const minUnreserved = 100

export const concurrencyTables: Tables = {
  name: "concurrency",
  steps: [
    `CREATE TABLE reserved_concurrency (
       function TEXT PRIMARY KEY,
       executions INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE provisioned_concurrency (
       function TEXT NOT NULL,
       qualifier TEXT NOT NULL,
       version TEXT NOT NULL,
       requested INTEGER NOT NULL,
       modified_millis INTEGER NOT NULL,
       PRIMARY KEY (function, qualifier)
     ) STRICT`
  ]
}

const make = Effect.fnUntraced(function* ({ accountConcurrency }: ConcurrencyLimitsOptions) {
  const database = yield* ControlDatabase
  const store = yield* FunctionStore
  yield* database.prepare(concurrencyTables)
  const hooks: Array<(name: string) => void> = []
  const reserved = new Map<string, number>()
  let declared: ReadonlyMap<string, number> = new Map()
  /** Those of the API over those that are declared. */
  let allReserved: ReadonlyMap<string, number> = reserved
  const provisioned = new Map<string, ReadonlyArray<ProvisionedConfig>>()

  const read = (name: string): void => {
    const reservation = database.get("SELECT executions FROM reserved_concurrency WHERE function = ?", name)
    if (reservation === undefined) reserved.delete(name)
    else reserved.set(name, Number(reservation.executions))
    const configs = database
      .all("SELECT * FROM provisioned_concurrency WHERE function = ? ORDER BY rowid", name)
      .map(provisionedConfig)
    if (configs.length === 0) provisioned.delete(name)
    else provisioned.set(name, configs)
  }
  const remove = (name: string, qualifier: Qualifier) =>
    database.run("DELETE FROM provisioned_concurrency WHERE function = ? AND qualifier = ?", name, qualifier)

  const names = "SELECT function FROM reserved_concurrency UNION SELECT function FROM provisioned_concurrency"
  for (const row of database.all(names)) read(String(row.function))

  const changed = (name: string): void => {
    read(name)
    allReserved = new Map([...declared, ...reserved])
    for (const hook of hooks) hook(name)
  }

  /** Whom the qualifiers mean may have changed, or they are gone. The rows of a function that is gone went with it. */
  const follow = (name: string): void => {
    if (!reserved.has(name) && !provisioned.has(name)) return
    database.transaction(() => {
      for (const { qualifier, version } of provisioned.get(name) ?? []) {
        const leadsTo = store.aliases(name).get(qualifier)?.version ?? store.versions(name)?.get(qualifier)?.version
        if (leadsTo === undefined) remove(name, qualifier)
        else if (leadsTo !== version) {
          const sql = "UPDATE provisioned_concurrency SET version = ? WHERE function = ? AND qualifier = ?"
          database.run(sql, leadsTo, name, qualifier)
        }
      }
    })
    changed(name)
  }
  for (const name of provisioned.keys()) follow(name)
  store.onChange(follow)

  return ConcurrencyLimits.of({
    accountConcurrency,
    reservedOf: (name) => allReserved.get(name),
    provisionedOf: (name, version) => {
      let sum = 0
      for (const config of provisioned.get(name) ?? []) if (config.version === version) sum += config.requested
      return sum
    },
    reserved: () => allReserved,
    provisioned: (name) => (name === undefined ? [...provisioned.values()].flat() : (provisioned.get(name) ?? [])),
    declare: (reservations) => {
      const before = declared
      let left = accountConcurrency - minUnreserved
      for (const executions of reserved.values()) left -= executions
      const honoured = new Map<string, number>()
      for (const [name, executions] of reservations) {
        if (!reserved.has(name) && executions > left) continue
        if (!reserved.has(name)) left -= executions
        honoured.set(name, executions)
      }
      declared = honoured
      for (const name of new Set([...before.keys(), ...honoured.keys()])) {
        if (before.get(name) !== honoured.get(name)) changed(name)
      }
      return [...reservations.keys()].filter((name) => !honoured.has(name))
    },
    reserve: (name, executions) => {
      if (executions === undefined) database.run("DELETE FROM reserved_concurrency WHERE function = ?", name)
      else {
        database.run(
          "INSERT INTO reserved_concurrency VALUES (?, ?) ON CONFLICT DO UPDATE SET executions = excluded.executions",
          name,
          executions
        )
      }
      changed(name)
    },
    provision: ({ functionName, modifiedMillis, qualifier, requested, version }) => {
      database.run(
        `INSERT INTO provisioned_concurrency VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
         SET version = excluded.version, requested = excluded.requested, modified_millis = excluded.modified_millis`,
        functionName,
        qualifier,
        version,
        requested,
        modifiedMillis
      )
      changed(functionName)
    },
    unprovision: (name, qualifier) => {
      remove(name, qualifier)
      changed(name)
    },
    onChange: (hook) => void hooks.push(hook)
  })
})

const provisionedConfig = (row: Row): ProvisionedConfig => ({
  functionName: String(row.function),
  qualifier: String(row.qualifier),
  version: String(row.version),
  requested: Number(row.requested),
  modifiedMillis: Number(row.modified_millis)
})

/**
 * A version's settings as its limits make them; the same object where they say nothing about it. Workers are bounded by
 * the reservation as well as by `maxCapacity`, which what is provisioned may raise.
 */
export const withLimits = (
  config: FunctionConfig,
  limits: Pick<ConcurrencyLimits["Service"], "reservedOf" | "provisionedOf">
): FunctionConfig => {
  const reserved = limits.reservedOf(config.name)
  const provisioned = limits.provisionedOf(config.name, config.version)
  if (reserved === undefined && provisioned === 0) return config
  return new FunctionConfig({
    ...config,
    maxCapacity: Math.min(reserved ?? Number.MAX_SAFE_INTEGER, Math.max(config.maxCapacity, provisioned)),
    minCapacity: Math.max(config.minCapacity, provisioned),
    ...(provisioned > 0 ? { initializationType: "provisioned-concurrency" as const } : {})
  })
}
