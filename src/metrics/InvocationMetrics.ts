/**
 * Counts invocations and takes their time. On the path of every invocation, so the series of a function are made once
 * and kept with its configuration.
 */
import { Cause, Clock, type Context, Effect, Exit, Option } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { InvocationResult } from "../domain/Invocation.ts"
import type { InvokeError } from "../invoke/InvokeError.ts"
import { type InvocationOutcome, invocationDuration, invocations } from "./metrics.ts"

class FunctionSeries {
  readonly duration: ReturnType<typeof invocationDuration>
  readonly #name: string
  readonly #counters = new Map<InvocationOutcome, ReturnType<typeof invocations>>()

  constructor(name: string) {
    this.#name = name
    this.duration = invocationDuration(name)
  }

  counter(outcome: InvocationOutcome) {
    const known = this.#counters.get(outcome)
    if (known !== undefined) return known
    const counter = invocations(this.#name, outcome)
    this.#counters.set(outcome, counter)
    return counter
  }
}

export interface InvocationMeasure {
  /** Measures one invocation of a function that exists: no other's name becomes a label. */
  readonly measure: <R>(
    config: FunctionConfig,
    invocation: Effect.Effect<InvocationResult, InvokeError, R>
  ) => Effect.Effect<InvocationResult, InvokeError, R>
  /** The way of `measure` as plain calls: the beginning, in seconds of some clock, to be given to `record`. */
  readonly begin: () => number
  readonly record: (config: FunctionConfig, begunSeconds: number, outcome: InvocationOutcome) => void
}

export const make: Effect.Effect<InvocationMeasure> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  // Nothing but where series are kept: what else is around at the time is no part of them.
  const context: Context.Context<never> = yield* Effect.context<never>()
  const series = new WeakMap<FunctionConfig, FunctionSeries>()
  const seriesOf = (config: FunctionConfig) => {
    const known = series.get(config)
    if (known !== undefined) return known
    const created = new FunctionSeries(config.name)
    series.set(config, created)
    return created
  }
  const begin = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e9
  const record = (config: FunctionConfig, begunSeconds: number, outcome: InvocationOutcome) => {
    const ofFunction = seriesOf(config)
    ofFunction.counter(outcome).updateUnsafe(1, context)
    if (wasBegun[outcome]) ofFunction.duration.updateUnsafe(begin() - begunSeconds, context)
  }
  return {
    begin,
    record,
    measure: (config, invocation) =>
      Effect.suspend(() => {
        const begunSeconds = begin()
        return Effect.onExit(invocation, (exit) => Effect.sync(() => record(config, begunSeconds, outcomeOf(exit))))
      })
  }
})

const wasBegun: Record<InvocationOutcome, boolean> = {
  ok: true,
  function_error: true,
  timeout: true,
  worker_lost: true,
  start_failed: false,
  throttled: false,
  circuit_open: false,
  cancelled: false,
  fault: false
}

export const outcomeOf = (exit: Exit.Exit<InvocationResult, InvokeError>): InvocationOutcome => {
  if (Exit.isSuccess(exit)) return exit.value.functionError === undefined ? "ok" : "function_error"
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isNone(error)) return Cause.hasInterruptsOnly(exit.cause) ? "cancelled" : "fault"
  switch (error.value._tag) {
    case "NoCapacity":
    case "RecursiveInvocation":
      return "throttled"
    case "CircuitOpen":
      return "circuit_open"
    case "LambdaExecutionError":
      return executionOutcomes[error.value.cause._tag]
    case "WorkerStartFailed":
    case "FunctionNotFound":
    case "FunctionUnusable":
      return "start_failed"
  }
}

const executionOutcomes = {
  InvocationTimedOut: "timeout",
  WorkerLost: "worker_lost",
  WorkerStartFailed: "start_failed"
} as const
