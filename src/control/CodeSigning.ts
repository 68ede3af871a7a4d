/** Code signing, of which there is none: no function has a configuration, and there is none that one could have. */
import { Context, Effect, Layer } from "effect"
import type { Owner } from "../domain/FunctionName.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { CodeSigningConfigNotFound, type ResourceNotFound } from "./refusals.ts"
import { demandFunction } from "./versionOf.ts"

export class CodeSigning extends Context.Service<
  CodeSigning,
  {
    /** Succeeds for a function that there is: nothing is configured for it. */
    readonly get: (name: string) => Effect.Effect<void, ResourceNotFound>
    readonly put: (arn: string) => Effect.Effect<never, CodeSigningConfigNotFound>
    readonly remove: (name: string) => Effect.Effect<void, ResourceNotFound>
  }
>()("irori/control/CodeSigning") {
  static readonly layer = (options: { readonly owner: Owner }) =>
    Layer.effect(
      CodeSigning,
      Effect.map(FunctionRegistry, (registry) => {
        const demand = (name: string) => demandFunction(registry, options.owner, name)
        return CodeSigning.of({
          get: demand,
          put: (arn) => Effect.fail(new CodeSigningConfigNotFound({ arn })),
          remove: demand
        })
      })
    )
}
