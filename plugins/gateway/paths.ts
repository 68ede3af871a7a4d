/** What can be told of a request by its path alone. */
import type { GatewayOptions } from "./index.ts"

/** No API has such a path, whether there is a route for it or not: every route that asks for the key is among them. */
export const isOwnPath = (path: string, { isForeign }: Pick<GatewayOptions, "isForeign">): boolean =>
  ownPath.test(path) || isForeign?.(path) === true

const ownPath = /^\/(\d{4}-\d{2}-\d{2}|irori|metrics|snapshots)(\/|$)/

/** The router would fail on any other, in ways that differ between servers. `target` may be a whole URL. */
export const isReadable = (target: string): boolean => {
  if (!target.includes("%")) return true
  try {
    decodeURIComponent(target.split("?", 1)[0]!)
    return true
  } catch {
    return false
  }
}
