/**
 * One request of a client, until it is read and answered: how far it is, and what whoever may answer it directly is given.
 * One object, since all that wait have one each. What is done about it is its connection's business.
 */
import type { Direct, DirectAnswer, DirectReply, PlainAnswer, PlainRequest } from "./HttpServer.ts"
import type { RequestHead } from "./requestHead.ts"
import { WholeBody } from "./WholeBody.ts"

/** The connection that an exchange is of. */
export interface ExchangeOwner {
  readonly isEncrypted: boolean
  readonly clientAddress: string
  readonly answered: (exchange: ClientExchange, answer: PlainAnswer | Response) => void
  readonly passed: (exchange: ClientExchange) => void
}

export class ClientExchange implements PlainRequest, DirectReply {
  readonly head: RequestHead
  readonly #owner: ExchangeOwner
  /** Whoever may answer it without a `Request`, and gets its whole body; until it is handed over. */
  direct: DirectAnswer | undefined
  /** Called when the client leaves before it has the answer. */
  onLeave: (() => void) | undefined = undefined
  /** What has come of the body before the request was handed over. */
  readonly held: WholeBody
  bodyBytes = 0
  /** Of a body that was still to come then. */
  bodyToCome: ReadableStreamDefaultController<Uint8Array> | undefined = undefined
  /** Nobody wants the body, or what is left of it. */
  ignoresBody: boolean
  isHandedOver = false
  isRead = false
  isAnswered = false
  /** The connection ends with it. */
  isLast: boolean
  #isDecided = false

  constructor(owner: ExchangeOwner, head: RequestHead, direct: Direct | undefined) {
    this.head = head
    this.#owner = owner
    this.direct = direct?.(head)
    this.held = new WholeBody(typeof head.framing === "number" ? head.framing : undefined)
    // `Request` knows no body of these.
    this.ignoresBody = head.method === "GET" || head.method === "HEAD"
    this.isLast = !head.keepsAlive
  }

  get body(): Buffer {
    return this.held.whole
  }

  get isEncrypted(): boolean {
    return this.#owner.isEncrypted
  }

  get clientAddress(): string {
    return this.#owner.clientAddress
  }

  /** To whoever answers it directly. It may be decided at once. */
  handOver(direct: DirectAnswer): void {
    this.isHandedOver = true
    this.direct = undefined
    const leave = direct(this, this)
    if (!this.#isDecided) this.onLeave = leave
  }

  answer(answer: PlainAnswer | Response): void {
    this.#isDecided = true
    this.#owner.answered(this, answer)
  }

  pass(): void {
    this.#isDecided = true
    this.#owner.passed(this)
  }
}
