/**
 * Provisioner over a Docker engine: a container for each worker. Decides when a container is made, ready, dead and
 * gone; what it is made from is `containerTemplate`'s, how the engine is asked is `DockerAdaptor`'s.
 */
import { randomBytes } from "node:crypto"
import {
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  PubSub,
  Schedule,
  Scope,
  Semaphore,
  Stream
} from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Owner } from "../domain/FunctionName.ts"
import { type StartFailure, Worker, type WorkerExit, WorkerId } from "../domain/Worker.ts"
import { RuntimeApi, type RuntimeApiListener } from "../runtime-api/RuntimeApi.ts"
import { runtimes } from "../runtimes/runtimes.ts"
import { describeEnd, exitOf, exitOfState } from "./containerExit.ts"
import { containerSpec, imageOf, instanceLabels, label, type Ownership } from "./containerTemplate.ts"
import { type ContainerEvent, type ContainerSpec, DockerAdaptor } from "./DockerAdaptor.ts"
import type { DockerError } from "./DockerError.ts"
import { Provisioner, StartFailed, type WorkerDeath } from "./Provisioner.ts"
import { tcpReady } from "./tcpReady.ts"

export interface DockerProvisionerOptions extends Ownership {
  readonly owner: Owner
  /** `CONTAINERS_NETWORK`: the network that workers are in. Default `bridge`. */
  readonly network?: string
  /** The address by which workers reach this process. Default: the network's gateway, which is this machine. */
  readonly runtimeApiHost?: string
  /** The image for a runtime's id, where it is not the one that AWS publishes. */
  readonly baseImages?: ReadonlyMap<string, string>
  /** `LAMBDA_PORT`: where the emulator in an image listens. Default 8080. */
  readonly riePort?: number
  /** The first try's limit for a function's initialisation; the second one's is the function's timeout. Default 10 s. */
  readonly initTimeout?: Duration.Duration
  /** How long the emulator in an image may take until it listens. Default 30 s. */
  readonly readinessTimeout?: Duration.Duration
  /** Whom workers run as. Default 1051, as on AWS, in a group of its own. */
  readonly user?: string
  /** What to do about a function's own image that is not on this machine. Default `missing`: fetch it. */
  readonly pull?: "never" | "missing"
}

/** One container, from before it is made until it is known to be gone. */
interface Container {
  readonly id: WorkerId
  /** Its Runtime API and the reader of its log. */
  readonly scope: Scope.Closeable
  /** `leaving`: its removal has begun, or its end was seen. */
  phase: "starting" | "ready" | "leaving"
  removing: boolean
  /** The engine has started it: from here on, its not running is its end. */
  started: boolean
  readonly ended: Deferred.Deferred<void>
  exit: WorkerExit | undefined
  readonly gone: Deferred.Deferred<void>
  /** What became of the initialisation, where the Runtime API tells. */
  readonly initialized: Deferred.Deferred<void, StartFailure>
  creation: Fiber.Fiber<void, DockerError> | undefined
  log: Fiber.Fiber<unknown, unknown> | undefined
  listener: RuntimeApiListener | undefined
  worker: Worker | undefined
}

/** How long the last lines of a container that ended are waited for. */
const lastWords = "500 millis"
/** How long a start that failed waits for its container to go; after that it is cleared away behind the scenes. */
const clearTimeout = "30 seconds"
/** How long closing waits for containers to go; what is left then, the next start of this instance removes. */
const closeTimeout = "20 seconds"
/** How long the start-up waits for an engine that does not answer. */
const firstLookTimeout = "5 seconds"

export const layer = (options: DockerProvisionerOptions): Layer.Layer<Provisioner, never, DockerAdaptor | RuntimeApi> =>
  Layer.effect(
    Provisioner,
    Effect.gen(function* () {
      const docker = yield* DockerAdaptor
      const runtimeApi = yield* RuntimeApi
      const deaths = yield* Effect.acquireRelease(PubSub.unbounded<WorkerDeath>(), PubSub.shutdown)
      const network = options.network ?? "bridge"
      const containers = new Map<string, Container>()
      // Clearing away goes on in it after its caller has left; it is closed when everything is gone.
      const work = yield* Scope.make()
      const pulls = Semaphore.makeUnsafe(1)
      const ours = { ...instanceLabels(options), [label.boot]: options.boot }
      let closed = false

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

      /** Removes a container and waits until it is gone; whoever leaves before leaves the removal under way. */
      const dispose = (container: Container): Effect.Effect<void> =>
        Effect.suspend(() => {
          if (container.removing) return Deferred.await(container.gone)
          container.removing = true
          container.phase = "leaving"
          container.listener?.end(undefined, "it was stopped")
          const remove = Effect.gen(function* () {
            // What is being made cannot be removed yet; what was refused is not there, or somebody else's.
            if (container.creation !== undefined && mayExist(yield* Fiber.await(container.creation))) {
              yield* removeUntilGone(container.id)
            }
            yield* Scope.close(container.scope, Exit.void)
            containers.delete(container.id)
            yield* Deferred.succeed(container.gone, undefined)
          })
          return Effect.andThen(Effect.forkIn(remove, work), Deferred.await(container.gone))
        })

      /** Waits, not for long, until what the container printed last is read. */
      const drain = (container: Container) =>
        container.log === undefined
          ? Effect.void
          : Effect.asVoid(Effect.timeoutOption(Fiber.await(container.log), lastWords))

      /** The container's process has ended. Without an exit code the engine is asked for it. */
      const see = (container: Container, exitCode: number | undefined) =>
        Effect.gen(function* () {
          if (container.phase === "leaving" || container.exit !== undefined) return
          const exit = yield* docker.inspect(container.id).pipe(
            Effect.map(exitOfState),
            Effect.timeout("2 seconds"),
            Effect.catch(() => Effect.succeed(exitCode === undefined ? {} : exitOf(exitCode)))
          )
          if (container.exit !== undefined) return
          container.exit = exit
          yield* Deferred.succeed(container.ended, undefined)
          const wasReady = container.phase === "ready"
          if (wasReady) container.phase = "leaving"
          container.listener?.end(exit, describeEnd(exit))
          // Before it was ready nobody but its start knows of it.
          if (!wasReady) return
          yield* PubSub.publish(deaths, { id: container.id, exit })
          yield* drain(container)
          yield* dispose(container)
        })

      const onEvent = (event: ContainerEvent) => {
        const name = event.Actor.Attributes.name ?? event.Actor.ID
        const container = containers.get(name)
        if (event.Action === "create") {
          // One that was asked for and given up before the engine got round to making it.
          return container === undefined || container.removing
            ? Effect.asVoid(Effect.forkIn(removeUntilGone(name), work))
            : Effect.void
        }
        const exitCode = Number(event.Actor.Attributes.exitCode)
        return container === undefined
          ? Effect.void
          : Effect.asVoid(Effect.forkIn(see(container, Number.isInteger(exitCode) ? exitCode : undefined), work))
      }

      /** Compares what there is with what is known, for what happened while nobody listened. */
      let swept = false
      const catchUp = Effect.gen(function* () {
        const known = [...containers.values()]
        const found = yield* docker.list(swept ? ours : instanceLabels(options))
        swept = true
        const states = new Map(found.map(({ name, state }) => [name, state]))
        const leftovers = found.filter(({ name }) => !containers.has(name))
        if (leftovers.length > 0) {
          yield* Effect.logInfo(`Removing ${leftovers.length} containers that an earlier run left behind`)
        }
        const removals = yield* Effect.forEach(leftovers, ({ name }) => Effect.forkIn(removeUntilGone(name), work))
        yield* Effect.forEach(known, (container) =>
          container.started && !["running", "paused", "restarting"].includes(states.get(container.id) ?? "gone")
            ? Effect.forkIn(see(container, undefined), work)
            : Effect.void
        )
        return removals
      })

      /** Follows the engine's events as long as they come. */
      const firstLook = yield* Deferred.make<void>()
      const reconnect = { millis: 100, sinceNano: undefined as number | undefined, quiet: false }
      const follow = Effect.gen(function* () {
        const events = yield* docker.events(ours, ["create", "die"], reconnect.sinceNano)
        const removals = yield* catchUp
        reconnect.millis = 100
        reconnect.quiet = false
        yield* Effect.forkIn(Effect.andThen(Fiber.awaitAll(removals), Deferred.succeed(firstLook, undefined)), work)
        yield* Stream.runForEach(events, (event) => {
          reconnect.sinceNano = event.timeNano
          return onEvent(event)
        })
        yield* Effect.logWarning("Docker's event stream ended; connecting again")
      }).pipe(
        Effect.scoped,
        Effect.catch((error) => {
          const log = reconnect.quiet || error._tag === "DockerUnavailable" ? Effect.logDebug : Effect.logWarning
          reconnect.quiet = true
          return Effect.andThen(
            log(`Docker's events cannot be followed: ${error.message}`),
            Deferred.succeed(firstLook, undefined)
          )
        }),
        Effect.andThen(
          Effect.suspend(() => {
            const pause = reconnect.millis
            reconnect.millis = Math.min(2 * pause, 30_000)
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
      // In a fiber of its own, since no time limit fires in a finalizer.
      yield* Effect.addFinalizer(() =>
        Effect.forkIn(close, work).pipe(Effect.flatMap(Fiber.await), Effect.andThen(Scope.close(work, Exit.void)))
      )

      const refused = (detail: string) =>
        new StartFailed({ failure: { reason: closed ? "EngineUnavailable" : "Refused", detail } })

      const addressOfThisMachine = Effect.gen(function* () {
        if (options.runtimeApiHost !== undefined) return options.runtimeApiHost
        if (network === "host") return "127.0.0.1"
        const gateway = yield* docker.gateway(network)
        if (gateway !== undefined) return gateway
        return yield* refused(`The Docker network '${network}' has no gateway by which workers could reach Irori.`)
      })

      /** Makes the container in a fiber that an interrupt does not reach: half a request may still make it. */
      const create = Effect.fnUntraced(function* (container: Container, spec: ContainerSpec) {
        if (container.removing) return yield* refused("Irori is stopping.")
        const creation = Effect.tap(Effect.forkIn(docker.create(spec), work), (fiber) =>
          Effect.sync(() => {
            container.creation = fiber
          })
        )
        yield* Fiber.join(yield* Effect.uninterruptible(creation))
      })

      const pull = (image: string) =>
        Effect.mapError(docker.pull(image), (error) =>
          error._tag === "DockerUnavailable"
            ? error
            : imageNotFound(`The image '${image}' is not on this machine and cannot be fetched: ${error.message}`)
        )

      const createOrPull = (container: Container, config: FunctionConfig, spec: ContainerSpec) =>
        create(container, spec).pipe(
          Effect.catchIf(
            (error) => error._tag === "DockerNotFound",
            (): Effect.Effect<void, DockerError | StartFailed> =>
              config.code._tag === "CodeFolder" || options.pull === "never"
                ? Effect.fail(
                    imageNotFound(`The image '${spec.Image}' is not on this machine: \`docker pull ${spec.Image}\`.`)
                  )
                : pulls.withPermit(Effect.andThen(pull(spec.Image), create(container, spec)))
          )
        )

      const failWith = (failure: StartFailure) => Effect.fail(new StartFailed({ failure }))

      const ready = (container: Container, host: string, limit: Duration.Duration) => {
        const slow = (what: string) => () =>
          failWith({ reason: "InitTimedOut", detail: `${what} within ${Duration.format(limit)}.` })
        if (container.listener !== undefined) {
          return Deferred.await(container.initialized).pipe(
            Effect.mapError((failure) => new StartFailed({ failure })),
            Effect.timeoutOrElse({ duration: limit, orElse: slow("The function's initialisation was not done") })
          )
        }
        const port = options.riePort ?? 8080
        const ended = Effect.raceFirst(Deferred.await(container.ended), Deferred.await(container.gone))
        return tcpReady(host, port).pipe(
          Effect.raceFirst(
            Effect.flatMap(ended, () =>
              failWith({
                reason: "InitExited",
                ...(container.exit === undefined ? {} : { exit: container.exit }),
                detail: `The image's process ended before it listened on port ${port}: ${
                  container.exit === undefined ? "it was stopped" : describeEnd(container.exit)
                }.`
              })
            )
          ),
          Effect.timeoutOrElse({ duration: limit, orElse: slow(`The image did not listen on port ${port}`) })
        )
      }

      const bringUp = (container: Container, config: FunctionConfig, limit: Duration.Duration) =>
        Effect.gen(function* () {
          if (closed) return yield* refused("Irori is stopping.")
          const runtime = runtimes.get(config.runtime ?? "")
          const image = imageOf(config, runtime, options.baseImages ?? new Map())
          if (image === undefined) {
            return yield* failWith({
              reason: "RuntimeUnavailable",
              detail: `There is no runtime '${config.runtime ?? ""}'; there are ${[...runtimes.keys()].join(", ")}.`
            })
          }
          let apiHost = ""
          if (config.transport === "runtime-api") {
            apiHost = yield* addressOfThisMachine
            container.listener = yield* runtimeApi.open(container.id, apiHost).pipe(
              Scope.provide(container.scope),
              Effect.mapError((error) =>
                refused(`No port could be opened on ${apiHost}, by which workers would reach Irori: ${error.cause}`)
              )
            )
            // At once, so that an end that comes before anybody waits is not missed.
            yield* Effect.forkIn(
              Deferred.into(container.listener.initialized, container.initialized),
              container.scope,
              {
                startImmediately: true
              }
            )
          }
          const createdAtMillis = yield* Clock.currentTimeMillis
          const spec = containerSpec(config, runtime, {
            name: container.id,
            image,
            network,
            owner: options,
            region: options.owner.region,
            logStream: logStream(createdAtMillis, config.version),
            user: options.user ?? "1051:1051",
            ...(container.listener === undefined ? {} : { runtimeApi: `${apiHost}:${container.listener.port}` })
          })
          yield* createOrPull(container, config, spec)
          yield* docker.start(container.id)
          container.started = true
          container.log = yield* Effect.forkIn(readLog(container, config), container.scope)
          const state = yield* docker.inspect(container.id)
          if (!state.running) yield* see(container, state.exitCode)
          const address =
            network === "host" ? "127.0.0.1" : (state.addresses.get(network) ?? [...state.addresses.values()][0])
          if (state.running && address === undefined) {
            return yield* refused(`The worker has no address in the Docker network '${network}'.`)
          }
          container.listener?.admit(address ?? "")
          yield* ready(container, address ?? "", limit)
          // Nothing is waited for from here on, so that its end comes either before or is published.
          if (container.phase !== "starting" || container.exit !== undefined) {
            return yield* failWith({ reason: "InitExited", detail: "The worker ended as soon as it was ready." })
          }
          container.phase = "ready"
          container.worker = new Worker({
            id: container.id,
            functionName: config.name,
            version: config.version,
            transport: config.transport,
            host: container.listener === undefined ? (address ?? "") : apiHost,
            port: container.listener?.port ?? options.riePort ?? 8080,
            createdAtMillis
          })
          return container.worker
        }).pipe(Effect.mapError((error) => (error._tag === "StartFailed" ? error : startFailed(config, error))))

      const readLog = (container: Container, config: FunctionConfig) =>
        docker.logs(container.id).pipe(
          Stream.runForEach(({ stream, text }) => Effect.annotateLogs(Effect.logInfo(text), { stream })),
          Effect.catch((error) => Effect.logDebug(`The log of ${container.id} broke off: ${error.message}`)),
          Effect.annotateLogs({ job: "lambda", function_name: config.name, worker: container.id })
        )

      const begin = (config: FunctionConfig) =>
        Effect.gen(function* () {
          const container: Container = {
            id: WorkerId.make(`lambda-${config.name}-${randomBytes(4).toString("hex")}`),
            scope: yield* Scope.fork(work),
            phase: "starting",
            removing: false,
            started: false,
            ended: yield* Deferred.make<void>(),
            exit: undefined,
            gone: yield* Deferred.make<void>(),
            initialized: yield* Deferred.make<void, StartFailure>(),
            creation: undefined,
            log: undefined,
            listener: undefined,
            worker: undefined
          }
          containers.set(container.id, container)
          return container
        })

      /** What the function printed about its failed initialisation is worth the wait; an interrupted one's is not. */
      const clearAway = (container: Container, exit: Exit.Exit<Worker, StartFailed>) => {
        if (Exit.isSuccess(exit)) return Effect.void
        const reason = Option.getOrUndefined(Exit.findErrorOption(exit))?.failure.reason
        const spoke = !container.removing && (reason === "InitError" || reason === "InitExited")
        const clear = Effect.andThen(spoke ? drain(container) : Effect.void, dispose(container))
        // In a fiber of its own, since no time limit fires in a finalizer.
        return Effect.forkIn(Effect.timeoutOption(clear, clearTimeout), work).pipe(Effect.flatMap(Fiber.await))
      }

      const attempt = (config: FunctionConfig, limit: Duration.Duration) =>
        Effect.acquireUseRelease(begin(config), (container) => bringUp(container, config, limit), clearAway)

      const start = Effect.fn("DockerProvisioner.start")(function* (config: FunctionConfig) {
        if (config.transport === "rie") {
          return yield* attempt(config, options.readinessTimeout ?? Duration.seconds(30))
        }
        return yield* attempt(config, options.initTimeout ?? Duration.seconds(10)).pipe(
          Effect.catchIf(
            ({ failure }) => failure.reason === "InitTimedOut",
            () => attempt(config, config.timeout)
          )
        )
      })

      yield* Effect.forkIn(follow, work)
      yield* Effect.timeoutOption(Deferred.await(firstLook), firstLookTimeout)

      return Provisioner.of({
        start,
        stop: Effect.fn("DockerProvisioner.stop")(function* (id: WorkerId) {
          const container = containers.get(id)
          if (container !== undefined) yield* dispose(container)
        }),
        list: Effect.sync(() =>
          [...containers.values()].flatMap(({ phase, worker }) =>
            phase === "ready" && worker !== undefined ? [worker] : []
          )
        ),
        deaths
      })
    })
  )

/** Whether a request to make a container may have led to one, now or later. */
const mayExist = (creation: Exit.Exit<void, DockerError>): boolean => {
  const error = Option.getOrUndefined(Exit.findErrorOption(creation))
  return error === undefined || error._tag === "DockerTimedOut" || error._tag === "DockerFailed"
}

const imageNotFound = (detail: string) => new StartFailed({ failure: { reason: "ImageNotFound", detail } })

const startFailed = (config: FunctionConfig, error: DockerError): StartFailed => {
  const engine = error._tag === "DockerUnavailable" || error._tag === "DockerTimedOut"
  return new StartFailed({
    failure: engine
      ? { reason: "EngineUnavailable", detail: error.message }
      : { reason: "Refused", detail: `Docker refused a container for '${config.name}': ${error.message}` },
    cause: error
  })
}

/** As Lambda names it: `2026/01/12/[$LATEST]<32 hex digits>`. */
const logStream = (nowMillis: number, version: string): string =>
  `${new Date(nowMillis).toISOString().slice(0, 10).replaceAll("-", "/")}/[${version}]${randomBytes(16).toString("hex")}`
