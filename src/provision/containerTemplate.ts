/**
 * What every worker's container is made from: its image, its limits, its labels. Decided here alone, so that nothing
 * a caller says widens what a function may do to the machine. Values only, no I/O.
 */
import { Duration, Option, Schema } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { type GatewayId, Worker } from "../domain/Worker.ts"
import type { Runtime } from "../runtimes/Runtime.ts"
import type { ContainerSpec, Labels } from "./DockerAdaptor.ts"
import type { ImageSettings } from "./dockerAnswers.ts"
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
    // AWS's base images take the handler as their command; an image of its own has everything in it.
    ...(config.code._tag === "CodeFolder" ? { Cmd: [config.handler ?? "bootstrap"], WorkingDir: "/var/task" } : {}),
    HostConfig: {
      NetworkMode: place.network,
      ...(config.code._tag === "CodeFolder"
        ? { Mounts: [{ Type: "bind", Source: config.code.path, Target: "/var/task", ReadOnly: true }] }
        : {}),
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Privileged: false,
      ReadonlyRootfs: true,
      Tmpfs: { "/tmp": `rw,nosuid,nodev,size=512m,mode=1777${ownerOfTmp(place.user)}` },
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

const environment = (config: FunctionConfig, runtime: Runtime | undefined, place: ContainerPlace) => ({
  ...workerEnvironment(config, {
    ...(place.runtimeApi === undefined ? {} : { runtimeApi: place.runtimeApi }),
    ...(runtime?.executionEnvironment === undefined ? {} : { executionEnvironment: runtime.executionEnvironment }),
    region: place.region,
    logStream: place.logStream,
    taskRoot: taskRootOf(place.settings),
    runtimeDir: "/var/runtime"
  }),
  // AWS's runtime clients read the handler from here, and images have it as their command.
  ...(place.settings?.command[0] === undefined ? {} : { _HANDLER: place.settings.command[0] }),
  // What the emulator reads; the limit that counts is the invoker's, so this one is never the shorter.
  ...(place.runtimeApi === undefined
    ? { AWS_LAMBDA_FUNCTION_TIMEOUT: String(Math.ceil(Duration.toSeconds(config.timeout)) + 1) }
    : {})
})
