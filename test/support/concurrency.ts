/** The gate in front of the invoker, with no limits but the account's. */
import { Layer } from "effect"
import { ConcurrencyGate } from "../../src/control/ConcurrencyGate.ts"
import { ConcurrencyLimits } from "../../src/control/ConcurrencyLimits.ts"
import { ControlDatabase } from "../../src/control/Database.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"

export const concurrencyGate = (accountConcurrency = 1000) =>
  ConcurrencyGate.layer.pipe(
    Layer.provide(ConcurrencyLimits.layer({ accountConcurrency })),
    Layer.provide(FunctionStore.layer),
    Layer.provide(ControlDatabase.layerMemory)
  )
