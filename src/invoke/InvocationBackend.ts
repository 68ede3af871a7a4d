/**
 * Where the invoker gets its workers.
 *
 * The contract is ownership: from a successful `acquireWorker` until the one `releaseWorker` or `evictWorker` that
 * follows it, the worker belongs to the caller alone. `acquireWorker` belongs in a bracket (`acquireUseRelease`):
 * there its wait can be interrupted and its handing over cannot, so that no interrupt loses a worker.
 */
import { Context, type Effect, Schema } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { FunctionName } from "../domain/FunctionName.ts"
import { StartFailure, type Worker } from "../domain/Worker.ts"

/** The function may not run any more at once, or no place in its queue led to a worker in time. Nothing ran. */
export class NoCapacity extends Schema.TaggedError<NoCapacity>()("NoCapacity", {
  functionName: FunctionName,
  /**
   * `ReservedLimit`, `AccountLimit`: as many run already as are reserved for it, or as all functions may that share the
   * rest. `QueueFull`: refused at once. `TimedOut`: waited the whole acquire timeout. `Closed`: Irori is stopping.
   */
  reason: Schema.Literals(["ReservedLimit", "AccountLimit", "QueueFull", "TimedOut", "Closed"])
}) {
  override get message() {
    return "Rate Exceeded."
  }
}

/** A worker was needed and could not be started. */
export class WorkerStartFailed extends Schema.TaggedError<WorkerStartFailed>()("WorkerStartFailed", {
  functionName: FunctionName,
  failure: StartFailure
}) {
  override get message() {
    return `A worker for '${this.functionName}' could not be started: ${this.failure.detail}`
  }
}

/** One who borrows a worker without a fiber to wait in. Exactly one of the two is called, once, unless it left before. */
export interface Borrower {
  readonly lent: (worker: Worker) => void
  readonly refused: (failure: NoCapacity | WorkerStartFailed) => void
}

/** What a borrower holds that may have to wait. */
export interface Place {
  /** The borrower waits no longer. Afterwards neither of its methods is called; after either was, this does nothing. */
  leave(): void
}

/** The contract's three operations as plain calls, for the path on which every microsecond counts. */
export interface WarmBackend {
  /**
   * As `acquireWorker`, with a borrower that is told, at once or later. Undefined where only `acquireWorker` can lend
   * the worker whose turn it is.
   */
  readonly lend: (config: FunctionConfig, borrower: Borrower) => Place | undefined
  readonly release: (worker: Worker) => void
  readonly evict: (worker: Worker) => void
}

export class InvocationBackend extends Context.Service<
  InvocationBackend,
  {
    /** Lends an idle worker, or waits for the first that comes free or is started for it. */
    readonly acquireWorker: (config: FunctionConfig) => Effect.Effect<Worker, NoCapacity | WorkerStartFailed>
    /** Gives a healthy worker back for the next caller. Giving back one that is not lent does nothing. */
    readonly releaseWorker: (worker: Worker) => Effect.Effect<void>
    /** Gives back a worker that must not be used again. Its place is free at once; it is removed behind the scenes. */
    readonly evictWorker: (worker: Worker) => Effect.Effect<void>
    /** Absent where a backend has no such way. */
    readonly warm?: WarmBackend
  }
>()("irori/invoke/InvocationBackend") {}
