/**
 * HTTP request to event, payload format 2.0, as function URLs and HTTP APIs give it to functions
 * (`LAMBDA-CONTRACT.md` sections 11.4 and 12.1). Fields without a value are left out.
 */
import { isTextMedia } from "./binaryMedia.ts"

export interface HttpRequest {
  readonly method: string
  /** As the function is to see it: percent-encoded at function URLs, `decodedPath` in HTTP APIs. */
  readonly rawPath: string
  /** Without the question mark; as it came. */
  readonly rawQuery: string
  /** In the order in which they came; names in any case. */
  readonly headers: Iterable<readonly [name: string, value: string]>
  readonly body: Uint8Array
}

/** Who is behind an AWS_IAM request. */
export interface IamAuthorizer {
  readonly accessKey: string
  readonly accountId: string
  readonly callerId: string
  readonly cognitoIdentity: null
  readonly principalOrgId: string | null
  readonly userArn: string
  readonly userId: string
}

/** What the event says beside the request itself. */
export interface HttpEventContext {
  readonly accountId: string
  readonly apiId: string
  /** A host without a port. */
  readonly domainName: string
  readonly domainPrefix: string
  readonly requestId: string
  readonly routeKey: string
  readonly stage: string
  readonly sourceIp: string
  /** Unix. */
  readonly timeMillis: number
  readonly authorizer?: { readonly iam: IamAuthorizer } | Readonly<Record<string, unknown>>
  readonly pathParameters?: Readonly<Record<string, string>>
  readonly stageVariables?: Readonly<Record<string, string>>
}

export interface HttpEventV2 {
  readonly version: "2.0"
  readonly routeKey: string
  readonly rawPath: string
  readonly rawQueryString: string
  readonly cookies?: ReadonlyArray<string>
  readonly headers: Readonly<Record<string, string>>
  readonly queryStringParameters?: Readonly<Record<string, string>>
  readonly requestContext: {
    readonly accountId: string
    readonly apiId: string
    readonly authorizer?: HttpEventContext["authorizer"]
    readonly domainName: string
    readonly domainPrefix: string
    readonly http: {
      readonly method: string
      readonly path: string
      readonly protocol: "HTTP/1.1"
      readonly sourceIp: string
      readonly userAgent: string
    }
    readonly requestId: string
    readonly routeKey: string
    readonly stage: string
    readonly time: string
    readonly timeEpoch: number
  }
  readonly body?: string
  readonly pathParameters?: Readonly<Record<string, string>>
  readonly isBase64Encoded: boolean
  readonly stageVariables?: Readonly<Record<string, string>>
}

export const httpEventV2 = (request: HttpRequest, context: HttpEventContext): HttpEventV2 => {
  const headers = joined(request.headers)
  const query = queryParameters(request.rawQuery)
  const cookies = splitCookies(headers.get("cookie"))
  const { pathParameters, stageVariables } = context
  const { body, isBase64Encoded } = encodeBody(request.body, headers.get("content-type"))
  return {
    version: "2.0",
    routeKey: context.routeKey,
    rawPath: request.rawPath,
    rawQueryString: request.rawQuery,
    ...(cookies.length === 0 ? {} : { cookies }),
    headers: Object.fromEntries(headers),
    ...(query.size === 0 ? {} : { queryStringParameters: Object.fromEntries(query) }),
    requestContext: {
      accountId: context.accountId,
      apiId: context.apiId,
      ...(context.authorizer === undefined ? {} : { authorizer: context.authorizer }),
      domainName: context.domainName,
      domainPrefix: context.domainPrefix,
      http: {
        method: request.method,
        path: request.rawPath,
        protocol: "HTTP/1.1",
        sourceIp: context.sourceIp,
        userAgent: headers.get("user-agent") ?? ""
      },
      requestId: context.requestId,
      routeKey: context.routeKey,
      stage: context.stage,
      time: formatTime(context.timeMillis),
      timeEpoch: context.timeMillis
    },
    ...(body === undefined ? {} : { body }),
    ...(pathParameters === undefined || Object.keys(pathParameters).length === 0 ? {} : { pathParameters }),
    isBase64Encoded,
    ...(stageVariables === undefined || Object.keys(stageVariables).length === 0 ? {} : { stageVariables })
  }
}

/** Lower-case names; what came more than once is one value, joined by `,`. */
const joined = (headers: HttpRequest["headers"]): ReadonlyMap<string, string> => {
  const values = new Map<string, string>()
  for (const [given, value] of headers) {
    const name = given.toLowerCase()
    const before = values.get(name)
    // Cookies are no list with commas.
    values.set(name, before === undefined ? value : `${before}${name === "cookie" ? "; " : ","}${value}`)
  }
  return values
}

const splitCookies = (header: string | undefined): ReadonlyArray<string> =>
  (header ?? "")
    .split(";")
    .map((cookie) => cookie.trim())
    .filter((cookie) => cookie !== "")

/** Decoded; what cannot be decoded stays as it is. */
const queryParameters = (rawQuery: string): ReadonlyMap<string, string> => {
  const values = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(rawQuery)) {
    const before = values.get(name)
    values.set(name, before === undefined ? value : `${before},${value}`)
  }
  return values
}

/** The path with its percent-encoding undone, byte by byte: `%F` and the like stay. */
export const decodedPath = (path: string): string =>
  path.replaceAll(/(?:%[0-9a-fA-F]{2})+/g, (encoded) => {
    try {
      return decodeURIComponent(encoded)
    } catch {
      return encoded
    }
  })

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** A body whose type says text and whose bytes are none goes as base64, so that nothing of it is lost. */
const encodeBody = (
  bytes: Uint8Array,
  contentType: string | undefined
): { readonly body?: string; readonly isBase64Encoded: boolean } => {
  if (bytes.length === 0) return { isBase64Encoded: false }
  if (isTextMedia(contentType)) {
    try {
      return { body: utf8.decode(bytes), isBase64Encoded: false }
    } catch {}
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { body: buffer.toString("base64"), isBase64Encoded: true }
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

/** `12/Mar/2020:19:03:58 +0000` */
export const formatTime = (millis: number): string => {
  const second = Math.floor(millis / 1000)
  if (second !== formatted.second) {
    const [date = "", time = ""] = new Date(millis).toISOString().split("T")
    const [year, month, day] = date.split("-")
    formatted = { second, text: `${day}/${months[Number(month) - 1]}/${year}:${time.slice(0, 8)} +0000` }
  }
  return formatted.text
}

/** Of the last second that was asked for. */
let formatted = { second: Number.NaN, text: "" }
