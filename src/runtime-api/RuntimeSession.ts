/**
 * One worker's side of the Lambda Runtime API: which call is in order now, which event is under way, and what became
 * of it (`LAMBDA-CONTRACT.md` section 6; AWS's Lambda Developer Guide, "Using the Lambda runtime API"). No I/O and no
 * clock: polls come in as functions to call, deaths as calls to `end`.
 */
import type { AnswerHead, AnswerSink } from "../domain/AnswerSink.ts"
import type { StartFailure, WorkerExit } from "../domain/Worker.ts"
import type { WorkerAnswer } from "../invoke/WorkerClient.ts"
import { maxResponseBytes, StreamedAnswer, type StreamFailure, tooLargeAnswer } from "./StreamedAnswer.ts"

/** One event, as `GET /runtime/invocation/next` answers it. */
export interface RuntimeEvent {
  readonly requestId: string
  /** How long the function may run, counted from when the runtime takes the event. */
  readonly timeoutMillis: number
  readonly invokedFunctionArn: string
  readonly traceId: string
  readonly clientContext?: string
  readonly payload: Uint8Array
}

/** What became of an event. */
export type Outcome =
  | { readonly _tag: "Answered"; readonly answer: WorkerAnswer }
  | {
      readonly _tag: "Lost"
      readonly began: boolean
      readonly exit: WorkerExit | undefined
      readonly why: string
      /** The error that its caller is told in place of the exit. */
      readonly lastWords?: { readonly errorType: string; readonly document: Uint8Array }
    }

/** A refusal of the Runtime API itself. */
export interface Refusal {
  readonly status: 400 | 403 | 413
  readonly errorType: string
  readonly errorMessage: string
}

const outOfOrder: Refusal = {
  status: 403,
  errorType: "InvalidStateTransition",
  errorMessage: "Transition is not allowed"
}
const unknownRequest: Refusal = { status: 400, errorType: "InvalidRequestID", errorMessage: "Invalid request ID" }

const tooLarge = (maxBytes: number): Refusal => ({
  status: 413,
  errorType: "RequestEntityTooLarge",
  errorMessage: `Exceeded maximum allowed payload size (${maxBytes} bytes).`
})

interface Delivery {
  readonly event: RuntimeEvent
  readonly done: (outcome: Outcome) => void
  /** Takes a streamed answer as it comes. */
  readonly sink: AnswerSink | undefined
}

type State =
  /** The process is coming up: it has not asked for an event yet. */
  | { readonly is: "Initializing" }
  /** It asked, and waits. */
  | { readonly is: "Polling"; readonly poll: (event: RuntimeEvent) => void }
  /** It has answered its last event and has not asked for the next one. `next` is what it will get. */
  | { readonly is: "Between"; next: Delivery | undefined }
  /** `streamed` is the answer that is coming in. */
  | { readonly is: "Running"; readonly delivery: Delivery; streamed: StreamedAnswer | undefined }
  | { readonly is: "Ended"; readonly exit: WorkerExit | undefined }

const nobody = (): void => {}

export class RuntimeSession {
  #state: State = { is: "Initializing" }
  #hasHadEvent = false
  /** How initialisation ended, once it has. */
  #initialization: { readonly failure: StartFailure | undefined } | undefined
  #notify: (failure: StartFailure | undefined) => void = nobody

  /** `done` is called once, at once if it is known: with nothing when the runtime is ready, else with why it is not. */
  onInitialized(done: (failure: StartFailure | undefined) => void): void {
    if (this.#initialization === undefined) this.#notify = done
    else done(this.#initialization.failure)
  }

  /** `GET …/invocation/next`: `poll` is called with an event, now or later. Undefined when that is in order. */
  next(poll: (event: RuntimeEvent) => void): Refusal | undefined {
    const state = this.#state
    if (state.is === "Initializing") {
      this.#state = { is: "Polling", poll }
      this.#endInitialization(undefined)
      return undefined
    }
    if (state.is === "Between") {
      if (state.next === undefined) this.#state = { is: "Polling", poll }
      else this.#take(state.next, poll)
      return undefined
    }
    // A runtime whose connection broke asks anew; the newer call is the one somebody listens to.
    if (state.is === "Polling") {
      this.#state = { is: "Polling", poll }
      return undefined
    }
    return outOfOrder
  }

  /** The connection of a waiting `next` broke. */
  unpoll(poll: (event: RuntimeEvent) => void): void {
    if (this.#state.is === "Polling" && this.#state.poll === poll) this.#state = { is: "Between", next: undefined }
  }

  /** `POST …/invocation/{id}/response`; `body` is undefined when it was over the limit. */
  respond(requestId: string, body: Uint8Array | undefined): Refusal | undefined {
    const refusal = this.#checkUnanswered(requestId)
    if (refusal !== undefined) return refusal
    this.#answer(body === undefined ? tooLargeAnswer(maxResponseBytes) : { payload: body })
    return body === undefined ? tooLarge(maxResponseBytes) : undefined
  }

  /** `POST …/invocation/{id}/response` of a runtime that streams: the head, then pieces and one end. */
  stream(requestId: string, head: AnswerHead): StreamedAnswer | Refusal {
    const state = this.#state
    const refusal = this.#checkUnanswered(requestId)
    if (refusal !== undefined || state.is !== "Running") return refusal ?? outOfOrder
    state.streamed = new StreamedAnswer(head, state.delivery.sink)
    return state.streamed
  }

  /** The body of `streamed` is whole. */
  endStream(streamed: StreamedAnswer, failure: StreamFailure | undefined): Refusal | undefined {
    if (this.#state.is !== "Running" || this.#state.streamed !== streamed) return outOfOrder
    this.#answer(streamed.end(failure))
    return streamed.isTooLarge ? tooLarge(streamed.maxBytes) : undefined
  }

  /** `POST …/invocation/{id}/error`. One that comes while an answer is streamed ends that. */
  fail(requestId: string, errorType: string, body: Uint8Array | undefined): Refusal | undefined {
    const refusal = this.#check(requestId)
    if (refusal !== undefined) return refusal
    this.#answer({ payload: body ?? tooLargeAnswer(maxResponseBytes).payload, errorType })
    return body === undefined ? tooLarge(maxResponseBytes) : undefined
  }

  /** True while the worker has this event and has not answered it. */
  isAt(requestId: string): boolean {
    return this.#state.is === "Running" && this.#state.delivery.event.requestId === requestId
  }

  /** `POST …/init/error` */
  failInit(errorType: string, document: string): Refusal | undefined {
    if (this.#state.is !== "Initializing") return outOfOrder
    this.#state = { is: "Ended", exit: undefined }
    this.#endInitialization({
      reason: "InitError",
      errorType,
      document,
      detail: `The function's initialisation failed with ${errorType}.`
    })
    return undefined
  }

  /** Gives the worker its next event. `done` is called once, last. Only one event at a time. */
  deliver(event: RuntimeEvent, done: (outcome: Outcome) => void, sink?: AnswerSink): void {
    const state = this.#state
    const delivery = { event, done, sink }
    if (state.is === "Polling") this.#take(delivery, state.poll)
    else if (state.is === "Between" && state.next === undefined) state.next = delivery
    else
      done({
        _tag: "Lost",
        began: false,
        exit: state.is === "Ended" ? state.exit : undefined,
        why: `the worker is ${state.is}`
      })
  }

  /** True while the event given last still waits to be fetched. */
  get undelivered(): boolean {
    return this.#state.is === "Between" && this.#state.next !== undefined
  }

  /** False until the first event is taken. */
  get hasHadEvent(): boolean {
    return this.#hasHadEvent
  }

  /** The worker is gone, or is to be taken for it: whatever was under way is lost. */
  end(exit: WorkerExit | undefined, why: string): void {
    const state = this.#state
    this.#state = { is: "Ended", exit }
    if (state.is === "Running") state.delivery.done({ _tag: "Lost", began: true, exit, why })
    if (state.is === "Between") state.next?.done({ _tag: "Lost", began: false, exit, why })
    if (state.is === "Initializing") {
      this.#endInitialization({
        reason: "InitExited",
        detail: `The function's process ended before it was ready: ${why}.`,
        ...(exit === undefined ? {} : { exit })
      })
    }
  }

  #endInitialization(failure: StartFailure | undefined): void {
    this.#initialization = { failure }
    const notify = this.#notify
    this.#notify = nobody
    notify(failure)
  }

  #take(delivery: Delivery, poll: (event: RuntimeEvent) => void): void {
    this.#state = { is: "Running", delivery, streamed: undefined }
    this.#hasHadEvent = true
    poll(delivery.event)
  }

  #check(requestId: string): Refusal | undefined {
    if (this.#state.is !== "Running") return outOfOrder
    return this.#state.delivery.event.requestId === requestId ? undefined : unknownRequest
  }

  /** An answer that is coming in is the only one there may be. */
  #checkUnanswered(requestId: string): Refusal | undefined {
    return this.#check(requestId) ?? (this.#state.is === "Running" && this.#state.streamed ? outOfOrder : undefined)
  }

  #answer(answer: WorkerAnswer): void {
    const state = this.#state
    if (state.is !== "Running") return
    state.streamed?.close()
    this.#state = { is: "Between", next: undefined }
    state.delivery.done({ _tag: "Answered", answer })
  }
}
