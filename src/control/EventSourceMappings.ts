/** Event sources that Lambda reads for a function, of which Irori has none: each is refused, and none is there. */
import { Context, Effect, Layer } from "effect"
import type { FunctionReference } from "../domain/FunctionReference.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { InvalidParameterValue, ResourceNotFound } from "./refusals.ts"
import { versionOf } from "./versionOf.ts"

export class EventSourceMappings extends Context.Service<
  EventSourceMappings,
  {
    /** `hasSource`: whether the request names one, whichever. */
    readonly create: (reference: FunctionReference, hasSource: boolean) => Effect.Effect<never, InvalidParameterValue>
    /** Reading, changing and removing alike. */
    readonly find: (uuid: string) => Effect.Effect<never, ResourceNotFound>
  }
>()("irori/control/EventSourceMappings") {
  static readonly layer = Layer.effect(
    EventSourceMappings,
    Effect.map(FunctionRegistry, (registry) =>
      EventSourceMappings.of({
        create: Effect.fnUntraced(function* (reference, hasSource) {
          const isThere = !hasSource || (yield* versionOf(registry, reference)) !== undefined
          return yield* new InvalidParameterValue({
            detail: isThere ? "Unrecognized event source." : "Function does not exist"
          })
        }),
        find: () => Effect.fail(new ResourceNotFound({ detail: "The resource you requested does not exist." }))
      })
    )
  )
}
