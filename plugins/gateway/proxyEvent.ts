/** A request to an API, however it was read: as those see it who may refuse it, and as its function does. */
import type { Invocation } from "../../src/domain/Invocation.ts"
import type { Route } from "../../src/domain/Route.ts"
import { formatTraceId } from "../../src/domain/TraceId.ts"
import { decodedPath, httpEventV2 } from "../../src/events/HttpEventV2.ts"
import { restEvent } from "../../src/events/RestEvent.ts"
import type { RawFields } from "../../src/http/RawRequest.ts"
import type { HeaderValues } from "../../src/http/requestHead.ts"
import type { TrustedProxies } from "../../src/http/TrustedProxies.ts"
import type { Routed, Unrouted } from "../../src/routing/ApiIndex.ts"
import { eventContext } from "../../src/routing/eventContext.ts"
import type { ApiCall, Authorized } from "../../src/routing/RouteAuthorizer.ts"
import type { RouteTable } from "../../src/routing/RouteTable.ts"
import { connectionFields } from "./connectionFields.ts"
import { type Exchange, traceTo } from "./exchange.ts"
import type { GatewayOptions } from "./index.ts"

export type EventOptions = Pick<GatewayOptions, "owner" | "proxies">

/** API Gateway's limits (`LAMBDA-CONTRACT.md` section 13.2). */
export const maxBodyBytes = 10 * 1024 * 1024
export const maxHeaderBytes = 10_240

const noBytes = new Uint8Array()

export interface Incoming {
  readonly method: string
  /** As in the header; may have a port. */
  readonly host: string
  readonly path: string
  /** With the root that was taken off it. */
  readonly sentPath: string
  readonly query: string
  readonly fields: RawFields
  readonly headers: HeaderValues
  readonly scheme: "http" | "https"
}

export const splitTarget = (target: string): { readonly path: string; readonly query: string } => {
  const mark = target.indexOf("?")
  return mark === -1 ? { path: target, query: "" } : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

export const match = (
  table: RouteTable["Service"],
  { host, method, path }: Pick<Incoming, "host" | "method" | "path">
) => table.match(host === "" ? undefined : host, method, path)

export const headerBytes = (fields: RawFields): number => {
  let bytes = 0
  // Each has a colon, a blank and a line's end.
  for (const [name, value] of fields) bytes += name.length + value.length + 4
  return bytes
}

export const callOf = (
  incoming: Incoming,
  exchange: Exchange,
  found: Routed | Unrouted,
  options: EventOptions,
  timeMillis: number
): ApiCall => {
  const { fields, sourceIp } = fieldsOf(incoming, exchange, options)
  return {
    api: found.api,
    parameters: found._tag === "Routed" ? found.parameters : {},
    request: {
      method: incoming.method,
      rawPath: found.path,
      rawQuery: incoming.query,
      headers: fields,
      body: noBytes
    },
    stagePath: stagePathOf(incoming, found),
    domainName: incoming.host.replace(/:\d+$/, ""),
    requestId: exchange.requestId,
    sourceIp,
    timeMillis
  }
}

/** Without the headers that say how the connection is, and with those that say where the request came from. */
const fieldsOf = (
  { fields, headers, host, scheme }: Incoming,
  { clientIp, trace }: Exchange,
  { proxies = nobody }: EventOptions
) => {
  const from = proxies(headers, clientIp, scheme)
  const port = /:(\d+)$/.exec(host)?.[1]
  const known: Array<readonly [string, string]> = []
  for (const field of fields) {
    const name = field[0].toLowerCase()
    if (!connectionFields.has(name) && !replaced.has(name)) known.push(field)
  }
  known.push(
    ["X-Forwarded-For", from.chain],
    ["X-Forwarded-Port", from.port ?? port ?? (from.scheme === "https" ? "443" : "80")],
    ["X-Forwarded-Proto", from.scheme],
    ["X-Amzn-Trace-Id", formatTraceId(trace)]
  )
  return { sourceIp: from.sourceIp, fields: known }
}

const replaced = new Set(["x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"])

/** Who is connected is the client. */
const nobody: TrustedProxies = (_, peer, scheme = "http") => ({ sourceIp: peer, chain: peer, scheme })

/** The path as it is behind API Gateway's own host, also where this was called without the stage. */
const stagePathOf = (incoming: Incoming, { api, path }: Routed | Unrouted): string => {
  if (api.isLenient || api.stage === "$default") return path
  const prefix = `/${api.stage}`
  // What the client wrote, where it wrote the stage: `//a` is only one slash in the path after it.
  return path !== incoming.path && incoming.path.startsWith(`${prefix}/`) ? incoming.path : `${prefix}${path}`
}

/** The event, as JSON. */
export const eventOf = (
  call: ApiCall,
  { route }: Routed,
  body: Uint8Array,
  authorized: Authorized,
  { owner }: EventOptions
): Uint8Array => {
  const { api, domainName, stagePath } = call
  const common = {
    ...eventContext(call, owner),
    ...(authorized.context === undefined ? {} : { authorizer: authorized.context })
  }
  const event =
    route.payloadFormat === "2.0"
      ? httpEventV2(
          { ...call.request, rawPath: decodedPath(stagePath), body },
          { ...common, domainPrefix: domainName.split(".", 1)[0]!, routeKey: routeKeyOf(route) }
        )
      : restEvent(
          { ...call.request, body },
          {
            ...common,
            resource: route.path,
            stagePath,
            binaryMediaTypes: api.binaryMediaTypes,
            style: api.isLenient ? "lenient" : api.kind,
            ...(authorized.caller === undefined ? {} : { caller: authorized.caller }),
            ...(authorized.counted === undefined ? {} : { apiKey: authorized.counted })
          }
        )
  return Buffer.from(JSON.stringify(event))
}

const routeKeyOf = ({ method, path }: Route) => (path === "$default" ? path : `${method} ${path}`)

export const invocationOf = (
  { route }: Routed,
  exchange: Exchange,
  payload: Uint8Array,
  { owner }: EventOptions
): Invocation => ({
  requestId: exchange.requestId,
  // What is no name of a function is one that no function has: the invoker finds that out.
  functionName: route.functionName as Invocation["functionName"],
  payload,
  traceId: traceTo(exchange, owner, route.functionName),
  ...(route.qualifier === undefined ? {} : { qualifier: route.qualifier })
})
