/** Names for versions that lead to another one when somebody says so, or to two at once, each with its share. */
import { randomUUID } from "node:crypto"
import type {
  AliasRoutingConfiguration,
  CreateAliasRequest,
  ListAliasesRequest,
  UpdateAliasRequest
} from "@aws-sdk/client-lambda"
import { Context, Effect, Layer } from "effect"
import { functionArn } from "../domain/FunctionName.ts"
import type { FunctionReference } from "../domain/FunctionReference.ts"
import type { FunctionUnusable } from "../registry/FunctionRegistry.ts"
import { FunctionCatalog } from "./FunctionCatalog.ts"
import { type AliasRecord, latest } from "./FunctionRecord.ts"
import { FunctionStore } from "./FunctionStore.ts"
import type { ChangeRefused } from "./Functions.ts"
import { page } from "./paging.ts"
import { InvalidParameterValue, ResourceConflict, ResourceNotFound } from "./refusals.ts"
import { invalid, refuseRevision } from "./versionSteps.ts"

/** Every answer is the object that Lambda answers with. */
export class Aliases extends Context.Service<
  Aliases,
  {
    readonly create: (
      reference: FunctionReference,
      input: CreateAliasRequest
    ) => Effect.Effect<object, ChangeRefused | FunctionUnusable>
    readonly get: (reference: FunctionReference, alias: string) => Effect.Effect<object, ResourceNotFound>
    readonly update: (
      reference: FunctionReference,
      alias: string,
      input: UpdateAliasRequest
    ) => Effect.Effect<object, ChangeRefused | FunctionUnusable>
    /** Removing one that is not there succeeds. */
    readonly remove: (reference: FunctionReference, alias: string) => Effect.Effect<void>
    readonly list: (reference: FunctionReference, input: ListAliasesRequest) => Effect.Effect<object, ResourceNotFound>
  }
>()("irori/control/Aliases") {
  static readonly layer = Layer.effect(
    Aliases,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const store = yield* FunctionStore
  const catalog = yield* FunctionCatalog
  const arnOf = (name: string, qualifier?: string) => functionArn(catalog.owner, name, qualifier)

  const answer = (name: string, alias: AliasRecord) => ({
    AliasArn: arnOf(name, alias.name),
    Name: alias.name,
    FunctionVersion: alias.version,
    Description: alias.description,
    RevisionId: alias.revisionId,
    RoutingConfig: Object.keys(alias.weights).length === 0 ? undefined : { AdditionalVersionWeights: alias.weights }
  })

  /** Fails where the alias would lead to what is not there, or to the same version twice. */
  const check = Effect.fnUntraced(function* (name: string, version: string, weights: AliasRecord["weights"]) {
    yield* catalog.find({ name, qualifier: version })
    const refused = refuseWeights(version, weights)
    if (refused !== undefined) return yield* refused
    for (const other of Object.keys(weights)) yield* catalog.find({ name, qualifier: other })
  })

  const create = Effect.fn("Aliases.create")(function* (reference: FunctionReference, input: CreateAliasRequest) {
    const { name } = reference
    // The model has seen to it that they are there.
    const { Description = "", FunctionVersion: version = latest, Name: alias = "" } = input
    const weights = weightsOf(input.RoutingConfig)
    yield* check(name, version, weights)
    if (store.aliases(name).has(alias)) {
      return yield* new ResourceConflict({ detail: `Alias already exists: ${arnOf(name, alias)}` })
    }
    const record = { name: alias, version, description: Description, revisionId: randomUUID(), weights }
    store.putAlias(name, record)
    return answer(name, record)
  })

  const update = Effect.fn("Aliases.update")(function* (
    reference: FunctionReference,
    alias: string,
    input: UpdateAliasRequest
  ) {
    const { name } = reference
    const known = store.aliases(name).get(alias)
    if (known === undefined) {
      return yield* new ResourceNotFound({ detail: `Alias not found: ${arnOf(name, alias)}` })
    }
    const version = input.FunctionVersion ?? known.version
    const weights = input.RoutingConfig === undefined ? known.weights : weightsOf(input.RoutingConfig)
    yield* check(name, version, weights)
    const before = store.aliases(name).get(alias) ?? known
    const refused = refuseRevision(before, input.RevisionId)
    if (refused !== undefined) return yield* refused
    const description = input.Description ?? before.description
    const record = { name: alias, version, description, revisionId: randomUUID(), weights }
    store.putAlias(name, record)
    return answer(name, record)
  })

  return Aliases.of({
    create,
    update,
    get: ({ name }, alias) => {
      const found = store.aliases(name).get(alias)
      return found === undefined
        ? Effect.fail(new ResourceNotFound({ detail: `Cannot find alias arn: ${arnOf(name, alias)}` }))
        : Effect.succeed(answer(name, found))
    },
    remove: ({ name }, alias) =>
      Effect.sync(() => {
        if (store.aliases(name).has(alias)) store.removeAlias(name, alias)
      }),
    list: Effect.fn("Aliases.list")(function* ({ name }, input) {
      if (!(yield* catalog.exists(name))) {
        return yield* new ResourceNotFound({ detail: `Function not found: ${arnOf(name)}` })
      }
      const { FunctionVersion: wanted } = input
      const found = [...store.aliases(name).values()].filter(
        ({ version, weights }) => wanted === undefined || version === wanted || wanted in weights
      )
      const { NextMarker, items } = page(found, (alias) => alias.name, input)
      return { Aliases: items.map((alias) => answer(name, alias)), NextMarker }
    })
  })
})

const weightsOf = (routing: AliasRoutingConfiguration | undefined): AliasRecord["weights"] =>
  routing?.AdditionalVersionWeights ?? {}

/** What the model does not know of weights. */
const refuseWeights = (version: string, weights: AliasRecord["weights"]): InvalidParameterValue | undefined => {
  const others = Object.keys(weights)
  if (others.length === 0) return undefined
  if (others.length > 1) return invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
  if (version === latest) {
    return new InvalidParameterValue({
      detail: "$LATEST is not supported for an alias pointing to more than 1 version",
      isUntyped: true
    })
  }
  return others[0] === version
    ? invalid(
        `Invalid function version ${version}. Function version ${version} is already included in routing configuration.`
      )
    : undefined
}
