/** One worker's Runtime API while its listener is open: all that is kept for it, of which there may be a thousand. */
import { Effect, type Scope } from "effect"
import type { AnswerSink } from "../domain/AnswerSink.ts"
import type { StartFailure, WorkerExit, WorkerId } from "../domain/Worker.ts"
import type { ByteStream } from "../net/ByteStream.ts"
import { AddressGate, type Door } from "./AddressGate.ts"
import * as ExtensionApi from "./ExtensionApi.ts"
import type { ExtensionHost } from "./ExtensionHost.ts"
import { type BodyReceiver, type Exchange, HttpConnection } from "./HttpConnection.ts"
import type { RuntimeApiListener } from "./RuntimeApi.ts"
import { type Outcome, type RuntimeEvent, RuntimeSession } from "./RuntimeSession.ts"
import { serveRuntime } from "./runtimeRoutes.ts"

/** A worker that breaks off in the middle of an answer has ended, most often. How, is known a little later. */
const endGrace = "2 seconds"

/** What all workers' listeners have in common. */
export interface Services extends ExtensionApi.ExtensionServices {
  readonly refused: (id: WorkerId, address: string) => void
}

export class WorkerListener implements RuntimeApiListener, Door {
  port = 0
  readonly gate = new AddressGate(this)
  readonly #id: WorkerId
  readonly #scope: Scope.Scope
  readonly #services: Services
  readonly #session = new RuntimeSession()
  readonly #extensions: ExtensionApi.WorkerExtensions
  #startedMillis: number
  #initMillis: number | undefined

  constructor(id: WorkerId, scope: Scope.Scope, services: Services) {
    this.#id = id
    this.#scope = scope
    this.#services = services
    this.#extensions = new ExtensionApi.WorkerExtensions(id, this.#session, scope, services)
    this.#startedMillis = this.#nowMillis()
  }

  get extensions(): ExtensionHost {
    return this.#extensions.host
  }

  admit(address: string): void {
    this.#extensions.telemetry.admit(address)
    this.gate.admit(address)
  }

  welcome(stream: ByteStream): void {
    this.gate.welcome(stream)
  }

  get initialized(): Effect.Effect<void, StartFailure> {
    return Effect.callback((resume) => {
      this.extensions.onInitialized((failure) => {
        this.#initMillis ??= this.#nowMillis() - this.#startedMillis
        resume(failure === undefined ? Effect.void : Effect.fail(failure))
      })
    })
  }

  starting(): void {
    this.#startedMillis = this.#nowMillis()
  }

  coldStartMillis(): number | undefined {
    return this.#session.hasHadEvent ? undefined : this.#initMillis
  }

  deliver(event: RuntimeEvent, done: (outcome: Outcome) => void, sink?: AnswerSink): void {
    const session = this.#session
    if (!this.extensions.isActive) session.deliver(event, done, sink)
    else this.extensions.deliver(event, done, (done) => session.deliver(event, done, sink))
  }

  end(exit: WorkerExit | undefined, why: string): void {
    this.extensions.end(exit, why)
  }

  undelivered(): boolean {
    return this.#session.undelivered
  }

  close(): void {
    this.extensions.end(undefined, "its Runtime API was closed")
    this.gate.close()
    this.#extensions.leave()
  }

  enter(stream: ByteStream, onClosed: () => void): void {
    void new HttpConnection(stream, (exchange) => this.#serve(exchange), onClosed)
  }

  refuse(address: string): void {
    this.#services.refused(this.#id, address)
  }

  #serve(exchange: Exchange): BodyReceiver {
    return ExtensionApi.isExtensionPath(exchange.path)
      ? this.#extensions.serve(exchange)
      : serveRuntime(exchange, this.#session, this)
  }

  /** Unix milliseconds, as workers are told them. */
  wallMillis(): number {
    return this.#services.clock.currentTimeMillisUnsafe()
  }

  /** The answer to an event broke off. */
  cutOff(requestId: string): void {
    const session = this.#session
    const giveUp = Effect.sync(() => {
      if (session.isAt(requestId)) session.end(undefined, "it broke off in the middle of its answer")
    })
    Effect.runForkWith(this.#services.context)(Effect.forkIn(Effect.delay(giveUp, endGrace), this.#scope))
  }

  #nowMillis(): number {
    return Number(this.#services.clock.currentTimeNanosUnsafe()) / 1e6
  }
}
