/** Which functions exist, and with which settings. */
import { Context, Effect, Layer, Schema } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Qualifier } from "../domain/FunctionName.ts"

/** There is no such function, or no such version of it. */
export class FunctionNotFound extends Schema.TaggedError<FunctionNotFound>()("FunctionNotFound", {
  functionName: Schema.String,
  qualifier: Schema.optionalKey(Schema.String)
}) {}

/** The function is there, but its settings or its code are such that it cannot run. */
export class FunctionUnusable extends Schema.TaggedError<FunctionUnusable>()("FunctionUnusable", {
  functionName: Schema.String,
  /** One line: what is wrong, where, and what to do. */
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** Something wrong with where functions come from, for the start's report and for `/health/ready`. */
export interface RegistryProblem {
  readonly functionName?: string
  readonly detail: string
}

export class FunctionRegistry extends Context.Service<
  FunctionRegistry,
  {
    /**
     * The settings that `qualifier` (by default `$LATEST`) leads to. As long as nothing about a function changes
     * it is the same object, so that a change is seen by comparing references.
     */
    readonly get: (
      name: string,
      qualifier?: Qualifier
    ) => Effect.Effect<FunctionConfig, FunctionNotFound | FunctionUnusable>
    /** What `get` would answer with, where that is known without waiting or chance. Absent where it never is. */
    readonly peek?: (name: string, qualifier?: Qualifier) => FunctionConfig | undefined
    /** Every function that can run, by name. */
    readonly list: Effect.Effect<ReadonlyArray<FunctionConfig>>
    readonly problems: Effect.Effect<ReadonlyArray<RegistryProblem>>
  }
>()("irori/registry/FunctionRegistry") {
  static readonly layerMemory = (
    functions: ReadonlyArray<FunctionConfig>,
    problems: ReadonlyArray<RegistryProblem> = []
  ) =>
    Layer.sync(FunctionRegistry, () => {
      const byName = new Map<string, FunctionConfig>(functions.map((config) => [config.name, config]))
      const unusable = new Map(problems.map((problem) => [problem.functionName, problem.detail]))
      return FunctionRegistry.of({
        peek: (functionName, qualifier = "$LATEST") => {
          const found = byName.get(functionName)
          return found?.version === qualifier ? found : undefined
        },
        get: (functionName, qualifier = "$LATEST") => {
          const found = byName.get(functionName)
          if (found !== undefined && found.version === qualifier) return Effect.succeed(found)
          const detail = unusable.get(functionName)
          if (detail !== undefined) return Effect.fail(new FunctionUnusable({ functionName, detail }))
          return Effect.fail(new FunctionNotFound({ functionName, qualifier }))
        },
        list: Effect.succeed([...byName.values()]),
        problems: Effect.succeed(problems)
      })
    })
}
