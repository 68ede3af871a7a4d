/** A server whose clients see its paths behind a prefix, since a proxy in front of it does not take that off. */
import { clientAddressOf, tlsOf, withClientAddress, withTls } from "./HttpServer.ts"
import { rawOf, withRaw } from "./RawRequest.ts"

type Fetch = (request: Request) => Response | Promise<Response>

/** `root` is empty, or begins with `/` and ends without. What comes without it is served as it is. */
export const withoutRoot = (root: string, fetch: Fetch): Fetch =>
  root === "" ? fetch : (request) => fetch(cut(root, request))

const cut = (root: string, request: Request): Request => {
  const { fields, target } = rawOf(request)
  const [path = ""] = target.split("?", 1)
  if (path !== root && !path.startsWith(`${root}/`)) return request
  const url = new URL(request.url)
  // The path without its dots may be another one: then nothing of it is the root's.
  if (url.pathname !== root && !url.pathname.startsWith(`${root}/`)) return request
  const rest = (text: string) => (text.slice(root.length).startsWith("/") ? "" : "/") + text.slice(root.length)
  const inner = new Request(`${url.origin}${rest(url.pathname)}${url.search}`, request)
  const known = withClientAddress(inner, () => clientAddressOf(request))
  return withTls(withRaw(known, { target: rest(target), fields, sentTarget: target }), tlsOf(request))
}
