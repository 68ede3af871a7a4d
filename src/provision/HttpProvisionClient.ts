/** ProvisionClient for a gateway whose manager is another process. */
import { randomBytes } from "node:crypto"
import { Clock, Effect, Layer, References, Schema } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { formatTraceId, newTraceId, parseTraceId } from "../domain/TraceId.ts"
import type { StartFailure, WorkerId } from "../domain/Worker.ts"
import { ManagerClient, type ManagerClientOptions, type ManagerRefused, type ManagerSilent } from "./ManagerClient.ts"
import {
  PauseResponse,
  ProvisionRequest,
  ProvisionResponse,
  RemoveResponse,
  ResumeResponse,
  SyncResponse,
  workerOf
} from "./ManagerProtocol.ts"
import { ManagerUnreachable, ProvisionClient, ProvisionFailed } from "./ProvisionClient.ts"
import { WorkerGone } from "./Provisioner.ts"

const encodeRequest = Schema.encodeSync(Schema.toCodecJson(ProvisionRequest))
const readProvisioned = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(ProvisionResponse)))
const readRemoved = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(RemoveResponse)))
const readPaused = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(PauseResponse)))
const readResumed = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(ResumeResponse)))
const readRunning = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(SyncResponse)))

export const layer = (options: ManagerClientOptions) =>
  Layer.effect(
    ProvisionClient,
    Effect.gen(function* () {
      const manager = yield* ManagerClient.make(options)

      const provision = Effect.fn("HttpProvisionClient.provision")(function* (config: FunctionConfig) {
        const failed = (failure: StartFailure) => new ProvisionFailed({ functionName: config.name, failure })
        const body = encodeRequest({ function_name: config.name, function: config, count: 1, dry_run: false })
        const headers = [["X-Amzn-Trace-Id", yield* traceId] as const]
        const { workers } = yield* manager
          // A worker that a manager had begun to start when it went away is its next run's to remove.
          .call({ method: "POST", path: "/containers/provision", headers, body, isPatient: true }, readProvisioned)
          .pipe(Effect.mapError((error) => failed(failureOf(error))))
        const worker = workers[0]
        if (worker !== undefined) return workerOf(worker)
        return yield* failed({ reason: "EngineUnavailable", detail: `The manager at ${manager.url} started nothing.` })
      })

      /** A manager that has no such route answers 404, which says nothing about the worker. */
      const gone = (id: WorkerId) => (cause: ManagerSilent | ManagerRefused) =>
        cause._tag === "ManagerRefused" && cause.status === 410
          ? new WorkerGone({ id, detail: cause.message })
          : new ManagerUnreachable({ cause })

      return ProvisionClient.of({
        provision,
        pause: (id) =>
          manager
            .call({ method: "POST", path: `/containers/${id}/pause` }, readPaused)
            .pipe(Effect.mapError(gone(id)), Effect.asVoid),
        resume: (id) =>
          manager
            .call({ method: "POST", path: `/containers/${id}/resume` }, readResumed)
            .pipe(Effect.mapError(gone(id)), Effect.asVoid),
        remove: (id) =>
          manager.call({ method: "DELETE", path: `/containers/${id}` }, readRemoved).pipe(
            Effect.catchIf(
              (error) => error._tag === "ManagerRefused" && error.status === 404,
              () => Effect.void
            ),
            Effect.mapError((cause) => new ManagerUnreachable({ cause })),
            Effect.asVoid
          ),
        // A manager that starts together with its gateway may be there a moment later.
        sync: manager.call({ method: "GET", path: "/containers/sync", isPatient: true }, readRunning).pipe(
          Effect.map(({ containers }) => containers.map(workerOf)),
          Effect.mapError((cause) => new ManagerUnreachable({ cause }))
        )
      })
    })
  )

/** The trace that the log lines of this start carry; a start that has none begins one. */
const traceId = Effect.gen(function* () {
  const { trace_id } = yield* References.CurrentLogAnnotations
  const current = typeof trace_id === "string" ? parseTraceId(trace_id) : undefined
  return formatTraceId(current ?? newTraceId(yield* Clock.currentTimeMillis, randomBytes(12).toString("hex")))
})

const failureOf = (error: ManagerSilent | ManagerRefused): StartFailure =>
  (error._tag === "ManagerRefused" ? error.error.failure : undefined) ?? {
    reason: "EngineUnavailable",
    detail: error.message
  }
