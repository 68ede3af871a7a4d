/**
 * Of requests that a runtime's own server has read already: those that somebody in front of it may have read another
 * way, as far as that still shows. What does not show, such a server has refused itself.
 */
import { isHost, isMethod } from "./requestHead.ts"

/** The answer to such a request; undefined for any other. */
export const refuseAmbiguous = (request: Request): Response | undefined => {
  const { headers, method, url } = request
  if (!isMethod(method)) return refusal(501)
  // Several hosts, or several lengths, have become one with commas.
  if (!isHost(headers.get("host") ?? "") || headers.get("content-length")?.includes(",") === true) return refusal(400)
  return url.includes("#") ? refusal(400) : undefined
}

const refusal = (status: number) => new Response(null, { status, headers: { connection: "close" } })
