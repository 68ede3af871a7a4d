/** Which bodies travel as text inside an event, and which as base64 (`LAMBDA-CONTRACT.md` section 12.3). */

const textTypes = new Set(["application/json", "application/xml", "application/javascript"])

/** Parameters such as the charset do not matter. Without a type a body is binary. */
export const isTextMedia = (contentType: string | undefined): boolean => {
  const media = (contentType ?? "").split(";", 1)[0]!.trim().toLowerCase()
  return media.startsWith("text/") || textTypes.has(media)
}
