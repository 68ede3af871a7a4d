/**
 * Answers callers of a function at once whose workers have failed again and again, instead of starting yet another
 * one for each. When to do so is decided by a `Circuit` for each function and version; what is a failure of the
 * workers is the invoker's to say.
 */
import { Clock, Context, Duration, Effect, Exit, Layer, Schema } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { FunctionName } from "../domain/FunctionName.ts"
import { Circuit, type CircuitState, type Transition, type Verdict } from "./Circuit.ts"

/** The function's workers failed too often in a row. Nothing ran. */
export class CircuitOpen extends Schema.TaggedError<CircuitOpen>()("CircuitOpen", {
  functionName: FunctionName,
  failures: Schema.Int,
  /** Until somebody is let through on trial; zero while somebody is. */
  retryAfter: Schema.Duration
}) {
  override get message() {
    const times = `${this.failures} time${this.failures === 1 ? "" : "s"} in a row`
    const seconds = Math.ceil(Duration.toSeconds(this.retryAfter))
    const next = seconds > 0 ? `it is tried again in ${seconds} s` : "it is being tried again"
    return `'${this.functionName}' is not run at the moment: its workers failed ${times}; ${next}.`
  }
}

export interface BreakerOptions {
  /** `CIRCUIT_BREAKER_THRESHOLD`: so many failures in a row open a circuit. */
  readonly threshold: number
  /** `CIRCUIT_BREAKER_RECOVERY_TIMEOUT`: how long it then stays open until one caller is let through on trial. */
  readonly recoveryTimeout: Duration.Duration
}

/** What failed of a function's workers. */
export interface WorkerFailure {
  /** One line for a person. */
  readonly detail: string
  /** Nobody is there who could start one, so that it says nothing of this function's. */
  readonly engineAway: boolean
}

export interface FunctionCircuit {
  readonly functionName: FunctionName
  readonly version: string
  readonly state: CircuitState
}

export class FunctionBreaker extends Context.Service<
  FunctionBreaker,
  {
    /**
     * Runs `attempt`, unless the circuit of the function is open. A success is an answer. `workerFailure` says what
     * failed of the workers, or undefined where a failure tells nothing about them; so does an interrupt. A circuit
     * that an engine opened that is away lets somebody try again after a second: so soon it is back is seen.
     *
     * A circuit belongs to one configuration: a function that was changed begins with a closed one.
     */
    readonly protect: <A, E>(
      config: FunctionConfig,
      attempt: Effect.Effect<A, E>,
      workerFailure: (error: E) => WorkerFailure | undefined
    ) => Effect.Effect<A, E | CircuitOpen>
    /** The permit to run an attempt, where the circuit is closed: the way of `protect` as plain calls. */
    readonly enter: (config: FunctionConfig) => number | undefined
    /** What became of an attempt, once for each permit. What is to be said of it, if anything. */
    readonly leave: (
      config: FunctionConfig,
      permit: number,
      verdict: Verdict,
      failure?: WorkerFailure
    ) => Effect.Effect<void> | undefined
    /** Of every function that was called. */
    readonly circuits: Effect.Effect<ReadonlyArray<FunctionCircuit>>
  }
>()("irori/invoke/FunctionBreaker") {
  static readonly layer = (options: BreakerOptions) => Layer.effect(FunctionBreaker, make(options))
}

/** An engine that is away costs the one on trial little, and once it is back nothing is wrong with the function. */
const engineRecoveryMillis = 1000

const make = Effect.fnUntraced(function* (options: BreakerOptions) {
  const clock = yield* Clock.Clock
  // Not the time of day, which may be set back.
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const limits = { threshold: options.threshold, recoveryMillis: Duration.toMillis(options.recoveryTimeout) }
  const recoveryMillis = (engineAway: boolean) =>
    engineAway ? Math.min(limits.recoveryMillis, engineRecoveryMillis) : limits.recoveryMillis
  /** Those that an engine opened that is away. */
  const waitingForEngine = new WeakSet<Circuit>()
  const byConfig = new WeakMap<FunctionConfig, Circuit>()
  /** The latest of each function and version. */
  const latest = new Map<string, { readonly config: FunctionConfig; readonly circuit: Circuit }>()

  const circuitOf = (config: FunctionConfig): Circuit => {
    const known = byConfig.get(config)
    if (known !== undefined) return known
    const circuit = new Circuit(limits)
    byConfig.set(config, circuit)
    latest.set(`${config.name}:${config.version}`, { config, circuit })
    return circuit
  }

  const protect = <A, E>(
    config: FunctionConfig,
    attempt: Effect.Effect<A, E>,
    workerFailure: (error: E) => WorkerFailure | undefined
  ): Effect.Effect<A, E | CircuitOpen> =>
    // Masked, so that no interrupt comes between the permit and what gives it back.
    Effect.uninterruptibleMask((restore): Effect.Effect<A, E | CircuitOpen> => {
      const circuit = circuitOf(config)
      const admission = circuit.admit(now())
      if (!admission.admitted) {
        const retryAfter = Duration.millis(admission.retryAfterMillis)
        return Effect.fail(new CircuitOpen({ functionName: config.name, failures: circuit.failures, retryAfter }))
      }
      const settled = Effect.onExit(restore(attempt), (exit) => {
        const failure = Exit.isSuccess(exit) ? undefined : failureIn(exit, workerFailure)
        const verdict = Exit.isSuccess(exit) ? "answered" : failure === undefined ? "undecided" : "failed"
        return settle(config, circuit, admission.permit, verdict, failure) ?? Effect.void
      })
      return admission.transition === undefined
        ? settled
        : Effect.andThen(tell(admission.transition, config, circuit, undefined, waitingForEngine.has(circuit)), settled)
    })

  const settle = (
    config: FunctionConfig,
    circuit: Circuit,
    permit: number,
    verdict: Verdict,
    failure: WorkerFailure | undefined
  ) => {
    const engineAway = failure?.engineAway === true
    // Only a failure begins a time.
    const transition = circuit.settle(permit, verdict, verdict === "failed" ? now() : 0, recoveryMillis(engineAway))
    if (transition === undefined) return undefined
    // Each second anew, it is said once.
    const said = engineAway && waitingForEngine.has(circuit)
    if (engineAway) waitingForEngine.add(circuit)
    else waitingForEngine.delete(circuit)
    return tell(transition, config, circuit, failure, said)
  }

  const tell = (
    transition: Transition,
    config: FunctionConfig,
    circuit: Circuit,
    failure: WorkerFailure | undefined,
    quietly: boolean
  ) => {
    const log = quietly ? Effect.logDebug : transition === "opened" ? Effect.logWarning : Effect.logInfo
    return log(lines[transition](config.name, failure)).pipe(
      Effect.annotateLogs({
        function_name: config.name,
        failures: circuit.failures,
        ...(failure === undefined ? {} : { error_detail: failure.detail })
      })
    )
  }

  const lines: Record<Transition, (name: FunctionName, failure: WorkerFailure | undefined) => string> = {
    opened: (name, failure) => {
      const refused = Duration.format(Duration.millis(recoveryMillis(failure?.engineAway === true)))
      return `The workers of '${name}' keep failing: its callers are refused for ${refused}`
    },
    "half-opened": (name) => `One caller of '${name}' is let through, to see whether its workers run again`,
    closed: (name) => `The workers of '${name}' run again: its callers are let through`
  }

  return FunctionBreaker.of({
    protect,
    enter: (config) => circuitOf(config).closedPermit,
    leave: (config, permit, verdict, failure) => settle(config, circuitOf(config), permit, verdict, failure),
    circuits: Effect.sync(() =>
      [...latest.values()].map(({ circuit, config }) => ({
        functionName: config.name,
        version: config.version,
        state: circuit.state(now())
      }))
    )
  })
})

const failureIn = <A, E>(exit: Exit.Exit<A, E>, workerFailure: (error: E) => WorkerFailure | undefined) => {
  const error = Exit.findErrorOption(exit)
  return error._tag === "Some" ? workerFailure(error.value) : undefined
}
