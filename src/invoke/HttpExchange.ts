/** One request to a server, its response, and what becomes of those that have none. */
import { type Exit, Schema } from "effect"
import type { Flow } from "../domain/AnswerSink.ts"

/** No connection: the request was not sent. */
export class ConnectFailed extends Schema.TaggedError<ConnectFailed>()("ConnectFailed", {
  cause: Schema.Defect()
}) {}

/** The connection broke off before the response was whole, or what came was no HTTP. */
export class ExchangeBroken extends Schema.TaggedError<ExchangeBroken>()("ExchangeBroken", {
  cause: Schema.Defect()
}) {}

export interface Address {
  readonly host: string
  readonly port: number
  readonly secure?: boolean
}

export interface HttpRequest {
  readonly method: "GET" | "POST" | "DELETE"
  /** With its query. */
  readonly path: string
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body: Uint8Array
}

export interface HttpFields {
  /** The value of the field of this name, which is in lower case; of several that of the last. */
  get(name: string): string | undefined
}

export interface HttpHead {
  readonly status: number
  readonly headers: HttpFields
}

export interface HttpResponse extends HttpHead {
  /** Empty where it was taken as it came. */
  readonly body: Buffer
}

/** Takes the body of a response as it comes. What it answers to the head gets the body's pieces, if it is anything. */
export type BodyTaker = (head: HttpHead, flow: Flow) => ((piece: Buffer) => void) | undefined

/** Is told once how an exchange ended. */
export type Settle = (result: Exit.Exit<HttpResponse, ConnectFailed | ExchangeBroken>) => void
