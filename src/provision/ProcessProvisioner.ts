/**
 * Provisioner that runs each worker as a process of this machine. Not enforced, unlike in a container: the limit on
 * memory (but for Node.js's heap), on processes and on files, the read-only code, a `/tmp` and a network of its own.
 * So it is for code that is trusted. A process that a function moves to another group or session is neither paused nor
 * ended with it.
 */
import { randomBytes } from "node:crypto"
import { Clock, Deferred, type Duration, Effect, Exit, Fiber, FiberSet, Layer, PubSub, Scope } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Owner } from "../domain/FunctionName.ts"
import { type GatewayId, Worker, WorkerId } from "../domain/Worker.ts"
import { describeExit } from "../invoke/errorDocuments.ts"
import type { ExtensionHost } from "../runtime-api/ExtensionHost.ts"
import { RuntimeApi, type RuntimeApiListener } from "../runtime-api/RuntimeApi.ts"
import { WorkerSocket } from "../runtime-api/WorkerSocket.ts"
import { tellVitals } from "../runtime-api/WorkerVitals.ts"
import { extensionLine, extensionSetup, extensionsIn } from "./externalExtensions.ts"
import { withoutBunsNode } from "./findProgram.ts"
import { fingerprint } from "./fingerprint.ts"
import { commandOf, type FunctionProgram, functionPrograms } from "./functionPrograms.ts"
import * as ProcessReaper from "./ProcessReaper.ts"
import { Provisioner, StartFailed, type WorkerDeath, WorkerGone } from "./Provisioner.ts"
import { peakOfGroup } from "./peakMemory.ts"
import { failed, refused } from "./startFailures.ts"
import * as WorkerProcess from "./WorkerProcess.ts"
import { workerEnvironment } from "./workerEnvironment.ts"

export interface ProcessOptions {
  readonly owner: Owner
  /** How long an initialisation may take. One that takes longer is tried once more, with the function's own timeout. */
  readonly initTimeout: Duration.Duration
  /** Where programs are looked up; also the workers' `PATH`. */
  readonly path: string
  /** By runtime, the program to use in place of those that the runtime names: a path, or a name on `path`. */
  readonly programs?: Readonly<Record<string, string>>
  /** Where there is to be a Unix socket for runtimes that know how to use it; absent: none, and they use TCP. */
  readonly socketFolder?: string
}

const host = "127.0.0.1"

/** Lines are in the pipe before the answer is sent. */
const outputLagMillis = 5

/** A worker from the moment its process is about to be started until it is gone. */
interface Entry {
  readonly id: WorkerId
  readonly scope: Scope.Closeable
  listener: RuntimeApiListener | undefined
  process: WorkerProcess.WorkerProcess | undefined
  /** Set while it is listed: it is ready, and neither dead nor asked to stop. */
  worker: Worker | undefined
  /** Its process has ended, or is to be taken for it. */
  ended: boolean
  /** Set when it is on its way out; done when it is gone. */
  gone: Deferred.Deferred<void> | undefined
}

export const layer = (options: ProcessOptions): Layer.Layer<Provisioner, never, RuntimeApi> =>
  Layer.effect(
    Provisioner,
    Effect.gen(function* () {
      const runtimeApi = yield* RuntimeApi
      const reaper = yield* ProcessReaper.make
      const socket = options.socketFolder === undefined ? undefined : yield* WorkerSocket.make(options.socketFolder)
      const deaths = yield* PubSub.unbounded<WorkerDeath>()
      const path = withoutBunsNode(options.path)
      const context = yield* Effect.context()
      const findFunctionProgram = functionPrograms(path, options.programs ?? {})
      const entries = new Map<WorkerId, Entry>()
      const run = yield* FiberSet.makeRuntime<never, void>()
      let closing = false

      /** The one way out, taken once. Whoever comes later waits for the first. */
      const retire = (entry: Entry) =>
        Effect.suspend(() => {
          entry.worker = undefined
          if (entry.gone !== undefined) return Deferred.await(entry.gone)
          const gone = Deferred.makeUnsafe<void>()
          entry.gone = gone
          const { listener, process } = entry
          const farewell = listener?.extensions.farewell(process?.terminate ?? Effect.void) ?? Effect.void
          return farewell.pipe(
            Effect.andThen(Scope.close(entry.scope, Exit.void)),
            Effect.andThen(Effect.sync(() => entries.delete(entry.id))),
            Effect.andThen(Deferred.succeed(gone, undefined)),
            Effect.asVoid,
            Effect.uninterruptible
          )
        })

      /** Called, rather than waited for by a fiber: a worker idles for long, and there are many. */
      const ended = (entry: Entry, exit: WorkerDeath["exit"]): void => {
        if (entry.ended) return
        entry.ended = true
        entry.listener?.end(exit, describeExit(exit))
        const died = entry.worker !== undefined
        entry.worker = undefined
        if (died) PubSub.publishUnsafe(deaths, { id: entry.id, exit })
        run(retire(entry))
      }

      /** Takes what a worker prints; `extensions` are those of one that has external ones. */
      const logOf =
        (worker: WorkerId, function_name: string, extensions: ExtensionHost | undefined) =>
        (stream: "stdout" | "stderr", line: string): void => {
          const said = extensions === undefined ? undefined : extensionLine(line)
          if (said !== undefined && "exitCode" in said) {
            extensions?.exited(said.name, said.exitCode)
            return
          }
          const text = said?.text ?? line
          if (text === "") return
          const writer = said === undefined ? {} : { extension: said.name }
          runtimeApi.output.write(worker, { stream, text, ...writer })
          const about = { job: "lambda", function_name, worker, ...writer, stream }
          Effect.runForkWith(context)(Effect.annotateLogs(Effect.logInfo(text), about))
        }

      /** Starts a process and waits for it up to `limit`. */
      const bringUp = Effect.fnUntraced(function* (
        entry: Entry,
        config: FunctionConfig,
        gateway: GatewayId | undefined,
        program: FunctionProgram,
        limit: Duration.Duration
      ) {
        const listener = yield* Effect.mapError(runtimeApi.open(entry.id, host), (error) =>
          refused(`No port could be opened for a worker of '${config.name}' (${codeOf(error.cause)}).`, error)
        )
        entry.listener = listener
        const extensions = extensionsIn(config.layersPath)
        listener.extensions.prepare(extensionSetup(config, options.owner, extensions))
        const invitation =
          socket === undefined || program.runtime.process.takesSocket !== true
            ? undefined
            : yield* socket.invite((stream) => listener.welcome(stream))
        const createdAtMillis = yield* Clock.currentTimeMillis
        // The session tells whoever listens by now, so this comes before the process.
        const initialized = yield* Effect.forkChild(listener.initialized, { startImmediately: true })
        const process = yield* Effect.mapError(
          WorkerProcess.start(
            {
              ...commandOf(program, config),
              folder: program.taskRoot,
              ...(extensions.length === 0 ? {} : { extensions: `${config.layersPath}/extensions` }),
              environment: {
                ...layersEnvironment(path, config.layersPath),
                ...program.runtime.process.environment(program),
                ...workerEnvironment(config, {
                  ...program.runtime,
                  runtimeApi: `${host}:${listener.port}`,
                  region: options.owner.region,
                  logStream: logStream(config.version, createdAtMillis),
                  taskRoot: program.taskRoot,
                  runtimeDir: program.runtime.process.runtimeDir
                }),
                ...(invitation === undefined ? {} : { IRORI_RUNTIME_SOCKET: invitation })
              },
              log: logOf(entry.id, config.name, extensions.length === 0 ? undefined : listener.extensions)
            },
            reaper
          ),
          (error) =>
            refused(`This machine started no process for a worker of '${config.name}' (${codeOf(error.cause)}).`, error)
        )
        process.whenExited((exit) => ended(entry, exit))
        listener.extensions.whenBroken(() => ended(entry, {}))
        listener.admit(host)
        entry.process = process
        yield* tellVitals(runtimeApi.vitals, entry.id, { maxMemoryBytes: peakOfGroup(process.group), outputLagMillis })
        listener.starting()
        process.release()
        if (extensions.length > 0) {
          yield* Effect.forkIn(
            Effect.andThen(
              listener.extensions.launched,
              Effect.sync(() => process.proceed())
            ),
            entry.scope
          )
        }
        yield* Fiber.join(initialized).pipe(
          Effect.mapError((failure) => new StartFailed({ failure })),
          Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(initTimedOut(config, limit)) }),
          Effect.interruptible
        )
        // From here to the end nothing waits: whoever sees the process end sees the worker that it was.
        if (process.hasExited()) return yield* initExited(config)
        entry.worker = new Worker({
          id: entry.id,
          functionName: config.name,
          version: config.version,
          transport: "runtime-api",
          host,
          port: listener.port,
          createdAtMillis,
          fingerprint: fingerprint(config),
          ...(gateway === undefined ? {} : { gateway })
        })
        return entry.worker
      })

      const attempt = Effect.fnUntraced(function* (
        config: FunctionConfig,
        gateway: GatewayId | undefined,
        program: FunctionProgram,
        limit: Duration.Duration
      ) {
        if (closing) return yield* refused(`No worker of '${config.name}' starts: Irori is stopping.`)
        const id = WorkerId.make(`lambda-${config.name}-${randomBytes(4).toString("hex")}`)
        const entry: Entry = {
          id,
          scope: yield* Scope.make(),
          listener: undefined,
          process: undefined,
          worker: undefined,
          ended: false,
          gone: undefined
        }
        entries.set(id, entry)
        return yield* bringUp(entry, config, gateway, program, limit).pipe(
          Scope.provide(entry.scope),
          Effect.onExit((exit) => (Exit.isFailure(exit) ? retire(entry) : Effect.void))
        )
      }, Effect.uninterruptible)

      const start = Effect.fn("ProcessProvisioner.start")(function* (config: FunctionConfig, gateway?: GatewayId) {
        const program = yield* findFunctionProgram(config)
        return yield* Effect.catchIf(
          attempt(config, gateway, program, options.initTimeout),
          ({ failure }) => failure.reason === "InitTimedOut",
          () => attempt(config, gateway, program, config.timeout)
        )
      })

      const stop = Effect.fn("ProcessProvisioner.stop")(function* (id: WorkerId) {
        const entry = entries.get(id)
        if (entry !== undefined) yield* retire(entry)
      })

      const signal = (id: WorkerId, signal: "SIGSTOP" | "SIGCONT") =>
        Effect.suspend(() => {
          const entry = entries.get(id)
          if (entry?.worker !== undefined && entry.process?.signal(signal) === true) return Effect.void
          return new WorkerGone({ id, detail: `There is no process of worker ${id}.` })
        })

      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          closing = true
          return Effect.forEach([...entries.values()], retire, { concurrency: "unbounded", discard: true })
        })
      )

      return Provisioner.of({
        start,
        stop,
        pause: (id) => signal(id, "SIGSTOP"),
        resume: (id) => signal(id, "SIGCONT"),
        isAbandoned: () => Effect.succeed(false),
        list: Effect.sync(() => [...entries.values()].flatMap(({ worker }) => (worker === undefined ? [] : [worker]))),
        deaths
      })
    })
  )

const initTimedOut = (config: FunctionConfig, limit: Duration.Duration) =>
  failed({ reason: "InitTimedOut", detail: `'${config.name}' was not ready after ${limit}.` })

const initExited = (config: FunctionConfig) =>
  failed({ reason: "InitExited", detail: `The process of '${config.name}' ended as soon as it was ready.` })

/** What a container has in `/opt/bin` and `/opt/lib`. A process is told where it is, since nothing is mounted for it. */
const layersEnvironment = (path: string, layersPath: string | undefined): Record<string, string> =>
  layersPath === undefined
    ? { PATH: path }
    : { PATH: `${path}:${layersPath}/bin`, LD_LIBRARY_PATH: `${layersPath}/lib` }

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : String(cause)

const logStream = (version: string, nowMillis: number): string =>
  `${new Date(nowMillis).toISOString().slice(0, 10).replaceAll("-", "/")}/[${version}]${randomBytes(16).toString("hex")}`
