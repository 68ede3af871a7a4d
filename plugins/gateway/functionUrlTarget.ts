/**
 * Which function URL a request is for: by its host, `<id>.lambda-url.<anything>`, or, where no name leads here, by a
 * path that begins with `/lambda-url/<id>`.
 */

export interface FunctionUrlTarget {
  /** As it was asked for; there may be no such URL. */
  readonly id: string
  /** The host without its port, where it says the id. */
  readonly host?: string
  /** Of the host. */
  readonly port?: string
  /** What the client called of it, as it came: a signature is over this one. */
  readonly path: string
  /** The path as the function is to see it: without the id. */
  readonly rawPath: string
  readonly rawQuery: string
}

/** Undefined for a request to anything else. `url` is a request's: absolute. */
export const functionUrlTarget = (url: string): FunctionUrlTarget | undefined => {
  if (!/lambda-url/i.test(url)) return undefined
  const [, authority = "", path = "", rawQuery = ""] = /^[a-z]+:\/\/([^/?]*)([^?]*)(?:\?(.*))?$/is.exec(url) ?? []
  const [host = "", port] = authority.split(":")
  const whole = path === "" ? "/" : path
  const about = { path: whole, rawQuery, ...(port === undefined ? {} : { port }) }
  const [id = "", kind = ""] = host.toLowerCase().split(".")
  if (kind === "lambda-url") return { ...about, id, host: host.toLowerCase(), rawPath: whole }
  const [, ofPath, rest] = /^\/lambda-url\/([^/]*)(.*)$/s.exec(whole) ?? []
  if (ofPath === undefined) return undefined
  return { ...about, id: ofPath, rawPath: rest === undefined || rest === "" ? "/" : rest }
}
