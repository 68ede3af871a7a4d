/**
 * An invocation without a fiber, for the case that nearly all are: the function is known, its circuit is closed, nothing
 * is over a limit, and a worker is idle or will come free. It is `LambdaInvoker`'s path step for step (gate, circuit,
 * worker, event, limit of time, the worker given back), made of plain calls, since fibers, brackets and timers of their
 * own cost several times what the rest of an invocation does. Whatever is not plain is left to `LambdaInvoker`: before
 * it began, by saying that it cannot be started here; afterwards, by what it does about failures.
 */
import { Duration, type Effect } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Invocation, InvocationResult } from "../domain/Invocation.ts"
import type { Worker } from "../domain/Worker.ts"
import { resultOf } from "./attempt.ts"
import type { Deadlines, Limit, Limited } from "./Deadlines.ts"
import type { Borrower, Leave, NoCapacity, WarmBackend, WorkerStartFailed } from "./InvocationBackend.ts"
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

/** What an invocation is done with and among. */
export interface WarmServices {
  readonly backend: WarmBackend
  readonly start: DirectClient["start"]
  readonly deadlines: Deadlines
  /** Gives a worker back that has more to do after its answer. */
  readonly releaseAfter: (free: Effect.Effect<void>, worker: Worker) => void
}

/** Settles gate, circuit and metrics of one invocation, before its caller is told. Called once. */
export type Settle = (outcome: WarmOutcome) => void

export class WarmInvocation implements Borrower, AnswerTaker, Limited {
  readonly #services: WarmServices
  readonly #config: FunctionConfig
  readonly #invocation: Invocation
  readonly #settle: Settle
  readonly #caller: Caller<AttemptFailure>
  /** Set while it waits for a worker. */
  #leave: Leave | undefined
  /** Set while a worker has the event. */
  #worker: Worker | undefined
  #abandon: Abandon | undefined
  #limit: Limit | undefined
  #isOver = false

  constructor(
    services: WarmServices,
    config: FunctionConfig,
    invocation: Invocation,
    settle: Settle,
    caller: Caller<AttemptFailure>
  ) {
    this.#services = services
    this.#config = config
    this.#invocation = invocation
    this.#settle = settle
    this.#caller = caller
  }

  /** False where the worker whose turn it is can only be lent another way. Then nothing has happened. */
  begin(): boolean {
    const leave = this.#services.backend.lend(this.#config, this)
    if (leave === undefined) return false
    // It may have been lent a worker, and even be over, by now.
    if (this.#isOver) return true
    if (this.#worker === undefined) this.#leave = leave
    return true
  }

  lent(worker: Worker): void {
    this.#leave = undefined
    this.#worker = worker
    const { deadlines, start } = this.#services
    this.#limit = deadlines.set(Duration.toMillis(this.#config.timeout), this)
    const abandon = start(worker, this.#config, this.#invocation, this)
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
    this.#caller.succeeded(resultOf(this.#config, answer))
  }

  lost(failure: WorkerLost): void {
    this.#evict()
    this.#end(failure)
  }

  /** The caller has gone: its place in the queue is free, or its worker, which may still be running the event, is removed. */
  cancel(): void {
    if (this.#isOver) return
    this.#leave?.()
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
    this.#caller.failed(failure)
  }

  #finish(outcome: WarmOutcome): void {
    this.#isOver = true
    this.#limit?.clear()
    this.#settle(outcome)
  }
}
