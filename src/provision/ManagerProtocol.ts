/** What gateways and managers say to each other over HTTP, in JSON: the bodies of `plugins/manager`. */
import { Effect, Schema } from "effect"
import { FunctionConfig, Transport } from "../domain/FunctionConfig.ts"
import { FunctionName } from "../domain/FunctionName.ts"
import { GatewayId, StartFailure, Worker, WorkerExit, WorkerId } from "../domain/Worker.ts"
import type { Lease } from "./WorkerLeases.ts"

const ofFunction = {
  function_name: FunctionName,
  /** The function as the gateway knows it. Callers that do not know it name an image instead, or nothing. */
  function: Schema.optionalKey(FunctionConfig),
  /** By default `<function_name>:latest`. */
  image: Schema.optionalKey(Schema.NonEmptyString),
  env: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
}

const oneSource = Schema.makeFilter(
  (request: {
    readonly function_name: FunctionName
    readonly function?: FunctionConfig
    readonly image?: string
    readonly env?: unknown
  }) => {
    if (request.function === undefined) return undefined
    if (request.function.name !== request.function_name) return "function_name is not the name of the function"
    return request.image === undefined && request.env === undefined
      ? undefined
      : "function has its image and env inside"
  }
)

export const EnsureRequest = Schema.Struct(ofFunction).check(oneSource)
export type EnsureRequest = typeof EnsureRequest.Type

export const EnsureResponse = Schema.Struct({ host: Schema.String, port: Schema.Int })

export const ProvisionRequest = Schema.Struct({
  ...ofFunction,
  count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(1))
  ),
  /** For the manager's log. */
  request_id: Schema.optionalKey(Schema.String),
  /** Checks the request and starts nothing. */
  dry_run: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false)))
}).check(oneSource)
export type ProvisionRequest = typeof ProvisionRequest.Type

export const WorkerInfo = Schema.Struct({
  id: WorkerId,
  name: Schema.String,
  /** Where the worker is for events that are posted to it; that of its Runtime API for one that asks for them. */
  ip_address: Schema.String,
  port: Schema.Int,
  /** Unix seconds. */
  created_at: Schema.Finite,
  /** Unix seconds: of its last heartbeat or event. */
  last_used_at: Schema.Finite,
  status: Schema.Literals(["running", "paused"]),
  function_name: FunctionName,
  version: Schema.String,
  transport: Transport,
  /** Of the configuration that it was started with. */
  fingerprint: Schema.optionalKey(Schema.String),
  /** Whom it was started for. */
  gateway: Schema.optionalKey(GatewayId)
})
export type WorkerInfo = typeof WorkerInfo.Type

export const ProvisionResponse = Schema.Struct({ workers: Schema.Array(WorkerInfo) })
export const SyncResponse = Schema.Struct({ containers: Schema.Array(WorkerInfo) })

export const HeartbeatRequest = Schema.Struct({
  function_name: FunctionName,
  container_names: Schema.Array(WorkerId)
})
export const HeartbeatResponse = Schema.Struct({ status: Schema.Literal("ok"), unknown: Schema.Array(WorkerId) })
export const RemoveResponse = Schema.Struct({ status: Schema.Literal("deleted") })
export const PauseResponse = Schema.Struct({ status: Schema.Literal("paused") })
export const ResumeResponse = Schema.Struct({ status: Schema.Literal("running") })
export const HealthResponse = Schema.Struct({ status: Schema.Literal("healthy"), timestamp: Schema.String })

/** Every answer that is no success. */
export const ManagerError = Schema.Struct({
  /** One line for a person. */
  detail: Schema.String,
  /** Why a worker was not started. */
  failure: Schema.optionalKey(StartFailure),
  /** What became of an event whose worker was lost. */
  lost: Schema.optionalKey(
    Schema.Struct({
      began: Schema.Boolean,
      exit: Schema.optionalKey(WorkerExit),
      /** Where the gateway asked for the log: its end, and whether the function was cut off at its timeout. */
      log: Schema.optionalKey(Schema.String),
      timed_out: Schema.optionalKey(Schema.Boolean)
    })
  )
})
export type ManagerError = typeof ManagerError.Type

/** Of an event, beside its payload, which is the body. */
export const EventHeaders = Schema.Struct({
  "x-amzn-requestid": Schema.String.check(Schema.isPattern(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u)),
  "x-amzn-trace-id": Schema.optionalKey(Schema.String),
  /** Base64. */
  "x-amz-client-context": Schema.optionalKey(Schema.String.check(Schema.isBase64())),
  "x-irori-qualifier": Schema.optionalKey(Schema.String),
  /** There where the gateway takes a streamed answer as it comes. */
  "x-irori-response-mode": Schema.optionalKey(Schema.Literal("streaming")),
  /** There where the gateway wants the end of the invocation's log. The manager then sees to the function's timeout. */
  "x-irori-log-type": Schema.optionalKey(Schema.Literal("tail"))
})

/** What became of a streamed answer. */
export const AnswerEnd = Schema.Struct({
  /** Where the function failed: the type of its error, and its document. */
  error_type: Schema.optionalKey(Schema.String),
  document: Schema.optionalKey(Schema.Uint8Array),
  /** The end of the invocation's log, where the gateway asked for it. */
  log: Schema.optionalKey(Schema.String),
  /** Where the worker was lost. */
  failure: Schema.optionalKey(ManagerError)
})
export type AnswerEnd = typeof AnswerEnd.Type

/** The type of an answer that is streamed, in the frames of `AnswerFrames.ts`; a plain one has another. */
export const answerStreamType = "application/vnd.irori.answer-stream"

/** Of an answer that is streamed: the type that the runtime gave it, percent-encoded. */
export const contentTypeHeader = "x-irori-content-type"

/** Who asks. Without it, whose a worker is does not count. */
export const GatewayHeaders = Schema.Struct({ "x-irori-gateway": Schema.optionalKey(GatewayId) })

/** Of an answer: the type of the function's error, percent-encoded. */
export const errorTypeHeader = "x-irori-error-type"

/** Of an answer: the end of the invocation's log, in base64, where the gateway asked for it. */
export const logHeader = "x-irori-log"

export const workerInfo = ({ lastUsedMillis, paused, worker }: Lease): WorkerInfo => ({
  id: worker.id,
  name: worker.id,
  ip_address: worker.host,
  port: worker.port,
  created_at: worker.createdAtMillis / 1000,
  last_used_at: lastUsedMillis / 1000,
  status: paused ? "paused" : "running",
  function_name: worker.functionName,
  version: worker.version,
  transport: worker.transport,
  ...(worker.fingerprint === undefined ? {} : { fingerprint: worker.fingerprint }),
  ...(worker.gateway === undefined ? {} : { gateway: worker.gateway })
})

export const workerOf = (info: WorkerInfo): Worker =>
  new Worker({
    id: info.id,
    functionName: info.function_name,
    version: info.version,
    transport: info.transport,
    host: info.ip_address,
    port: info.port,
    createdAtMillis: Math.round(info.created_at * 1000),
    ...(info.fingerprint === undefined ? {} : { fingerprint: info.fingerprint }),
    ...(info.gateway === undefined ? {} : { gateway: info.gateway })
  })
