/** Whether a function that calls itself again and again, by way of others, is stopped: what each has chosen. */
import { Context, Effect, Layer } from "effect"
import type { Owner } from "../domain/FunctionName.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { ControlDatabase, type Tables } from "./Database.ts"
import type { ResourceNotFound } from "./refusals.ts"
import { demandFunction } from "./versionOf.ts"

export type RecursiveLoop = "Allow" | "Terminate"

export class RecursionConfigs extends Context.Service<
  RecursionConfigs,
  {
    /** `Terminate`, unless something else was put. */
    readonly recursiveLoopOf: (name: string) => RecursiveLoop
    readonly get: (name: string) => Effect.Effect<RecursiveLoop, ResourceNotFound>
    readonly put: (name: string, loop: RecursiveLoop) => Effect.Effect<void, ResourceNotFound>
  }
>()("irori/control/RecursionConfigs") {
  static readonly layer = (options: { readonly owner: Owner }) => Layer.effect(RecursionConfigs, make(options.owner))
}

const tables: Tables = {
  name: "recursion configurations",
  steps: ["CREATE TABLE recursion_configs (function TEXT PRIMARY KEY, recursive_loop TEXT NOT NULL) STRICT"]
}

const make = Effect.fnUntraced(function* (owner: Owner) {
  const database = yield* ControlDatabase
  const registry = yield* FunctionRegistry
  yield* database.prepare(tables)

  const recursiveLoopOf = (name: string): RecursiveLoop =>
    database.get("SELECT recursive_loop FROM recursion_configs WHERE function = ?", name)?.recursive_loop === "Allow"
      ? "Allow"
      : "Terminate"

  return RecursionConfigs.of({
    recursiveLoopOf,
    get: (name) => Effect.map(demandFunction(registry, owner, name), () => recursiveLoopOf(name)),
    put: (name, loop) =>
      Effect.map(demandFunction(registry, owner, name), () => {
        database.run("INSERT OR REPLACE INTO recursion_configs VALUES (?, ?)", name, loop)
      })
  })
})
