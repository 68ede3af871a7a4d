/** The operations on layers (`LAMBDA-CONTRACT.md` section 10.8), as Lambda's API does them. */
import { randomUUID } from "node:crypto"
import type { LayerVersionContentInput, PublishLayerVersionRequest } from "@aws-sdk/client-lambda"
import { Clock, Context, Effect, Layer } from "effect"
import type { Owner } from "../domain/FunctionName.ts"
import { CodeLinks } from "./CodeLinks.ts"
import { CodeStore } from "./CodeStore.ts"
import { wireTime } from "./functionAnswer.ts"
import { type LayerRecord, LayerStore, layerArn, parseLayerArn } from "./LayerStore.ts"
import type { PermissionRequest } from "./Policies.ts"
import { type PageRequest, page } from "./paging.ts"
import { demandLength, demandRevision, demandStatement, statementTaken } from "./policyRefusals.ts"
import { policyDocument } from "./ResourcePolicy.ts"
import {
  InvalidParameterValue,
  type PolicyLengthExceeded,
  type PreconditionFailed,
  type RequestTooLarge,
  type ResourceConflict,
  ResourceNotFound
} from "./refusals.ts"

/** Which version of which layer; the name may be the ARN of the layer. */
export interface LayerReference {
  readonly name: string
  readonly version: number
}

export interface LayerFilter extends PageRequest {
  readonly CompatibleRuntime?: string | undefined
  readonly CompatibleArchitecture?: string | undefined
}

type FindFailed = InvalidParameterValue | ResourceNotFound

/** Every answer is the object that Lambda answers with; `origin` is for the link to the ZIP. */
export class LayerVersions extends Context.Service<
  LayerVersions,
  {
    readonly publish: (
      input: PublishLayerVersionRequest,
      origin: string
    ) => Effect.Effect<object, InvalidParameterValue | RequestTooLarge | ResourceNotFound>
    readonly get: (reference: LayerReference, origin: string) => Effect.Effect<object, FindFailed>
    readonly getByArn: (arn: string, origin: string) => Effect.Effect<object, FindFailed>
    /** Functions that use it keep it. Deleting one that is not there succeeds. */
    readonly remove: (reference: LayerReference) => Effect.Effect<void, InvalidParameterValue>
    /** Of each layer its newest version that the filter lets through, by name. */
    readonly list: (filter: LayerFilter) => Effect.Effect<object>
    /** The newest first; of a layer that there is not, none. */
    readonly listVersions: (name: string, filter: LayerFilter) => Effect.Effect<object>
    readonly allow: (
      reference: LayerReference,
      request: PermissionRequest & { readonly OrganizationId?: string | undefined }
    ) => Effect.Effect<object, PolicyLengthExceeded | PreconditionFailed | ResourceConflict | ResourceNotFound>
    readonly withdraw: (
      reference: LayerReference,
      statementId: string,
      revisionId?: string
    ) => Effect.Effect<void, PreconditionFailed | ResourceNotFound>
    readonly policy: (reference: LayerReference) => Effect.Effect<object, ResourceNotFound>
    /** Of the ZIPs of all layers. */
    readonly sizeBytes: () => number
  }
>()("irori/control/LayerVersions") {
  static readonly layer = (options: { readonly owner: Owner }) => Layer.effect(LayerVersions, make(options.owner))
}

const make = Effect.fnUntraced(function* (owner: Owner) {
  const store = yield* LayerStore
  const codes = yield* CodeStore
  const links = yield* CodeLinks

  /** Undefined where the ARN is another owner's. */
  const nameOf = (nameOrArn: string): string | undefined => {
    const parts = parseLayerArn(nameOrArn)
    if (parts === undefined) return nameOrArn
    return parts.accountId === owner.accountId && parts.region === owner.region ? parts.name : undefined
  }

  const find = ({ name, version }: LayerReference): LayerRecord | undefined => {
    const own = nameOf(name)
    return own === undefined ? undefined : store.find(own, version)
  }

  const arnOf = ({ name, version }: LayerReference): string => {
    const parts = parseLayerArn(name)
    return layerArn(parts ?? owner, parts?.name ?? name, version)
  }

  const demandNumber = ({ version }: LayerReference) =>
    version < 1
      ? Effect.fail(new InvalidParameterValue({ detail: "Layer Version Cannot be less than 1" }))
      : Effect.void

  /** For whoever wants its policy. */
  const demandVersion = (reference: LayerReference) => {
    const record = find(reference)
    return record === undefined
      ? Effect.fail(new ResourceNotFound({ detail: `Layer version ${arnOf(reference)} does not exist.` }))
      : Effect.succeed(record)
  }

  const listed = (record: LayerRecord) => ({
    LayerVersionArn: layerArn(owner, record.name, record.version),
    Version: record.version,
    Description: record.description,
    CreatedDate: wireTime(record.createdMillis),
    ...(record.runtimes === undefined ? {} : { CompatibleRuntimes: record.runtimes }),
    ...(record.architectures === undefined ? {} : { CompatibleArchitectures: record.architectures }),
    ...(record.license === undefined ? {} : { LicenseInfo: record.license })
  })

  const whole = (record: LayerRecord, origin: string) =>
    Effect.map(links.linkTo(origin, record.sha256), (Location) => ({
      LayerArn: layerArn(owner, record.name),
      ...listed(record),
      Content: {
        Location,
        CodeSha256: Buffer.from(record.sha256, "hex").toString("base64"),
        CodeSize: record.sizeBytes
      }
    }))

  const get = Effect.fnUntraced(function* (reference: LayerReference, origin: string) {
    yield* demandNumber(reference)
    const record = find(reference)
    if (record === undefined) {
      return yield* new ResourceNotFound({ detail: "The resource you requested does not exist." })
    }
    return yield* whole(record, origin)
  })

  return LayerVersions.of({
    publish: Effect.fnUntraced(function* (input, origin) {
      const name = nameOf(input.LayerName ?? "")
      if (name === undefined) {
        return yield* new ResourceNotFound({ detail: "The resource you requested does not exist." })
      }
      const zip = yield* contentOf(input.Content ?? {})
      const { sha256, sizeBytes, unzippedBytes } = yield* codes.store(zip)
      const record = store.publish({
        name,
        sha256,
        sizeBytes,
        unzippedBytes,
        description: input.Description ?? "",
        createdMillis: yield* Clock.currentTimeMillis,
        ...(input.CompatibleRuntimes === undefined ? {} : { runtimes: input.CompatibleRuntimes }),
        ...(input.CompatibleArchitectures === undefined ? {} : { architectures: input.CompatibleArchitectures }),
        ...(input.LicenseInfo === undefined ? {} : { license: input.LicenseInfo }),
        isDeleted: false
      })
      return yield* whole(record, origin)
    }),
    get,
    getByArn: (arn, origin) => {
      const { version = 1, ...layer } = parseLayerArn(arn) ?? { ...owner, name: "" }
      return get({ name: layerArn(layer, layer.name), version }, origin)
    },
    remove: (reference) =>
      Effect.map(demandNumber(reference), () => {
        const record = find(reference)
        if (record !== undefined) store.put({ ...record, isDeleted: true })
      }),
    list: (filter) =>
      Effect.sync(() => {
        const newest = [...store.layers()].flatMap(([name, records]) => {
          const latest = records.findLast((record) => isCompatible(record, filter))
          return latest === undefined ? [] : [{ name, latest }]
        })
        const { NextMarker, items } = page(newest, ({ name }) => name, filter)
        return {
          Layers: items.map(({ latest, name }) => ({
            LayerName: name,
            LayerArn: layerArn(owner, name),
            LatestMatchingVersion: listed(latest)
          })),
          ...(NextMarker === undefined ? {} : { NextMarker })
        }
      }),
    listVersions: (name, filter) =>
      Effect.sync(() => {
        const records = store.layers().get(nameOf(name) ?? "") ?? []
        const shown = records.toReversed().filter((record) => isCompatible(record, filter))
        const { NextMarker, items } = page(shown, newestFirst, filter)
        return { LayerVersions: items.map(listed), ...(NextMarker === undefined ? {} : { NextMarker }) }
      }),
    allow: Effect.fnUntraced(function* (reference, { Action = "", OrganizationId, Principal = "", ...request }) {
      const record = yield* demandVersion(reference)
      const { StatementId = "" } = request
      const before = record.policy?.statements ?? []
      if (before.some(({ Sid }) => Sid === StatementId)) return yield* statementTaken(StatementId)
      yield* demandRevision(record.policy, request.RevisionId, "GetLayerPolicy")
      const statement = {
        Sid: StatementId,
        Effect: "Allow" as const,
        Principal: principalOf(Principal),
        Action,
        Resource: layerArn(owner, record.name, record.version),
        ...(OrganizationId === undefined
          ? {}
          : { Condition: { StringEquals: { "aws:PrincipalOrgID": OrganizationId } } })
      }
      yield* demandLength([...before, statement])
      const revisionId = randomUUID()
      store.put({ ...record, policy: { revisionId, statements: [...before, statement] } })
      return { Statement: JSON.stringify(statement), RevisionId: revisionId }
    }),
    withdraw: Effect.fnUntraced(function* (reference, statementId, revisionId) {
      const { policy, ...record } = yield* demandVersion(reference)
      yield* demandStatement(policy, statementId)
      yield* demandRevision(policy, revisionId, "GetLayerPolicy")
      const statements = (policy?.statements ?? []).filter(({ Sid }) => Sid !== statementId)
      store.put(statements.length === 0 ? record : { ...record, policy: { revisionId: randomUUID(), statements } })
    }),
    policy: Effect.fnUntraced(function* (reference) {
      const { policy } = yield* demandVersion(reference)
      if (policy === undefined) {
        return yield* new ResourceNotFound({ detail: "No policy is associated with the given resource." })
      }
      return { Policy: policyDocument(policy.statements), RevisionId: policy.revisionId }
    }),
    sizeBytes: () => [...store.layers().values()].flat().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  })
})

/** There is no S3 here, and so no bucket of any name. */
const contentOf = (content: LayerVersionContentInput): Effect.Effect<Uint8Array, InvalidParameterValue> => {
  if (content.ZipFile !== undefined) return Effect.succeed(content.ZipFile)
  const detail =
    content.S3Bucket === undefined && content.S3Key === undefined
      ? "Please provide a source for layer content."
      : "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"
  return Effect.fail(new InvalidParameterValue({ detail }))
}

/** The model has let through `*`, an account, and the root of one. */
const principalOf = (given: string) =>
  given === "*" ? ("*" as const) : { AWS: given.startsWith("arn:") ? given : `arn:aws:iam::${given}:root` }

/** A layer that names no runtimes or no architectures is of none of them. */
const isCompatible = (record: LayerRecord, { CompatibleArchitecture, CompatibleRuntime }: LayerFilter): boolean =>
  (CompatibleRuntime === undefined || record.runtimes?.includes(CompatibleRuntime) === true) &&
  (CompatibleArchitecture === undefined || record.architectures?.includes(CompatibleArchitecture) === true)

/** Keys that rise as versions fall. */
const newestFirst = ({ version }: LayerRecord): string => String(Number.MAX_SAFE_INTEGER - version).padStart(16, "0")
