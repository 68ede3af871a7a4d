/** Where a client sends requests, and what is the same in all of those that it sends there very often. */
import type { Address, HttpRequest } from "./HttpExchange.ts"
import { requestEnd, requestStart } from "./requestText.ts"
import type { ServerConnection } from "./ServerConnection.ts"

/** The connections to one server. */
export interface Origin {
  /** All that are open, or about to be. */
  readonly connections: Set<ServerConnection>
  /** Those of them that carry nothing. The one that was used last comes last. */
  readonly idle: Array<ServerConnection>
}

export const keyOf = ({ host, port, secure }: Address) => `${secure ? "s" : ""}${host}:${port}`

/** A kind of request to one server, for who sends very many: what is the same in all of them is put together once. */
export class Destination {
  readonly address: Address
  readonly key: string
  readonly #start: string
  /** Where its connections were when it was last asked; of one client's alone. */
  origin: Origin | undefined

  constructor(address: Address, request: Omit<HttpRequest, "body">) {
    this.address = address
    this.key = keyOf(address)
    this.#start = requestStart(address, request)
  }

  /** `fields` are lines of one byte a character, each with its end. */
  headOf(fields: string, body: Uint8Array): string {
    return this.#start + fields + requestEnd(body)
  }
}
