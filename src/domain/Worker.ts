/** One execution environment: a container or a process that runs one invocation at a time. */
import { Schema } from "effect"
import { Transport } from "./FunctionConfig.ts"
import { FunctionName } from "./FunctionName.ts"

/** Given by the provisioner before the worker starts; the name of its container or process. */
export const WorkerId = Schema.String.check(Schema.isPattern(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/u)).pipe(
  Schema.brand("WorkerId")
)
export type WorkerId = typeof WorkerId.Type

/** A gateway that asks a manager for workers, by the name it gives itself. */
export const GatewayId = Schema.String.check(Schema.isPattern(/^[a-zA-Z0-9_.-]{1,64}$/u)).pipe(
  Schema.brand("GatewayId")
)
export type GatewayId = typeof GatewayId.Type

export class Worker extends Schema.Class<Worker>("Worker")({
  id: WorkerId,
  functionName: FunctionName,
  /** The version of the function whose code it has. */
  version: Schema.String,
  transport: Transport,
  /** Where the worker is: its own address for `rie`, that of its Runtime API for `runtime-api`. */
  host: Schema.String,
  port: Schema.Int,
  /** Unix milliseconds. */
  createdAtMillis: Schema.Number,
  /** `fingerprint` of the configuration it was started with: another one's worker is not to be adopted. */
  fingerprint: Schema.optionalKey(Schema.String),
  /** Whom it was started for; absent where nobody gave a name. */
  gateway: Schema.optionalKey(GatewayId)
}) {}

/** How a worker's process ended. Exactly one of `code` and `signal` is set, unless nobody saw it end. */
export const WorkerExit = Schema.Struct({
  code: Schema.optionalKey(Schema.Int),
  /** Without its prefix, as Lambda prints it: `killed`, `segmentation fault`. */
  signal: Schema.optionalKey(Schema.String),
  outOfMemory: Schema.optionalKey(Schema.Boolean)
})
export type WorkerExit = typeof WorkerExit.Type

/**
 * Why a worker did not start. The first four are the machine's: nothing of the function ran. The rest are the
 * function's own: its process came up and its initialisation failed.
 */
export const StartFailure = Schema.Struct({
  reason: Schema.Literals([
    "ImageNotFound",
    "RuntimeUnavailable",
    "EngineUnavailable",
    "Refused",
    "InitError",
    "InitExited",
    "InitTimedOut"
  ]),
  /** One line for a person: what is wrong and what to do. */
  detail: Schema.String,
  /** For `InitError`: what the runtime posted to `init/error`, and its type. */
  document: Schema.optionalKey(Schema.String),
  errorType: Schema.optionalKey(Schema.String),
  /** For `InitExited`. */
  exit: Schema.optionalKey(WorkerExit)
})
export type StartFailure = typeof StartFailure.Type

/** True where the function itself is to blame, so that its caller is told as AWS tells it. */
export const isInitFailure = (failure: StartFailure): boolean => failure.reason.startsWith("Init")
