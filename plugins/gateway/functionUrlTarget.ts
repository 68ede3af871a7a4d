/**
 * Which function URL a request is for: by its host, `<id>.lambda-url.<anything>`, or, where no name leads here, by a
 * path that begins with `/lambda-url/<id>`.
 */
import { rawOf } from "../../src/http/RawRequest.ts"
import type { RequestHead } from "../../src/http/requestHead.ts"

export interface FunctionUrlTarget {
  /** As it was asked for; there may be no such URL. */
  readonly id: string
  /** The host without its port, where it says the id. */
  readonly host?: string
  /** Of the host. */
  readonly port?: string
  /** What the client called of it, as it came, without the server's root. */
  readonly path: string
  /** The same with the root: a signature is over this one. */
  readonly sentPath: string
  /** The path as the function is to see it: without the id. */
  readonly rawPath: string
  readonly rawQuery: string
}

const mark = /lambda-url/i

/**
 * Whether a request may be for one, as its head is written: rather too often than too seldom, since a host is still to be
 * decoded where it has a `%`.
 */
export const mayBeFunctionUrl = ({ host, target }: Pick<RequestHead, "host" | "target">): boolean =>
  mark.test(host) || host.includes("%") || mark.test(target)

/** Undefined for a request to anything else. */
export const functionUrlTarget = (request: Request): FunctionUrlTarget | undefined => {
  if (!mark.test(request.url)) return undefined
  const [, authority = ""] = /^[a-z]+:\/\/([^/?]*)/i.exec(request.url) ?? []
  const [host = "", port] = authority.toLowerCase().split(":")
  const { sentTarget, target } = rawOf(request)
  const [, path = "", rawQuery = ""] = /^([^?]*)(?:\?(.*))?$/s.exec(target) ?? []
  const [sentPath = path] = sentTarget?.split("?", 1) ?? []
  const about = { path, sentPath, rawQuery, ...(port === undefined ? {} : { port }) }
  const [id = "", kind = ""] = host.split(".")
  if (kind === "lambda-url") return { ...about, id, host, rawPath: path }
  const [, ofPath, rest] = /^\/lambda-url\/([^/]*)(.*)$/s.exec(path) ?? []
  if (ofPath === undefined) return undefined
  return { ...about, id: ofPath, rawPath: rest === undefined || rest === "" ? "/" : rest }
}
