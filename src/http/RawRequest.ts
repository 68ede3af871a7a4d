/**
 * A request as its client wrote it. `Request` has less: the path normalised, header names in lower case, headers of one
 * name joined. A server that knows more says so here; for any other, what `Request` has must do.
 */

/** In the order in which they came; names as they were spelled, several of one name where there were several. */
export type RawFields = ReadonlyArray<readonly [name: string, value: string]>

export interface RawRequest {
  /** Path and query, percent-encoded as they came. */
  readonly target: string
  readonly fields: RawFields
  /** The target before a root was taken off it, where one was: what the client may have signed. */
  readonly sentTarget?: string
}

const known = new WeakMap<Request, RawRequest>()

/** For the server that has read it. */
export const withRaw = (request: Request, raw: RawRequest): Request => {
  known.set(request, raw)
  return request
}

export const rawOf = (request: Request): RawRequest =>
  known.get(request) ?? {
    target: request.url.slice(request.url.indexOf("/", request.url.indexOf("//") + 2)),
    fields: [...request.headers]
  }
