/** Layers, as far as functions need them: what they keep of those they name, and where the contents are. */
import { Context, Effect, Layer } from "effect"
import { InvalidParameterValue } from "./refusals.ts"

/** What a function keeps of a layer that it names. */
export interface UsedLayer {
  readonly Arn: string
  /** Of the layer's ZIP. */
  readonly CodeSize: number
}

export class Layers extends Context.Service<
  Layers,
  {
    /** What a function that names these versions, in this order, keeps of them. Refuses as Lambda does. */
    readonly use: (arns: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<UsedLayer>, InvalidParameterValue>
    /**
     * Absolute: a folder with the contents of them all, later ones winning; the same one for the same layers. Also for
     * layers that were deleted since a function began to use them.
     */
    readonly mergedFolder: (arns: ReadonlyArray<string>) => Effect.Effect<string>
  }
>()("irori/control/Layers") {
  /** Where there are none. */
  static readonly layerNone = Layer.succeed(Layers, {
    use: ([arn]) =>
      arn === undefined
        ? Effect.succeed([])
        : Effect.fail(new InvalidParameterValue({ detail: `Layer version ${arn} does not exist.` })),
    mergedFolder: (arns) => Effect.die(new Error(`There are no layers: ${arns.join(", ")}`))
  })
}
