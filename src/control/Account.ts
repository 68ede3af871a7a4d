/** What an account may have, and what this one has. */
import { Context, Effect, Layer } from "effect"
import { maxUnzippedBytes, maxZippedBytes } from "./CodeStore.ts"
import { Concurrency } from "./Concurrency.ts"
import { ConcurrencyLimits } from "./ConcurrencyLimits.ts"
import { FunctionCatalog } from "./FunctionCatalog.ts"
import { FunctionStore } from "./FunctionStore.ts"
import { LayerVersions } from "./LayerVersions.ts"

/** As the API answers with it. */
export interface AccountSettings {
  readonly AccountLimit: {
    readonly TotalCodeSize: number
    readonly CodeSizeUnzipped: number
    readonly CodeSizeZipped: number
    readonly ConcurrentExecutions: number
    readonly UnreservedConcurrentExecutions: number
  }
  readonly AccountUsage: { readonly TotalCodeSize: number; readonly FunctionCount: number }
}

/** Lambda's; here the disk is the limit. */
const maxCodeBytes = 80_530_636_800

export class Account extends Context.Service<Account, { readonly settings: Effect.Effect<AccountSettings> }>()(
  "irori/control/Account"
) {
  static readonly layer = Layer.effect(
    Account,
    Effect.gen(function* () {
      const catalog = yield* FunctionCatalog
      const store = yield* FunctionStore
      const layers = yield* LayerVersions
      const limits = yield* ConcurrencyLimits
      const concurrency = yield* Concurrency

      /** Of every version; a package counts as often as versions have it. */
      const functionBytes = (): number => {
        let bytes = 0
        for (const name of store.names()) {
          for (const { code } of store.versions(name)?.values() ?? []) bytes += "sizeBytes" in code ? code.sizeBytes : 0
        }
        return bytes
      }

      return Account.of({
        settings: Effect.map(catalog.names, (names) => ({
          AccountLimit: {
            TotalCodeSize: maxCodeBytes,
            CodeSizeUnzipped: maxUnzippedBytes,
            CodeSizeZipped: maxZippedBytes,
            ConcurrentExecutions: limits.accountConcurrency,
            UnreservedConcurrentExecutions: concurrency.unreserved()
          },
          AccountUsage: { TotalCodeSize: functionBytes() + layers.sizeBytes(), FunctionCount: names.length }
        }))
      })
    })
  )
}
