/**
 * Takes events now and runs them later: what `X-Amz-Invocation-Type: Event` asks for. Attempts, delays and the maximum
 * age are Lambda's (`LAMBDA-CONTRACT.md` section 9).
 */
import { Context, type Effect, Schema } from "effect"
import type { Invocation } from "../domain/Invocation.ts"

/** As many events wait as may. */
export class EventQueueFull extends Schema.TaggedError<EventQueueFull>()("EventQueueFull", {
  maxEvents: Schema.Int
}) {
  override get message() {
    return `The queue of asynchronous events is full: ${this.maxEvents} wait or run already.`
  }
}

/** The event could not be put on the disk. */
export class EventNotStored extends Schema.TaggedError<EventNotStored>()("EventNotStored", {
  isDiskFull: Schema.Boolean,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.isDiskFull
      ? "The event was not accepted: there is no room on the disk for the queue of asynchronous events."
      : "The event was not accepted: the queue of asynchronous events cannot be written."
  }
}

/** One of the events that come at times, such as those of a schedule. */
export interface Occasion {
  /** Of all that come from the same place. */
  readonly key: string
  /** Later than that of the one before it. */
  readonly dueMillis: number
}

/** Hears what became of an event that was given: nothing to be said where it is sure to run. Does not throw. */
export type Settle = (error?: EventQueueFull | EventNotStored) => void

export class AsyncInvoker extends Context.Service<
  AsyncInvoker,
  {
    /**
     * Takes the event, and succeeds once it is sure to run: at least once, also when the process is killed the moment
     * after. Interrupting it leaves open whether the event was taken. After a failure it was not.
     */
    readonly enqueue: (invocation: Invocation) => Effect.Effect<void, EventQueueFull | EventNotStored>
    /**
     * `enqueue` without a fiber, which costs as much as all else but the disk: `settle` is called once, with why the event
     * was not taken if it was not, and before this returns where that is known at once. Absent where there is no such way.
     */
    readonly accept?: (invocation: Invocation, settle: Settle) => void
    /**
     * The same, unless the event of this occasion or of a later one with the same key was taken before, by whichever
     * process: then it answers false. That is written down together with the event.
     */
    readonly enqueueOnce: (
      occasion: Occasion,
      invocation: Invocation
    ) => Effect.Effect<boolean, EventQueueFull | EventNotStored>
    /** Starts no more events, and waits until those that run have ended. Events are still taken, for the next start. */
    readonly drain: Effect.Effect<void>
  }
>()("irori/invoke/AsyncInvoker") {}
