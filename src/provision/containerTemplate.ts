/**
 * What every worker's container is made from: its image, its limits, its labels. Decided here alone, so that nothing
 * a caller says widens what a function may do to the machine. Values only, no I/O.
 */
import { Duration, Option, Schema } from "effect"
import { defaultEphemeralStorageMegabytes, type FunctionConfig } from "../domain/FunctionConfig.ts"
import { type GatewayId, Worker } from "../domain/Worker.ts"
import type { Runtime } from "../runtimes/Runtime.ts"
import type { ContainerSpec, Labels } from "./DockerAdaptor.ts"
import type { ImageSettings } from "./dockerAnswers.ts"
import { startExtensions } from "./externalExtensions.ts"
import { fingerprint } from "./fingerprint.ts"
import { workerEnvironment } from "./workerEnvironment.ts"

/** Whose containers these are. */
export interface Ownership {
  /** The installation: what it made is its own to remove, also after a crash. */
  readonly instance: string
  /** This run of it. */
  readonly boot: string
}

export const label = {
  createdBy: "created_by",
  instance: "irori.instance",
  boot: "irori.boot",
  function: "irori.function",
  version: "irori.version",
  transport: "irori.transport",
  fingerprint: "irori.fingerprint",
  /** Unix milliseconds. */
  createdAt: "irori.created-at",
  gateway: "irori.gateway"
} as const

/** All containers of an installation, whichever run made them. */
export const instanceLabels = (owner: Ownership): Labels => ({
  [label.createdBy]: "irori",
  [label.instance]: owner.instance
})

/** The worker in a container, as its labels tell; undefined where they do not. */
export const workerOf = (
  container: { readonly name: string; readonly labels: Labels },
  address: { readonly host: string; readonly port: number }
): Worker | undefined => {
  const { labels, name } = container
  return Option.getOrUndefined(
    readWorker({
      id: name,
      functionName: labels[label.function],
      version: labels[label.version],
      transport: labels[label.transport],
      createdAtMillis: createdAtMillis(labels),
      fingerprint: labels[label.fingerprint],
      ...(labels[label.gateway] === undefined ? {} : { gateway: labels[label.gateway] }),
      ...address
    })
  )
}

const readWorker = Schema.decodeUnknownOption(Worker)

/** Undefined where the labels do not tell. */
export const createdAtMillis = (labels: Labels): number | undefined => {
  const millis = Number(labels[label.createdAt] ?? Number.NaN)
  return Number.isSafeInteger(millis) ? millis : undefined
}

export interface ContainerPlace {
  readonly name: string
  readonly image: string
  readonly network: string
  readonly owner: Ownership
  readonly region: string
  readonly logStream: string
  /** `host:port` of its Runtime API; absent where the emulator in the image is used. */
  readonly runtimeApi?: string
  /** What a function's own image says about itself; absent for base images. */
  readonly settings?: ImageSettings
  /** The image's entry point, where extensions are to be started before it. */
  readonly extendedEntryPoint?: ReadonlyArray<string>
  /** `user` or `user:group` in the container. */
  readonly user: string
  readonly createdAtMillis: number
  readonly gateway?: GatewayId
}

/** Lambda gives a whole CPU for this much memory, and less in proportion. */
const megabytesPerCpu = 1769
/** What Docker gives a container by default; only the ratio between containers matters. */
const sharesPerCpu = 1024

/**
 * The image a function runs in: its own, or its runtime's as set in `baseImages` (by the runtime's id) or as AWS
 * publishes it. Undefined when its runtime is not known.
 */
export const imageOf = (
  config: FunctionConfig,
  runtime: Runtime | undefined,
  baseImages: ReadonlyMap<string, string>
): string | undefined =>
  config.code._tag === "CodeImage" ? config.code.uri : (baseImages.get(config.runtime ?? "") ?? runtime?.baseImage)

export const containerSpec = (
  config: FunctionConfig,
  runtime: Runtime | undefined,
  place: ContainerPlace
): ContainerSpec => {
  const memoryBytes = config.memoryMegabytes * 1024 * 1024
  const storage = config.ephemeralStorageMegabytes ?? defaultEphemeralStorageMegabytes
  return {
    name: place.name,
    Image: place.image,
    Env: Object.entries(environment(config, runtime, place)).map(([name, value]) => `${name}=${value}`),
    Labels: {
      ...instanceLabels(place.owner),
      [label.boot]: place.owner.boot,
      [label.function]: config.name,
      [label.version]: config.version,
      [label.transport]: config.transport,
      [label.fingerprint]: fingerprint(config),
      [label.createdAt]: String(place.createdAtMillis),
      ...(place.gateway === undefined ? {} : { [label.gateway]: place.gateway })
    },
    User: place.user,
    ...howToRun(config, place),
    HostConfig: {
      NetworkMode: place.network,
      Mounts: [
        ...(config.code._tag === "CodeFolder" ? [readOnly(config.code.path, "/var/task")] : []),
        ...(config.layersPath === undefined ? [] : [readOnly(config.layersPath, "/opt")])
      ],
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Privileged: false,
      ReadonlyRootfs: true,
      Tmpfs: { "/tmp": `rw,nosuid,nodev,size=${storage}m,mode=1777${ownerOfTmp(place.user)}` },
      Memory: memoryBytes,
      // Equal to the memory: no swap on top.
      MemorySwap: memoryBytes,
      CpuShares: Math.max(2, Math.round((sharesPerCpu * config.memoryMegabytes) / megabytesPerCpu)),
      // Lambda's own limit for the function, and some for what the image starts around it.
      PidsLimit: 1024,
      Ulimits: [{ Name: "nofile", Soft: 1024, Hard: 1024 }],
      RestartPolicy: { Name: "no" },
      LogConfig: { Type: "json-file", Config: { "max-size": "4m", "max-file": "2" } }
    }
  }
}

const readOnly = (source: string, target: string) => ({
  Type: "bind" as const,
  Source: source,
  Target: target,
  ReadOnly: true
})

/** AWS's base images take the handler as their command; an image of its own has what the function does not say. */
const howToRun = (config: FunctionConfig, { extendedEntryPoint, network, settings }: ContainerPlace) => {
  const { command, entryPoint, workingDirectory } = config.imageConfig ?? {}
  const ofFolder = config.code._tag === "CodeFolder"
  const runs = ofFolder ? [config.handler ?? "bootstrap"] : command
  // Where the entry point is another one, the engine forgets the image's command.
  const Cmd = runs ?? (entryPoint === undefined && extendedEntryPoint === undefined ? undefined : settings?.command)
  const Entrypoint =
    extendedEntryPoint === undefined ? entryPoint : [...startedByShell, ...(entryPoint ?? extendedEntryPoint)]
  const WorkingDir = ofFolder ? "/var/task" : workingDirectory
  return {
    ...(Cmd === undefined ? {} : { Cmd: [...Cmd] }),
    ...(Entrypoint === undefined ? {} : { Entrypoint: [...Entrypoint] }),
    ...(WorkingDir === undefined ? {} : { WorkingDir }),
    // What telemetry is sent to: the container's own address, by the name that Lambda has for it.
    ...(extendedEntryPoint === undefined || network === "host"
      ? {}
      : { Hostname: "sandbox", Domainname: "localdomain" })
  }
}

const startedByShell = ["/bin/sh", "-c", `${startExtensions}exec "$@"`, "sh", "/opt/extensions"]

/** Where the image has a `/tmp`, its mode wins over the one that is asked for: then the owner may still write. */
const ownerOfTmp = (user: string): string => {
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(user) ?? []
  return uid === undefined ? "" : `,uid=${uid},gid=${gid ?? 0}`
}

/** An image may have its function elsewhere: where it says so, or else where it is at home. */
const taskRootOf = (settings: ImageSettings | undefined): string => {
  const workingDir = settings?.workingDir ?? ""
  return settings?.environment.LAMBDA_TASK_ROOT ?? (workingDir === "" || workingDir === "/" ? "/var/task" : workingDir)
}

const handlerOf = (config: FunctionConfig, settings: ImageSettings | undefined) => {
  const handler = config.imageConfig?.command?.[0] ?? settings?.command[0]
  return handler === undefined ? {} : { _HANDLER: handler }
}

const environment = (config: FunctionConfig, runtime: Runtime | undefined, place: ContainerPlace) => ({
  ...workerEnvironment(config, {
    ...(place.runtimeApi === undefined ? {} : { runtimeApi: place.runtimeApi }),
    ...(runtime?.executionEnvironment === undefined ? {} : { executionEnvironment: runtime.executionEnvironment }),
    region: place.region,
    logStream: place.logStream,
    taskRoot: config.imageConfig?.workingDirectory ?? taskRootOf(place.settings),
    runtimeDir: "/var/runtime"
  }),
  // AWS's runtime clients read the handler from here, and images have it as their command.
  ...handlerOf(config, place.settings),
  // What the emulator reads; the limit that counts is the invoker's, so this one is never the shorter.
  ...(place.runtimeApi === undefined
    ? { AWS_LAMBDA_FUNCTION_TIMEOUT: String(Math.ceil(Duration.toSeconds(config.timeout)) + 1) }
    : {})
})
