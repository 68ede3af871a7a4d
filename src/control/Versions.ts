/** Published versions: what a function was at one moment, for good. */
import type { ListVersionsByFunctionRequest, PublishVersionRequest } from "@aws-sdk/client-lambda"
import { Clock, Context, Effect, Layer } from "effect"
import type { FunctionReference } from "../domain/FunctionReference.ts"
import type { FunctionUnusable } from "../registry/FunctionRegistry.ts"
import { FunctionCatalog } from "./FunctionCatalog.ts"
import { latest } from "./FunctionRecord.ts"
import { FunctionStore } from "./FunctionStore.ts"
import type { ChangeRefused } from "./Functions.ts"
import { codeSha256, configurationOf, listedConfigurationOf } from "./functionAnswer.ts"
import { page, versionKey } from "./paging.ts"
import type { ResourceNotFound } from "./refusals.ts"
import { invalid, publish, refuseRevision, settled } from "./versionSteps.ts"

/** Every answer is the object that Lambda answers with. */
export class Versions extends Context.Service<
  Versions,
  {
    /** The last version once more, where nothing has changed since it was made. */
    readonly publish: (
      reference: FunctionReference,
      input: PublishVersionRequest
    ) => Effect.Effect<object, ChangeRefused>
    readonly list: (
      reference: FunctionReference,
      input: ListVersionsByFunctionRequest
    ) => Effect.Effect<object, ResourceNotFound | FunctionUnusable>
  }
>()("irori/control/Versions") {
  static readonly layer = Layer.effect(
    Versions,
    Effect.gen(function* () {
      const store = yield* FunctionStore
      const catalog = yield* FunctionCatalog
      const scope = yield* Effect.scope
      const { owner } = catalog
      return Versions.of({
        publish: Effect.fn("Versions.publish")(function* (reference, input) {
          const { name } = reference
          const now = yield* Clock.currentTimeMillis
          const current = store.versions(name)?.get(latest) ?? (yield* catalog.changeable(reference))
          const refused = refuseRevision(current, input.RevisionId)
          if (refused !== undefined) return yield* refused
          const sha = codeSha256(current.code)
          // An empty one is as good as none.
          if (input.CodeSha256 && input.CodeSha256 !== sha) {
            return yield* invalid(
              `CodeSHA256 (${input.CodeSha256}) is different from current CodeSHA256 in $LATEST (${sha}). Please try again with the CodeSHA256 in $LATEST.`
            )
          }
          const record = store.transaction(() => publish(store, name, input.Description, now))
          yield* Effect.forkIn(settled(store, name), scope)
          return configurationOf(owner, name, record, record.version)
        }),
        list: Effect.fn("Versions.list")(function* ({ name }, input) {
          const records = yield* catalog.versions(name)
          const { NextMarker, items } = page(records, ({ version }) => versionKey(name, version), input)
          const Versions = items.map((record) => listedConfigurationOf(owner, name, record, record.version))
          return { Versions, NextMarker }
        })
      })
    })
  )
}
