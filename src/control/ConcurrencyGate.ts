/**
 * Who may run at this moment, by Lambda's two limits: what is reserved for a function, over all its versions, and what
 * all functions without a reservation share of the account. Neither has a queue. A limit on a function's workers, with
 * its queue, is the pool's.
 *
 * On the path of every invocation: it looks up a lane and counts.
 */
import { Context, Effect, Layer } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { NoCapacity } from "../invoke/InvocationBackend.ts"
import { ConcurrencyLimits } from "./ConcurrencyLimits.ts"

export class ConcurrencyGate extends Context.Service<
  ConcurrencyGate,
  {
    /** Runs `invocation`, unless as many run already as may. */
    readonly admit: <A, E, R>(
      config: FunctionConfig,
      invocation: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | NoCapacity, R>
    /**
     * The way of `admit` as plain calls: what has to be called once when the invocation is over, or undefined where
     * `admit` would refuse it.
     */
    readonly enter: (config: FunctionConfig) => (() => void) | undefined
  }
>()("irori/control/ConcurrencyGate") {
  static readonly layer = Layer.effect(
    ConcurrencyGate,
    Effect.map(ConcurrencyLimits, (limits) => {
      const lanes = new Lanes(limits)
      limits.onChange((name) => lanes.limitsChanged(name))
      return ConcurrencyGate.of({
        enter: (config) => {
          const lane = lanes.of(config)
          return lane.enter() === undefined ? lane.out : undefined
        },
        admit: <A, E, R>(config: FunctionConfig, invocation: Effect.Effect<A, E, R>) =>
          // Masked, so that no interrupt comes between entering and what leaves again.
          Effect.uninterruptibleMask((restore): Effect.Effect<A, E | NoCapacity, R> => {
            const lane = lanes.of(config)
            const refusal = lane.enter()
            if (refusal !== undefined)
              return Effect.fail(new NoCapacity({ functionName: config.name, reason: refusal }))
            return Effect.onExit(restore(invocation), () => {
              lane.leave()
              return Effect.void
            })
          })
      })
    })
  )
}

/** What runs at once out of one limit: a function's reservation, or what is left of the account. */
interface Share {
  /** Without what is provisioned, which is set aside for its versions. */
  limit: number
  taken: number
  readonly refusal: "ReservedLimit" | "AccountLimit"
}

/** One version of a function. */
class Lane {
  config: FunctionConfig
  share: Share
  provisioned = 0
  running = 0

  constructor(config: FunctionConfig, share: Share) {
    this.config = config
    this.share = share
  }

  readonly out = (): void => this.leave()

  enter(): Share["refusal"] | undefined {
    const more = this.#onDemand(this.running + 1) - this.#onDemand(this.running)
    if (more > 0 && this.share.taken >= this.share.limit) return this.share.refusal
    this.share.taken += more
    this.running++
    return undefined
  }

  leave(): void {
    this.share.taken -= this.onDemand - this.#onDemand(this.running - 1)
    this.running--
  }

  /** How many of those that run are not on what is provisioned. */
  get onDemand(): number {
    return this.#onDemand(this.running)
  }

  #onDemand(running: number): number {
    const beyond = Math.max(0, running - this.provisioned)
    if (this.share.refusal === "ReservedLimit") return beyond
    // Those above the function's capacity wait in its queue and run nowhere: others are not to suffer from them.
    return Math.min(beyond, Math.max(0, this.config.maxCapacity - this.provisioned))
  }
}

class Lanes {
  readonly #limits: ConcurrencyLimits["Service"]
  readonly #unreserved: Share = { limit: 0, taken: 0, refusal: "AccountLimit" }
  /** Of functions that have a reservation. */
  readonly #reserved = new Map<string, Share>()
  /** By function, then by version. */
  readonly #lanes = new Map<string, Map<string, Lane>>()

  constructor(limits: ConcurrencyLimits["Service"]) {
    this.#limits = limits
    this.#settle()
  }

  of(config: FunctionConfig): Lane {
    const known = this.#lanes.get(config.name)?.get(config.version)
    if (known?.config === config) return known
    if (known !== undefined) {
      known.config = config
      this.#settle()
      return known
    }
    const created = new Lane(config, this.#shareOf(config.name))
    created.provisioned = this.#limits.provisionedOf(config.name, config.version)
    const ofFunction = this.#lanes.get(config.name)
    if (ofFunction === undefined) this.#lanes.set(config.name, new Map([[config.version, created]]))
    else ofFunction.set(config.version, created)
    return created
  }

  limitsChanged(name: string): void {
    const ofFunction = this.#lanes.get(name)
    // Its versions may be gone; those that are not come back with their next caller.
    for (const [version, { running }] of ofFunction ?? []) if (running === 0) ofFunction?.delete(version)
    if (ofFunction?.size === 0) this.#lanes.delete(name)
    this.#settle()
  }

  #shareOf(name: string): Share {
    return this.#reserved.get(name) ?? this.#unreserved
  }

  /** Counts everything anew, after a change of what may run. */
  #settle(): void {
    this.#reserved.clear()
    this.#unreserved.limit = this.#limits.accountConcurrency
    this.#unreserved.taken = 0
    for (const [name, limit] of this.#limits.reserved()) {
      this.#reserved.set(name, { limit, taken: 0, refusal: "ReservedLimit" })
      this.#unreserved.limit -= limit
    }
    for (const { functionName, requested } of this.#limits.provisioned()) this.#shareOf(functionName).limit -= requested
    for (const [name, ofFunction] of this.#lanes) {
      for (const [version, lane] of ofFunction) {
        lane.share = this.#shareOf(name)
        lane.provisioned = this.#limits.provisionedOf(name, version)
        lane.share.taken += lane.onDemand
      }
    }
  }
}
