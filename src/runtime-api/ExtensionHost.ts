/**
 * What extensions make of a worker: its initialisation waits for theirs, it is free again when they are, it has a
 * moment for its end, and one that breaks down takes it along. The one place that knows both a worker's extensions
 * (`ExtensionSession`) and its runtime. Where there are none, everything passes through.
 */
import { Deferred, Effect, type Fiber } from "effect"
import type { StartFailure, WorkerExit } from "../domain/Worker.ts"
import { type ExtensionFailure, ExtensionSession, type ShutdownReason } from "./ExtensionSession.ts"
import type { Outcome, RuntimeEvent } from "./RuntimeSession.ts"
import type { TelemetryHub } from "./TelemetryHub.ts"
import type { Ended, TelemetrySubject } from "./TelemetryRecords.ts"

/** What extensions are told of the function at their registration, and telemetry of the worker. */
export interface ExtensionSetup extends TelemetrySubject {
  readonly handler: string
  readonly accountId: string
  /** The file names of the extensions that are started beside the runtime. */
  readonly external: ReadonlyArray<string>
  /** The runtime writes its log as JSON. */
  readonly jsonLines: boolean
}

export interface ExtensionSurroundings {
  readonly nowMillis: () => number
  readonly run: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  /** The runtime's side. */
  readonly runtime: {
    readonly onInitialized: (done: (failure: StartFailure | undefined) => void) => void
    readonly end: (exit: WorkerExit | undefined, why: string) => void
  }
  readonly telemetry: TelemetryHub
}

type Done = (outcome: Outcome) => void

/** An event from when it is given to a worker until all of the worker are done with it. */
interface UnderWay {
  readonly event: RuntimeEvent
  readonly sinceMillis: number
  ended: Ended | undefined
  /** Waits for the end of its time, once its answer is out. */
  timer: Fiber.Fiber<void> | undefined
}

/** How long a worker may take for its end (`LAMBDA-CONTRACT.md` section 7), and how much of that is the runtime's. */
const externalFarewellMillis = 2000
const internalFarewellMillis = 500
const runtimeShareMillis = 300

/** An invocation that is stopped so shortly before its deadline has run out of time: the invoker's clock is ahead. */
const clockMarginMillis = 250

const nobody = (): void => {}

export class ExtensionHost {
  readonly #around: ExtensionSurroundings
  #setup: ExtensionSetup | undefined
  #session = new ExtensionSession([])
  readonly #openedAtMillis: number
  #initialization: { readonly failure: StartFailure | undefined } | undefined
  #onInitialized: (failure: StartFailure | undefined) => void = nobody
  #runtimeFailure: StartFailure | undefined
  #runtimeReady = false
  #initMillis: number | undefined
  #underWay: UnderWay | undefined
  /** What waits for extensions that are still at the last event. */
  #held: { readonly event: RuntimeEvent; readonly done: Done; readonly send: (done: Done) => void } | undefined
  #whenFree: Array<() => void> = []
  /** Why there are no more events for the worker. */
  #ended: ShutdownReason | undefined
  /** These three are there where somebody waits. */
  #launched: Deferred.Deferred<void> | undefined
  #left: Deferred.Deferred<void> | undefined
  #whenBroken: (() => void) | undefined
  #isBroken = false

  constructor(around: ExtensionSurroundings) {
    this.#around = around
    this.#openedAtMillis = around.nowMillis()
    around.runtime.onInitialized((failure) => this.#runtimeInitialized(failure))
  }

  /** Says what the worker is, before it starts. */
  prepare(setup: ExtensionSetup): void {
    this.#setup = setup
    this.#session = new ExtensionSession(setup.external, () => this.#check())
    this.#around.telemetry.about(setup, setup.jsonLines)
  }

  get setup(): ExtensionSetup | undefined {
    return this.#setup
  }

  get session(): ExtensionSession {
    return this.#session
  }

  /** `done` is called once: with nothing when the runtime and all extensions are ready, else with why they are not. */
  onInitialized(done: (failure: StartFailure | undefined) => void): void {
    if (this.#initialization === undefined) this.#onInitialized = done
    else done(this.#initialization.failure)
  }

  /** All external extensions have registered: the runtime may start. */
  get launched(): Effect.Effect<void> {
    this.#launched ??= Deferred.makeUnsafe()
    this.#check()
    return Deferred.await(this.#launched)
  }

  /**
   * Has `listener` called when an extension has ended, or did not come to an end in time: the worker has to go. At once
   * where that has happened. There is one listener.
   */
  whenBroken(listener: () => void): void {
    this.#whenBroken = listener
    if (this.#isBroken) listener()
  }

  /** Waits for what `whenBroken` tells. */
  get broken(): Effect.Effect<void> {
    return Effect.callback((resume) => this.whenBroken(() => resume(Effect.void)))
  }

  /** Events need more than to be handed on. */
  get isActive(): boolean {
    return this.#session.isActive
  }

  /**
   * `send` gives the event to the runtime; it is called when all extensions are done with the last one. Where that ends
   * the worker instead, the event has not begun.
   */
  deliver(event: RuntimeEvent, done: Done, send: (done: Done) => void): void {
    if (this.#ended !== undefined) done({ _tag: "Lost", began: false, exit: undefined, why: "the worker is ending" })
    else if (this.#underWay === undefined) this.#begin(event, done, send)
    else this.#held = { event, done, send }
  }

  /** Waits until extensions are done with the event whose answer is out, or the worker has ended. */
  get free(): Effect.Effect<void> | undefined {
    if (this.#underWay === undefined || this.#ended !== undefined) return undefined
    return Effect.callback((resume) => {
      if (this.#underWay === undefined) resume(Effect.void)
      else this.#whenFree.push(() => resume(Effect.void))
    })
  }

  /** The worker's process has ended, or is to be taken for it. */
  end(exit: WorkerExit | undefined, why: string): void {
    this.#over("failure")
    this.#around.runtime.end(exit, why)
    this.#dropHeld(exit, why)
  }

  /** The process of an external extension has ended. */
  exited(name: string, exitCode: number): void {
    this.#session.exited(name, exitCode)
  }

  /**
   * The end of a worker that is still there: extensions learn why, and have a moment. `endRuntime` asks the runtime to
   * end, and waits until it has. Without extensions there is nothing to wait for.
   */
  farewell(endRuntime: Effect.Effect<unknown>): Effect.Effect<void> {
    const session = this.#session
    if (!session.isActive || this.#initialization?.failure !== undefined) return Effect.void
    const reason = this.#ended ?? this.#reasonNow()
    this.#over(reason)
    const limitMillis = session.hasExternal ? externalFarewellMillis : internalFarewellMillis
    const untilMillis = this.#around.nowMillis() + limitMillis
    const share = session.hasExternal ? runtimeShareMillis : limitMillis
    return Effect.gen({ self: this }, function* () {
      yield* atMost(endRuntime, share)
      if (!session.hasExternal) return
      session.give({ eventType: "SHUTDOWN", shutdownReason: reason, deadlineMs: untilMillis })
      this.#around.telemetry.flush()
      const left = Deferred.makeUnsafe<void>()
      this.#left = left
      this.#check()
      yield* atMost(Deferred.await(left), Math.max(0, untilMillis - this.#around.nowMillis()))
    })
  }

  #begin(event: RuntimeEvent, done: Done, send: (done: Done) => void): void {
    const sinceMillis = this.#around.nowMillis()
    const underWay: UnderWay = { event, sinceMillis, ended: undefined, timer: undefined }
    this.#underWay = underWay
    this.#around.telemetry.happened({ is: "start", requestId: event.requestId, traceId: event.traceId })
    this.#session.give({
      eventType: "INVOKE",
      deadlineMs: sinceMillis + event.timeoutMillis,
      requestId: event.requestId,
      invokedFunctionArn: event.invokedFunctionArn,
      tracing: { type: "X-Amzn-Trace-Id", value: event.traceId }
    })
    send((outcome) => this.#runtimeDone(underWay, done, outcome))
  }

  #runtimeDone(underWay: UnderWay, done: Done, outcome: Outcome): void {
    underWay.ended = this.#endedOf(underWay, outcome)
    this.#around.telemetry.happened({ is: "runtimeDone", ...underWay.ended })
    const failure = this.#session.failure
    done(
      outcome._tag === "Lost" && failure !== undefined
        ? { ...outcome, lastWords: lastWordsOf(failure, underWay.event.requestId) }
        : outcome
    )
    this.#check()
    if (this.#underWay !== underWay) return
    const leftMillis = Math.max(0, underWay.sinceMillis + underWay.event.timeoutMillis - this.#around.nowMillis())
    underWay.timer = this.#around.run(
      Effect.delay(
        Effect.sync(() => this.#overdue(underWay)),
        leftMillis
      )
    )
  }

  #endedOf({ event, sinceMillis }: UnderWay, outcome: Outcome): Ended {
    const durationMillis = this.#around.nowMillis() - sinceMillis
    const common = { requestId: event.requestId, traceId: event.traceId, durationMillis }
    if (outcome._tag === "Answered") {
      const { errorType, payload } = outcome.answer
      return {
        ...common,
        status: errorType === undefined ? "success" : "error",
        ...(errorType === undefined ? {} : { errorType }),
        producedBytes: payload.length
      }
    }
    const status = this.#ended === "timeout" ? "timeout" : "failure"
    return { ...common, status, producedBytes: 0 }
  }

  /** The time of an invocation is over that is answered. The time of one that is not is the invoker's to keep. */
  #overdue(underWay: UnderWay): void {
    if (this.#underWay !== underWay || this.#ended !== undefined) return
    this.#over("timeout")
    this.#around.runtime.end(undefined, "its extensions did not come to an end in time")
    this.#dropHeld(undefined, "its extensions did not come to an end in time")
    this.#tellBroken()
  }

  #runtimeInitialized(failure: StartFailure | undefined): void {
    this.#runtimeFailure = failure
    this.#runtimeReady = failure === undefined
    if (this.#runtimeReady) this.#session.runtimeReady()
    this.#check()
  }

  /** After every step of anybody: what waits may have come. */
  #check(): void {
    const session = this.#session
    if (this.#launched !== undefined && session.isLaunched) Deferred.doneUnsafe(this.#launched, Effect.void)
    if (this.#left !== undefined && !session.isLeaving) Deferred.doneUnsafe(this.#left, Effect.void)
    const { failure } = session
    if (this.#initialization === undefined) {
      if (failure !== undefined) this.#initialized(initFailure(failure))
      else if (this.#runtimeFailure !== undefined) this.#initialized(this.#runtimeFailure)
      else if (this.#runtimeReady && (!session.isActive || session.isIdle)) this.#initialized(undefined)
    }
    if (failure !== undefined) this.#break(failure)
    if (this.#underWay?.ended !== undefined && (session.isIdle || this.#ended !== undefined))
      this.#finish(this.#underWay)
  }

  #initialized(failure: StartFailure | undefined): void {
    this.#initialization = { failure }
    this.#initMillis = this.#around.nowMillis() - this.#openedAtMillis
    this.#session.run()
    this.#around.telemetry.happened({
      is: "initDone",
      ok: failure === undefined,
      ...(failure?.errorType === undefined ? {} : { errorType: failure.errorType }),
      durationMillis: this.#initMillis
    })
    const told = this.#onInitialized
    this.#onInitialized = nobody
    told(failure)
  }

  #break(failure: ExtensionFailure): void {
    if (this.#ended !== undefined) return
    this.#over("failure")
    const why = `${failure.errorType} (${failure.errorMessage})`
    this.#around.runtime.end(undefined, why)
    this.#dropHeld(undefined, why)
    this.#tellBroken()
  }

  #tellBroken(): void {
    this.#isBroken = true
    this.#whenBroken?.()
  }

  /** All are done with the event, or the worker has ended. */
  #finish({ ended, timer }: UnderWay): void {
    this.#underWay = undefined
    timer?.interruptUnsafe()
    if (ended !== undefined) this.#around.telemetry.happened({ is: "report", ...ended, initMillis: this.#initMillis })
    // Of the invocation that waited for it alone.
    this.#initMillis = undefined
    for (const resume of this.#whenFree.splice(0)) resume()
    const held = this.#held
    if (held === undefined || this.#ended !== undefined) return
    this.#held = undefined
    this.#begin(held.event, held.done, held.send)
  }

  #over(reason: ShutdownReason): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    for (const resume of this.#whenFree.splice(0)) resume()
  }

  #dropHeld(exit: WorkerExit | undefined, why: string): void {
    const held = this.#held
    this.#held = undefined
    held?.done({ _tag: "Lost", began: false, exit, why })
  }

  #reasonNow(): ShutdownReason {
    const underWay = this.#underWay
    if (underWay === undefined) return "spindown"
    const elapsed = this.#around.nowMillis() - underWay.sinceMillis
    return elapsed >= underWay.event.timeoutMillis - clockMarginMillis ? "timeout" : "spindown"
  }
}

const atMost = (wait: Effect.Effect<unknown>, millis: number) =>
  Effect.asVoid(Effect.timeoutOption(Effect.interruptible(wait), millis))

const documentOf = ({ errorMessage, errorType }: ExtensionFailure, requestId?: string): string =>
  JSON.stringify({
    errorType,
    errorMessage: `${requestId === undefined ? "" : `RequestId: ${requestId} `}Error: ${errorMessage}`
  })

const lastWordsOf = (failure: ExtensionFailure, requestId: string) => ({
  errorType: failure.errorType,
  document: new TextEncoder().encode(documentOf(failure, requestId))
})

const initFailure = (failure: ExtensionFailure): StartFailure => ({
  reason: "InitError",
  errorType: failure.errorType,
  document: documentOf(failure),
  detail: `The extension ${failure.name} ended the initialisation with ${failure.errorType}: ${failure.errorMessage}.`
})
