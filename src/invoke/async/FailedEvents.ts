/** Events that failed in the end and that nobody was told of: kept for a while, to be looked at, run again or dropped. */
import { Context, type Effect } from "effect"
import type { EventNotStored } from "../AsyncInvoker.ts"
import type { Outcome, Selection } from "./EventStore.ts"

export interface FailedPage {
  /** In the order in which they failed. */
  readonly events: ReadonlyArray<Outcome>
  /** There may be more from after this id on. */
  readonly next?: number
}

export class FailedEvents extends Context.Service<
  FailedEvents,
  {
    /** Up to `limit` of them, from after the one with the id `after` on; 0 is before the first. */
    readonly list: (selection: Selection, after: number, limit: number) => Effect.Effect<FailedPage>
    /**
     * Puts them back into the queue as if they had just come, under their old request ids. As many as there is room
     * for; `left` is how many stayed for want of it.
     */
    readonly redrive: (
      selection: Selection
    ) => Effect.Effect<{ readonly redriven: number; readonly left: number }, EventNotStored>
    /** Answers with how many were dropped. */
    readonly discard: (selection: Selection) => Effect.Effect<number, EventNotStored>
  }
>()("irori/invoke/async/FailedEvents") {}
