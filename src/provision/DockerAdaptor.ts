/**
 * dockerode as Effects. Bounds how many operations run at once and how long each may take, gives every failure a
 * type, and cuts the HTTP request when the caller leaves. Knows nothing of functions and workers.
 */
import { Agent } from "node:http"
import { availableParallelism } from "node:os"
import type { Readable } from "node:stream"
import { inspect } from "node:util"
import type Docker from "dockerode"
import { Context, Duration, Effect, Fiber, Layer, Schema, type Scope, Semaphore, Stream } from "effect"
import type { ContainerLog, LogLine } from "./ContainerLog.ts"
import { cgroupFreezer } from "./cgroupFreezer.ts"
import {
  DockerConflict,
  type DockerError,
  DockerFailed,
  DockerTimedOut,
  DockerUnavailable,
  dockerError
} from "./DockerError.ts"
import { DockerWorkers } from "./DockerWorkers.ts"
import { gatewayOf, type ImageSettings, settingsOf } from "./dockerAnswers.ts"
import { defaultDockerHost, dockerEndpoint } from "./dockerEndpoint.ts"
import { bytesOf, jsonLines, linesOf } from "./dockerStreams.ts"
import { loadDockerode } from "./loadDockerode.ts"
import { readWholeAnswers } from "./wholeAnswers.ts"

export interface DockerOptions {
  /** `DOCKER_HOST`: `unix:///path` or `tcp://host:port`; by default the socket in `/var/run`. */
  readonly host?: string
  /**
   * How many operations run at once; the next one waits for a permit. Default 20. Pausing and unpausing, of
   * milliseconds each, have as many permits of their own.
   */
  readonly maxWorkers?: number
  /** How long one operation may take, counted from its permit on. Default 60 s. */
  readonly timeout?: Duration.Duration
  /**
   * How many containers start at once, beneath `maxWorkers`. More only make each other slower.
   * Default twice the cores.
   */
  readonly maxStarts?: number
  /** How long a pull may take. Default 10 minutes. */
  readonly pullTimeout?: Duration.Duration
}

export type ContainerSpec = Docker.ContainerCreateOptions & { readonly name: string; readonly Image: string }

export interface ContainerSummary {
  readonly id: string
  /** Without the slash that Docker puts in front. */
  readonly name: string
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`. */
  readonly state: string
  readonly labels: Readonly<Record<string, string>>
}

export interface ContainerState {
  readonly id: string
  /** Of its first process, as the engine's machine counts; 0 where none runs. */
  readonly pid: number
  /** True of a paused one too. */
  readonly running: boolean
  readonly paused: boolean
  readonly exitCode: number
  readonly outOfMemory: boolean
  /** By network; a container that has ended has none. */
  readonly addresses: ReadonlyMap<string, string>
}

export const ContainerEvent = Schema.Struct({
  Action: Schema.String,
  Actor: Schema.Struct({ ID: Schema.String, Attributes: Schema.Record(Schema.String, Schema.String) }),
  /** Unix nanoseconds, of the engine's clock; not exact, since it is past what a double holds. */
  timeNano: Schema.Number
})
export type ContainerEvent = typeof ContainerEvent.Type

/** What a container takes of its machine, and how it fares. */
export interface ContainerStats {
  /** In the engine's words, as in `ContainerSummary`. */
  readonly state: string
  /** 0 while it runs. */
  readonly exitCode: number
  /** Unix milliseconds; 0 while it runs. */
  readonly endedAtMillis: number
  readonly restarts: number
  readonly outOfMemory: boolean
  readonly memoryBytes: number
  /** 0 where there is no limit. */
  readonly maxMemoryBytes: number
  /** Of all CPUs, since it started. */
  readonly cpuNanos: number
}

export type Labels = Readonly<Record<string, string>>

export class DockerAdaptor extends Context.Service<
  DockerAdaptor,
  {
    readonly ping: Effect.Effect<void, DockerError>
    /** The engine's version, such as `20.10.24`. */
    readonly version: Effect.Effect<string, DockerError>
    /** Whether the image is on this machine. */
    readonly imageExists: (image: string) => Effect.Effect<boolean, DockerError>
    /** Undefined when the image is not on this machine. */
    readonly imageSettings: (image: string) => Effect.Effect<ImageSettings | undefined, DockerError>
    /**
     * Fetches an image, unless it is there, and waits until it is. Holds no permit, since it may take minutes; pulls
     * run one by one, each with a time limit of its own.
     */
    readonly pull: (image: string) => Effect.Effect<void, DockerError>
    /**
     * Creates a container, not started. Interrupting it or running out of time leaves open whether there is one:
     * the engine goes on with what it was asked. `DockerNotFound` is the image's.
     */
    readonly create: (spec: ContainerSpec) => Effect.Effect<void, DockerError>
    /** Also succeeds when the container is running already. */
    readonly start: (name: string) => Effect.Effect<void, DockerError>
    /**
     * Stops the clock of a running container. Also succeeds when it is paused already. `DockerConflict`: it does not
     * run. Like `unpause` it holds none of the general permits.
     */
    readonly pause: (name: string) => Effect.Effect<void, DockerError>
    /** Also succeeds when the container runs. Somebody waits for it, so it waits for no slow operation. */
    readonly unpause: (name: string) => Effect.Effect<void, DockerError>
    readonly inspect: (name: string) => Effect.Effect<ContainerState, DockerError>
    /** Kills and removes a container and its anonymous volumes. `DockerConflict`: its removal is under way. */
    readonly remove: (name: string) => Effect.Effect<void, DockerError>
    /** Every container that has all of `labels`, whatever its state. */
    readonly list: (labels: Labels) => Effect.Effect<ReadonlyArray<ContainerSummary>, DockerError>
    /** The engine's own address in a network; undefined where it has none. */
    readonly gateway: (network: string) => Effect.Effect<string | undefined, DockerError>
    /**
     * What a container prints, from where `log` is on. Ends when the container has ended and all is read, but for a
     * line that was begun and not ended, which `log` still has. One that fails can be read on with the same `log`.
     * Holds no permit while it runs; closing the scope of the stream ends it.
     */
    readonly logs: (name: string, log: ContainerLog) => Stream.Stream<LogLine, DockerError>
    /**
     * A file or folder of a container, that need not run, as a tar archive. Holds no permit and has no time limit while
     * it runs.
     */
    readonly archive: (name: string, path: string) => Stream.Stream<Uint8Array, DockerError>
    /**
     * Subscribes to `actions` of containers with all of `labels`: those since `sinceNano`, where given, and those to
     * come. Once it has returned no event is missed. Holds no permit and has no time limit while it runs.
     */
    readonly events: (
      labels: Labels,
      actions: ReadonlyArray<string>,
      sinceNano?: number
    ) => Effect.Effect<Stream.Stream<ContainerEvent, DockerError>, DockerError, Scope.Scope>
    /**
     * Measures a container, for which the engine may take two seconds. Holds no permit of the others': a few are
     * measured at once.
     */
    readonly stats: (name: string) => Effect.Effect<ContainerStats, DockerError>
  }
>()("irori/provision/DockerAdaptor") {
  static readonly layer = (options: DockerOptions = {}) =>
    Layer.effect(
      DockerAdaptor,
      Effect.gen(function* () {
        const scope = yield* Effect.scope
        const { address, docker } = yield* connect(options.host ?? defaultDockerHost)
        // Apart, since in Bun an agent's requests take the longer the more of its answers are still being read.
        const { docker: streaming } = yield* connect(options.host ?? defaultDockerHost)
        const workers = new DockerWorkers("docker_worker", options.maxWorkers ?? 20)
        // For what takes milliseconds and is waited for: behind as many starts it would take seconds.
        const quick = new DockerWorkers("docker_quick", options.maxWorkers ?? 20)
        const starts = Semaphore.makeUnsafe(options.maxStarts ?? 2 * availableParallelism())
        const pulls = Semaphore.makeUnsafe(1)
        const measuring = Semaphore.makeUnsafe(8)
        const timeout = options.timeout ?? Duration.seconds(60)

        const request = <A>(
          operation: string,
          limit: Duration.Duration,
          ask: (engine: Docker, signal: AbortSignal) => Promise<A>,
          client = docker
        ): Effect.Effect<A, DockerError> =>
          Effect.flatMap(client, (engine) =>
            Effect.tryPromise({ try: (signal) => ask(engine, signal), catch: dockerError(operation, address) })
          ).pipe(
            Effect.timeoutOrElse({
              duration: limit,
              orElse: () => Effect.fail(new DockerTimedOut({ operation, timeout: limit }))
            })
          )

        const call = <A>(
          operation: string,
          subject: string,
          ask: (engine: Docker, signal: AbortSignal) => Promise<A>
        ): Effect.Effect<A, DockerError> =>
          apart(scope, workers.run(operation, subject, request(operation, timeout, ask)))

        /** Pauses or unpauses. Engines differ in how they say that nothing was to be done; all of them refuse it. */
        const change = (operation: "pause" | "unpause", name: string, paused: boolean) => {
          const inspect = request("inspect", timeout, (engine, abortSignal) =>
            engine.getContainer(name).inspect({ abortSignal })
          )
          const ask = request(operation, timeout, (engine, abortSignal) =>
            engine.getContainer(name)[operation]({ abortSignal })
          ).pipe(
            Effect.catchIf(
              (error) => error._tag === "DockerConflict" || (error._tag === "DockerFailed" && error.status === 500),
              (refusal) =>
                Effect.flatMap(inspect, ({ State }) => {
                  if (State.Running && State.Paused === paused) return Effect.void
                  return Effect.fail(
                    State.Running ? refusal : new DockerConflict({ operation, detail: `${name} does not run` })
                  )
                })
            ),
            Effect.asVoid
          )
          return apart(scope, quick.run(operation, name, ask))
        }

        const open = (operation: string, ask: (engine: Docker, signal: AbortSignal) => Promise<unknown>) =>
          Effect.gen(function* () {
            // The signal ends the connection for as long as it lives, its opening included.
            const aborter = yield* Effect.acquireRelease(
              Effect.sync(() => new AbortController()),
              (aborter) => Effect.sync(() => aborter.abort())
            )
            const answer = yield* request(operation, timeout, (engine) => ask(engine, aborter.signal), streaming)
            // An HTTP response; dockerode's types say less than it is.
            const readable = answer as Readable
            readable.on("error", () => {})
            yield* Effect.addFinalizer(() => Effect.sync(() => readable.destroy()))
            return bytesOf(readable, dockerError(operation, address))
          })

        const imageSettings = (image: string) =>
          call("image", image, (engine, abortSignal) =>
            dial(engine, `/images/${image.split("/").map(encodeURIComponent).join("/")}/json`, abortSignal)
          ).pipe(
            Effect.map((found) => settingsOf(found)),
            Effect.catchTag("DockerNotFound", () => Effect.succeed(undefined))
          )
        const imageExists = (image: string) => Effect.map(imageSettings(image), (found) => found !== undefined)

        return DockerAdaptor.of({
          ping: Effect.asVoid(call("ping", "", (engine, abortSignal) => dial(engine, "/_ping", abortSignal))),

          version: call("version", "", (engine, abortSignal) => dial(engine, "/version", abortSignal)).pipe(
            Effect.map((answer) => Schema.decodeUnknownOption(Schema.Struct({ Version: Schema.String }))(answer)),
            Effect.map((version) => (version._tag === "Some" ? version.value.Version : "unknown"))
          ),

          imageExists,

          imageSettings,

          pull: (image) =>
            Effect.scoped(
              Effect.gen(function* () {
                if (yield* imageExists(image)) return
                const progress = yield* open("pull", (engine, abortSignal) => engine.pull(image, { abortSignal }))
                yield* Stream.runForEach(jsonLines(progress), (line) => {
                  const problem = Schema.decodeUnknownOption(Schema.Struct({ error: Schema.String }))(line)
                  return problem._tag === "None"
                    ? Effect.void
                    : Effect.fail(new DockerFailed({ operation: "pull", detail: problem.value.error, cause: line }))
                })
              })
            ).pipe(
              Effect.timeoutOrElse({
                duration: options.pullTimeout ?? Duration.minutes(10),
                orElse: () =>
                  Effect.fail(
                    new DockerTimedOut({ operation: "pull", timeout: options.pullTimeout ?? Duration.minutes(10) })
                  )
              }),
              pulls.withPermit,
              Effect.withSpan("DockerAdaptor.pull", { attributes: { image } }),
              (effect) => apart(scope, effect)
            ),

          create: (spec) =>
            Effect.asVoid(
              call("create", spec.name, (engine, abortSignal) => engine.createContainer({ ...spec, abortSignal }))
            ),

          // The permit to start is taken first, so that those who wait for it hold no general one.
          start: (name) =>
            starts
              .withPermit(
                call("start", name, (engine, abortSignal) => engine.getContainer(name).start({ abortSignal }))
              )
              .pipe(
                Effect.catchIf(
                  (error) => error._tag === "DockerFailed" && error.status === 304,
                  () => Effect.void
                ),
                Effect.asVoid
              ),

          pause: (name) => change("pause", name, true),
          unpause: (name) => change("unpause", name, false),

          inspect: (name) =>
            Effect.map(
              call("inspect", name, (engine, abortSignal) => engine.getContainer(name).inspect({ abortSignal })),
              stateOf
            ),

          remove: (name) =>
            Effect.asVoid(
              call("remove", name, (engine, abortSignal) =>
                engine.getContainer(name).remove({ force: true, v: true, abortSignal })
              )
            ),

          list: (labels) =>
            Effect.map(
              call("list", "", (engine, abortSignal) =>
                engine.listContainers({ all: true, filters: { label: labelFilter(labels) }, abortSignal })
              ),
              (found) =>
                found.map((container) => ({
                  id: container.Id,
                  name: container.Names[0]?.replace(/^\//, "") ?? container.Id,
                  state: container.State,
                  labels: container.Labels
                }))
            ),

          gateway: (network) =>
            Effect.map(
              call("gateway", network, (engine, abortSignal) =>
                dial(engine, `/networks/${encodeURIComponent(network)}`, abortSignal)
              ),
              gatewayOf
            ),

          archive: (name, path) =>
            Stream.unwrap(
              open("archive", (engine, abortSignal) => engine.getContainer(name).getArchive({ path, abortSignal }))
            ),

          logs: (name, log) =>
            Stream.unwrap(
              Effect.map(
                open("logs", (engine, abortSignal) => {
                  log.reopen()
                  return engine.getContainer(name).logs({
                    follow: true,
                    stdout: true,
                    stderr: true,
                    timestamps: true,
                    // Nanoseconds are more than the number has that the types want.
                    since: log.since as unknown as number,
                    abortSignal
                  })
                }),
                (bytes) => linesOf(bytes, log)
              )
            ),

          events: (labels, actions, sinceNano) =>
            Effect.map(
              open("events", (engine, abortSignal) =>
                engine.getEvents({
                  ...(sinceNano === undefined ? {} : { since: sinceNano / 1e9 }),
                  filters: { type: ["container"], event: [...actions], label: labelFilter(labels) },
                  // Missing in the types, taken by the library.
                  ...{ abortSignal }
                })
              ),
              (bytes) => Stream.filterMap(jsonLines(bytes), (line) => Schema.decodeUnknownResult(ContainerEvent)(line))
            ),

          stats: (name) =>
            apart(
              scope,
              measuring.withPermit(
                request("stats", timeout, (engine, abortSignal) => {
                  const container = engine.getContainer(name)
                  return Promise.all([
                    container.inspect({ abortSignal }),
                    // Without a second look at the CPU, where the engine is recent enough to know of it.
                    container.stats({ stream: false, "one-shot": true, ...{ abortSignal } })
                  ])
                }).pipe(
                  Effect.flatMap(([found, usage]) => {
                    const stats = statsOf(found, usage)
                    if (stats !== undefined) return Effect.succeed(stats)
                    const detail = `Docker does not say what the container ${name} takes.`
                    return Effect.fail(new DockerFailed({ operation: "stats", detail, cause: usage }))
                  })
                )
              )
            )
        })
      })
    )
}

/**
 * dockerode makes a text of the agent for each request, for a debug log that is off, and so of all its connections, as
 * deep as they are: that is milliseconds, the more the more workers there are.
 */
const unprinted = (agent: Agent): Agent => Object.assign(agent, { [inspect.custom]: () => "an agent" })

/**
 * A client for the engine, or why there cannot be one. Every setting is given, since dockerode takes those that are
 * not from the environment: there, `DOCKER_CLIENT_TIMEOUT` would be read as milliseconds.
 */
const connect = (host: string) =>
  Effect.gen(function* () {
    const endpoint = dockerEndpoint(host)
    const unusable = (detail: string, cause: unknown) =>
      Effect.fail(new DockerUnavailable({ operation: "connect", detail, cause }))
    if ("problem" in endpoint) return { address: host, docker: unusable(endpoint.problem, endpoint.problem) }
    // No connection outlives its request, so that none is found dead when the engine was restarted.
    const agent = yield* Effect.acquireRelease(
      Effect.sync(() => unprinted(new Agent({ keepAlive: false }))),
      (agent) => Effect.sync(() => agent.destroy())
    )
    const settings = {
      host: undefined,
      port: undefined,
      socketPath: undefined,
      timeout: undefined,
      pathPrefix: undefined,
      ca: undefined,
      cert: undefined,
      key: undefined,
      username: undefined,
      protocol: "http" as const,
      agent,
      ...endpoint
    }
    let made: Docker | undefined
    const make = (Engine: typeof Docker): Docker => {
      // The types know optional settings, not the undefined that keeps the environment out.
      const engine = new Engine(settings as Docker.DockerOptions)
      readWholeAnswers(engine.modem)
      return engine
    }
    const docker = Effect.suspend(() => {
      if (made !== undefined) return Effect.succeed(made)
      return Effect.flatMap(dockerode, (Engine) =>
        Effect.try({
          // Several may have waited for it.
          try: () => (made ??= make(Engine)),
          catch: (cause) =>
            new DockerUnavailable({
              operation: "connect",
              detail: `DOCKER_HOST cannot be used: ${String(cause)}`,
              cause
            })
        })
      )
    })
    return { address: host, docker }
  })

/** Loaded when an engine is first asked: who runs functions as processes can do without. */
const dockerode = Effect.promise(loadDockerode)

/** For requests to which dockerode's own methods pass no signal. */
const dial = (engine: Docker, path: string, abortSignal: AbortSignal): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const statusCodes = { 200: true, 404: "not found", 500: "server error" }
    engine.modem.dial({ path, method: "GET", abortSignal, statusCodes }, (error: unknown, answer: unknown) =>
      error === null || error === undefined ? resolve(answer) : reject(error)
    )
  })

/**
 * Runs `effect` in a fiber of its own and interrupts it with its waiter. In a region that cannot be interrupted, such
 * as a clean-up, the time limit inside would not fire otherwise.
 */
const apart = <A, E>(scope: Scope.Scope, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkIn(effect, scope), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () => Fiber.interrupt(fiber))
    )
  )

const labelFilter = (labels: Labels): Array<string> => Object.entries(labels).map(([name, value]) => `${name}=${value}`)

const stateOf = (found: Docker.ContainerInspectInfo): ContainerState => ({
  id: found.Id,
  running: found.State.Running,
  paused: found.State.Paused,
  pid: found.State.Pid,
  exitCode: found.State.ExitCode,
  outOfMemory: found.State.OOMKilled,
  addresses: new Map(
    Object.entries(found.NetworkSettings.Networks).flatMap(([network, { IPAddress }]) =>
      IPAddress === "" ? [] : [[network, IPAddress] as const]
    )
  )
})

const Usage = Schema.Struct({
  memory_stats: Schema.Struct({ usage: Schema.Finite }),
  cpu_stats: Schema.Struct({ cpu_usage: Schema.Struct({ total_usage: Schema.Finite }) })
})

/** Undefined where the engine does not say what a running one takes; one that does not run takes nothing. */
const statsOf = (
  { HostConfig, Id, RestartCount, State }: Docker.ContainerInspectInfo,
  usage: unknown
): ContainerStats | undefined => {
  const used = Schema.decodeUnknownOption(Usage)(usage)
  if (State.Running && used._tag === "None") return undefined
  const isFrozen = State.Status === "running" && cgroupFreezer(State.Pid, Id)?.isFrozen() === true
  return {
    state: isFrozen ? "paused" : State.Status,
    exitCode: State.ExitCode,
    endedAtMillis: State.Running ? 0 : Math.max(0, Date.parse(State.FinishedAt) || 0),
    restarts: RestartCount,
    outOfMemory: State.OOMKilled,
    memoryBytes: State.Running && used._tag === "Some" ? used.value.memory_stats.usage : 0,
    maxMemoryBytes: HostConfig.Memory ?? 0,
    cpuNanos: used._tag === "Some" ? used.value.cpu_stats.cpu_usage.total_usage : 0
  }
}
