/** Who waits in a pool's queue: a fiber, or a borrower that is told by a plain call. */
import { Deferred, Effect } from "effect"
import type { InLine } from "../domain/Line.ts"
import type { Worker } from "../domain/Worker.ts"
import type { Limit, Limited } from "../invoke/Deadlines.ts"
import type { Borrower, NoCapacity, Place, WorkerStartFailed } from "../invoke/InvocationBackend.ts"

/** Who has a place in a pool's queue. */
export interface Waiter extends Borrower, InLine<Waiter> {}

/** A fiber that waits for a worker. */
export class WaitingFiber implements Waiter {
  readonly #answer = Deferred.makeUnsafe<Worker, NoCapacity | WorkerStartFailed>()
  readonly answer = Deferred.await(this.#answer)
  before: Waiter | undefined = undefined
  after: Waiter | undefined = undefined
  isInLine = false

  lent(worker: Worker): void {
    Deferred.doneUnsafe(this.#answer, Effect.succeed(worker))
  }

  refused(failure: NoCapacity | WorkerStartFailed): void {
    Deferred.doneUnsafe(this.#answer, Effect.fail(failure))
  }
}

/** What a borrower waits in. */
export interface Queue {
  /** Its time is up. */
  readonly overdue: (waiter: WaitingBorrower) => void
  readonly left: (waiter: WaitingBorrower) => void
}

/** A borrower that waits, until it is answered or has left. */
export class WaitingBorrower implements Waiter, Place, Limited {
  readonly #borrower: Borrower
  readonly #queue: Queue
  /** On how long it waits. */
  limit: Limit | undefined = undefined
  isWaiting = true
  before: Waiter | undefined = undefined
  after: Waiter | undefined = undefined
  isInLine = false

  constructor(borrower: Borrower, queue: Queue) {
    this.#borrower = borrower
    this.#queue = queue
  }

  lent(worker: Worker): void {
    this.#settle()
    this.#borrower.lent(worker)
  }

  refused(failure: NoCapacity | WorkerStartFailed): void {
    this.#settle()
    this.#borrower.refused(failure)
  }

  leave(): void {
    if (!this.isWaiting) return
    this.#settle()
    this.#queue.left(this)
  }

  timeIsUp(): void {
    this.#queue.overdue(this)
  }

  #settle(): void {
    this.isWaiting = false
    this.limit?.clear()
  }
}
