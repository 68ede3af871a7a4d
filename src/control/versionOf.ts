/** Whether there is a function, and which of its versions a qualifier means. */
import { Effect } from "effect"
import { functionArn, type Owner } from "../domain/FunctionName.ts"
import type { FunctionReference } from "../domain/FunctionReference.ts"
import type { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { ResourceNotFound } from "./refusals.ts"

/** Undefined where there is no such function, version or alias. One that cannot run is there all the same. */
export const versionOf = (
  registry: FunctionRegistry["Service"],
  { name, qualifier }: FunctionReference
): Effect.Effect<string | undefined> =>
  registry.get(name, qualifier).pipe(
    Effect.map(({ version }): string | undefined => version),
    Effect.catchTag("FunctionUnusable", () => Effect.succeed(qualifier ?? "$LATEST")),
    Effect.catchTag("FunctionNotFound", () => Effect.succeed(undefined))
  )

/** Fails where there is no such function, in the words in which most operations do, whatever its qualifier. */
export const demandFunction = Effect.fnUntraced(function* (
  registry: FunctionRegistry["Service"],
  owner: Owner,
  name: string
) {
  if ((yield* versionOf(registry, { name })) === undefined) {
    return yield* new ResourceNotFound({ detail: `Function not found: ${functionArn(owner, name)}` })
  }
})

/** A version's qualifier is a number; every other one is an alias. */
const isAlias = (qualifier: string): boolean => !/^(\$LATEST|\d+)$/.test(qualifier)

/** The version that a qualifier means. Fails where there is none, in the words for a version or for an alias. */
export const demandVersion = Effect.fnUntraced(function* (
  registry: FunctionRegistry["Service"],
  owner: Owner,
  name: string,
  qualifier: string
) {
  const version = yield* versionOf(registry, { name, qualifier })
  if (version !== undefined) return version
  const arn = functionArn(owner, name, qualifier)
  return yield* new ResourceNotFound({
    detail: isAlias(qualifier) ? `Cannot find alias arn: ${arn}` : `Function not found: ${arn}`
  })
})
