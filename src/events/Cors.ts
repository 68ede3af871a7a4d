/** What a configured CORS policy makes of requests and responses (`LAMBDA-CONTRACT.md` section 11.5). */

/** As AWS's API has it. */
export interface CorsPolicy {
  readonly AllowCredentials?: boolean | undefined
  readonly AllowHeaders?: ReadonlyArray<string> | undefined
  readonly AllowMethods?: ReadonlyArray<string> | undefined
  readonly AllowOrigins?: ReadonlyArray<string> | undefined
  readonly ExposeHeaders?: ReadonlyArray<string> | undefined
  /** Seconds. */
  readonly MaxAge?: number | undefined
}

type HeaderList = ReadonlyArray<readonly [name: string, value: string]>

/** A browser asking beforehand. */
export const isPreflight = (method: string, headers: Headers): boolean =>
  method === "OPTIONS" && headers.has("origin") && headers.has("access-control-request-method")

/** The headers of the answer to a preflight: none of CORS's for an origin that is not allowed. */
export const preflightHeaders = (policy: CorsPolicy, headers: Headers): HeaderList => {
  const origin = allowedOrigin(policy, headers.get("origin"))
  if (origin === undefined) return [["vary", "Origin"]]
  const method = headers.get("access-control-request-method") ?? ""
  const methods = listed(policy, policy.AllowMethods, method)
  const asked = headers.get("access-control-request-headers") ?? ""
  const allowed = listed(policy, policy.AllowHeaders, asked)
  return [
    ...originHeaders(policy, origin),
    ...(methods === "" ? [] : [["access-control-allow-methods", methods] as const]),
    ...(allowed === "" ? [] : [["access-control-allow-headers", allowed] as const]),
    ...(policy.MaxAge === undefined ? [] : [["access-control-max-age", String(policy.MaxAge)] as const])
  ]
}

/** A response's headers as the policy has them: what the function says of CORS itself does not count. */
export const withCors = (policy: CorsPolicy, requestOrigin: string | null, headers: HeaderList): HeaderList => {
  const own = headers.filter(([name]) => !name.startsWith("access-control-"))
  const origin = allowedOrigin(policy, requestOrigin)
  if (origin === undefined) return own
  const exposed = listed(policy, policy.ExposeHeaders, "")
  const cors = originHeaders(policy, origin).filter(
    ([name]) => name !== "vary" || !own.some(([other]) => other === "vary")
  )
  const vary = own.map(([name, value]) =>
    name === "vary" && origin !== "*" && !/(^|,)\s*(origin|\*)\s*(,|$)/i.test(value)
      ? ([name, `${value}, Origin`] as const)
      : ([name, value] as const)
  )
  return [...vary, ...cors, ...(exposed === "" ? [] : [["access-control-expose-headers", exposed] as const])]
}

const originHeaders = (policy: CorsPolicy, origin: string): HeaderList => [
  ["access-control-allow-origin", origin],
  ...(policy.AllowCredentials === true ? [["access-control-allow-credentials", "true"] as const] : []),
  ...(origin === "*" ? [] : [["vary", "Origin"] as const])
]

/** What `access-control-allow-origin` says to `origin`. */
const allowedOrigin = (policy: CorsPolicy, origin: string | null): string | undefined => {
  if (origin === null) return undefined
  const origins = policy.AllowOrigins ?? []
  // A browser takes no `*` in answer to a request with credentials.
  if (origins.includes("*")) return policy.AllowCredentials === true ? origin : "*"
  return origins.some((allowed) => matches(allowed, origin)) ? origin : undefined
}

/** `*` in an allowed origin stands for anything: `https://*.example.com`. */
const matches = (allowed: string, origin: string): boolean => {
  if (!allowed.includes("*")) return allowed.toLowerCase() === origin.toLowerCase()
  const pattern = allowed
    .split("*")
    .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"))
    .join(".*")
  return new RegExp(`^${pattern}$`, "i").test(origin)
}

/** With credentials `*` would be taken for a name, so it is answered with what was `asked`. */
const listed = (policy: CorsPolicy, names: ReadonlyArray<string> | undefined, asked: string): string => {
  if (names === undefined) return ""
  if (!names.includes("*")) return names.join(",")
  return policy.AllowCredentials === true ? asked : "*"
}
