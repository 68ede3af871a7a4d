/** A template while it is read: its resources, what resolves their values, and what is said about it on the way. */
import type { Owner, Qualifier } from "../domain/FunctionName.ts"
import { isRecord } from "../domain/json.ts"
import { Fields } from "./Fields.ts"
import type { Intrinsics, Remarks } from "./Intrinsics.ts"
import type { Path } from "./parseTemplate.ts"
import type { Resource } from "./templateNames.ts"

export interface Reading {
  readonly owner: Owner
  /** Absolute: what paths in the template start from. */
  readonly folder: string
  /** Those whose condition holds. */
  readonly resources: ReadonlyMap<string, Resource>
  readonly intrinsics: Intrinsics
  readonly nameOf: (resource: Resource, property: string) => string
  readonly place: (path: Path) => string
  readonly warnings: Set<string>
  readonly problems: Set<string>
  /** A file beside the template, by its absolute path; undefined where it cannot be read. */
  readonly readFile: (path: string) => string | undefined
}

/** Where what is said of a resource goes; what is refused is a problem, unless `refusals` takes it. */
export const remarksOf = (
  { place, problems, warnings }: Reading,
  { logicalId, type }: Pick<Resource, "logicalId" | "type">,
  refusals: { readonly add: (detail: string) => unknown } = problems
): Remarks => {
  const line = (path: Path, detail: string) => `${place(path)}: ${logicalId} (${type}): ${detail}`
  return {
    warn: (path, detail) => void warnings.add(line(path, detail)),
    refuse: (path, detail) => void refusals.add(line(path, detail))
  }
}

export const propertiesPath = ({ logicalId }: Resource): Path => ["Resources", logicalId, "Properties"]

/** The properties resolved, those left out that nobody here reads. */
export const propertiesOf = (
  reading: Reading,
  resource: Resource,
  remarks: Remarks,
  unread: ReadonlySet<string> = new Set()
): Fields => {
  const read = Object.fromEntries(Object.entries(resource.properties).filter(([name]) => !unread.has(name)))
  return resolvedFields(reading, read, propertiesPath(resource), remarks)
}

export const resolvedFields = ({ intrinsics }: Reading, given: unknown, path: Path, remarks: Remarks): Fields => {
  const resolved = intrinsics.resolve(given, path, remarks)
  return new Fields(isRecord(resolved) ? resolved : {}, path, remarks)
}

export interface FunctionTarget {
  readonly functionName: string
  readonly qualifier?: Qualifier
}

/** The function that an ARN, a part of one or a name means, also where it is within the URI of an integration. */
export const functionTargetOf = (text: string): FunctionTarget | undefined => {
  const [, inArn, ofArn] = /:function:([a-zA-Z0-9-_]+)(?::([a-zA-Z0-9-_$]+))?/.exec(text) ?? []
  const [, bare, ofName] = /^([a-zA-Z0-9-_]+)(?::([a-zA-Z0-9-_$]+))?$/.exec(text) ?? []
  const [functionName, qualifier] = inArn === undefined ? [bare, ofName] : [inArn, ofArn]
  if (functionName === undefined) return undefined
  return { functionName, ...(qualifier === undefined ? {} : { qualifier }) }
}
