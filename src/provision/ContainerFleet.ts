/**
 * The containers of one provisioner: those there are, those that ended, and those that have to go. Follows the
 * engine's events, takes in what an earlier run left or removes it, and lets no removal be forgotten. How a container
 * comes up, or can be taken in, is `DockerProvisioner`'s.
 */
import { randomBytes } from "node:crypto"
import {
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Option,
  PubSub,
  Schedule,
  Schema,
  Scope,
  Semaphore,
  Stream
} from "effect"
import type { FunctionName } from "../domain/FunctionName.ts"
import { type StartFailure, type Worker, type WorkerExit, WorkerId } from "../domain/Worker.ts"
import { describeExit } from "../invoke/errorDocuments.ts"
import type { RuntimeApiListener } from "../runtime-api/RuntimeApi.ts"
import type { CgroupFreezer } from "./cgroupFreezer.ts"
import { containerExit } from "./containerExit.ts"
import { createdAtMillis, instanceLabels, label, type Ownership } from "./containerTemplate.ts"
import {
  type ContainerEvent,
  type ContainerSpec,
  type ContainerSummary,
  DockerAdaptor,
  type Labels
} from "./DockerAdaptor.ts"
import { DockerConflict, type DockerError } from "./DockerError.ts"
import type { WorkerDeath } from "./Provisioner.ts"

/** One container, from before it is made until it is known to be gone. */
export interface Container {
  readonly id: WorkerId
  /** What it has beside itself: its Runtime API, the reader of its log. Closed when it is gone. */
  readonly scope: Scope.Closeable
  /** `leaving`: its end was seen, or its removal has begun. */
  phase: "starting" | "ready" | "leaving"
  removing: boolean
  /** An earlier run made it. */
  readonly adopted: boolean
  /** The engine has started it: from here on, its not running is its end. */
  started: boolean
  /** Done when its end was seen; `exit` is set by then. */
  readonly ended: Deferred.Deferred<void>
  exit: WorkerExit | undefined
  readonly gone: Deferred.Deferred<void>
  /** What became of the initialisation, where the Runtime API tells. */
  readonly initialized: Deferred.Deferred<void, StartFailure>
  creation: Fiber.Fiber<void, DockerError> | undefined
  log: Fiber.Fiber<unknown, unknown> | undefined
  listener: RuntimeApiListener | undefined
  worker: Worker | undefined
  pausing: Pausing | undefined
  /** Of its first process, once that is known. */
  pid: number | undefined
  /** Absent where pausing is the engine's. */
  freezer: CgroupFreezer | undefined
  /** Paused by its freezer, of which the engine does not know. */
  frozen: boolean
}

/** A request to pause a container that has not been answered. */
interface Pausing {
  readonly answer: Deferred.Deferred<void, DockerError>
  begun: boolean
  cancelled: boolean
}

/** How long the last lines of a container that ended are waited for. */
const lastWords = "500 millis"
/** How long a start that failed waits for its container to go; after that it is cleared away behind the scenes. */
const clearTimeout = "2 seconds"
/** How long closing waits for containers to go; what is left then, the next start of this instance removes. */
const closeTimeout = "20 seconds"
/** How long the start-up waits for an engine that does not answer. */
const firstLookTimeout = "5 seconds"
/** How long the engine may take to say how a container ended. */
const inspectTimeout = "2 seconds"
/** How many containers are paused at once: those that are resumed meanwhile share the machine with it. */
const maxPauses = 2
const firstPauseMillis = 100
const maxPauseMillis = 2_000

export interface ContainerFleet {
  readonly deaths: PubSub.PubSub<WorkerDeath>
  readonly isClosed: () => boolean
  readonly find: (id: WorkerId) => Container | undefined
  readonly workers: () => ReadonlyArray<Worker>
  /** A container that does not exist yet, under a name of its own. */
  readonly begin: (functionName: FunctionName) => Effect.Effect<Container>
  /**
   * Has the engine make it, in a fiber that an interrupt does not reach: half a request may still make a container,
   * and only once it is known what became of it can it be removed.
   */
  readonly create: (container: Container, spec: ContainerSpec) => Effect.Effect<void, DockerError>
  /**
   * Has the engine pause it, in a fiber that an interrupt does not reach, since half a request may still pause it. One
   * that is still waiting for its turn when the container is resumed does nothing.
   */
  readonly pause: (container: Container) => Effect.Effect<void, DockerError>
  /** Waits for no pause but its own container's. */
  readonly resume: (container: Container) => Effect.Effect<void, DockerError>
  /** Its process has ended. Without an exit code the engine is asked whether it really has. */
  readonly end: (container: Container, exitCode: number | undefined) => Effect.Effect<void>
  /** Removes it and waits until it is gone; whoever leaves before leaves the removal under way. */
  readonly dispose: (container: Container) => Effect.Effect<void>
  /** After a failed start: as `dispose`, but with what it printed last, if it is to be waited for, and not for ever. */
  readonly clearAway: (container: Container, lastWordsToo: boolean) => Effect.Effect<void>
}

/** The worker that a running container of an earlier run still is; undefined where it is of no use any more. */
export type Adopt = (container: Container, found: ContainerSummary) => Effect.Effect<Worker | undefined>

/**
 * Adopts or removes what an earlier run of the instance left; closing the scope removes everything that is there.
 * There is one run of an instance at a time.
 */
export const make = (
  owner: Ownership,
  adopt: Adopt
): Effect.Effect<ContainerFleet, never, DockerAdaptor | Scope.Scope> =>
  Effect.gen(function* () {
    const docker = yield* DockerAdaptor
    const madeAtMillis = yield* Clock.currentTimeMillis
    const deaths = yield* Effect.acquireRelease(PubSub.unbounded<WorkerDeath>(), PubSub.shutdown)
    const ours = { ...instanceLabels(owner), [label.boot]: owner.boot }
    const containers = new Map<string, Container>()
    // Clearing away goes on in it after its caller has left; it is closed when everything is gone.
    const work = yield* Scope.make()
    const pauses = Semaphore.makeUnsafe(maxPauses)
    let closed = false

    const behind = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkIn(effect, work)
    /** In a fiber of its own, since no time limit fires where an interrupt is not let in. */
    const apart = (effect: Effect.Effect<unknown>) => Effect.asVoid(Effect.flatMap(behind(effect), Fiber.await))

    const add = Effect.fnUntraced(function* (id: WorkerId, adopted: boolean) {
      const container: Container = {
        id,
        scope: yield* Scope.fork(work),
        phase: "starting",
        removing: false,
        adopted,
        started: adopted,
        ended: yield* Deferred.make<void>(),
        exit: undefined,
        gone: yield* Deferred.make<void>(),
        initialized: yield* Deferred.make<void, StartFailure>(),
        creation: undefined,
        log: undefined,
        listener: undefined,
        worker: undefined,
        pausing: undefined,
        pid: undefined,
        freezer: undefined,
        frozen: false
      }
      containers.set(container.id, container)
      return container
    })

    const removeUntilGone = (name: string) =>
      Effect.suspend(() => {
        let log: typeof Effect.logWarning = Effect.logWarning
        return docker.remove(name).pipe(
          Effect.catchTag("DockerNotFound", () => Effect.void),
          Effect.tapError((error) => {
            if (error._tag === "DockerConflict") return Effect.void
            const said = log(`Container ${name} could not be removed; trying again: ${error.message}`)
            log = Effect.logDebug
            return said
          }),
          Effect.retry(Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("5 seconds")])),
          // Its schedule never ends, so no failure comes out of it.
          Effect.orDie
        )
      })

    /** The moment that its extensions have, if there are any. They run on, should they stand still. */
    const farewellOf = (container: Container): Effect.Effect<void> =>
      container.listener === undefined || container.exit !== undefined
        ? Effect.void
        : container.listener.extensions.farewell(Effect.ignore(Effect.suspend(() => startClock(container))))

    const stopClock = (container: Container): Effect.Effect<void, DockerError> => {
      if (container.freezer === undefined || container.frozen) {
        return container.frozen ? Effect.void : docker.pause(container.id)
      }
      // Set first: interrupted on its way, it may have stopped all the same.
      container.frozen = true
      return Effect.flatMap(container.freezer.freeze, (frozen) => {
        container.frozen = frozen
        return frozen ? Effect.void : docker.pause(container.id)
      })
    }

    const startClock = (container: Container): Effect.Effect<void, DockerError> => {
      if (!container.frozen || container.freezer === undefined) return docker.unpause(container.id)
      container.frozen = false
      return Effect.flatMap(container.freezer.thaw, (thawed) => (thawed ? Effect.void : docker.unpause(container.id)))
    }

    const dispose = (container: Container): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (container.removing) return Deferred.await(container.gone)
        container.removing = true
        container.phase = "leaving"
        const { listener } = container
        const farewell = farewellOf(container)
        const endSession = () => listener?.end(undefined, "it was stopped")
        // A runtime whose session has ended ends too, and whatever else runs in its container with it.
        if (listener?.extensions.isActive !== true) endSession()
        const remove = Effect.gen(function* () {
          yield* farewell
          endSession()
          // What is being made cannot be removed yet; what was refused is not there, or somebody else's.
          const { adopted, creation } = container
          // A signal that is to end it waits for as long as it is frozen, on some kernels.
          if (container.frozen && container.freezer !== undefined) yield* container.freezer.thaw
          if (adopted || (creation !== undefined && mayExist(yield* Fiber.await(creation)))) {
            yield* removeUntilGone(container.id)
          }
          yield* Scope.close(container.scope, Exit.void)
          containers.delete(container.id)
          yield* Deferred.succeed(container.gone, undefined)
        })
        return Effect.andThen(behind(remove), Deferred.await(container.gone))
      })

    const drain = ({ log }: Container) =>
      log === undefined ? Effect.void : Effect.asVoid(Effect.timeoutOption(Fiber.await(log), lastWords))

    /** Undefined when the container runs, or when nobody can tell. */
    const exitOf = (container: Container, exitCode: number | undefined) => {
      const told = exitCode === undefined ? undefined : containerExit(exitCode)
      return docker.inspect(container.id).pipe(
        Effect.map((state) => {
          if (exitCode === undefined && state.running) return undefined
          return containerExit(exitCode ?? state.exitCode, state.outOfMemory)
        }),
        Effect.catchTag("DockerNotFound", () => Effect.succeed(told ?? {})),
        Effect.timeout(inspectTimeout),
        Effect.catch(() => Effect.succeed(told))
      )
    }

    const end = Effect.fnUntraced(function* (container: Container, exitCode: number | undefined) {
      if (container.phase === "leaving" || container.exit !== undefined) return
      const exit = yield* exitOf(container, exitCode)
      // Another event, or its removal, may have come in the meantime.
      if (exit === undefined || container.exit !== undefined || container.removing) return
      container.exit = exit
      const wasReady = container.phase === "ready"
      if (wasReady) container.phase = "leaving"
      yield* Deferred.succeed(container.ended, undefined)
      container.listener?.end(exit, describeExit(exit))
      // Before it was ready nobody but its start knows of it.
      if (!wasReady) return
      yield* PubSub.publish(deaths, { id: container.id, exit })
      yield* drain(container)
      yield* dispose(container)
    })

    const onEvent = (event: ContainerEvent) => {
      const { exitCode, name = event.Actor.ID, ...labels } = event.Actor.Attributes
      const container = containers.get(name)
      if (event.Action === "create") {
        // One that was asked for and given up before the engine got round to making it.
        const abandoned = container === undefined ? isOurs(labels) : container.removing
        return abandoned ? Effect.asVoid(behind(removeUntilGone(name))) : Effect.void
      }
      if (container === undefined) return Effect.void
      return Effect.asVoid(behind(end(container, exitCode === undefined ? undefined : Number(exitCode))))
    }

    /** Made by this run or an earlier one: a later one may have begun while this one closes. */
    const isOurs = (labels: Labels) =>
      labels[label.boot] === owner.boot || (createdAtMillis(labels) ?? Number.POSITIVE_INFINITY) < madeAtMillis

    const adoptOrRemove = Effect.fnUntraced(function* (found: ContainerSummary) {
      if (!Schema.is(WorkerId)(found.name) || !isAlive(found.state)) return yield* removeUntilGone(found.name)
      const container = yield* add(found.name, true)
      const worker = yield* adopt(container, found)
      // Nothing is waited for from here on, so that its end either came before or is published.
      if (worker === undefined || container.phase !== "starting" || container.exit !== undefined) {
        return yield* dispose(container)
      }
      container.phase = "ready"
      container.worker = worker
    })

    /** Once only: adopting is for those that an earlier run left. */
    let adopting = true

    /** Compares what there is with what is known, for what happened while nobody listened. Gives what is to be done. */
    const catchUp = Effect.gen(function* () {
      const found = yield* docker.list(instanceLabels(owner))
      const running = new Set(found.flatMap(({ name, state }) => (hasEnded(state) ? [] : [name])))
      for (const container of containers.values()) {
        if (container.started && !running.has(container.id)) yield* behind(end(container, undefined))
      }
      const leftovers = found.filter(({ labels, name }) => !containers.has(name) && (adopting || isOurs(labels)))
      const settle = adopting ? adoptOrRemove : ({ name }: ContainerSummary) => removeUntilGone(name)
      adopting = false
      if (leftovers.length === 0) return []
      const settled = yield* Effect.forEach(leftovers, (leftover) => behind(settle(leftover)))
      const tell = Effect.suspend(() => {
        const adopted = leftovers.filter(({ name }) => containers.has(name)).length
        return Effect.logInfo(
          `Containers that an earlier run left: ${adopted} adopted, ${leftovers.length - adopted} removed`
        )
      })
      return [...settled, yield* behind(Effect.andThen(Fiber.awaitAll(settled), tell))]
    })

    const firstLook = yield* Deferred.make<void>()
    let pauseMillis = firstPauseMillis
    let sinceNano: number | undefined
    let log: typeof Effect.logWarning = Effect.logWarning

    /** Follows the engine's events as long as they come. */
    const follow = Effect.gen(function* () {
      // Of all runs: those that were adopted carry the label of the one that made them.
      const events = yield* docker.events(instanceLabels(owner), ["create", "die"], sinceNano)
      const settled = yield* catchUp
      yield* behind(Effect.andThen(Fiber.awaitAll(settled), Deferred.succeed(firstLook, undefined)))
      pauseMillis = firstPauseMillis
      log = Effect.logWarning
      yield* Stream.runForEach(events, (event) => {
        sinceNano = event.timeNano
        return onEvent(event)
      })
      yield* Effect.logWarning("Docker's event stream ended; connecting again")
    }).pipe(Effect.scoped)

    const followAgain = Effect.catch(follow, (error) => {
      // An engine that is not there is for those to tell who need it.
      const say = error._tag === "DockerUnavailable" ? Effect.logDebug : log
      log = Effect.logDebug
      return Effect.andThen(
        say(`Docker's events cannot be followed: ${error.message}`),
        Deferred.succeed(firstLook, undefined)
      )
    }).pipe(
      Effect.andThen(
        Effect.suspend(() => {
          const pause = Duration.millis(pauseMillis)
          pauseMillis = Math.min(2 * pauseMillis, maxPauseMillis)
          return Effect.sleep(pause)
        })
      ),
      Effect.forever
    )

    const close = Effect.gen(function* () {
      closed = true
      yield* Effect.forEach([...containers.values()], dispose, { concurrency: "unbounded" })
      const left = yield* docker.list(ours)
      yield* Effect.forEach(left, ({ name }) => removeUntilGone(name), { concurrency: "unbounded" })
    }).pipe(
      Effect.catch((error) =>
        error._tag === "DockerUnavailable" ? Effect.void : Effect.logWarning(`Docker: ${error.message}`)
      ),
      Effect.timeoutOrElse({
        duration: closeTimeout,
        orElse: () => Effect.logWarning("Docker is too slow: containers are left, for the next start to remove")
      })
    )
    yield* Effect.addFinalizer(() => Effect.andThen(apart(close), Scope.close(work, Exit.void)))

    yield* behind(followAgain)
    yield* Effect.timeoutOption(Deferred.await(firstLook), firstLookTimeout)

    return {
      deaths,
      isClosed: () => closed,
      find: (id) => containers.get(id),
      workers: () =>
        [...containers.values()].flatMap(({ phase, worker }) =>
          phase === "ready" && worker !== undefined ? [worker] : []
        ),
      begin: (functionName) => add(WorkerId.make(`lambda-${functionName}-${randomBytes(4).toString("hex")}`), false),
      create: (container, spec) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.suspend(() => {
            if (container.removing) return new DockerConflict({ operation: "create", detail: "it was stopped" })
            return Effect.flatMap(behind(docker.create(spec)), (creation) => {
              container.creation = creation
              return restore(Fiber.join(creation))
            })
          })
        ),
      pause: (container) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.suspend(() => {
            const underWay = container.pausing
            if (underWay?.cancelled === false) return restore(Deferred.await(underWay.answer))
            const pausing: Pausing = { answer: Deferred.makeUnsafe(), begun: false, cancelled: false }
            container.pausing = pausing
            const ask = Effect.suspend(() => {
              if (pausing.cancelled) return Effect.void
              pausing.begun = true
              return stopClock(container)
            }).pipe(
              pauses.withPermit,
              Effect.ensuring(
                Effect.sync(() => {
                  if (container.pausing === pausing) container.pausing = undefined
                })
              )
            )
            return Effect.andThen(behind(Deferred.into(ask, pausing.answer)), restore(Deferred.await(pausing.answer)))
          })
        ),
      resume: (container) =>
        Effect.suspend(() => {
          const { pausing } = container
          if (pausing?.begun === false) pausing.cancelled = true
          return Effect.andThen(
            pausing?.begun === true ? Effect.exit(Deferred.await(pausing.answer)) : Effect.void,
            startClock(container)
          )
        }),
      end,
      dispose,
      clearAway: (container, lastWordsToo) =>
        apart(
          Effect.timeoutOption(
            Effect.andThen(lastWordsToo ? drain(container) : Effect.void, dispose(container)),
            clearTimeout
          )
        )
    } satisfies ContainerFleet
  })

const isAlive = (state: string): boolean => state === "running" || state === "paused"

/** `created` is not on this list: a start that is under way may be about to change it. */
const hasEnded = (state: string): boolean => ["exited", "dead", "removing"].includes(state)

/** Whether a request to make a container may have led to one, now or later. */
const mayExist = (creation: Exit.Exit<void, DockerError>): boolean => {
  const error = Option.getOrUndefined(Exit.findErrorOption(creation))
  return error === undefined || error._tag === "DockerTimedOut" || error._tag === "DockerFailed"
}
