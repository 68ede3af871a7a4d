/**
 * HTTP request to event, payload format 1.0, as REST APIs give it to functions, and HTTP APIs that ask for it
 * (`LAMBDA-CONTRACT.md` sections 13.1 and 12.5). Every key is there; what has no value is null.
 */
import { createHash } from "node:crypto"
import { matchesMedia } from "./binaryMedia.ts"
import { decodedPath, formatTime, type HttpRequest } from "./HttpEventV2.ts"

/** What an authorizer says of the caller, as the function sees it. */
export type RestAuthorizer = Readonly<Record<string, unknown>>

/** Who signed the request, where that was asked. */
export interface RestCaller {
  readonly accessKey: string
  readonly accountId: string
  readonly caller: string
  readonly user: string
  readonly userArn: string
}

/** The key that the caller was counted by, where that was asked. */
export interface RestApiKey {
  readonly id: string
  readonly value: string
}

/** What the event says beside the request itself, whose `rawPath` is the path after the stage. */
export interface RestEventContext {
  readonly accountId: string
  readonly apiId: string
  /** A host without a port. */
  readonly domainName: string
  readonly requestId: string
  /** Of the route: `/pets/{id}`. */
  readonly resource: string
  readonly stage: string
  /** The path with the stage. */
  readonly stagePath: string
  readonly sourceIp: string
  /** Unix. */
  readonly timeMillis: number
  readonly authorizer?: RestAuthorizer
  readonly caller?: RestCaller
  readonly apiKey?: RestApiKey
  readonly pathParameters: Readonly<Record<string, string>>
  readonly stageVariables?: Readonly<Record<string, string>>
  readonly binaryMediaTypes: ReadonlyArray<string>
  /**
   * `http`: of an HTTP API, with `version`. `lenient`: with the path decoded, and with every header under its name in
   * lower case.
   */
  readonly style: "rest" | "http" | "lenient"
}

type Lists = Readonly<Record<string, ReadonlyArray<string>>>
type Texts = Readonly<Record<string, string>>

export interface RestEvent {
  readonly version?: "1.0"
  readonly resource: string
  readonly path: string
  readonly httpMethod: string
  readonly headers: Texts
  readonly multiValueHeaders: Lists
  readonly queryStringParameters: Texts | null
  readonly multiValueQueryStringParameters: Lists | null
  readonly pathParameters: Texts | null
  readonly stageVariables: Texts | null
  readonly requestContext: {
    readonly accountId: string
    readonly apiId: string
    readonly authorizer?: RestAuthorizer
    readonly deploymentId: string
    readonly domainName: string
    readonly domainPrefix: string
    readonly extendedRequestId: string
    readonly httpMethod: string
    readonly identity: {
      readonly accessKey: string | null
      readonly accountId: string | null
      /** With `apiKeyId`, and only where there is a key. */
      readonly apiKey?: string
      readonly apiKeyId?: string
      readonly caller: string | null
      readonly cognitoAuthenticationProvider: null
      readonly cognitoAuthenticationType: null
      readonly cognitoIdentityId: null
      readonly cognitoIdentityPoolId: null
      readonly principalOrgId: null
      readonly sourceIp: string
      readonly user: string | null
      readonly userAgent: string | null
      readonly userArn: string | null
    }
    readonly path: string
    readonly protocol: "HTTP/1.1"
    readonly requestId: string
    readonly requestTime: string
    readonly requestTimeEpoch: number
    readonly resourceId: string | null
    readonly resourcePath: string
    readonly stage: string
  }
  readonly body: string | null
  readonly isBase64Encoded: boolean
}

export const restEvent = (request: HttpRequest, context: RestEventContext): RestEvent => {
  const { apiKey, authorizer, caller, style } = context
  const headers = valuesOf(request.headers, style)
  const query = valuesOfQuery(request.rawQuery)
  const headerNamed = (name: string) => headers.get(name)?.values.at(-1)
  const decode = style === "lenient" ? decodedPath : (path: string) => path
  const { last, all } = headersIn(headers)
  return {
    ...(style === "http" ? { version: "1.0" as const } : {}),
    resource: context.resource,
    path: decode(request.rawPath),
    httpMethod: request.method,
    headers: last,
    multiValueHeaders: all,
    queryStringParameters: orNull(Object.fromEntries([...query].map(([name, values]) => [name, values.at(-1)!]))),
    multiValueQueryStringParameters: orNull(Object.fromEntries(query)),
    pathParameters: orNull(context.pathParameters),
    stageVariables: orNull(context.stageVariables ?? {}),
    requestContext: {
      accountId: context.accountId,
      apiId: context.apiId,
      ...(authorizer !== undefined
        ? { authorizer }
        : style === "http"
          ? { authorizer: { claims: null, scopes: null } }
          : {}),
      deploymentId: shortId(`deployment of ${context.apiId}`),
      domainName: context.domainName,
      domainPrefix: context.domainName.split(".", 1)[0]!,
      extendedRequestId: extendedId(context.requestId),
      httpMethod: request.method,
      identity: {
        accessKey: caller?.accessKey ?? null,
        accountId: caller?.accountId ?? null,
        ...(apiKey === undefined ? {} : { apiKey: apiKey.value, apiKeyId: apiKey.id }),
        caller: caller?.caller ?? null,
        cognitoAuthenticationProvider: null,
        cognitoAuthenticationType: null,
        cognitoIdentityId: null,
        cognitoIdentityPoolId: null,
        principalOrgId: null,
        sourceIp: context.sourceIp,
        user: caller?.user ?? null,
        userAgent: headerNamed("user-agent") ?? null,
        userArn: caller?.userArn ?? null
      },
      path: decode(context.stagePath),
      protocol: "HTTP/1.1",
      requestId: context.requestId,
      requestTime: formatTime(context.timeMillis),
      requestTimeEpoch: context.timeMillis,
      resourceId: style === "http" ? null : shortId(`${context.apiId} ${context.resource}`),
      resourcePath: context.resource,
      stage: context.stage
    },
    ...bodyOf(request.body, headerNamed("content-type"), headerNamed("content-encoding"), context.binaryMediaTypes)
  }
}

const orNull = <A extends object>(record: A): A | null => (Object.keys(record).length === 0 ? null : record)

interface Header {
  readonly name: string
  readonly values: Array<string>
}

/** By their names in lower case, each under the name that it came with first. */
const valuesOf = (headers: HttpRequest["headers"], style: RestEventContext["style"]): ReadonlyMap<string, Header> => {
  const found = new Map<string, Header>()
  for (const [given, value] of headers) {
    const key = given.toLowerCase()
    if (style !== "lenient" && notPassedOn.has(key)) continue
    const known = found.get(key)
    if (known !== undefined) known.values.push(value)
    else found.set(key, { name: style === "lenient" ? key : (spellings.get(key) ?? given), values: [value] })
  }
  return found
}

/** The last value of each header, and all of them. */
const headersIn = (headers: ReadonlyMap<string, Header>): { readonly last: Texts; readonly all: Lists } => {
  const last: Record<string, string> = {}
  const all: Record<string, ReadonlyArray<string>> = {}
  for (const { name, values } of headers.values()) {
    put(last, name, values.at(-1)!)
    put(all, name, values)
  }
  return { last, all }
}

/** As `Object.fromEntries` does it, which takes several times as long. */
const put = <A>(record: Record<string, A>, name: string, value: A): void => {
  if (name === "__proto__") {
    Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true })
  } else record[name] = value
}

/** Of the connection between the client and the API. */
const notPassedOn = new Set(["connection", "content-length", "keep-alive", "te", "transfer-encoding", "upgrade"])

/** However the client spells them. */
const spellings = new Map(
  [
    "Authorization",
    "Host",
    "User-Agent",
    "X-Amzn-Trace-Id",
    "X-Forwarded-For",
    "X-Forwarded-Port",
    "X-Forwarded-Proto"
  ].map((name) => [name.toLowerCase(), name])
)

/** Decoded, `+` as the blank that it stands for; what cannot be decoded stays as it is. */
const valuesOfQuery = (rawQuery: string): ReadonlyMap<string, ReadonlyArray<string>> => {
  const found = new Map<string, Array<string>>()
  for (const [name, value] of new URLSearchParams(rawQuery)) {
    const known = found.get(name)
    if (known !== undefined) known.push(value)
    else found.set(name, [value])
  }
  return found
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Base64 is what the API calls binary, what is compressed, and what is no text whatever it is called. */
const bodyOf = (
  bytes: Uint8Array,
  contentType: string | undefined,
  contentEncoding: string | undefined,
  binaryMediaTypes: ReadonlyArray<string>
): Pick<RestEvent, "body" | "isBase64Encoded"> => {
  if (bytes.length === 0) return { body: null, isBase64Encoded: false }
  if (!matchesMedia(binaryMediaTypes, contentType) && !(contentEncoding ?? "").toLowerCase().includes("gzip")) {
    try {
      return { body: utf8.decode(bytes), isBase64Encoded: false }
    } catch {}
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { body: buffer.toString("base64"), isBase64Encoded: true }
}

/** Six letters and digits, always the same for the same thing. */
const shortId = (of: string): string => {
  const known = shortIds.get(of)
  if (known !== undefined) return known
  const id = createHash("sha256").update(of).digest().readUIntBE(0, 6).toString(36).padStart(6, "0").slice(-6)
  // As many as there are APIs and routes, but for those that are no more.
  if (shortIds.size === maxShortIds) shortIds.clear()
  shortIds.set(of, id)
  return id
}

const shortIds = new Map<string, string>()
const maxShortIds = 10_000

/** As `JKJaXmPLvHcESHA=`. */
const extendedId = (requestId: string): string =>
  createHash("sha256").update(requestId).digest().subarray(0, 11).toString("base64")
