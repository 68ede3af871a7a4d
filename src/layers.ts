/** Which implementation stands behind each contract, for each role and setting: the table of everything there is. */
import { randomUUID } from "node:crypto"
import { join, resolve } from "node:path"
import { Duration, Effect, Layer, Option, Schema } from "effect"
import type { Settings } from "./Config.ts"
import { ConcurrencyGate } from "./control/ConcurrencyGate.ts"
import { EventInvokeConfigs } from "./control/EventInvokeConfigs.ts"
import { operations, registry } from "./controlLayers.ts"
import type { Owner } from "./domain/FunctionName.ts"
import { GatewayId } from "./domain/Worker.ts"
import type { DestinationOptions } from "./invoke/async/Destination.ts"
import * as SqliteAsyncInvoker from "./invoke/async/SqliteAsyncInvoker.ts"
import { FunctionBreaker } from "./invoke/FunctionBreaker.ts"
import * as HttpWorkerClient from "./invoke/HttpWorkerClient.ts"
import { LambdaInvoker } from "./invoke/LambdaInvoker.ts"
import * as LogTailWorkerClient from "./invoke/LogTailWorkerClient.ts"
import * as RieWorkerClient from "./invoke/RieWorkerClient.ts"
import * as RuntimeApiWorkerClient from "./invoke/RuntimeApiWorkerClient.ts"
import * as TransportWorkerClient from "./invoke/TransportWorkerClient.ts"
import * as PrometheusReport from "./metrics/PrometheusReport.ts"
import * as StartMetrics from "./metrics/StartMetrics.ts"
import * as migrationNotes from "./migrationNotes.ts"
import * as DeathWatch from "./pool/DeathWatch.ts"
import * as Janitor from "./pool/Janitor.ts"
import { PoolManager } from "./pool/PoolManager.ts"
import * as WarmStart from "./pool/WarmStart.ts"
import type { WarmthOptions } from "./pool/Warmth.ts"
import * as AutoContainerMetrics from "./provision/AutoContainerMetrics.ts"
import * as AutoProvisioner from "./provision/AutoProvisioner.ts"
import type { ContainerMetrics } from "./provision/ContainerMetrics.ts"
import { DockerAdaptor } from "./provision/DockerAdaptor.ts"
import * as DockerContainerMetrics from "./provision/DockerContainerMetrics.ts"
import * as DockerProvisioner from "./provision/DockerProvisioner.ts"
import * as HttpContainerMetrics from "./provision/HttpContainerMetrics.ts"
import * as HttpHeartbeatClient from "./provision/HttpHeartbeatClient.ts"
import * as HttpProvisionClient from "./provision/HttpProvisionClient.ts"
import * as LocalHeartbeatClient from "./provision/LocalHeartbeatClient.ts"
import * as LocalProvisionClient from "./provision/LocalProvisionClient.ts"
import * as Manager from "./provision/Manager.ts"
import type { ManagerClientOptions } from "./provision/ManagerClient.ts"
import { Placements } from "./provision/Placements.ts"
import * as ProcessContainerMetrics from "./provision/ProcessContainerMetrics.ts"
import * as ProcessProvisioner from "./provision/ProcessProvisioner.ts"
import type { Provisioner } from "./provision/Provisioner.ts"
import { FileSources } from "./reload/FileSources.ts"
import { Reloader } from "./reload/Reloader.ts"
import { routing } from "./routeLayers.ts"
import { RuntimeApi } from "./runtime-api/RuntimeApi.ts"
import type { StateFolder } from "./StateFolder.ts"
import { scheduling } from "./scheduleLayers.ts"
import { templateRoots } from "./templateLayers.ts"

/** A setting asks for Docker, and there is no engine that answers. */
export class EngineNeeded extends Schema.TaggedError<EngineNeeded>()("EngineNeeded", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

export const ownerOf = ({ accountId, region }: Settings): Owner => ({ accountId, region })

/** What gateway and manager know each other by: the setting, or else what the state folder keeps. */
export const managerTokenOf = (settings: Settings, state: StateFolder): string =>
  Option.getOrElse(settings.managerToken, () => state.managerToken)

/** Fails where there is no engine to run containers on: better at the start than at the first invocation. */
const engineReady = Layer.effectDiscard(
  DockerAdaptor.use((engine) => engine.ping).pipe(
    Effect.mapError(
      (error) =>
        new EngineNeeded({
          detail: `IRORI_PROVISIONER=docker needs a Docker engine: ${error.message} Or set IRORI_PROVISIONER=auto.`
        })
    )
  )
)

type MachineLayer = Layer.Layer<Provisioner | Placements | ContainerMetrics, EngineNeeded, RuntimeApi>

/** Who runs workers on this machine, and who says which of them runs a function and why. */
const provisioner = (settings: Settings, state: StateFolder) => {
  const { baseImages, initTimeout, path } = settings
  const owner = ownerOf(settings)
  const engine = DockerAdaptor.layer({
    host: settings.dockerHost,
    maxWorkers: settings.dockerMaxWorkers,
    maxStarts: settings.dockerMaxStarts,
    timeout: settings.dockerTimeout
  })
  const processes = ProcessProvisioner.layer({ owner, initTimeout, path, socketFolder: state.path })
  const ownership = { instance: state.instanceId, boot: randomUUID() }
  const docker = DockerProvisioner.layer({
    ...ownership,
    owner,
    network: settings.network,
    ...(Option.isSome(settings.runtimeApiHost) ? { runtimeApiHost: settings.runtimeApiHost.value } : {}),
    baseImages,
    riePort: settings.riePort,
    initTimeout,
    readinessTimeout: settings.readinessTimeout,
    pauseBy: settings.pauseBy,
    user: settings.containerUser
  })
  const table = {
    auto: AutoContainerMetrics.layer(ownership).pipe(
      Layer.provideMerge(AutoProvisioner.layer({ docker, process: processes, baseImages })),
      Layer.provide(engine)
    ),
    docker: Layer.mergeAll(docker, DockerContainerMetrics.layer(ownership), engineReady).pipe(
      Layer.provide(engine),
      Layer.merge(Placements.layerFixed("docker"))
    ),
    process: ProcessContainerMetrics.layer.pipe(
      Layer.provideMerge(processes),
      Layer.merge(Placements.layerFixed("process"))
    )
  } satisfies Record<Settings["provisioner"], MachineLayer>
  const chosen: MachineLayer = table[settings.provisioner]
  return StartMetrics.layerProvisioner.pipe(Layer.provideMerge(chosen))
}

/** What is next to the workers: they are started, reached and watched here. */
const machine = (settings: Settings, state: StateFolder) => {
  const workerClient = LogTailWorkerClient.layer(
    TransportWorkerClient.layer({
      "runtime-api": RuntimeApiWorkerClient.layer({ owner: ownerOf(settings) }),
      rie: RieWorkerClient.layer
    })
  )
  const codeRoots = [resolve(settings.functionsDir), ...templateRoots(settings), state.path, ...settings.codeRoots]
  const manager = Manager.layer({ codeRoots, idleTimeout: settings.leaseTimeout })
  return manager.pipe(
    Layer.provideMerge(Layer.merge(workerClient, provisioner(settings, state))),
    Layer.provideMerge(RuntimeApi.layer)
  )
}

const pools = (settings: Settings) =>
  PoolManager.layer({
    budget: { workers: settings.maxWorkers, megabytes: settings.memoryBudget },
    leaveRunning: settings.role === "gateway",
    refusesOverload: settings.refusesOverload,
    ...(settings.pauseIdle ? { pauseAfter: settings.pauseAfter } : {}),
    ...(settings.maxSpares > 0 || settings.adaptiveKeepAlive ? { warmth: warmth(settings) } : {})
  })

/** A function is hot that is called ten times a minute. */
const warmth = ({ adaptiveKeepAlive, maxSpares }: Settings): WarmthOptions => ({
  adaptive: adaptiveKeepAlive,
  ...(maxSpares > 0 ? { spares: { maxSpares, windowMillis: 60_000, hotCalls: 10 } } : {})
})

const destinationsOf = (settings: Settings, state: StateFolder): DestinationOptions => ({
  owner: ownerOf(settings),
  mapped: settings.destinations,
  fileRoots:
    settings.destinationRoots.length === 0
      ? [join(state.path, "destinations")]
      : settings.destinationRoots.map((root) => resolve(root))
})

/** What takes events and runs them later. */
const asynchronous = (settings: Settings, state: StateFolder) => {
  const destinations = destinationsOf(settings, state)
  return SqliteAsyncInvoker.layer({
    path: join(state.path, "events.db"),
    maxEvents: settings.maxEvents,
    // Each of them needs a worker.
    maxRunning: settings.maxWorkers,
    retryDelays: settings.asyncRetryDelays,
    maxAge: settings.asyncMaxAge,
    maxFailed: settings.maxFailedEvents,
    failedRetention: settings.failedEventRetention,
    destinations
  }).pipe(Layer.provideMerge(EventInvokeConfigs.layer(destinations)))
}

/** What invokes functions, over whatever `ProvisionClient`, `HeartbeatClient` and `WorkerClient` reach. */
const invoking = (settings: Settings, state: StateFolder) =>
  Reloader.layer.pipe(Layer.provideMerge(serving(settings, state)), Layer.provideMerge(FileSources.layer))

const serving = (settings: Settings, state: StateFolder) =>
  Layer.mergeAll(
    scheduling(settings, ownerOf(settings)).pipe(Layer.provideMerge(asynchronous(settings, state))),
    operations(settings),
    Janitor.layer({ interval: settings.heartbeatInterval }),
    WarmStart.layer({ timeout: Duration.seconds(5) }),
    PrometheusReport.layerGateway,
    migrationNotes.layer(settings),
    routing(settings, state)
  ).pipe(
    Layer.provideMerge(LambdaInvoker.layer),
    Layer.provideMerge(ConcurrencyGate.layer),
    Layer.provideMerge(
      FunctionBreaker.layer({
        threshold: settings.breakerThreshold,
        recoveryTimeout: settings.breakerRecoveryTimeout
      })
    ),
    Layer.provideMerge(pools(settings)),
    Layer.provideMerge(registry(settings, state))
  )

/** Gateway and manager in one process, with no hop between them. */
export const layerAll = (settings: Settings, state: StateFolder) =>
  DeathWatch.layer.pipe(
    Layer.provideMerge(invoking(settings, state)),
    Layer.provideMerge(Layer.merge(LocalProvisionClient.layer, LocalHeartbeatClient.layer)),
    Layer.provideMerge(machine(settings, state))
  )

/** A gateway whose workers another process has. */
export const layerGateway = (settings: Settings, state: StateFolder) => {
  const options: ManagerClientOptions = {
    managerUrl: Option.match(settings.managerUrl, { onNone: () => "http://127.0.0.1:3001", onSome: String }),
    token: managerTokenOf(settings, state),
    timeout: settings.managerTimeout,
    gatewayId: GatewayId.make(state.instanceId)
  }
  const workerClient = TransportWorkerClient.layer({
    "runtime-api": HttpWorkerClient.layer(options),
    rie: RieWorkerClient.layer,
    tails: "runtime-api"
  })
  return invoking(settings, state).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        StartMetrics.layerProvisionClient.pipe(Layer.provideMerge(HttpProvisionClient.layer(options))),
        HttpHeartbeatClient.layer(options),
        HttpContainerMetrics.layer(options),
        workerClient
      )
    )
  )
}

/** A manager whose gateways are other processes. */
export const layerManager = (settings: Settings, state: StateFolder) =>
  PrometheusReport.layerManager.pipe(Layer.provideMerge(machine(settings, state)))
