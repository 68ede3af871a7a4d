/** Says which provisioner runs a function's workers, and why: for the start's report and whoever asks. */
import { Context, Effect, Layer } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"

/** Where a function's workers run. The two texts are for a person: one line each. */
export interface Placement {
  readonly provisioner: "docker" | "process"
  readonly why: string
  readonly howToChange: string
}

export class Placements extends Context.Service<
  Placements,
  {
    /** Decided once for each function; it holds as long as this process lives. */
    readonly placement: (config: FunctionConfig) => Effect.Effect<Placement>
  }
>()("irori/provision/Placements") {
  /** One provisioner for all functions, because a setting says so. */
  static readonly layerFixed = (provisioner: Placement["provisioner"]) =>
    Layer.succeed(Placements, {
      placement: () =>
        Effect.succeed({
          provisioner,
          why: `IRORI_PROVISIONER is ${provisioner}`,
          howToChange: "set IRORI_PROVISIONER to auto, docker or process"
        })
    })
}
