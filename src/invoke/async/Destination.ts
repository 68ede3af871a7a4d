/**
 * Where the story of an event can be sent: another function, a URL, a file; and what of AWS's an operator has put in
 * their place. Reads what is configured; sending is `Deliveries`'.
 */
import { isAbsolute, normalize, sep } from "node:path"
import { fileURLToPath } from "node:url"
import { Result } from "effect"
import { FunctionName, type Owner, type Qualifier } from "../../domain/FunctionName.ts"
import { parseFunctionReference } from "../../domain/FunctionReference.ts"

export type Destination =
  | { readonly _tag: "Function"; readonly name: FunctionName; readonly qualifier?: Qualifier }
  | { readonly _tag: "Http"; readonly url: URL; readonly arn?: string }
  | { readonly _tag: "File"; readonly path: string; readonly arn?: string }

export interface DestinationOptions {
  readonly owner: Owner
  /** What stands in for AWS's services: URLs of `http:`, `https:` or `file:` by ARN. An operator's word: no limits. */
  readonly mapped: ReadonlyMap<string, string>
  /** Absolute folders: callers may name files in these, and no others. */
  readonly fileRoots: ReadonlyArray<string>
}

/** Undefined where it leads nowhere here. Whether there is such a function is the registry's to say. */
export const readDestination = (text: string, options: DestinationOptions): Destination | undefined => {
  const stand = options.mapped.get(text)
  if (stand !== undefined) {
    const destination = readUrl(stand)
    return destination === undefined ? undefined : { ...destination, arn: text }
  }
  if (text.startsWith("arn:")) return readFunction(text, options.owner)
  const destination = readUrl(text)
  if (destination?._tag !== "File") return destination
  return options.fileRoots.some((root) => destination.path.startsWith(root + sep)) ? destination : undefined
}

const readFunction = (arn: string, owner: Owner): Destination | undefined => {
  if (arn.split(":")[2] !== "lambda" || arn.split(":")[5] !== "function") return undefined
  const reference = Result.getOrUndefined(parseFunctionReference(arn, undefined, owner))
  if (reference === undefined || !/^[a-zA-Z0-9-_]{1,64}$/.test(reference.name)) return undefined
  const { name, qualifier } = reference
  return { _tag: "Function", name: FunctionName.make(name), ...(qualifier === undefined ? {} : { qualifier }) }
}

export const readUrl = (text: string): Exclude<Destination, { _tag: "Function" }> | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  switch (url?.protocol) {
    case "http:":
    case "https:":
      return { _tag: "Http", url }
    case "file:":
      return readFile(url)
    default:
      return undefined
  }
}

const readFile = (url: URL): Exclude<Destination, { _tag: "Function" }> | undefined => {
  if (url.host !== "" || /%2f|%00/i.test(url.pathname)) return undefined
  const path = normalize(fileURLToPath(url))
  return isAbsolute(path) && !path.endsWith(sep) ? { _tag: "File", path } : undefined
}
