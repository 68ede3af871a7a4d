/**
 * When a version is to get another version of its runtime: what was chosen. Runtimes here are those of the machine, which
 * its owner changes; so this is kept and told, and nothing goes by it.
 */
import { Context, Effect, Layer } from "effect"
import { functionArn, type Owner } from "../domain/FunctionName.ts"
import type { FunctionReference } from "../domain/FunctionReference.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { ControlDatabase, type Tables } from "./Database.ts"
import { FunctionStore } from "./FunctionStore.ts"
import { InvalidParameterValue, ResourceNotFound } from "./refusals.ts"
import { versionOf } from "./versionOf.ts"

export type UpdateRuntimeOn = "Auto" | "Manual" | "FunctionUpdate"

/** As the API answers with it. */
export interface RuntimeManagementConfig {
  readonly UpdateRuntimeOn: UpdateRuntimeOn
  readonly FunctionArn: string
  /** Of `Manual` alone. */
  readonly RuntimeVersionArn?: string
}

export class RuntimeManagement extends Context.Service<
  RuntimeManagement,
  {
    readonly get: (reference: FunctionReference) => Effect.Effect<RuntimeManagementConfig, ResourceNotFound>
    readonly put: (
      reference: FunctionReference,
      updateOn: UpdateRuntimeOn,
      runtimeVersionArn?: string
    ) => Effect.Effect<RuntimeManagementConfig, InvalidParameterValue | ResourceNotFound>
  }
>()("irori/control/RuntimeManagement") {
  static readonly layer = (options: { readonly owner: Owner }) => Layer.effect(RuntimeManagement, make(options.owner))
}

const tables: Tables = {
  name: "runtime management",
  steps: [
    `CREATE TABLE runtime_management (
       function TEXT NOT NULL,
       version TEXT NOT NULL,
       update_on TEXT NOT NULL,
       runtime_version_arn TEXT,
       PRIMARY KEY (function, version)
     ) STRICT`
  ]
}

const make = Effect.fnUntraced(function* (owner: Owner) {
  const database = yield* ControlDatabase
  const registry = yield* FunctionRegistry
  const store = yield* FunctionStore
  yield* database.prepare(tables)

  const demandVersion = Effect.fnUntraced(function* (reference: FunctionReference) {
    const found = yield* versionOf(registry, reference)
    // Of an alias with weights, the registry answers with now one version, now the other.
    const version = store.aliases(reference.name).get(reference.qualifier ?? "")?.version ?? found
    if (version !== undefined) return version
    const arn = functionArn(owner, reference.name, reference.qualifier)
    return yield* new ResourceNotFound({ detail: `Function not found: ${arn}` })
  })

  const read = (name: string, version: string): RuntimeManagementConfig => {
    const row = database.get("SELECT * FROM runtime_management WHERE function = ? AND version = ?", name, version)
    return {
      // Written by `put` alone.
      UpdateRuntimeOn: (row?.update_on ?? "Auto") as UpdateRuntimeOn,
      FunctionArn: functionArn(owner, name, version),
      ...(typeof row?.runtime_version_arn === "string" ? { RuntimeVersionArn: row.runtime_version_arn } : {})
    }
  }

  return RuntimeManagement.of({
    get: (reference) => Effect.map(demandVersion(reference), (version) => read(reference.name, version)),
    put: Effect.fnUntraced(function* (reference, updateOn, runtimeVersionArn) {
      const version = yield* demandVersion(reference)
      if ((updateOn === "Manual") !== (runtimeVersionArn !== undefined)) {
        return yield* new InvalidParameterValue({
          detail:
            updateOn === "Manual"
              ? "RuntimeVersionArn is required when UpdateRuntimeOn is set to Manual."
              : "RuntimeVersionArn can only be provided when UpdateRuntimeOn is set to Manual."
        })
      }
      database.run(
        "INSERT OR REPLACE INTO runtime_management VALUES (?, ?, ?, ?)",
        reference.name,
        version,
        updateOn,
        runtimeVersionArn ?? null
      )
      return read(reference.name, version)
    })
  })
})
