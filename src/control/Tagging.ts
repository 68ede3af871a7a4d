/** The operations on tags (`LAMBDA-CONTRACT.md` section 10.8): whose they are, and which are refused. */
import { Context, Effect, Layer } from "effect"
import type { Owner } from "../domain/FunctionName.ts"
import { type FunctionReferenceRefused, parseFunctionReference } from "../domain/FunctionReference.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { InvalidParameterValue, ResourceNotFound } from "./refusals.ts"
import { Tags } from "./Tags.ts"
import { demandFunction } from "./versionOf.ts"

type Refused = FunctionReferenceRefused | InvalidParameterValue | ResourceNotFound

/** By key. */
export type TagMap = Readonly<Record<string, string>>

export class Tagging extends Context.Service<
  Tagging,
  {
    /** `resource` is an ARN. */
    readonly list: (resource: string) => Effect.Effect<TagMap, Refused>
    /** Takes the place of values under the same keys. All of `tags`, or none. */
    readonly tag: (resource: string, tags: TagMap) => Effect.Effect<void, Refused>
    /** Keys that there are not are ignored. */
    readonly untag: (resource: string, keys: ReadonlyArray<string>) => Effect.Effect<void, Refused>
  }
>()("irori/control/Tagging") {
  static readonly layer = (options: { readonly owner: Owner }) => Layer.effect(Tagging, make(options.owner))
}

/** Of one function. */
export const maxTags = 50

const make = Effect.fnUntraced(function* (owner: Owner) {
  const tags = yield* Tags
  const registry = yield* FunctionRegistry

  /** The name of the function. */
  const demandTaggable = Effect.fnUntraced(function* (resource: string) {
    // Other things of Lambda's that have tags are none of Irori's.
    if (!resource.includes(":function:")) {
      return yield* new ResourceNotFound({ detail: "The resource you requested does not exist." })
    }
    const { name, qualifier } = yield* Effect.fromResult(parseFunctionReference(resource, undefined, owner))
    if (qualifier !== undefined) {
      return yield* new InvalidParameterValue({
        detail: "Tags on function aliases and versions are not supported. Please specify a function ARN."
      })
    }
    yield* demandFunction(registry, owner, name)
    return name
  })

  return Tagging.of({
    list: (resource) => Effect.map(demandTaggable(resource), (name) => tags.of(name)),
    tag: Effect.fnUntraced(function* (resource, added) {
      const name = yield* demandTaggable(resource)
      if (Object.keys(added).length === 0) {
        return yield* new InvalidParameterValue({
          detail: "An error occurred and the request cannot be processed."
        })
      }
      yield* demandTags({ ...tags.of(name), ...added })
      tags.add(name, added)
    }),
    untag: (resource, keys) => Effect.map(demandTaggable(resource), (name) => tags.remove(name, keys))
  })
})

/** Fails where a function would have more tags than one may, or one that AWS alone sets. */
export const demandTags = (tags: TagMap): Effect.Effect<void, InvalidParameterValue> =>
  Object.keys(tags).some((key) => /^aws:/i.test(key))
    ? Effect.fail(new InvalidParameterValue({ detail: "Tag keys that begin with aws: are reserved for AWS." }))
    : Object.keys(tags).length <= maxTags
      ? Effect.void
      : Effect.fail(new InvalidParameterValue({ detail: "Number of tags exceeds resource tag limit." }))
