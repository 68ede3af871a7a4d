/**
 * Who may call, where the settings ask for a key: all paths but those that say how the process is, its documents, and
 * links to packages, which have a proof of their own.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { Schema } from "effect"

/** No key was given, or not the right one. */
export class CallerUnknown extends Schema.TaggedError<CallerUnknown>()("CallerUnknown", {
  given: Schema.Boolean
}) {
  override get message() {
    return this.given ? "The security token included in the request is invalid." : "Missing Authentication Token"
  }
}

const openPath = /^\/(health|docs|snapshots)(\/|$)/

const digest = (text: string) => createHash("sha256").update(text).digest()

/** As `Headers`: names in lower case. */
interface HeaderLookup {
  readonly get: (name: string) => string | null | undefined
}

/** Undefined where the caller may go on. The key is in `x-api-key`, or in `Authorization` as a bearer token. */
export const refuseCaller = (headers: HeaderLookup, path: string, apiKey: string): CallerUnknown | undefined => {
  if (openPath.test(path)) return undefined
  const bearer = /^Bearer (.+)$/i.exec(headers.get("authorization") ?? "")?.[1]
  const given = headers.get("x-api-key") ?? bearer
  // Digests have one length, and comparing them takes one time, whatever was given.
  if (given !== undefined && timingSafeEqual(digest(given), digest(apiKey))) return undefined
  return new CallerUnknown({ given: given !== undefined })
}
