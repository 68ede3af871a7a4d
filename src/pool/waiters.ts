/** Who waits in a pool's queue: a fiber, or a borrower that is told by a plain call. */
import { Deferred, Effect } from "effect"
import type { Worker } from "../domain/Worker.ts"
import type { Borrower, NoCapacity, WorkerStartFailed } from "../invoke/InvocationBackend.ts"

/** A place in a pool's queue. */
export type Waiter = Borrower

/** A fiber that waits for a worker. */
export class WaitingFiber implements Waiter {
  readonly #answer = Deferred.makeUnsafe<Worker, NoCapacity | WorkerStartFailed>()
  readonly answer = Deferred.await(this.#answer)

  lent(worker: Worker): void {
    Deferred.doneUnsafe(this.#answer, Effect.succeed(worker))
  }

  refused(failure: NoCapacity | WorkerStartFailed): void {
    Deferred.doneUnsafe(this.#answer, Effect.fail(failure))
  }
}

/** A borrower that waits, until it is answered or has left. */
export class WaitingBorrower implements Waiter {
  readonly #borrower: Borrower
  isWaiting = true
  /** Called when it waits no longer. */
  onAnswer: () => void = () => {}

  constructor(borrower: Borrower) {
    this.#borrower = borrower
  }

  lent(worker: Worker): void {
    this.settle()
    this.#borrower.lent(worker)
  }

  refused(failure: NoCapacity | WorkerStartFailed): void {
    this.settle()
    this.#borrower.refused(failure)
  }

  settle(): void {
    this.isWaiting = false
    this.onAnswer()
  }
}
