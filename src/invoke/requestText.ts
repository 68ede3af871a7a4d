/** The head of a request as it is sent: text, of one byte a character. */
import type { Address, HttpRequest } from "./HttpExchange.ts"

/** Up to the fields whose lines are still to come. */
export const requestStart = ({ host, port }: Address, { headers, method, path }: Omit<HttpRequest, "body">): string => {
  let text = `${method} ${path} HTTP/1.1\r\nHost: ${host.includes(":") ? `[${host}]` : host}:${port}\r\n`
  for (const [name, value] of headers) text += `${name}: ${fieldValue(value)}\r\n`
  return text
}

/** The last field and the end. */
export const requestEnd = (body: Uint8Array): string => `Content-Length: ${body.length}\r\n\r\n`

/** A value whose characters are the bytes of its UTF-8. A line break in it would begin a header, or a request. */
export const fieldValue = (value: string): string =>
  /^[\x20-\x7e]*$/.test(value) ? value : Buffer.from(value.replace(/[\r\n]+/g, " ")).toString("latin1")
