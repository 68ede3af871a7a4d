/** A request in the one form in which AWS Signature Version 4 signs it. */

export interface SignedRequest {
  readonly method: string
  /** As it was sent, percent-encoded. */
  readonly path: string
  /** The same; without the question mark. */
  readonly query: string
  /** With `host` among them. */
  readonly headers: Headers
  readonly body: Uint8Array
}

/** `signedHeaders` are in lower case, and all of them there. */
export const canonicalRequest = (
  request: Omit<SignedRequest, "body">,
  signedHeaders: ReadonlyArray<string>,
  payloadHash: string
): string =>
  [
    request.method,
    canonicalPath(request.path),
    canonicalQuery(request.query),
    ...signedHeaders.map((name) => `${name}:${canonicalValue(request.headers.get(name) ?? "")}`),
    "",
    signedHeaders.join(";"),
    payloadHash
  ].join("\n")

/** Everything but letters, digits, `-`, `.`, `_` and `~`. */
const escapeUri = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  )

/** Every service but S3 signs the path without its empty and dot segments, and encoded once more than it is sent. */
const canonicalPath = (path: string): string => {
  const segments: Array<string> = []
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop()
    else if (segment !== "" && segment !== ".") segments.push(segment)
  }
  const whole = `/${segments.map(escapeUri).join("/")}`
  return segments.length > 0 && path.endsWith("/") ? `${whole}/` : whole
}

const canonicalQuery = (query: string): string =>
  query
    .split("&")
    .filter((parameter) => parameter !== "")
    .map((parameter) => {
      const equals = parameter.indexOf("=")
      return equals === -1 ? [parameter, ""] : [parameter.slice(0, equals), parameter.slice(equals + 1)]
    })
    .map(([name = "", value = ""]) => [escapeUri(decode(name)), escapeUri(decode(value))] as const)
    .filter(([name]) => name !== "X-Amz-Signature")
    .sort(byNameAndValue)
    .map(([name, value]) => `${name}=${value}`)
    .join("&")

const byNameAndValue = ([name, value]: readonly [string, string], [other, otherValue]: readonly [string, string]) =>
  compare(name, other) || compare(value, otherValue)

/** By code units, which are ASCII here; not as people would sort. */
const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

const decode = (text: string): string => {
  const blanks = text.replaceAll("+", " ")
  try {
    return decodeURIComponent(blanks)
  } catch {
    return blanks
  }
}

const canonicalValue = (value: string): string => value.trim().replaceAll(/ +/g, " ")
