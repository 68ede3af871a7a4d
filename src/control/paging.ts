/** A page of a list, and the marker under which the next one is asked for. */

/** Lambda's, whatever more is asked for. */
const maxPageItems = 50

export interface PageRequest {
  readonly Marker?: string | undefined
  readonly MaxItems?: number | undefined
}

export interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Undefined on the last one. */
  readonly NextMarker: string | undefined
}

/**
 * `items` are in the order of their keys. A marker is the last key that was shown: what comes or goes between two pages
 * is neither skipped nor shown twice.
 */
export const page = <A>(items: ReadonlyArray<A>, keyOf: (item: A) => string, request: PageRequest): Page<A> => {
  const after = request.Marker === undefined ? "" : Buffer.from(request.Marker, "base64url").toString()
  const left = items.filter((item) => keyOf(item) > after)
  const shown = left.slice(0, Math.min(request.MaxItems ?? maxPageItems, maxPageItems))
  const last = shown.at(-1)
  return {
    items: shown,
    NextMarker:
      last === undefined || shown.length === left.length ? undefined : Buffer.from(keyOf(last)).toString("base64url")
  }
}

/** Keys of versions: by name, which has nothing below a blank in it; `$LATEST` first, then by number. */
export const versionKey = (name: string, version: string): string =>
  `${name} ${version === "$LATEST" ? "" : version.padStart(12, "0")}`
