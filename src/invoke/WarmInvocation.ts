/**
 * An invocation without a fiber, for the case that nearly all are: the function is known, its circuit is closed, nothing
 * is over a limit, and a worker is idle or will come free. It is `LambdaInvoker`'s path step for step (gate, circuit,
 * worker, event, limit of time, the worker given back), made of plain calls, since fibers, brackets and timers of their
 * own cost several times what the rest of an invocation does. Whatever is not plain is left to `LambdaInvoker`: before
 * it began, by saying that it cannot be started here; afterwards, by what it does about failures.
 */
import { Duration, type Effect, type Exit, type Fiber } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Invocation, InvocationResult } from "../domain/Invocation.ts"
import type { InLine } from "../domain/Line.ts"
import type { Worker } from "../domain/Worker.ts"
import { resultOf } from "./attempt.ts"
import type { Deadlines, Limit, Limited } from "./Deadlines.ts"
import type { Borrower, NoCapacity, Place, WarmBackend, WorkerStartFailed } from "./InvocationBackend.ts"
import type { InvokeError } from "./InvokeError.ts"
import type { Abandon, AnswerTaker, DirectClient, WorkerAnswer, WorkerLost } from "./WorkerClient.ts"

/** Who waits for the outcome without a fiber. Exactly one method is called, once, unless the invocation is abandoned. */
export interface Caller<Failed> {
  readonly succeeded: (result: InvocationResult) => void
  readonly failed: (outcome: Failed) => void
}

/** What ended an attempt without an answer. */
export type AttemptFailure =
  | NoCapacity
  | WorkerStartFailed
  | WorkerLost
  | { readonly _tag: "RanOutOfTime"; readonly worker: Worker }

/** What became of one who was let through. */
export type WarmOutcome = "ok" | "function_error" | "cancelled" | AttemptFailure

/** One who was let through. */
export interface Admitted {
  readonly config: FunctionConfig
  readonly invocation: Invocation
  readonly caller: Caller<Exit.Exit<InvocationResult, InvokeError>>
  /** Of the circuit. */
  readonly permit: number
  readonly leaveGate: () => void
  readonly begunSeconds: number
}

/** What all invocations are done with and among. */
export interface WarmServices {
  readonly backend: WarmBackend
  readonly start: DirectClient["start"]
  readonly deadlines: Deadlines
  /** Gives a worker back that has more to do after its answer. */
  readonly releaseAfter: (free: Effect.Effect<void>, worker: Worker) => void
  /** Settles gate, circuit and metrics of one that is over, before its caller is told. Called once. */
  readonly settle: (over: WarmInvocation, outcome: WarmOutcome) => void
  /** Tells the caller of one that is over without an answer, if it has not left; by the fiber, where that takes one. */
  readonly explain: (over: WarmInvocation, failure: AttemptFailure) => Fiber.Fiber<unknown, unknown> | undefined
}

export class WarmInvocation implements Borrower, AnswerTaker, Limited, InLine<WarmInvocation> {
  readonly admitted: Admitted
  readonly #services: WarmServices
  /** Set while it waits for a worker. */
  #place: Place | undefined
  /** Set while a worker has the event. */
  #worker: Worker | undefined
  #abandon: Abandon | undefined
  #limit: Limit | undefined
  #explaining: Fiber.Fiber<unknown, unknown> | undefined
  #isOver = false
  #hasLeft = false
  /** Among those that are not settled yet. */
  before: WarmInvocation | undefined = undefined
  after: WarmInvocation | undefined = undefined
  isInLine = false

  constructor(services: WarmServices, admitted: Admitted) {
    this.#services = services
    this.admitted = admitted
  }

  /** Its caller has. */
  get hasLeft(): boolean {
    return this.#hasLeft
  }

  /** False where the worker whose turn it is can only be lent another way. Then nothing has happened. */
  begin(): boolean {
    const place = this.#services.backend.lend(this.admitted.config, this)
    if (place === undefined) return false
    // It may have been lent a worker, and even be over, by now.
    if (this.#isOver) return true
    if (this.#worker === undefined) this.#place = place
    return true
  }

  lent(worker: Worker): void {
    this.#place = undefined
    this.#worker = worker
    const { deadlines, start } = this.#services
    const { config, invocation } = this.admitted
    this.#limit = deadlines.set(Duration.toMillis(config.timeout), this)
    const abandon = start(worker, config, invocation, this)
    if (!this.#isOver) this.#abandon = abandon
  }

  refused(failure: NoCapacity | WorkerStartFailed): void {
    this.#end(failure)
  }

  answered(answer: WorkerAnswer): void {
    const worker = this.#worker
    if (worker === undefined) return
    this.#worker = undefined
    const { backend, releaseAfter } = this.#services
    if (answer.free === undefined) backend.release(worker)
    else releaseAfter(answer.free, worker)
    this.#finish(answer.errorType === undefined ? "ok" : "function_error")
    const { caller, config } = this.admitted
    caller.succeeded(resultOf(config, answer))
  }

  lost(failure: WorkerLost): void {
    this.#evict()
    this.#end(failure)
  }

  /** The caller has gone, and is not told of an outcome any more. */
  leave(): void {
    this.#hasLeft = true
    this.cancel()
    this.#explaining?.interruptUnsafe()
  }

  /** Its place in the queue is free, or its worker, which may still be running the event, is removed. */
  cancel(): void {
    if (this.#isOver) return
    this.#place?.leave()
    this.#abandon?.()
    this.#evict()
    this.#finish("cancelled")
  }

  timeIsUp(): void {
    const worker = this.#worker
    if (worker === undefined) return
    this.#abandon?.()
    this.#evict()
    this.#end({ _tag: "RanOutOfTime", worker })
  }

  #evict(): void {
    const worker = this.#worker
    this.#worker = undefined
    if (worker !== undefined) this.#services.backend.evict(worker)
  }

  #end(failure: AttemptFailure): void {
    this.#finish(failure)
    this.#explaining = this.#services.explain(this, failure)
  }

  #finish(outcome: WarmOutcome): void {
    this.#isOver = true
    this.#limit?.clear()
    this.#services.settle(this, outcome)
  }
}
