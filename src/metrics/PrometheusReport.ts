/**
 * MetricsReport: what was counted where it happened, and what pools, circuits and leases are at the moment. The format
 * is the library's.
 */
import { Context, Effect, Layer, Metric } from "effect"
import { FunctionBreaker, type FunctionCircuit } from "../invoke/FunctionBreaker.ts"
import { PoolManager, type PoolStats } from "../pool/PoolManager.ts"
import { Manager } from "../provision/Manager.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { MetricsReport } from "./MetricsReport.ts"

interface Gauge {
  readonly name: string
  readonly description: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Of a process that serves callers. */
export const layerGateway = Layer.effect(
  MetricsReport,
  Effect.gen(function* () {
    const pools = yield* PoolManager
    const breaker = yield* FunctionBreaker
    const registry = yield* FunctionRegistry
    const context = yield* Effect.context<never>()
    const prometheus = Effect.gen(function* () {
      const format = yield* formats
      const stats = yield* pools.stats
      const circuits = yield* breaker.circuits
      const configs = yield* registry.list
      const problems = yield* registry.problems
      const functions = new Set<string | undefined>(configs.map(({ name }) => name))
      for (const { functionName } of [...problems, ...stats]) functions.add(functionName)
      keepOnly(context, functions)
      const known = circuits.filter(({ functionName }) => functions.has(functionName))
      return format(context) + format(measured([...poolGauges(stats), ...circuitGauges(known)]))
    })
    return MetricsReport.of({ prometheus: Effect.provideContext(prometheus, context) })
  })
)

/** Of a process that has workers and no callers. */
export const layerManager = Layer.effect(
  MetricsReport,
  Effect.gen(function* () {
    const manager = yield* Manager
    const context = yield* Effect.context<never>()
    const prometheus = Effect.gen(function* () {
      const format = yield* formats
      const leases = yield* manager.list
      const byFunction = Map.groupBy(leases, ({ worker }) => worker.functionName)
      const gauges = [...byFunction].map(([functionName, workers]) => ({
        name: "irori_manager_workers",
        description: "Workers that run on this machine.",
        labels: { function: functionName },
        value: workers.length
      }))
      return format(context) + format(measured(gauges))
    })
    return MetricsReport.of({ prometheus: Effect.provideContext(prometheus, context) })
  })
)

/** The library's format, whose module comes with an HTTP server: in memory from the first report on. */
const formats = Effect.promise(() =>
  import("effect/observability/PrometheusMetrics").then(({ formatUnsafe }) => formatUnsafe)
)

/** In a registry that is gone afterwards: so what is gone has no series left behind. */
const measured = (gauges: ReadonlyArray<Gauge>): Context.Context<never> => {
  const context = Context.make(Metric.MetricRegistry, new Map())
  for (const { description, labels, name, value } of gauges) {
    Metric.gauge(name, { description, attributes: labels }).updateUnsafe(value, context)
  }
  return context
}

/** Ends the series of functions that are gone; one that comes back begins anew, as after a restart. */
const keepOnly = (context: Context.Context<never>, functions: ReadonlySet<string | undefined>): void => {
  const registry = Context.get(context, Metric.MetricRegistry)
  for (const [key, { attributes }] of registry) {
    if (attributes?.function !== undefined && !functions.has(attributes.function)) registry.delete(key)
  }
}

const poolGauges = (stats: ReadonlyArray<PoolStats>): ReadonlyArray<Gauge> =>
  stats.flatMap((pool) =>
    Object.entries(poolFields).map(([name, { description, of }]) => ({
      name,
      description,
      labels: { function: pool.functionName, version: pool.version },
      value: of(pool)
    }))
  )

const poolFields: Readonly<Record<string, { readonly description: string; readonly of: (pool: PoolStats) => number }>> =
  {
    irori_pool_idle_workers: { description: "Workers that wait for an event.", of: ({ idle }) => idle },
    irori_pool_lent_workers: { description: "Workers that run an event.", of: ({ lent }) => lent },
    irori_pool_starting_workers: { description: "Workers that are starting.", of: ({ starting }) => starting },
    irori_pool_waiting_callers: { description: "Callers that wait for a worker.", of: ({ waiting }) => waiting },
    irori_pool_max_workers: { description: "Workers there may be at once.", of: ({ maxCapacity }) => maxCapacity }
  }

const circuitGauges = (circuits: ReadonlyArray<FunctionCircuit>): ReadonlyArray<Gauge> =>
  circuits.map(({ functionName, state, version }) => ({
    name: "irori_circuit_state",
    description: "0: callers are let through. 1: one is let through on trial. 2: all are refused.",
    labels: { function: functionName, version },
    value: { closed: 0, "half-open": 1, open: 2 }[state]
  }))
