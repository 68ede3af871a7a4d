/** What it is to listen for HTTP, and what is known of a request beside what a `Request` holds. `NetHttpServer` listens. */
import { type Effect, Schema, type Scope } from "effect"
import type { RequestHead } from "./requestHead.ts"
import type { ServerCertificate } from "./ServerCertificate.ts"

/** The port is taken, or the address is none of this machine's. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  detail: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.detail
  }
}

export interface HttpServerOptions {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  /** A longer body is refused before it is read whole. */
  readonly maxBodyBytes: number
  readonly fetch: (request: Request) => Response | Promise<Response>
  readonly direct?: Direct
  /** How long clients are waited for. */
  readonly patience?: Patience
  /** Serves HTTPS with it. Connections go on with what they have begun with when it changes. */
  readonly certificate?: ServerCertificate
}

/**
 * Answers requests without making a `Request` of them, which costs more than all else that is done for a plain one. Says
 * by the head who may answer it, for whom its body is gathered; undefined where the request is for `fetch`.
 */
export type Direct = (head: RequestHead) => DirectAnswer | undefined

/** Calls one of the methods of `reply`, once, now or later. What it gives back is called if the client leaves before. */
export type DirectAnswer = (request: PlainRequest, reply: DirectReply) => () => void

export interface DirectReply {
  answer(answer: PlainAnswer | Response): void
  /** The request is for `fetch` after all: nothing has happened. */
  pass(): void
}

export interface PlainRequest {
  readonly head: RequestHead
  readonly body: Buffer
  readonly clientAddress: string
  readonly isEncrypted: boolean
}

/** Not for a `HEAD`. */
export interface PlainAnswer {
  readonly status: number
  /** Lines of one byte a character, each with its end; without those that are the server's to write. */
  readonly fields: string
  readonly body: Uint8Array
}

export interface Patience {
  /** From the first byte of a request until the last one of its head, however steadily they come. */
  readonly headMillis: number
  /** For the next piece of a request that has begun, and for the client to take the next piece of its answer. */
  readonly pauseMillis: number
  /** For the next request, on a connection on which nothing is under way. */
  readonly idleMillis: number
}

const clientAddresses = new WeakMap<Request, () => string | undefined>()

/** A request as it came in: its client's address is looked up only where somebody asks for it. */
export const withClientAddress = (incoming: Request, address: () => string | undefined): Request => {
  const request = withPlainHost(incoming)
  clientAddresses.set(request, address)
  return request
}

/**
 * Elysia takes the path to begin after the eleventh letter of the URL. A shorter `Host` header would have it route by
 * a part of the path, past whoever checks the whole.
 */
const withPlainHost = (request: Request): Request => {
  // Without any host there is nothing but the path.
  if (request.url.startsWith("/")) return new Request(`http://localhost${request.url}`, request)
  const path = request.url.indexOf("/", request.url.indexOf("//") + 2)
  if (path >= 11) return request
  const scheme = request.url.slice(0, request.url.indexOf(":"))
  return new Request(`${scheme}://localhost${request.url.slice(path)}`, request)
}

/** How a connection is encrypted: `TLSv1.3`, `TLS_AES_128_GCM_SHA256`. */
export interface ConnectionTls {
  readonly version: string
  readonly cipher: string
}

const bytesOfBodies = new WeakMap<Response, Uint8Array>()

/** For whoever makes a response out of bytes: a server need not read them through a stream then. */
export const withBytes = (response: Response, bytes: Uint8Array): Response => {
  bytesOfBodies.set(response, bytes)
  return response
}

/** The body, where it is known without reading it, and was not read yet. */
export const bytesOf = (response: Response): Uint8Array | undefined =>
  response.bodyUsed ? undefined : bytesOfBodies.get(response)

const encrypted = new WeakMap<Request, ConnectionTls>()

export const withTls = (request: Request, tls: ConnectionTls | undefined): Request => {
  if (tls !== undefined) encrypted.set(request, tls)
  return request
}

/** Undefined for a connection that is not. */
export const tlsOf = (request: Request): ConnectionTls | undefined => encrypted.get(request)

/** The address at the other end of a request's connection; empty where there is none, as in a test. */
export const clientAddressOf = (request: Request): string => clientAddresses.get(request)?.() ?? ""

export interface HttpServer {
  readonly port: number
  /** Takes no more connections, and waits until every request under way is answered. */
  readonly drain: Effect.Effect<void>
}

export const listenFailed = (options: HttpServerOptions, cause: unknown): ListenFailed => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  const at = `${options.host}:${options.port}`
  const taken = code === "EADDRINUSE" || String(cause).includes("EADDRINUSE") || String(cause).includes("in use")
  const detail = taken
    ? `Port ${options.port} is in use: another program listens on ${at}. Stop it, or set IRORI_PORT to another port.`
    : `Cannot listen on ${at}: ${cause instanceof Error ? cause.message : String(cause)}`
  return new ListenFailed({ detail, cause })
}

/** Opens a server, closed with the scope: at once, whatever is under way. */
export type Listen = (options: HttpServerOptions) => Effect.Effect<HttpServer, ListenFailed, Scope.Scope>
