/** Gives one event to one worker and waits for its answer. Knows the wire; knows nothing of pools or time limits. */
import { Context, type Effect, Schema } from "effect"
import type { AnswerSink } from "../domain/AnswerSink.ts"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Invocation } from "../domain/Invocation.ts"
import { type Worker, WorkerExit, WorkerId } from "../domain/Worker.ts"

export interface WorkerAnswer {
  /** Whole. Empty where the answer was streamed to a sink and did not fail on the way. */
  readonly payload: Uint8Array
  /** The type of the error, where the function failed: `payload` is then its error document. */
  readonly errorType?: string
  /** The end of the invocation's log, where that asks for it. */
  readonly log?: string
  /** Where the worker has more to do after its answer: waits until it has done that. Before, it takes no other event. */
  readonly free?: Effect.Effect<void>
}

/** The worker could not be reached, died, or broke off before it answered. */
export class WorkerLost extends Schema.TaggedError<WorkerLost>()("WorkerLost", {
  workerId: WorkerId,
  /** False when the worker certainly never had the event, so that another may get it. */
  began: Schema.Boolean,
  /** How it ended, where that was seen. */
  exit: Schema.optionalKey(WorkerExit),
  /** What it, or an emulator in its image, still said of its end: an error document, and its type. */
  lastWords: Schema.optionalKey(Schema.Struct({ errorType: Schema.String, document: Schema.Uint8Array })),
  /** The end of the invocation's log, where that asked for it and had begun. */
  log: Schema.optionalKey(Schema.String),
  /** It was there, and took longer than the function's timeout: who tells the log sees to that. */
  timedOut: Schema.optionalKey(Schema.Boolean),
  /** Where the event was sent, for the log. */
  target: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.cause instanceof Error ? this.cause.message : String(this.cause)
  }
}

/** Who waits for an answer without a fiber. Exactly one of the two is called, once, unless it has abandoned the event. */
export interface AnswerTaker {
  readonly answered: (answer: WorkerAnswer) => void
  readonly lost: (failure: WorkerLost) => void
}

/** The answer is not wanted any more: what an interrupt is to `send`. After the answer it does nothing. */
export type Abandon = () => void

/** `send` without a sink as a plain call, for the path on which every microsecond counts. */
export interface DirectClient {
  /** Whether this is a way to give such an event to workers of this function. */
  readonly takes: (config: FunctionConfig, invocation: Invocation) => boolean
  /** `taker` is told, at once or later. */
  readonly start: (worker: Worker, config: FunctionConfig, invocation: Invocation, taker: AnswerTaker) => Abandon
}

export class WorkerClient extends Context.Service<
  WorkerClient,
  {
    /**
     * Sends `invocation` and waits for the answer, without limit: the time limit is the caller's, who interrupts. Only
     * one that asks for its log is cut off at the function's timeout here, where there still is a log to tell.
     * An interrupted worker may still be running the event, so it is not to be used again.
     *
     * A function may stream its answer. With a `sink`, that is handed over as it comes, and the effect ends with the
     * stream; a sink that was not begun has the whole answer in `payload`. Without one, the stream is gathered.
     */
    readonly send: (
      worker: Worker,
      config: FunctionConfig,
      invocation: Invocation,
      sink?: AnswerSink
    ) => Effect.Effect<WorkerAnswer, WorkerLost>
    /** Absent where `send` is the only way. */
    readonly direct?: DirectClient
  }
>()("irori/invoke/WorkerClient") {}
