/** A request that is answered directly, by a short way: its ids, its answer, its line in the log, a caller who may leave. */
import { Effect, type ManagedRuntime } from "effect"
import type { FunctionName, Owner } from "../../src/domain/FunctionName.ts"
import { formatTraceId } from "../../src/domain/TraceId.ts"
import type { DirectReply, PlainAnswer, PlainRequest } from "../../src/http/HttpServer.ts"
import { fieldOf } from "../../src/http/requestHead.ts"
import type { AsyncInvoker } from "../../src/invoke/AsyncInvoker.ts"
import type { Deadlines } from "../../src/invoke/Deadlines.ts"
import type { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import type { Abandon } from "../../src/invoke/WorkerClient.ts"
import { type AccessRecord, type Exchange, newExchange } from "./exchange.ts"
import { splitTarget } from "./proxyEvent.ts"

/** What the short ways are made with. */
export interface DirectServices {
  readonly runtime: ManagedRuntime.ManagedRuntime<never, never>
  readonly owner: Owner
  readonly log: AccessRecord
  readonly start: NonNullable<LambdaInvoker["Service"]["start"]>
  /** Takes events, where that can be done without a fiber. */
  readonly accept: AsyncInvoker["Service"]["accept"]
  /** Whether there is such a function; false also where that is not known at once. */
  readonly isKnown: (name: FunctionName) => boolean
  readonly deadlines: Deadlines
}

/**
 * A worker whose caller has left may take so long to finish, as any would on AWS: what it has under way is then not cut
 * off in the middle, and the next caller does not wait for another to start.
 */
const finishTime = "1 second"

export class DirectCall {
  readonly exchange: Exchange
  readonly #request: PlainRequest
  readonly #reply: DirectReply
  readonly #log: AccessRecord
  readonly #runtime: DirectServices["runtime"]
  #isOver = false

  /** `startedMillis`: when its head was there, of `performance.now()`. */
  constructor(request: PlainRequest, reply: DirectReply, { log, runtime }: DirectServices, startedMillis: number) {
    this.exchange = newExchange(fieldOf(request.head, "x-amzn-trace-id"), request.clientAddress, startedMillis)
    this.#request = request
    this.#reply = reply
    this.#log = log
    this.#runtime = runtime
  }

  /** It is answered or passed on, or its caller has left: whatever comes now, nobody waits for it. */
  get isOver(): boolean {
    return this.#isOver
  }

  answer({ body, fields, status }: PlainAnswer): void {
    if (!this.#ends(status)) return
    const { requestId, trace } = this.exchange
    const ids = `x-amzn-RequestId: ${requestId}\r\nX-Amzn-Trace-Id: ${formatTraceId(trace)}\r\n`
    this.#reply.answer({ status, fields: fields + ids, body })
  }

  respond(response: Response): void {
    if (!this.#ends(response.status)) return
    response.headers.set("x-amzn-RequestId", this.exchange.requestId)
    response.headers.set("X-Amzn-Trace-Id", formatTraceId(this.exchange.trace))
    this.#reply.answer(response)
  }

  /** On to the routes: nothing has happened. */
  pass(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#reply.pass()
  }

  /** Its caller has left: what was begun for it, where anything was, has a while to finish. */
  leave(abandon: Abandon | undefined): void {
    // Nobody reads this; the number is for the access log.
    if (this.#ends(499) && abandon !== undefined) {
      this.#runtime.runFork(Effect.delay(Effect.sync(abandon), finishTime))
    }
  }

  #ends(status: number): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    const { head } = this.#request
    const asked = { method: head.method, path: splitTarget(head.target).path, userAgent: fieldOf(head, "user-agent") }
    this.#log(this.exchange, asked, status)
    return true
  }
}
