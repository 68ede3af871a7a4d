/** Which bodies travel as text inside an event, and which as base64 (`LAMBDA-CONTRACT.md` section 12.3). */

const textTypes = new Set(["application/json", "application/xml", "application/javascript"])

/** Parameters such as the charset do not matter. Without a type a body is binary. */
export const isTextMedia = (contentType: string | undefined): boolean => {
  const media = (contentType ?? "").split(";", 1)[0]!.trim().toLowerCase()
  return media.startsWith("text/") || textTypes.has(media)
}

// Whether a type is one of those that a REST API calls binary; `*` stands for any, and `*/*` for none at all too.
export const matchesMedia = (binaryMediaTypes: ReadonlyArray<string>, contentType: string | undefined): boolean => {
  const media = (contentType ?? "").split(";", 1)[0]!.trim().toLowerCase()
  return binaryMediaTypes.some((binary) => {
    const pattern = binary.toLowerCase()
    return pattern === "*/*" || pattern === media || (pattern.endsWith("/*") && media.startsWith(pattern.slice(0, -1)))
  })
}
