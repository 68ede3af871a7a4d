/** What a request says of its own connection, by names in lower case: not for functions to know. */
export const connectionFields: ReadonlySet<string> = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])
