/**
 * Provisioner over a Docker engine: a container for each worker. Brings containers up, step by step, and tells why one
 * did not; what a container is made from is `containerTemplate`'s, its end and its removal are `ContainerFleet`'s.
 */
import { randomBytes } from "node:crypto"
import { Clock, Deferred, Duration, Effect, Exit, Layer, Option, Scope } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { FunctionName, Owner } from "../domain/FunctionName.ts"
import { type GatewayId, type StartFailure, Worker, type WorkerId } from "../domain/Worker.ts"
import { describeExit } from "../invoke/errorDocuments.ts"
import { RuntimeApi } from "../runtime-api/RuntimeApi.ts"
import { tellVitals } from "../runtime-api/WorkerVitals.ts"
import { runtimes } from "../runtimes/runtimes.ts"
import { hasAbandonedRequest } from "./abandonedRequest.ts"
import * as ContainerFleet from "./ContainerFleet.ts"
import { cgroupFreezer } from "./cgroupFreezer.ts"
import { containerSpec, imageOf, label, type Ownership, workerOf } from "./containerTemplate.ts"
import { type ContainerState, type ContainerSummary, DockerAdaptor } from "./DockerAdaptor.ts"
import type { DockerError } from "./DockerError.ts"
import type { ImageSettings } from "./dockerAnswers.ts"
import { extensionLine, extensionSetup, extensionsIn } from "./externalExtensions.ts"
import { fingerprint } from "./fingerprint.ts"
import { followLog } from "./followLog.ts"
import * as ImageExtensions from "./imageExtensions.ts"
import { Provisioner, StartFailed, WorkerGone } from "./Provisioner.ts"
import { peakOfContainer } from "./peakMemory.ts"
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
  /** Who pauses workers. Default `auto`: the kernel, where it lets this process; elsewhere the engine, which is slower. */
  readonly pauseBy?: "auto" | "engine"
}

type Container = ContainerFleet.Container

/** How long a container of an earlier run may take to show that it is of use. */
const adoptTimeout = Duration.seconds(2)

/** As the engine tells of a container that was killed. */
const killedExitCode = 137

/** Lines come by way of the engine's own log, and an answer directly. */
const outputLagMillis = 50

/** A caller waits for it; starting another worker takes less. */
const resumeTimeout = Duration.seconds(5)

export const layer = (options: DockerProvisionerOptions): Layer.Layer<Provisioner, never, DockerAdaptor | RuntimeApi> =>
  Layer.effect(
    Provisioner,
    Effect.gen(function* () {
      const docker = yield* DockerAdaptor
      const runtimeApi = yield* RuntimeApi
      const imageExtensions = yield* ImageExtensions.make
      const network = options.network ?? "bridge"
      const riePort = options.riePort ?? 8080

      const readLog = (container: Container, functionName: FunctionName, sinceMillis?: number) =>
        followLog(docker, {
          name: container.id,
          ended: container.ended,
          ...(sinceMillis === undefined ? {} : { sinceMillis }),
          onLine: ({ stream, text: line }) => {
            const host = container.listener?.extensions
            const said = host?.session.hasExternal === true ? extensionLine(line) : undefined
            if (said !== undefined && "exitCode" in said) {
              return Effect.sync(() => host?.exited(said.name, said.exitCode))
            }
            const text = said?.text ?? line
            if (text === "") return Effect.void
            const writer = said === undefined ? {} : { extension: said.name }
            runtimeApi.output.write(container.id, { stream, text, ...writer })
            return Effect.annotateLogs(Effect.logInfo(text), { stream, ...writer })
          }
        }).pipe(
          Effect.annotateLogs({ job: "lambda", function_name: functionName, worker: container.id }),
          Effect.forkIn(container.scope)
        )

      const know = (container: Container, { id, pid }: ContainerState) => {
        container.pid = pid
        container.freezer = options.pauseBy === "engine" ? undefined : cgroupFreezer(pid, id)
        const byEngine = Effect.map(docker.stats(container.id), ({ memoryBytes }) => memoryBytes)
        return tellVitals(runtimeApi.vitals, container.id, {
          maxMemoryBytes: Effect.flatMap(peakOfContainer(pid, id), (bytes) =>
            bytes === undefined ? Effect.catch(byEngine, () => Effect.succeed(undefined)) : Effect.succeed(bytes)
          ),
          outputLagMillis
        }).pipe(Scope.provide(container.scope))
      }

      const addressOf = (state: ContainerState): string | undefined =>
        network === "host" ? "127.0.0.1" : (state.addresses.get(network) ?? [...state.addresses.values()][0])

      const listening = (container: Container, host: string, limit: Duration.Duration) =>
        tcpReady(host, riePort).pipe(
          Effect.raceFirst(
            Effect.andThen(
              Effect.raceFirst(Deferred.await(container.ended), Deferred.await(container.gone)),
              Effect.suspend(() => endedEarly(container, `before it listened on port ${riePort}`))
            )
          ),
          within(limit, `The image did not listen on port ${riePort}`)
        )

      /** Seen twice: a connection that nobody used takes a moment to be closed. */
      const isAtAbandonedEvent = ({ pid }: Container) => {
        if (pid === undefined) return Effect.succeed(false)
        const look = Effect.sync(() => hasAbandonedRequest(pid, riePort))
        return Effect.flatMap(look, (seen) => (seen ? Effect.delay(look, "250 millis") : Effect.succeed(false)))
      }

      /** Takes in those that events are posted to. The others waited in a `next` that died with its server. */
      const adopt = Effect.fnUntraced(
        function* (container: Container, found: ContainerSummary) {
          if (found.labels[label.transport] !== "rie") return undefined
          const sinceMillis = yield* Clock.currentTimeMillis
          if (found.state === "paused") yield* docker.unpause(container.id)
          const state = yield* docker.inspect(container.id)
          yield* know(container, state)
          // An earlier run may have frozen it, which the engine does not know.
          if (container.freezer?.isFrozen() === true) yield* container.freezer.thaw
          // It is at an event of the run that was killed: an emulator has one at a time.
          if (yield* isAtAbandonedEvent(container)) return undefined
          const host = addressOf(state)
          const worker = host === undefined ? undefined : workerOf(found, { host, port: riePort })
          if (worker === undefined) return undefined
          yield* listening(container, worker.host, adoptTimeout)
          container.log = yield* readLog(container, worker.functionName, sinceMillis)
          return worker
        },
        Effect.timeout(adoptTimeout),
        Effect.catch((error) => Effect.as(Effect.logDebug("A container cannot be adopted", error), undefined))
      )

      const fleet = yield* ContainerFleet.make(options, adopt)

      const addressOfThisMachine = Effect.gen(function* () {
        if (options.runtimeApiHost !== undefined) return options.runtimeApiHost
        if (network === "host") return "127.0.0.1"
        const gateway = yield* docker.gateway(network)
        if (gateway !== undefined) return gateway
        return yield* refused(`The Docker network '${network}' has no gateway: set IRORI_RUNTIME_API_HOST.`)
      })

      /** Opens the Runtime API for a container and gives its address as the container reaches it. */
      const openApi = Effect.fnUntraced(function* (container: Container) {
        const host = yield* addressOfThisMachine
        const listener = yield* runtimeApi.open(container.id, host).pipe(
          Scope.provide(container.scope),
          Effect.mapError((error) =>
            refused(`No port could be opened on ${host}, where workers are to reach Irori: ${error.cause}`)
          )
        )
        container.listener = listener
        // At once, so that an end that comes before anybody waits is not missed.
        const told = Deferred.into(listener.initialized, container.initialized)
        yield* Effect.forkIn(told, container.scope, { startImmediately: true })
        return { host, port: listener.port }
      })

      /** What a function's own image says about itself; fetched where it is missing and may be. */
      const settingsOf = Effect.fnUntraced(function* (config: FunctionConfig, image: string) {
        if (config.code._tag === "CodeFolder") return undefined
        const found = yield* docker.imageSettings(image)
        if (found !== undefined) return found
        if (options.pull === "never") return yield* imageNotFound(image)
        yield* Effect.catchIf(
          docker.pull(image),
          // An engine that does not answer says nothing about the image.
          (error) => error._tag !== "DockerUnavailable" && error._tag !== "DockerTimedOut",
          (error) => Effect.fail(imageNotFound(image, error.message))
        )
        return (yield* docker.imageSettings(image)) ?? (yield* imageNotFound(image))
      })

      /**
       * Tells the worker's listener who will be there, and gives the entry point that extensions are to be started
       * before; undefined where there are none. An emulator starts them itself.
       */
      const prepareExtensions = Effect.fnUntraced(function* (
        { id, listener, scope }: Container,
        config: FunctionConfig,
        image: string,
        settings: ImageSettings | undefined
      ) {
        if (listener === undefined) return undefined
        const names = mayHaveOwn(config, settings)
          ? (imageExtensions.of(settings.id) ?? [])
          : extensionsIn(config.layersPath)
        listener.extensions.prepare(extensionSetup(config, options.owner, names))
        if (names.length === 0) return undefined
        // To the machine it is killed: what else runs in it is of no use.
        const kill = Effect.suspend(() => {
          const container = fleet.find(id)
          return container === undefined ? Effect.void : fleet.end(container, killedExitCode)
        })
        yield* Effect.forkIn(Effect.andThen(listener.extensions.broken, kill), scope)
        const found = settings ?? (yield* docker.imageSettings(image)) ?? (yield* imageNotFound(image))
        return found.entryPoint
      })

      /** Starts what is made, and gives the address it has. It may have ended again by then. */
      const run = Effect.fnUntraced(function* (container: Container, config: FunctionConfig) {
        container.listener?.starting()
        yield* docker.start(container.id)
        container.started = true
        container.log = yield* readLog(container, config.name)
        const state = yield* docker.inspect(container.id)
        yield* know(container, state)
        if (!state.running) yield* fleet.end(container, state.exitCode)
        const address = addressOf(state)
        if (address !== undefined || !state.running) return address ?? ""
        return yield* refused(`The worker has no address in the Docker network '${network}'.`)
      })

      const initialized = (container: Container, limit: Duration.Duration) =>
        Deferred.await(container.initialized).pipe(
          Effect.mapError(failed),
          within(limit, "The function's initialisation was not done")
        )

      const bringUp = Effect.fnUntraced(
        function* (
          container: Container,
          config: FunctionConfig,
          gateway: GatewayId | undefined,
          limit: Duration.Duration
        ) {
          if (fleet.isClosed()) return yield* failed({ reason: "EngineUnavailable", detail: "Irori is stopping." })
          const runtime = runtimes.get(config.runtime ?? "")
          const image = imageOf(config, runtime, options.baseImages ?? new Map())
          if (image === undefined) return yield* noRuntime(config)
          const settings = yield* settingsOf(config, image)
          const api = config.transport === "runtime-api" ? yield* openApi(container) : undefined
          const createdAtMillis = yield* Clock.currentTimeMillis
          const make = Effect.gen(function* () {
            const extendedEntryPoint = yield* prepareExtensions(container, config, image, settings)
            const spec = containerSpec(config, runtime, {
              name: container.id,
              image,
              network,
              owner: options,
              region: options.owner.region,
              logStream: logStream(createdAtMillis, config.version),
              user: options.user ?? "1051:1051",
              createdAtMillis,
              ...(gateway === undefined ? {} : { gateway }),
              ...(settings === undefined ? {} : { settings }),
              ...(extendedEntryPoint === undefined ? {} : { extendedEntryPoint }),
              ...(api === undefined ? {} : { runtimeApi: `${api.host}:${api.port}` })
            })
            yield* Effect.catchIf(
              fleet.create(container, spec),
              (error) => error._tag === "DockerNotFound",
              () => Effect.fail(imageNotFound(image))
            )
          })
          yield* make
          if (api !== undefined && mayHaveOwn(config, settings) && imageExtensions.of(settings.id) === undefined) {
            const names = yield* imageExtensions.look(settings.id, container.id)
            // It is to begin with them, and what it begins with cannot be changed any more.
            if (names.length > 0) yield* Effect.andThen(docker.remove(container.id), make)
          }
          const address = yield* run(container, config)
          container.listener?.admit(address)
          yield* api === undefined ? listening(container, address, limit) : initialized(container, limit)
          // Nothing is waited for from here on, so that its end either came before or is published.
          if (container.phase !== "starting" || container.exit !== undefined) {
            return yield* endedEarly(container, "as soon as it was ready")
          }
          container.phase = "ready"
          container.worker = new Worker({
            id: container.id,
            functionName: config.name,
            version: config.version,
            transport: config.transport,
            ...(api ?? { host: address, port: riePort }),
            createdAtMillis,
            fingerprint: fingerprint(config),
            ...(gateway === undefined ? {} : { gateway })
          })
          return container.worker
        },
        (effect, _container, config) =>
          Effect.mapError(effect, (error) => (error._tag === "StartFailed" ? error : engineFailed(config, error)))
      )

      /** What a function printed about its failed initialisation is worth a wait. */
      const clearAway = (container: Container, exit: Exit.Exit<Worker, StartFailed>) => {
        if (Exit.isSuccess(exit)) return Effect.void
        const reason = Option.getOrUndefined(Exit.findErrorOption(exit))?.failure.reason
        return fleet.clearAway(container, !container.removing && (reason === "InitError" || reason === "InitExited"))
      }

      const start = Effect.fn("DockerProvisioner.start")(function* (config: FunctionConfig, gateway?: GatewayId) {
        const attempt = (limit: Duration.Duration) =>
          Effect.acquireUseRelease(
            fleet.begin(config.name),
            (container) => bringUp(container, config, gateway, limit),
            clearAway
          )
        if (config.transport === "rie") return yield* attempt(options.readinessTimeout ?? Duration.seconds(30))
        return yield* Effect.catchIf(
          attempt(options.initTimeout ?? Duration.seconds(10)),
          ({ failure }) => failure.reason === "InitTimedOut",
          () => attempt(config.timeout)
        )
      })

      const stop = Effect.fn("DockerProvisioner.stop")(function* (id: WorkerId) {
        const container = fleet.find(id)
        if (container !== undefined) yield* fleet.dispose(container)
      })

      const whileReady = (id: WorkerId, use: (container: Container) => Effect.Effect<void, DockerError>) =>
        Effect.suspend(() => {
          const container = fleet.find(id)
          if (container?.phase !== "ready") {
            return new WorkerGone({ id, detail: `There is no container of worker ${id}.` })
          }
          return Effect.mapError(use(container), (error) => new WorkerGone({ id, detail: error.message }))
        })

      const resume = (id: WorkerId) =>
        Effect.timeoutOrElse(whileReady(id, fleet.resume), {
          duration: resumeTimeout,
          orElse: () =>
            new WorkerGone({ id, detail: `${id} was not resumed within ${Duration.format(resumeTimeout)}.` })
        })

      return Provisioner.of({
        start,
        stop,
        pause: (id) => whileReady(id, fleet.pause),
        resume,
        isAbandoned: (id) =>
          Effect.suspend(() => {
            const container = fleet.find(id)
            const isPostedTo = container?.phase === "ready" && container.worker?.transport === "rie"
            return isPostedTo ? isAtAbandonedEvent(container) : Effect.succeed(false)
          }),
        list: Effect.sync(fleet.workers),
        deaths: fleet.deaths
      })
    })
  )

/** Layers hide what an image has in `/opt`, and base images have nothing there. */
const mayHaveOwn = (config: FunctionConfig, settings: ImageSettings | undefined): settings is ImageSettings =>
  config.layersPath === undefined && settings !== undefined

const failed = (failure: StartFailure) => new StartFailed({ failure })

const refused = (detail: string) => failed({ reason: "Refused", detail })

const imageNotFound = (image: string, whyNotFetched?: string) =>
  failed({
    reason: "ImageNotFound",
    detail:
      whyNotFetched === undefined
        ? `The image '${image}' is not on this machine: \`docker pull ${image}\`, or build it.`
        : `The image '${image}' is not on this machine and cannot be fetched: ${whyNotFetched}`
  })

const noRuntime = (config: FunctionConfig) =>
  failed({
    reason: "RuntimeUnavailable",
    detail: `There is no runtime '${config.runtime ?? ""}'; there are ${[...runtimes.keys()].join(", ")}.`
  })

const endedEarly = ({ exit }: Container, when: string) =>
  failed({
    reason: "InitExited",
    detail: `The worker ended ${when}: ${exit === undefined ? "it was stopped" : describeExit(exit)}.`,
    ...(exit === undefined ? {} : { exit })
  })

const within = (limit: Duration.Duration, what: string) =>
  Effect.timeoutOrElse({
    duration: limit,
    orElse: () => failed({ reason: "InitTimedOut", detail: `${what} within ${Duration.format(limit)}.` })
  })

const engineFailed = (config: FunctionConfig, error: DockerError): StartFailed => {
  // Without a status it broke off, as an engine does that is stopped.
  const brokeOff = error._tag === "DockerFailed" && error.status === undefined
  return new StartFailed({
    failure:
      brokeOff || error._tag === "DockerUnavailable" || error._tag === "DockerTimedOut"
        ? { reason: "EngineUnavailable", detail: error.message }
        : { reason: "Refused", detail: `Docker refused a container for '${config.name}': ${error.message}` },
    cause: error
  })
}

/** As Lambda names it: `2026/01/12/[$LATEST]<32 hex digits>`. */
const logStream = (nowMillis: number, version: string): string =>
  `${new Date(nowMillis).toISOString().slice(0, 10).replaceAll("-", "/")}/[${version}]${randomBytes(16).toString("hex")}`
