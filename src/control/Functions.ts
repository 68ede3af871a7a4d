/**
 * Making functions, changing them and removing them, as Lambda's API does it. Versions and aliases have services of their
 * own; which settings there are is `functionSettings`' to know, what is told of them `functionAnswer`'s.
 */
import type {
  CreateFunctionRequest,
  ListFunctionsRequest,
  UpdateFunctionCodeRequest,
  UpdateFunctionConfigurationRequest
} from "@aws-sdk/client-lambda"
import { Clock, Context, Effect, Layer } from "effect"
import { functionArn } from "../domain/FunctionName.ts"
import type { FunctionReference } from "../domain/FunctionReference.ts"
import type { FunctionUnusable } from "../registry/FunctionRegistry.ts"
import { CodeLinks } from "./CodeLinks.ts"
import { CodeStore } from "./CodeStore.ts"
import { ConcurrencyLimits } from "./ConcurrencyLimits.ts"
import { FunctionCatalog } from "./FunctionCatalog.ts"
import { latest, type VersionRecord } from "./FunctionRecord.ts"
import { FunctionStore } from "./FunctionStore.ts"
import { configurationOf, imageLocation, listedConfigurationOf } from "./functionAnswer.ts"
import { refuseSize, takeCode } from "./functionCode.ts"
import { changedSettings, newSettings, refuseSettings, refuseUnknownFeatures } from "./functionSettings.ts"
import { Layers } from "./Layers.ts"
import { page, versionKey } from "./paging.ts"
import {
  CodeSigningConfigNotFound,
  type InvalidParameterValue,
  type PreconditionFailed,
  type RequestTooLarge,
  ResourceConflict,
  ResourceNotFound
} from "./refusals.ts"
import { demandTags } from "./Tagging.ts"
import { Tags } from "./Tags.ts"
import { created, invalid, publish, refuseRevision, settle, settled, updated } from "./versionSteps.ts"

export type ChangeRefused =
  | InvalidParameterValue
  | RequestTooLarge
  | ResourceConflict
  | ResourceNotFound
  | PreconditionFailed

type FindFailed = ResourceNotFound | FunctionUnusable

/** Every answer is the object that Lambda answers with. */
export class Functions extends Context.Service<
  Functions,
  {
    readonly create: (
      name: string,
      input: CreateFunctionRequest
    ) => Effect.Effect<object, ChangeRefused | CodeSigningConfigNotFound>
    /** `origin` for the link to the code. */
    readonly get: (reference: FunctionReference, origin: string) => Effect.Effect<object, FindFailed>
    readonly configuration: (reference: FunctionReference) => Effect.Effect<object, FindFailed>
    readonly updateCode: (
      reference: FunctionReference,
      input: UpdateFunctionCodeRequest
    ) => Effect.Effect<object, ChangeRefused>
    readonly updateConfiguration: (
      reference: FunctionReference,
      input: UpdateFunctionConfigurationRequest
    ) => Effect.Effect<object, ChangeRefused>
    /** With a qualifier, only that version. Workers finish what they run. */
    readonly remove: (reference: FunctionReference) => Effect.Effect<void, ChangeRefused>
    readonly list: (input: ListFunctionsRequest) => Effect.Effect<object>
  }
>()("irori/control/Functions") {
  static readonly layer = Layer.effect(
    Functions,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const store = yield* FunctionStore
  const catalog = yield* FunctionCatalog
  const codes = yield* CodeStore
  const links = yield* CodeLinks
  const layers = yield* Layers
  const tags = yield* Tags
  const limits = yield* ConcurrencyLimits
  const scope = yield* Effect.scope
  const { owner } = catalog

  // A process that was killed may have left some on their way.
  for (const name of store.names()) settle(store, name)
  const settleSoon = (name: string) => Effect.forkIn(settled(store, name), scope)

  const layerBytes = ({ Layers }: VersionRecord["settings"]) =>
    layers.unzippedBytes((Layers ?? []).map(({ Arn }) => Arn))

  const create = Effect.fn("Functions.create")(function* (name: string, input: CreateFunctionRequest) {
    if (name.length > 64) {
      return yield* invalid(
        `1 validation error detected: Value '${input.FunctionName ?? name}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64`
      )
    }
    const taken = new ResourceConflict({ detail: `Function already exist: ${name}` })
    if (yield* catalog.exists(name)) return yield* taken
    yield* demandTags(input.Tags ?? {})
    // There are none, so there is none of this name.
    if (input.CodeSigningConfigArn !== undefined) {
      return yield* new CodeSigningConfigNotFound({ arn: input.CodeSigningConfigArn })
    }
    const used = input.Layers === undefined ? undefined : yield* layers.use(input.Layers)
    const settings = newSettings(name, input, used)
    const refused = refuseUnknownFeatures(input) ?? refuseSettings(settings)
    if (refused !== undefined) return yield* refused
    const code = yield* takeCode(codes, input.Code ?? {}, settings.PackageType, "creating")
    const tooLarge = refuseSize(code, layerBytes(settings))
    if (tooLarge !== undefined) return yield* tooLarge
    const now = yield* Clock.currentTimeMillis
    const record = store.transaction(() => {
      // Somebody may have made one of this name while the code was unpacked.
      if (store.versions(name) !== undefined) return undefined
      store.putVersion(name, created(code, settings, now))
      tags.add(name, input.Tags ?? {})
      return input.Publish === true ? publish(store, name, undefined, now) : store.versions(name)!.get(latest)!
    })
    if (record === undefined) return yield* taken
    yield* settleSoon(name)
    return configurationOf(owner, name, record)
  })

  /** As it is this moment: what follows without a `yield*` is one step with it. */
  const currentOf = (name: string) => store.versions(name)?.get(latest)

  const get = Effect.fn("Functions.get")(function* (reference: FunctionReference, origin: string) {
    const record = yield* catalog.find(reference)
    const { name, qualifier } = reference
    const ofName = tags.of(name)
    const reserved = limits.reservedOf(name)
    return {
      Configuration: configurationOf(owner, name, record, qualifier),
      Code: yield* locationOf(name, record, origin),
      Tags: Object.keys(ofName).length === 0 ? undefined : ofName,
      Concurrency: reserved === undefined ? undefined : { ReservedConcurrentExecutions: reserved }
    }
  })

  /** The folder of a function from a file is nobody's package. */
  const locationOf = (name: string, { code }: VersionRecord, origin: string) => {
    if ("imageUri" in code) return Effect.succeed(imageLocation(code.imageUri))
    if (store.versions(name) === undefined) return Effect.succeed({ RepositoryType: "S3" })
    return Effect.map(links.linkTo(origin, code.sha256), (Location) => ({ RepositoryType: "S3", Location }))
  }

  const updateCode = Effect.fn("Functions.updateCode")(function* (
    reference: FunctionReference,
    input: UpdateFunctionCodeRequest
  ) {
    const { name } = reference
    const { settings } = yield* catalog.changeable(reference)
    const code = yield* takeCode(codes, input, settings.PackageType, "updating")
    const now = yield* Clock.currentTimeMillis
    const before = currentOf(name) ?? (yield* catalog.changeable(reference))
    const refused = refuseRevision(before, input.RevisionId) ?? refuseSize(code, layerBytes(before.settings))
    if (refused !== undefined) return yield* refused
    const Architectures = input.Architectures ?? before.settings.Architectures
    const after = updated(before, { code, settings: { ...before.settings, Architectures } }, now)
    if (input.DryRun === true) return configurationOf(owner, name, { ...before, code })
    const record = store.transaction(() => {
      store.putVersion(name, after)
      return input.Publish === true ? publish(store, name, undefined, now) : after
    })
    yield* settleSoon(name)
    return configurationOf(owner, name, record, input.Publish === true ? record.version : undefined)
  })

  const updateConfiguration = Effect.fn("Functions.updateConfiguration")(function* (
    reference: FunctionReference,
    input: UpdateFunctionConfigurationRequest
  ) {
    const { name } = reference
    yield* catalog.changeable(reference)
    const used = input.Layers === undefined ? undefined : yield* layers.use(input.Layers)
    const now = yield* Clock.currentTimeMillis
    const before = currentOf(name) ?? (yield* catalog.changeable(reference))
    const settings = changedSettings(before.settings, input, used)
    const refused =
      refuseRevision(before, input.RevisionId) ??
      refuseUnknownFeatures(input) ??
      refuseSettings(settings) ??
      refuseSize(before.code, layerBytes(settings))
    if (refused !== undefined) return yield* refused
    const after = updated(before, { settings }, now)
    store.putVersion(name, after)
    yield* settleSoon(name)
    return configurationOf(owner, name, after)
  })

  const remove = Effect.fn("Functions.remove")(function* (reference: FunctionReference) {
    const { name, qualifier } = reference
    if (qualifier === latest) return yield* invalid("$LATEST version cannot be deleted without deleting the function.")
    if (qualifier !== undefined && isAliasName(qualifier)) {
      return yield* invalid("Deletion of aliases is not currently supported.")
    }
    yield* catalog.changeable({ name })
    if (qualifier === undefined) return store.remove(name)
    if (store.versions(name)?.has(qualifier) !== true) {
      return yield* new ResourceNotFound({ detail: `Function not found: ${functionArn(owner, name)}` })
    }
    const alias = [...store.aliases(name).values()].find(
      ({ version, weights }) => version === qualifier || qualifier in weights
    )
    if (alias !== undefined) {
      const arn = functionArn(owner, name, qualifier)
      return yield* new ResourceConflict({ detail: `Version ${arn} is referenced by the alias ${alias.name}` })
    }
    store.removeVersion(name, qualifier)
  })

  const list = Effect.fn("Functions.list")(function* (input: ListFunctionsRequest) {
    // Functions that are copies of another region's; there are none.
    if (input.MasterRegion !== undefined) return { Functions: [] }
    const isAll = input.FunctionVersion === "ALL"
    const found = yield* Effect.forEach(yield* catalog.names, (name) =>
      catalog.versions(name).pipe(
        Effect.map((records) => (isAll ? records : records.slice(0, 1)).map((record) => ({ name, record }))),
        // It went while this was asking.
        Effect.orElseSucceed(() => [])
      )
    )
    const { NextMarker, items } = page(found.flat(), ({ name, record }) => versionKey(name, record.version), input)
    const Functions = items.map(({ name, record }) =>
      listedConfigurationOf(owner, name, record, isAll ? record.version : undefined)
    )
    return { Functions, NextMarker }
  })

  return Functions.of({
    create,
    get,
    configuration: (reference) =>
      Effect.map(catalog.find(reference), (record) =>
        configurationOf(owner, reference.name, record, reference.qualifier)
      ),
    updateCode,
    updateConfiguration,
    remove,
    list
  })
})

const isAliasName = (qualifier: string): boolean => /^(?!\d+$)[a-zA-Z0-9-_]+$/.test(qualifier)
