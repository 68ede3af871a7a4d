/**
 * The operations about how many of a function may run and how many are kept ready (`LAMBDA-CONTRACT.md` section 10.6):
 * what they refuse, and how far the workers have come that were asked for. What was set is kept by `ConcurrencyLimits`.
 */
import { Clock, Context, Effect, FiberSet, Layer } from "effect"
import { functionArn, type Owner, type Qualifier } from "../domain/FunctionName.ts"
import type { FunctionReference } from "../domain/FunctionReference.ts"
import { isInitFailure } from "../domain/Worker.ts"
import { PoolManager } from "../pool/PoolManager.ts"
import { FunctionNotFound, FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { ConcurrencyLimits, minUnreserved, type ProvisionedConfig } from "./ConcurrencyLimits.ts"
import { FunctionStore } from "./FunctionStore.ts"
import { wireTime } from "./functionAnswer.ts"
import { type PageRequest, page } from "./paging.ts"
import {
  InvalidParameterValue,
  ProvisionedConcurrencyConfigNotFound,
  ResourceConflict,
  type ResourceNotFound
} from "./refusals.ts"
import { demandFunction, demandVersion, versionOf } from "./versionOf.ts"

/** As the API answers with it. */
export interface ProvisionedState {
  readonly RequestedProvisionedConcurrentExecutions: number
  readonly AllocatedProvisionedConcurrentExecutions: number
  readonly AvailableProvisionedConcurrentExecutions: number
  readonly Status: "IN_PROGRESS" | "READY" | "FAILED"
  readonly StatusReason?: string
  readonly LastModified: string
}

export interface ProvisionedPage {
  readonly ProvisionedConcurrencyConfigs: ReadonlyArray<ProvisionedState & { readonly FunctionArn: string }>
  readonly NextMarker?: string
}

export class Concurrency extends Context.Service<
  Concurrency,
  {
    readonly reserve: (
      reference: FunctionReference,
      executions: number
    ) => Effect.Effect<void, FunctionNotFound | InvalidParameterValue>
    /** Undefined where nothing is reserved. */
    readonly reservedOf: (
      reference: FunctionReference
    ) => Effect.Effect<number | undefined, InvalidParameterValue | ResourceNotFound>
    readonly free: (reference: FunctionReference) => Effect.Effect<void, InvalidParameterValue | ResourceNotFound>
    /** Has workers started, and does not wait for them. */
    readonly provision: (
      reference: FunctionReference,
      executions: number
    ) => Effect.Effect<ProvisionedState, InvalidParameterValue | ResourceConflict | ResourceNotFound>
    readonly provisioned: (
      reference: FunctionReference
    ) => Effect.Effect<
      ProvisionedState,
      InvalidParameterValue | ProvisionedConcurrencyConfigNotFound | ResourceNotFound
    >
    /** Workers that are not used go as idle ones do. */
    readonly unprovision: (
      reference: FunctionReference
    ) => Effect.Effect<void, InvalidParameterValue | ResourceNotFound>
    /** By qualifier. */
    readonly list: (name: string, request: PageRequest) => Effect.Effect<ProvisionedPage, ResourceNotFound>
    /** What may run of functions for which nothing is set aside. */
    readonly unreserved: () => number
  }
>()("irori/control/Concurrency") {
  static readonly layer = (options: { readonly owner: Owner }) => Layer.effect(Concurrency, make(options.owner))
}

const make = Effect.fnUntraced(function* (owner: Owner) {
  const limits = yield* ConcurrencyLimits
  const registry = yield* FunctionRegistry
  const pools = yield* PoolManager
  const store = yield* FunctionStore

  // A limit is changed within an operation, and workers take their time.
  const changes = yield* FiberSet.make<void>()
  const begin = yield* FiberSet.runtime(changes)()
  const reconcile = Effect.flatMap(registry.list, pools.reconcile)
  limits.onChange(() => void begin(reconcile))

  const totalOf = (name: string, except?: Qualifier) =>
    limits.provisioned(name).reduce((sum, { qualifier, requested }) => sum + (qualifier === except ? 0 : requested), 0)

  /** What is set aside for a function: its reservation, or else what is provisioned. */
  const unreservedBut = (except?: string): number => {
    const names = new Set([
      ...limits.reserved().keys(),
      ...limits.provisioned().map(({ functionName }) => functionName)
    ])
    let left = limits.accountConcurrency
    for (const name of names) if (name !== except) left -= limits.reservedOf(name) ?? totalOf(name)
    return left
  }

  const demandUnqualified = ({ qualifier }: FunctionReference) =>
    qualifier === undefined
      ? Effect.void
      : invalid(
          "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN."
        )

  const demandConcurrencyFor = (name: string, qualifier: Qualifier, executions: number) => {
    const reserved = limits.reservedOf(name)
    const others = totalOf(name, qualifier)
    if (reserved !== undefined) {
      return others + executions <= reserved
        ? Effect.void
        : invalid(
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
          )
    }
    const unreserved = unreservedBut(name) - others
    if (executions > unreserved) {
      return invalidUntyped(
        `Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [${unreserved}].`
      )
    }
    return unreserved - executions >= minUnreserved
      ? Effect.void
      : invalidUntyped(
          `Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [${minUnreserved}].`
        )
  }

  const demandFree = (name: string, qualifier: Qualifier, version: string) => {
    const others = limits.provisioned(name).filter((config) => config.qualifier !== qualifier)
    if (qualifier !== version) {
      return others.some((config) => config.qualifier === version)
        ? conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
        : Effect.void
    }
    return others.some((config) => config.version === version)
      ? conflict("Version is pointed by a Provisioned Concurrency alias")
      : Effect.void
  }

  const stateOf = Effect.fnUntraced(function* (config: ProvisionedConfig) {
    const { functionName, modifiedMillis, requested, version } = config
    const pool = (yield* pools.stats).find((stats) => stats.functionName === functionName && stats.version === version)
    // Several qualifiers may lead to one version, whose workers are theirs in turn.
    const before = limits.provisioned(functionName).filter((other) => other.version === version)
    const earlier = before.slice(0, before.indexOf(config)).reduce((sum, other) => sum + other.requested, 0)
    const warm = Math.max(0, Math.min(requested, (pool?.idle ?? 0) + (pool?.lent ?? 0) - earlier))
    const hasFailed = warm < requested && pool?.startFailure !== undefined && isInitFailure(pool.startFailure)
    const ready = hasFailed ? 0 : warm
    return {
      RequestedProvisionedConcurrentExecutions: requested,
      AllocatedProvisionedConcurrentExecutions: ready,
      AvailableProvisionedConcurrentExecutions: ready,
      Status: hasFailed ? "FAILED" : warm < requested ? "IN_PROGRESS" : "READY",
      ...(hasFailed ? { StatusReason: "FUNCTION_ERROR_INIT_FAILURE" } : {}),
      LastModified: wireTime(modifiedMillis)
    } satisfies ProvisionedState
  })

  /** Of get and delete. */
  const demandPublished = (qualifier: Qualifier) =>
    qualifier === "$LATEST"
      ? invalid("The function resource provided must be an alias or a published version.")
      : Effect.void

  return Concurrency.of({
    reserve: Effect.fnUntraced(function* (reference, executions) {
      const { name } = reference
      yield* demandUnqualified(reference)
      if ((yield* versionOf(registry, { name })) === undefined) {
        return yield* new FunctionNotFound({ functionName: name, qualifier: "$LATEST" })
      }
      const provisioned = totalOf(name)
      if (executions < provisioned) {
        return yield* invalid(
          ` ReservedConcurrentExecutions  ${executions} should not be lower than function's total provisioned concurrency [${provisioned}].`
        )
      }
      if (unreservedBut(name) - executions < minUnreserved) {
        return yield* invalidUntyped(
          `Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [${minUnreserved}].`
        )
      }
      limits.reserve(name, executions)
    }),
    reservedOf: Effect.fnUntraced(function* (reference) {
      yield* demandUnqualified(reference)
      yield* demandFunction(registry, owner, reference.name)
      return limits.reservedOf(reference.name)
    }),
    free: Effect.fnUntraced(function* (reference) {
      yield* demandUnqualified(reference)
      yield* demandFunction(registry, owner, reference.name)
      limits.reserve(reference.name, undefined)
    }),
    provision: Effect.fnUntraced(function* ({ name, qualifier = "$LATEST" }, executions) {
      if (qualifier === "$LATEST") {
        return yield* invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
      }
      const found = yield* demandVersion(registry, owner, name, qualifier)
      // Of an alias with weights, the registry answers with now one version, now the other.
      const version = store.aliases(name).get(qualifier)?.version ?? found
      if (version === "$LATEST") {
        return yield* invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
      }
      yield* demandFree(name, qualifier, version)
      yield* demandConcurrencyFor(name, qualifier, executions)
      const modifiedMillis = yield* Clock.currentTimeMillis
      limits.provision({ functionName: name, qualifier, version, requested: executions, modifiedMillis })
      return {
        RequestedProvisionedConcurrentExecutions: executions,
        AllocatedProvisionedConcurrentExecutions: 0,
        AvailableProvisionedConcurrentExecutions: 0,
        Status: "IN_PROGRESS",
        LastModified: wireTime(modifiedMillis)
      }
    }),
    provisioned: Effect.fnUntraced(function* ({ name, qualifier = "$LATEST" }) {
      yield* demandPublished(qualifier)
      yield* demandVersion(registry, owner, name, qualifier)
      const config = limits.provisioned(name).find((known) => known.qualifier === qualifier)
      return config === undefined ? yield* new ProvisionedConcurrencyConfigNotFound() : yield* stateOf(config)
    }),
    unprovision: Effect.fnUntraced(function* ({ name, qualifier = "$LATEST" }) {
      yield* demandPublished(qualifier)
      yield* demandFunction(registry, owner, name)
      limits.unprovision(name, qualifier)
    }),
    list: Effect.fnUntraced(function* (name, request) {
      yield* demandFunction(registry, owner, name)
      const configs = [...limits.provisioned(name)].sort((a, b) => (a.qualifier < b.qualifier ? -1 : 1))
      const { NextMarker, items } = page(configs, ({ qualifier }) => qualifier, request)
      return {
        ProvisionedConcurrencyConfigs: yield* Effect.forEach(items, (config) =>
          Effect.map(stateOf(config), (state) => ({
            FunctionArn: functionArn(owner, name, config.qualifier),
            ...state
          }))
        ),
        ...(NextMarker === undefined ? {} : { NextMarker })
      }
    }),
    unreserved: () => unreservedBut()
  })
})

const invalid = (detail: string) => Effect.fail(new InvalidParameterValue({ detail }))
const invalidUntyped = (detail: string) => Effect.fail(new InvalidParameterValue({ detail, isUntyped: true }))
const conflict = (detail: string) => Effect.fail(new ResourceConflict({ detail }))
