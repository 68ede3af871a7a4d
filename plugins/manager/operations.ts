/** The manager's operations as its API document tells of them. */
import { Duration, Schema } from "effect"
import type { DocumentDecoration } from "elysia"
import { CodeFolder, FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import {
  answerStreamType,
  contentTypeHeader,
  EnsureRequest,
  EnsureResponse,
  errorTypeHeader,
  HealthResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  logHeader,
  ManagerError,
  PauseResponse,
  ProvisionRequest,
  ProvisionResponse,
  RemoveResponse,
  ResumeResponse,
  SyncResponse
} from "../../src/provision/ManagerProtocol.ts"
import { laterSchema } from "../docs/jsonSchema.ts"

export const json = (schema: Schema.Constraint, example: unknown) => ({
  "application/json": { schema: laterSchema(Schema.toCodecJson(schema)), example }
})

export const failure = (description: string, example: typeof ManagerError.Type) => ({
  description,
  content: json(ManagerError, example)
})

const workerExample = (): (typeof SyncResponse.Type)["containers"][number] =>
  Schema.decodeUnknownSync(Schema.toCodecJson(SyncResponse))({
    containers: [
      {
        id: "lambda-echo-2633d28a",
        name: "lambda-echo-2633d28a",
        ip_address: "172.17.0.1",
        port: 41233,
        created_at: 1768212000,
        last_used_at: 1768212030.5,
        status: "running",
        function_name: "echo",
        version: "$LATEST",
        transport: "runtime-api",
        fingerprint: "f3d9cdaac29046c0",
        gateway: "4f0a8a1e0f0d"
      }
    ]
  }).containers[0]!

const functionExample = () =>
  Schema.encodeSync(Schema.toCodecJson(FunctionConfig))(
    new FunctionConfig({
      name: FunctionName.make("echo"),
      version: "$LATEST",
      code: new CodeFolder({ path: "/srv/functions/echo" }),
      runtime: "nodejs22.x",
      handler: "index.handler",
      environment: { GREETING: "hello" },
      timeout: Duration.seconds(3),
      memoryMegabytes: 128,
      transport: "runtime-api",
      maxCapacity: 4,
      minCapacity: 0,
      acquireTimeout: Duration.seconds(5),
      maxQueued: 1000,
      idleTimeout: Duration.minutes(5)
    })
  )

const body = (schema: Schema.Constraint, examples: Readonly<Record<string, unknown>>) => ({
  required: true,
  content: {
    "application/json": {
      schema: laterSchema(Schema.toCodecJson(schema)),
      examples: Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]))
    }
  }
})

export const unauthorized = failure("The token is missing or is another one.", { detail: "Unauthorized" })
const malformed = failure("The body is no JSON.", { detail: "The body is no JSON." })
const invalid = failure("A parameter, a header or the body is not as it should be.", {
  detail: "count: Expected a value between 1 and 10"
})
const unknownWorker = failure("There is no such worker.", { detail: "The manager has no worker lambda-echo-2633d28a." })
export const fault = failure("A fault of the manager. What it was is in its log.", { detail: "Internal server error" })

const started = (reason: NonNullable<(typeof ManagerError.Type)["failure"]>["reason"], detail: string) => ({
  detail,
  failure: { reason, detail }
})

const startFailures = {
  400: failure(
    "The body is no JSON, or the engine refused the worker.",
    started("Refused", "Docker refused a container for 'echo': invalid mount path.")
  ),
  401: unauthorized,
  403: failure(
    "The code is in a folder that this manager does not give to workers.",
    started("Refused", "The manager gives no code of /etc to workers: it is in none of its code roots.")
  ),
  404: failure("The image is not there.", started("ImageNotFound", "There is no image echo:latest.")),
  408: failure("The worker was not ready in time.", started("InitTimedOut", "'echo' was not ready after 10s.")),
  409: failure(
    "The function failed while it initialised, or the machine lacks its runtime.",
    started("RuntimeUnavailable", "No program of this machine runs python3.13: install python3.")
  ),
  422: invalid,
  429: failure(
    "The manager has all the workers it may have.",
    started("Refused", "The manager is at its limit of 20 workers.")
  ),
  500: failure(
    "The engine is not there, or a fault of the manager.",
    started("EngineUnavailable", "Docker does not answer: is it running?")
  )
}

const idParameter = {
  in: "path",
  name: "id",
  required: true,
  description: "Of the worker: the name of its container or process.",
  schema: { type: "string" },
  example: "lambda-echo-2633d28a"
}
const gatewayParameter = {
  in: "header",
  name: "X-Irori-Gateway",
  description:
    "What the gateway calls itself: it has workers of its own. Without it, whose a worker is does not count.",
  schema: { type: "string" },
  example: "4f0a8a1e0f0d"
}
const traceParameter = {
  in: "header",
  name: "X-Amzn-Trace-Id",
  description: "The trace that the manager's log lines will carry.",
  schema: { type: "string" }
}

const tags = ["Containers"]
/** Declared by the document as a bearer token. */
export const security = [{ token: [] }]

export const ensureOperation = {
  operationId: "EnsureContainer",
  tags,
  security,
  summary: "Have one worker of a function",
  description: "Answers with a running worker that the gateway has of the function, and starts one if there is none.",
  parameters: [gatewayParameter, traceParameter],
  requestBody: body(EnsureRequest, {
    image: { function_name: "echo", image: "echo:latest", env: { GREETING: "hello" } },
    function: { function_name: "echo", function: functionExample }
  }),
  responses: {
    200: { description: "Where it is.", content: json(EnsureResponse, { host: "172.17.0.5", port: 8080 }) },
    ...startFailures
  }
} as DocumentDecoration

export const provisionOperation = {
  operationId: "ProvisionContainers",
  tags,
  security,
  summary: "Start workers",
  description:
    "Starts `count` workers at once and answers when all are ready. When one fails, or the caller leaves, none is left. " +
    "`function` is the function as the gateway knows it; a caller that has none names an `image` (by default " +
    "`<function_name>:latest`), which then gets its events over the emulator in it.",
  parameters: [gatewayParameter, traceParameter],
  requestBody: body(ProvisionRequest, {
    function: { function_name: "echo", function: functionExample, count: 2 },
    image: { function_name: "echo", image: "echo:latest", env: { GREETING: "hello" }, count: 1 },
    "dry run": { function_name: "echo", count: 10, dry_run: true }
  }),
  responses: {
    200: {
      description: "The workers; none after a dry run.",
      content: json(ProvisionResponse, { workers: [workerExample] })
    },
    ...startFailures
  }
} as DocumentDecoration

export const heartbeatOperation = {
  operationId: "Heartbeat",
  tags,
  security,
  summary: "Say which workers are in use",
  description: "A worker that no heartbeat names for longer than the manager's idle timeout is removed.",
  parameters: [gatewayParameter],
  requestBody: body(HeartbeatRequest, {
    heartbeat: { function_name: "echo", container_names: ["lambda-echo-2633d28a"] }
  }),
  responses: {
    200: {
      description: "Heard. `unknown` are those that do not run, or are another gateway's: to be forgotten.",
      content: json(HeartbeatResponse, { status: "ok", unknown: [] })
    },
    400: malformed,
    401: unauthorized,
    422: invalid,
    500: fault
  }
} as DocumentDecoration

export const removeOperation = {
  operationId: "RemoveContainer",
  tags,
  security,
  summary: "End a worker",
  parameters: [idParameter],
  responses: {
    200: { description: "It is gone.", content: json(RemoveResponse, { status: "deleted" }) },
    401: unauthorized,
    404: unknownWorker,
    422: invalid,
    500: fault
  }
} as DocumentDecoration

const gone = failure("There is no such worker, or it cannot be used any more: the gateway should remove it.", {
  detail: "There is no container of worker lambda-echo-2633d28a."
})

export const pauseOperation = {
  operationId: "PauseContainer",
  tags,
  security,
  summary: "Stop the clock of an idle worker",
  description:
    "It keeps its memory and takes no CPU. An event that it is given meanwhile waits. Pausing a paused one succeeds.",
  parameters: [idParameter],
  responses: {
    200: { description: "It stands still.", content: json(PauseResponse, { status: "paused" }) },
    401: unauthorized,
    410: gone,
    422: invalid,
    500: fault
  }
} as DocumentDecoration

export const resumeOperation = {
  operationId: "ResumeContainer",
  tags,
  security,
  summary: "Let a paused worker go on",
  description: "Resuming one that is not paused succeeds.",
  parameters: [idParameter],
  responses: {
    200: { description: "It runs.", content: json(ResumeResponse, { status: "running" }) },
    401: unauthorized,
    410: gone,
    422: invalid,
    500: fault
  }
} as DocumentDecoration

export const syncOperation = {
  operationId: "SyncContainers",
  tags,
  security,
  summary: "List the running workers",
  description:
    "A gateway that says its name is told what it may adopt: its own workers, without those that are still at an event " +
    "whose caller has left.",
  parameters: [gatewayParameter],
  responses: {
    200: { description: "Which there are.", content: json(SyncResponse, { containers: [workerExample] }) },
    401: unauthorized,
    422: invalid,
    500: fault
  }
} as DocumentDecoration

export const invokeOperation = {
  operationId: "InvokeContainer",
  tags,
  security,
  summary: "Give a worker an event",
  description:
    "For workers whose Runtime API this manager serves. Waits for the answer. A worker whose caller leaves is not to be " +
    "had until it is done with the event; one that is not done within the function's timeout is ended.",
  parameters: [
    idParameter,
    {
      in: "header",
      name: "X-Amzn-RequestId",
      required: true,
      description: "The id of the invocation, a lower-case UUID.",
      schema: { type: "string", format: "uuid" },
      example: "8c8a2c9e-9a3b-4f0a-8a1e-0f0d7c1b2a3d"
    },
    { ...traceParameter, description: "The trace as the function sees it." },
    {
      in: "header",
      name: "X-Amz-Client-Context",
      description: "Base64 of a JSON object.",
      schema: { type: "string" }
    },
    {
      in: "header",
      name: "X-Irori-Qualifier",
      description: "As the function was invoked, for the ARN that it sees.",
      schema: { type: "string" }
    },
    {
      in: "header",
      name: "X-Irori-Response-Mode",
      description:
        "Given by a gateway that takes a streamed answer as it comes. An answer that the function does not stream is then as without it.",
      schema: { type: "string", enum: ["streaming"] }
    },
    {
      in: "header",
      name: "X-Irori-Log-Type",
      description:
        "Given by a gateway that wants the end of the invocation's log. The function is then cut off at its timeout by the manager.",
      schema: { type: "string", enum: ["tail"] }
    }
  ],
  requestBody: {
    required: true,
    description: "The event, as bytes that are passed on unchanged.",
    content: { "application/octet-stream": { schema: { type: "string", format: "binary" } } }
  },
  responses: {
    200: {
      description: "What the runtime posted, unchanged.",
      headers: {
        [errorTypeHeader]: {
          description: "There only if the function failed: the type of its error, percent-encoded.",
          schema: { type: "string" }
        },
        [logHeader]: {
          description: "The end of the invocation's log in base64, where the gateway asked for it.",
          schema: { type: "string" }
        },
        [contentTypeHeader]: {
          description: "Of a streamed answer: the type that the runtime gave it, percent-encoded.",
          schema: { type: "string" }
        }
      },
      content: {
        "application/octet-stream": { schema: { type: "string", format: "binary" } },
        [answerStreamType]: {
          schema: {
            type: "string",
            format: "binary",
            description:
              "Frames: a kind (one byte), a length (four bytes, big endian) and so many bytes. `P` is a piece of the answer, `E` its end: a JSON object with `error_type` and `document` (base64) where the function failed, `failure` where its worker was lost, `log` where that was asked for."
          }
        }
      }
    },
    401: unauthorized,
    404: unknownWorker,
    422: invalid,
    500: fault,
    502: failure("The worker gave no answer.", {
      detail: "The worker was lost: it exited",
      lost: { began: true, exit: { code: 1 } }
    })
  }
} as DocumentDecoration

export const healthOperation = {
  operationId: "Health",
  tags: ["Health"],
  summary: "Is the manager up?",
  description: "Asks nothing of the container engine, and needs no token.",
  responses: {
    200: {
      description: "It is.",
      content: json(HealthResponse, { status: "healthy", timestamp: "2026-11-21T20:43:36.602Z" })
    }
  }
} as DocumentDecoration
