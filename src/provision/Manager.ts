/**
 * What a manager does for gateways: batches of workers, all or none; leases, so that a gateway that died leaves nothing
 * running, and finds its workers again when it is back in time; events for workers that only this process can reach.
 * How a worker starts is the provisioner's, how it gets an event the worker client's.
 */
import { realpathSync } from "node:fs"
import { isAbsolute, relative, resolve } from "node:path"
import { Clock, Context, Duration, Effect, Exit, Fiber, Layer, Option, Schedule, Schema, Semaphore } from "effect"
import { type AnswerHead, type AnswerSink, noFlow } from "../domain/AnswerSink.ts"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { FunctionName } from "../domain/FunctionName.ts"
import type { Invocation } from "../domain/Invocation.ts"
import { type GatewayId, type Worker, WorkerId } from "../domain/Worker.ts"
import { type WorkerAnswer, WorkerClient, type WorkerLost } from "../invoke/WorkerClient.ts"
import { Provisioner, type StartFailed, type WorkerGone } from "./Provisioner.ts"
import { type Lease, WorkerLeases } from "./WorkerLeases.ts"

/** The code is in a folder that this manager does not give to workers. Nothing was started. */
export class CodeOutsideRoots extends Schema.TaggedError<CodeOutsideRoots>()("CodeOutsideRoots", {
  path: Schema.String
}) {
  override get message() {
    return `The manager gives no code of ${this.path} to workers: it is in none of its code roots.`
  }
}

/** With these workers there would be more than this manager may have. Nothing was started. */
export class WorkerLimitReached extends Schema.TaggedError<WorkerLimitReached>()("WorkerLimitReached", {
  maxWorkers: Schema.Int
}) {
  override get message() {
    return `The manager is at its limit of ${this.maxWorkers} workers.`
  }
}

/** This manager has no such worker, or cannot reach it. */
export class WorkerUnknown extends Schema.TaggedError<WorkerUnknown>()("WorkerUnknown", {
  id: WorkerId
}) {
  override get message() {
    return `The manager has no worker ${this.id}.`
  }
}

export type ProvisionRefusal = StartFailed | CodeOutsideRoots | WorkerLimitReached

export interface ManagerOptions {
  /** The folders whose code may be given to workers, with all that is in them. None: only images. */
  readonly codeRoots: ReadonlyArray<string>
  /** A worker that no gateway has named in a heartbeat for this long is removed, up to a minute later. */
  readonly idleTimeout: Duration.Duration
  /** The most workers at once, of all functions; starting ones count. Absent: as many as the machine takes. */
  readonly maxWorkers?: number
}

export class Manager extends Context.Service<
  Manager,
  {
    /**
     * Starts `count` workers for `gateway` at once and waits until all are ready. When one fails, or on interruption,
     * none is left.
     */
    readonly provision: (
      config: FunctionConfig,
      count: number,
      gateway?: GatewayId
    ) => Effect.Effect<ReadonlyArray<Lease>, ProvisionRefusal>
    /** Fails where `provision` would before it starts anything. */
    readonly check: (
      config: FunctionConfig,
      count: number
    ) => Effect.Effect<void, CodeOutsideRoots | WorkerLimitReached>
    /**
     * A running worker of this function and version that was started for `gateway`, started if there is none. Calls
     * for one function take turns.
     */
    readonly ensure: (config: FunctionConfig, gateway?: GatewayId) => Effect.Effect<Worker, ProvisionRefusal>
    /**
     * Renews the leases of `ids`. Answers with those that are not running workers of this function; a gateway that
     * gives its name is also told those that are another's, whose leases it does not renew.
     */
    readonly heartbeat: (
      name: FunctionName,
      ids: ReadonlyArray<WorkerId>,
      gateway?: GatewayId
    ) => Effect.Effect<ReadonlyArray<WorkerId>>
    /**
     * What a gateway may adopt when it starts again: its own workers, without those that are still at an event whose
     * caller has left. Whoever gives no name sees all there are.
     */
    readonly sync: (gateway?: GatewayId) => Effect.Effect<ReadonlyArray<Lease>>
    /** Ends a worker and waits until it is gone. */
    readonly remove: (id: WorkerId) => Effect.Effect<void, WorkerUnknown>
    /** Stops the clock of an idle worker. Its lease runs on: it has to be named in heartbeats like any other. */
    readonly pause: (id: WorkerId) => Effect.Effect<void, WorkerGone>
    /** Lets a paused worker go on; when it has returned, the worker runs. */
    readonly resume: (id: WorkerId) => Effect.Effect<void, WorkerGone>
    /** The running workers, paused ones included. */
    readonly list: Effect.Effect<ReadonlyArray<Lease>>
    /**
     * Gives an event to a worker and waits for the answer, without limit: the time limit is the gateway's. Interrupted,
     * it leaves the worker at its event until that is done or the function's timeout is over, which ends the worker;
     * until then the worker is not to be had. A streamed answer goes to `sink` as it comes, if there is one.
     */
    readonly invoke: (
      id: WorkerId,
      event: WorkerEvent,
      sink?: AnswerSink
    ) => Effect.Effect<WorkerAnswer, WorkerUnknown | WorkerLost>
  }
>()("irori/provision/Manager") {}

/** An invocation whose function the worker says. */
export type WorkerEvent = Omit<Invocation, "functionName">

export const layer = (options: ManagerOptions) =>
  Layer.effect(
    Manager,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const provisioner = yield* Provisioner
      const client = yield* WorkerClient
      const leases = new WorkerLeases()
      const turns = new Map<FunctionName, Semaphore.Semaphore>()
      const scope = yield* Effect.scope
      /** Still at an event that nobody waits for. */
      const abandoned = new Set<WorkerId>()
      let starting = 0
      const now = () => clock.currentTimeMillisUnsafe()

      const list = Effect.map(provisioner.list, (running) => leases.reconcile(running, now()))

      const isUsable = ({ paused, worker }: Lease) => {
        if (abandoned.has(worker.id)) return Effect.succeed(false)
        // One that is paused was idle, and cannot even close the connection of a gateway that has gone.
        return paused ? Effect.succeed(true) : Effect.map(provisioner.isAbandoned(worker.id), (is) => !is)
      }

      const usable = Effect.flatMap(list, (running) => Effect.filter(running, isUsable, { concurrency: "unbounded" }))

      const sync = (gateway?: GatewayId) =>
        gateway === undefined
          ? list
          : Effect.map(usable, (running) => running.filter(({ worker }) => isOf(worker, gateway)))

      const stop = (worker: Worker) =>
        Effect.andThen(
          provisioner.stop(worker.id),
          Effect.sync(() => leases.end(worker.id))
        )

      const check = Effect.fnUntraced(function* (config: FunctionConfig, count: number) {
        if (config.code._tag === "CodeFolder" && !isInside(options.codeRoots, config.code.path)) {
          return yield* new CodeOutsideRoots({ path: config.code.path })
        }
        if (config.layersPath !== undefined && !isInside(options.codeRoots, config.layersPath)) {
          return yield* new CodeOutsideRoots({ path: config.layersPath })
        }
        const { maxWorkers } = options
        const running = maxWorkers === undefined ? 0 : (yield* provisioner.list).length
        if (maxWorkers !== undefined && running + starting + count > maxWorkers) {
          return yield* new WorkerLimitReached({ maxWorkers })
        }
      })

      const startAll = (config: FunctionConfig, count: number, gateway: GatewayId | undefined) =>
        Effect.suspend(() => {
          const started: Array<Worker> = []
          const startOne = Effect.uninterruptibleMask((restore) =>
            Effect.tap(restore(provisioner.start(config, gateway)), (worker) =>
              Effect.sync(() => {
                started.push(worker)
                leases.grant(worker, config, now())
              })
            )
          )
          return Effect.forEach(Array.from({ length: count }), () => startOne, { concurrency: "unbounded" }).pipe(
            Effect.onError(() => Effect.forEach(started, stop, { concurrency: "unbounded", discard: true }))
          )
        })

      const provision = Effect.fn("Manager.provision")(function* (
        config: FunctionConfig,
        count: number,
        gateway?: GatewayId
      ) {
        const workers = yield* Effect.acquireUseRelease(
          // The places are taken in the same step that finds them free.
          Effect.tap(check(config, count), () => Effect.sync(() => (starting += count))),
          () => startAll(config, count, gateway),
          () => Effect.sync(() => (starting -= count))
        )
        return workers.map(
          (worker): Lease => leases.find(worker.id) ?? { worker, config, lastUsedMillis: now(), paused: false }
        )
      })

      const pause = (id: WorkerId) =>
        Effect.andThen(
          // Marked first: interrupted on its way, it may be paused all the same.
          Effect.sync(() => leases.pause(id)),
          provisioner.pause(id)
        )

      const resume = (id: WorkerId) =>
        Effect.andThen(
          provisioner.resume(id),
          Effect.sync(() => leases.resume(id, now()))
        )

      const ensure = Effect.fn("Manager.ensure")(function* (config: FunctionConfig, gateway?: GatewayId) {
        const turn = turns.get(config.name) ?? Semaphore.makeUnsafe(1)
        turns.set(config.name, turn)
        return yield* turn.withPermit(
          Effect.gen(function* () {
            const running = (yield* usable).find(
              ({ worker }) =>
                worker.functionName === config.name &&
                worker.version === config.version &&
                worker.transport === config.transport &&
                worker.gateway === gateway
            )
            if (running === undefined) return (yield* provision(config, 1, gateway))[0]!.worker
            leases.renew(running.worker.id, now())
            if (!running.paused) return running.worker
            return yield* resume(running.worker.id).pipe(
              Effect.as(running.worker),
              Effect.catchTag("WorkerGone", () =>
                Effect.map(provision(config, 1, gateway), (leases) => leases[0]!.worker)
              )
            )
          })
        )
      })

      const heartbeat = (name: FunctionName, ids: ReadonlyArray<WorkerId>, gateway?: GatewayId) =>
        Effect.map(list, (running) => {
          const known = new Set(
            running
              .filter(({ worker }) => worker.functionName === name && isOf(worker, gateway))
              .map(({ worker }) => worker.id)
          )
          return ids.filter((id) => !(known.has(id) && leases.renew(id, now())))
        })

      const remove = Effect.fn("Manager.remove")(function* (id: WorkerId) {
        const found = (yield* list).find(({ worker }) => worker.id === id)
        if (found === undefined) return yield* new WorkerUnknown({ id })
        yield* stop(found.worker)
      })

      const invoke = Effect.fnUntraced(function* (id: WorkerId, event: WorkerEvent, sink?: AnswerSink) {
        const { config, worker } = leases.find(id) ?? {}
        if (worker === undefined || config === undefined || abandoned.has(id)) return yield* new WorkerUnknown({ id })
        leases.renew(id, now())
        const taker = sink === undefined ? undefined : new Taker(sink)
        const untilMillis = now() + Duration.toMillis(config.timeout)
        return yield* Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(
            Effect.forkIn(client.send(worker, config, { ...event, functionName: worker.functionName }, taker), scope, {
              startImmediately: true
            }),
            (answer) =>
              Effect.onInterrupt(restore(Fiber.join(answer)), () => {
                abandoned.add(id)
                taker?.leave()
                const limit = Duration.millis(Math.max(0, untilMillis - now()))
                return Effect.forkIn(abandon(worker, answer, limit), scope)
              })
          )
        )
      })

      const abandon = (worker: Worker, answer: Fiber.Fiber<WorkerAnswer, WorkerLost>, limit: Duration.Duration) =>
        Effect.gen(function* () {
          const done = yield* Effect.timeoutOption(Fiber.await(answer), limit)
          if (Option.isSome(done) && Exit.isSuccess(done.value)) return
          yield* stop(worker)
          yield* Fiber.interrupt(answer)
        }).pipe(Effect.ensuring(Effect.sync(() => abandoned.delete(worker.id))))

      const removeExpired = Effect.gen(function* () {
        const oldest = now() - Duration.toMillis(options.idleTimeout)
        const expired = (yield* list).filter(({ lastUsedMillis }) => lastUsedMillis <= oldest)
        yield* Effect.forEach(
          expired,
          ({ worker }) =>
            Effect.andThen(
              Effect.logWarning("No gateway has named this worker in a heartbeat for too long: removing it"),
              stop(worker)
            ).pipe(Effect.annotateLogs({ function_name: worker.functionName, container_name: worker.id })),
          { concurrency: "unbounded", discard: true }
        )
      })
      const interval = Duration.min(Duration.minutes(1), options.idleTimeout)
      yield* Effect.forkScoped(Effect.repeat(removeExpired, Schedule.spaced(interval)))

      return Manager.of({ provision, check, ensure, heartbeat, sync, remove, pause, resume, list, invoke })
    })
  )

/** Between a worker and whoever takes its answer: goes on without him, and then at full speed. */
class Taker implements AnswerSink {
  readonly #sink: AnswerSink
  #flow = noFlow
  #isLeft = false

  constructor(sink: AnswerSink) {
    this.#sink = sink
  }

  readonly begin = (head: AnswerHead): void => {
    this.#flow = head.flow
    if (!this.#isLeft) this.#sink.begin(head)
  }

  readonly piece = (bytes: Uint8Array): void => {
    if (!this.#isLeft) this.#sink.piece(bytes)
  }

  leave(): void {
    this.#isLeft = true
    this.#flow.resume()
  }
}

/** Whoever gives no name is not told whose a worker is. */
const isOf = (worker: Worker, gateway: GatewayId | undefined): boolean =>
  gateway === undefined || worker.gateway === gateway

/** Links are followed: a folder inside a root that leads out of it is outside. */
const isInside = (roots: ReadonlyArray<string>, path: string): boolean =>
  isAbsolute(path) &&
  roots.some((root) => {
    const way = relative(real(root), real(path))
    return way !== ".." && !way.startsWith("../") && !isAbsolute(way)
  })

/** What is not there has no links to follow. */
const real = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}
