/**
 * The durable queue of asynchronous events: takes them to the disk, has them run when they are due, and writes down what
 * became of each. How one is run is its owner's to say; so is whom to tell. Plain code between two commits, whose state
 * changes only when what it speaks of is on the disk, but for the events that are on their way there.
 */
import type { SqlDatabase } from "../../control/Database.ts"
import type { Invocation } from "../../domain/Invocation.ts"
import { EventNotStored, EventQueueFull, type Occasion } from "../AsyncInvoker.ts"
import {
  type DeliveryKind,
  type EventStore,
  laneOf,
  type Outcome,
  type QueuedEvent,
  type Selection
} from "./EventStore.ts"
import { Journal } from "./Journal.ts"
import { Lanes } from "./Lanes.ts"

export interface EventQueueOptions {
  /** Events that may wait, run or have something to be told of them. */
  readonly maxEvents: number
  /** Events that may run at once, all functions together. */
  readonly maxRunning: number
  /** Failed events that are kept; above it the oldest are dropped. */
  readonly maxFailed: number
  readonly now: () => number
  /** Begins to run an event. Exactly one call of `end`, `putBack` or `leave` must follow. */
  readonly begin: (event: QueuedEvent) => void
  /** A lane has come to be: `resize` is to be called with what its function may have at once. */
  readonly appeared: (lane: string) => void
  /** Something will be due then. */
  readonly due: (atMillis: number) => void
  /** There is something to be told, at once. */
  readonly tell: () => void
  /** What must be written cannot be: `retry` is to be called in a while. */
  readonly stuck: (cause: unknown) => void
}

/** Of an event that was given: why it was not taken, if that is an error, and whether it was. */
export type Accepted = (error: EventQueueFull | EventNotStored | undefined, isTaken: boolean) => void

/** What is to be told of an event that has ended. */
export interface Telling {
  /** Invocations that come of it, in this same queue. */
  readonly invocations: ReadonlyArray<Invocation>
  /** A lost one has a target that leads nowhere. */
  readonly deliveries: ReadonlyArray<{ readonly kind: DeliveryKind; readonly target: string; readonly isLost: boolean }>
  /** Targets that lead nowhere. */
  readonly lost: ReadonlyArray<string>
  /** Where nothing is to be delivered. */
  readonly isKept: boolean
}

/** Whether the function ran at all, for the pace of its lane. */
export type Pace = "ran" | "throttled" | "neither"

/** Of one transaction. */
const maxRedrive = 200

export class EventQueue {
  readonly #options: EventQueueOptions
  readonly #store: EventStore
  readonly #journal: Journal
  readonly #lanes: Lanes
  /** In the tables of events; those with something to be told; those kept. */
  #events = 0
  #telling = 0
  #kept = 0
  /** Of those kept, on their way out. */
  #dropping = 0
  /** On their way to the disk. */
  #arriving = 0

  constructor(database: SqlDatabase, store: EventStore, options: EventQueueOptions) {
    this.#options = options
    this.#store = store
    this.#lanes = new Lanes(options.maxRunning)
    this.#journal = new Journal(database, {
      prepare: () => this.#claim(),
      committed: () => this.#announce(),
      stuck: options.stuck
    })
  }

  /** Takes up what the process before this one has left; answers with what was running then, which waits again. */
  recover(): ReadonlyArray<{ readonly lane: string; readonly count: number }> {
    const repeated = this.#store.recover()
    this.#telling = this.#store.countTelling()
    this.#kept = this.#store.count({})
    for (const { count, lane, nextDueMillis } of this.#store.waitingByLane()) {
      this.#events += count
      this.#queued(lane, nextDueMillis, count)
    }
    return repeated
  }

  /** Accepted and not ended. */
  get events(): number {
    return this.#events
  }

  get kept(): number {
    return this.#kept
  }

  get running(): number {
    return this.#lanes.running
  }

  /**
   * `settle` is called once it is on the disk, or with why it is not; `isTaken` is false also where the event of its occasion was
   * taken before.
   */
  accept(invocation: Invocation, settle: Accepted, occasion?: Occasion): void {
    if (this.#room <= 0) {
      settle(new EventQueueFull({ maxEvents: this.#options.maxEvents }), false)
      return
    }
    this.#arriving++
    const nowMillis = this.#options.now()
    const lane = laneOf(invocation)
    const isFirst = this.#lanes.admit(this.#lane(lane), nowMillis)
    let id = 0
    let isTaken = true
    this.#journal.write({
      bytes: invocation.payload.length,
      apply: () => {
        isTaken = occasion === undefined || this.#store.note(occasion)
        if (isTaken) id = this.#store.insert(invocation, lane, nowMillis, isFirst)
      },
      done: () => {
        this.#arriving--
        if (!isTaken) {
          if (isFirst) this.#ended(lane, "neither")
          settle(undefined, false)
          return
        }
        this.#events++
        if (isFirst) {
          const dueMillis = nowMillis
          this.#options.begin({ id, invocation, acceptedMillis: nowMillis, dueMillis, attempts: 0, throttles: 0 })
        } else this.#queued(lane, nowMillis)
        settle(undefined, true)
      },
      failed: (cause) => {
        this.#arriving--
        if (isFirst) this.#ended(lane, "neither")
        settle(notStored(cause), false)
      }
    })
  }

  /** It waits again. */
  putBack(event: QueuedEvent, dueMillis: number, pace: Pace): void {
    const lane = laneOf(event.invocation)
    // Counted before it is written: the lane and its pause are not to be forgotten meanwhile.
    this.#queued(lane, dueMillis)
    this.#ended(lane, pace)
    this.#journal.write({
      apply: () => this.#store.putBack(event, dueMillis),
      done: () => this.#queued(lane, dueMillis, 0)
    })
  }

  /** It has ended, and will not run again. `outcome` is there where somebody is to be told, or it is to be kept. */
  end(
    event: QueuedEvent,
    pace: Pace,
    outcome?: { readonly value: Omit<Outcome, "id">; readonly telling: Telling }
  ): void {
    this.#ended(laneOf(event.invocation), pace)
    const telling = outcome?.telling
    const nowMillis = this.#options.now()
    this.#journal.write({
      apply: () => {
        this.#store.remove(event.id)
        if (outcome === undefined) return
        for (const invocation of outcome.telling.invocations) {
          this.#store.insert(invocation, laneOf(invocation), nowMillis, false)
        }
        this.#addOutcome(outcome.value, outcome.telling, nowMillis)
      },
      done: () => {
        this.#events--
        if (telling === undefined) return
        for (const invocation of telling.invocations) {
          this.#events++
          this.#queued(laneOf(invocation), nowMillis)
        }
        if (telling.deliveries.length > 0) {
          this.#telling++
          this.#options.tell()
        } else if (telling.isKept) this.#keepOneMore()
      }
    })
  }

  /** It did not come to an end, and is for the next process to run again. */
  leave(event: QueuedEvent): void {
    this.#ended(laneOf(event.invocation), "neither")
  }

  resize(lane: string, max: number): void {
    const known = this.#lanes.find(lane)
    if (known === undefined) return
    this.#lanes.resize(known, max)
    this.#journal.wake()
  }

  /** An event that had something to be told is told, or kept after all. */
  told(result: "forgotten" | "kept"): void {
    this.#telling--
    if (result === "kept") this.#keepOneMore()
  }

  /** Puts kept events back; `settle` gets the number of them. */
  redrive(selection: Selection, settle: (count: number, error?: EventNotStored) => void): void {
    const limit = Math.min(maxRedrive, this.#room)
    if (limit <= 0) {
      settle(0)
      return
    }
    const nowMillis = this.#options.now()
    let lanes: ReadonlyArray<string> = []
    this.#arriving += limit
    this.#journal.write({
      apply: () => {
        lanes = this.#store.redrive(selection, nowMillis, limit)
      },
      done: () => {
        this.#arriving -= limit
        this.#events += lanes.length
        this.#kept -= lanes.length
        for (const lane of lanes) this.#queued(lane, nowMillis)
        settle(lanes.length)
      },
      failed: (cause) => {
        this.#arriving -= limit
        settle(0, notStored(cause))
      }
    })
  }

  /** Forgets kept events, by `pick`, which answers with their number. */
  discard(pick: (store: EventStore) => number, settle: (count: number, error?: EventNotStored) => void): void {
    let count = 0
    this.#journal.write({
      apply: () => {
        count = pick(this.#store)
      },
      done: () => {
        this.#kept -= count
        settle(count)
      },
      failed: (cause) => settle(0, notStored(cause))
    })
  }

  /** Writes something else, in order with all that is written; until it is written. */
  write(apply: (store: EventStore) => void, done: () => void): void {
    this.#journal.write({ apply: () => apply(this.#store), done })
  }

  /** When the next event is due that may start. */
  nextMillis(): number {
    return this.#lanes.nextWakeMillis()
  }

  /** Starts what is due. */
  start(): void {
    this.#claim()
  }

  retry(): void {
    this.#journal.retry()
  }

  /** Starts no more events. */
  stop(): void {
    this.#lanes.stop()
  }

  close(): void {
    this.#lanes.stop()
    this.#journal.close()
  }

  get #room(): number {
    return this.#options.maxEvents - this.#events - this.#arriving - this.#telling
  }

  #lane(key: string) {
    const known = this.#lanes.find(key)
    if (known !== undefined) return known
    const lane = this.#lanes.lane(key)
    this.#options.appeared(key)
    return lane
  }

  #queued(lane: string, dueMillis: number, count = 1): void {
    this.#lanes.queued(this.#lane(lane), dueMillis, count)
  }

  #ended(lane: string, pace: Pace): void {
    this.#lanes.ended(this.#lanes.lane(lane), pace, this.#options.now())
    this.#journal.wake()
  }

  #claim(): void {
    const nowMillis = this.#options.now()
    for (const claim of this.#lanes.claims(nowMillis)) {
      let events: ReadonlyArray<QueuedEvent> = []
      let nextDueMillis = Number.POSITIVE_INFINITY
      this.#journal.write({
        apply: () => {
          events = this.#store.claim(claim.lane.key, nowMillis, claim.count)
          nextDueMillis = this.#store.nextDueMillis(claim.lane.key)
        },
        done: () => {
          this.#lanes.settle(claim, events.length, nextDueMillis)
          for (const event of events) this.#options.begin(event)
        },
        failed: () => this.#lanes.abandon(claim, this.#options.now())
      })
    }
  }

  #announce(): void {
    const nextMillis = this.#lanes.nextWakeMillis()
    if (nextMillis < Number.POSITIVE_INFINITY) this.#options.due(nextMillis)
  }

  #addOutcome(value: Omit<Outcome, "id">, { deliveries, isKept }: Telling, nowMillis: number): void {
    if (deliveries.length === 0) {
      if (isKept) this.#store.addOutcome(value, true)
      return
    }
    const id = this.#store.addOutcome(value, false)
    for (const { isLost, kind, target } of deliveries) this.#store.addDelivery(id, kind, target, nowMillis, isLost)
  }

  /** One more is kept: where that is too many, the oldest one goes. */
  #keepOneMore(): void {
    this.#kept++
    const excess = this.#kept - this.#dropping - this.#options.maxFailed
    if (excess <= 0) return
    this.#dropping += excess
    this.discard(
      (store) => store.discard({}, excess),
      () => {
        this.#dropping -= excess
      }
    )
  }
}

const notStored = (cause: unknown): EventNotStored =>
  new EventNotStored({ isDiskFull: /full|ENOSPC|no space/i.test(String(cause)), cause })
