/** The manager's routes: JSON in, one call of `Manager`, JSON out. */
import { Cause, Duration, Effect, Exit, type ManagedRuntime, Option, Schema } from "effect"
import { Elysia } from "elysia"
import type { AnswerSink } from "../../src/domain/AnswerSink.ts"
import { CodeImage, FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { WorkerId } from "../../src/domain/Worker.ts"
import type { WorkerAnswer } from "../../src/invoke/WorkerClient.ts"
import { endFrame, pieceFrame } from "../../src/provision/AnswerFrames.ts"
import { Manager, type WorkerEvent } from "../../src/provision/Manager.ts"
import {
  type AnswerEnd,
  answerStreamType,
  contentTypeHeader,
  EnsureRequest,
  EventHeaders,
  errorTypeHeader,
  GatewayHeaders,
  HeartbeatRequest,
  logHeader,
  ProvisionRequest,
  workerInfo
} from "../../src/provision/ManagerProtocol.ts"
import { respondStreaming } from "../streamedResponse.ts"
import { answerTo, errorResponse, type ManagerFailure, plainError } from "./errors.ts"
import {
  ensureOperation,
  heartbeatOperation,
  invokeOperation,
  pauseOperation,
  provisionOperation,
  removeOperation,
  resumeOperation,
  syncOperation
} from "./operations.ts"

export type ManagerRuntime = ManagedRuntime.ManagedRuntime<Manager, never>

const ensureBody = Schema.toStandardSchemaV1(Schema.toCodecJson(EnsureRequest))
const provisionBody = Schema.toStandardSchemaV1(Schema.toCodecJson(ProvisionRequest))
const heartbeatBody = Schema.toStandardSchemaV1(Schema.toCodecJson(HeartbeatRequest))
const gatewayHeaders = Schema.toStandardSchemaV1(GatewayHeaders)
const eventHeaders = Schema.toStandardSchemaV1(EventHeaders)
const params = Schema.toStandardSchemaV1(Schema.Struct({ id: WorkerId }))

/** `refuse` answers those who may not. */
export const containers = (runtime: ManagerRuntime, refuse: (request: Request) => Response | undefined) =>
  new Elysia({ name: "manager-containers" })
    // Bound to these routes, by whatever spelling of their paths the router was led to them.
    .onBeforeHandle(({ request }) => refuse(request))
    .post(
      "/containers/ensure",
      ({ body, headers, request }) =>
        respond(
          runtime,
          request,
          Manager.use((manager) => manager.ensure(functionOf(body), headers["x-irori-gateway"])).pipe(
            Effect.map(({ host, port }) => Response.json({ host, port })),
            Effect.annotateLogs({ function_name: body.function_name })
          )
        ),
      { parse: "json", headers: gatewayHeaders, body: ensureBody, detail: ensureOperation }
    )
    .post(
      "/containers/provision",
      ({ body, headers, request }) =>
        respond(
          runtime,
          request,
          Manager.use((manager) =>
            body.dry_run
              ? Effect.as(manager.check(functionOf(body), body.count), [])
              : manager.provision(functionOf(body), body.count, headers["x-irori-gateway"])
          ).pipe(
            Effect.map((leases) => Response.json({ workers: leases.map(workerInfo) })),
            Effect.annotateLogs({
              function_name: body.function_name,
              ...(body.request_id === undefined ? {} : { aws_request_id: body.request_id })
            })
          )
        ),
      { parse: "json", headers: gatewayHeaders, body: provisionBody, detail: provisionOperation }
    )
    .post(
      "/containers/heartbeat",
      ({ body, headers, request }) =>
        respond(
          runtime,
          request,
          Effect.map(
            Manager.use((manager) =>
              manager.heartbeat(body.function_name, body.container_names, headers["x-irori-gateway"])
            ),
            (unknown) => Response.json({ status: "ok", unknown })
          )
        ),
      { parse: "json", headers: gatewayHeaders, body: heartbeatBody, detail: heartbeatOperation }
    )
    .get(
      "/containers/sync",
      ({ headers, request }) =>
        respond(
          runtime,
          request,
          Effect.map(
            Manager.use((manager) => manager.sync(headers["x-irori-gateway"])),
            (leases) => Response.json({ containers: leases.map(workerInfo) })
          )
        ),
      { headers: gatewayHeaders, detail: syncOperation }
    )
    .delete(
      "/containers/:id",
      ({ params, request }) =>
        respond(
          runtime,
          request,
          Effect.map(
            Manager.use((manager) => manager.remove(params.id)),
            () => Response.json({ status: "deleted" })
          )
        ),
      { params, detail: removeOperation }
    )
    .post(
      "/containers/:id/pause",
      ({ params, request }) =>
        respond(
          runtime,
          request,
          Effect.map(
            Manager.use((manager) => manager.pause(params.id)),
            () => Response.json({ status: "paused" })
          )
        ),
      { params, detail: pauseOperation }
    )
    .post(
      "/containers/:id/resume",
      ({ params, request }) =>
        respond(
          runtime,
          request,
          Effect.map(
            Manager.use((manager) => manager.resume(params.id)),
            () => Response.json({ status: "running" })
          )
        ),
      { params, detail: resumeOperation }
    )
    .post(
      "/containers/:id/invocations",
      ({ body, headers, params, request }) =>
        headers["x-irori-response-mode"] === "streaming"
          ? streamAnswer(runtime, request, params.id, eventOf(headers, new Uint8Array(body as ArrayBuffer)))
          : respond(
              runtime,
              request,
              Effect.map(
                Manager.use((manager) =>
                  manager.invoke(params.id, eventOf(headers, new Uint8Array(body as ArrayBuffer)))
                ),
                answerResponse
              )
            ),
      { parse: "arrayBuffer", params, headers: eventHeaders, detail: invokeOperation }
    )

/** Runs `program` for as long as the gateway is there. */
export const respond = async <R>(
  runtime: ManagedRuntime.ManagedRuntime<R, never>,
  request: Request,
  program: Effect.Effect<Response, ManagerFailure, R>
): Promise<Response> => {
  const traceId = request.headers.get("x-amzn-trace-id")
  const exit = await runtime.runPromiseExit(
    traceId === null ? program : Effect.annotateLogs(program, { trace_id: traceId }),
    { signal: request.signal }
  )
  return responseOf(runtime, exit)
}

const responseOf = (
  runtime: ManagedRuntime.ManagedRuntime<never, never>,
  exit: Exit.Exit<Response, ManagerFailure>
): Response => {
  if (Exit.isSuccess(exit)) return exit.value
  const failure = Cause.findErrorOption(exit.cause)
  if (Option.isSome(failure)) return errorResponse(failure.value)
  // Nobody reads this; the number is for the access log.
  if (Cause.hasInterruptsOnly(exit.cause)) return new Response(null, { status: 499 })
  logFault(runtime, exit.cause)
  return plainError(500, "Internal server error")
}

const answerResponse = ({ errorType, log, payload }: WorkerAnswer): Response =>
  new Response(payload as Uint8Array<ArrayBuffer>, {
    headers: {
      "content-type": "application/octet-stream",
      ...(errorType === undefined ? {} : { [errorTypeHeader]: encodeURIComponent(errorType) }),
      ...(log === undefined ? {} : { [logHeader]: Buffer.from(log).toString("base64") })
    }
  })

/** An answer that is passed on while the worker makes it; one that it makes at once is answered as any other. */
const streamAnswer = (runtime: ManagerRuntime, request: Request, id: WorkerId, event: WorkerEvent) =>
  respondStreaming(runtime, request, (sink: AnswerSink) => Manager.use((manager) => manager.invoke(id, event, sink)), {
    head: ({ contentType }) => ({
      headers: {
        "content-type": answerStreamType,
        ...(contentType === undefined ? {} : { [contentTypeHeader]: encodeURIComponent(contentType) })
      }
    }),
    frame: pieceFrame,
    last: (exit) => endFrame(endOf(runtime, exit)),
    whole: (exit) => responseOf(runtime, Exit.map(exit, answerResponse))
  })

const endOf = (
  runtime: ManagedRuntime.ManagedRuntime<never, never>,
  exit: Exit.Exit<WorkerAnswer, ManagerFailure>
): AnswerEnd => {
  if (Exit.isSuccess(exit)) {
    const { errorType, log, payload } = exit.value
    return {
      ...(errorType === undefined ? {} : { error_type: errorType, document: payload }),
      ...(log === undefined ? {} : { log })
    }
  }
  const failure = Cause.findErrorOption(exit.cause)
  if (Option.isSome(failure)) return { failure: answerTo(failure.value).error }
  // After an interruption nobody reads this.
  if (!Cause.hasInterruptsOnly(exit.cause)) logFault(runtime, exit.cause)
  return { failure: { detail: "Internal server error" } }
}

const logFault = (runtime: ManagedRuntime.ManagedRuntime<never, never>, cause: unknown): void => {
  runtime.runFork(Effect.logError("A request failed for a reason that is no caller's fault", cause))
}

/**
 * What to start. A caller that names an image only, as those of the predecessor do, posts events to the emulator in it,
 * and gets that emulator's own limits: 300 seconds and 3008 megabytes.
 */
const functionOf = (request: EnsureRequest): FunctionConfig =>
  request.function ??
  new FunctionConfig({
    name: request.function_name,
    version: "$LATEST",
    code: new CodeImage({ uri: request.image ?? `${request.function_name}:latest` }),
    environment: request.env ?? {},
    timeout: Duration.seconds(300),
    memoryMegabytes: 3008,
    transport: "rie",
    maxCapacity: 10,
    minCapacity: 0,
    acquireTimeout: Duration.seconds(30),
    maxQueued: 0,
    idleTimeout: Duration.minutes(5)
  })

const eventOf = (headers: typeof EventHeaders.Type, payload: Uint8Array) => {
  const clientContext = headers["x-amz-client-context"]
  const qualifier = headers["x-irori-qualifier"]
  return {
    requestId: headers["x-amzn-requestid"],
    traceId: headers["x-amzn-trace-id"] ?? "",
    ...(clientContext === undefined ? {} : { clientContext: Buffer.from(clientContext, "base64").toString() }),
    ...(qualifier === undefined ? {} : { qualifier }),
    ...(headers["x-irori-log-type"] === undefined ? {} : { logTail: true }),
    payload
  }
}
