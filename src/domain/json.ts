/** What a JSON value of unknown kind turns out to be. */

/** A JSON object, as opposed to a list, null, or what is no composite at all. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Whether `text` is JSON. Its value is built and thrown away: no check is faster than the runtime's own parser. */
export const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
