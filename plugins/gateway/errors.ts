/**
 * What a caller sees of each failure: the only place with statuses and with AWS's error types.
 *
 * A failure of the gateway without a row here does not compile. The API document takes its error responses and their
 * examples from the same rows.
 */
import { Duration, Schema } from "effect"
import { InputMalformed } from "../../src/control/model/LambdaApi.ts"
import {
  CodeSigningConfigNotFound,
  CodeStorageExceeded,
  InvalidParameterValue,
  PolicyLengthExceeded,
  PreconditionFailed,
  ProvisionedConcurrencyConfigNotFound,
  type Refusal,
  RequestTooLarge,
  ResourceConflict,
  ResourceNotFound
} from "../../src/control/refusals.ts"
import { FunctionName, functionArn, type Owner } from "../../src/domain/FunctionName.ts"
import {
  AccountDenied,
  type FunctionReferenceRefused,
  QualifierMismatch,
  RegionUnreachable
} from "../../src/domain/FunctionReference.ts"
import { ParametersInvalid } from "../../src/domain/ParametersInvalid.ts"
import type { StartFailure } from "../../src/domain/Worker.ts"
import { withBytes } from "../../src/http/HttpServer.ts"
import { EventNotStored, EventQueueFull } from "../../src/invoke/AsyncInvoker.ts"
import { errorDocument, timeoutDocument } from "../../src/invoke/errorDocuments.ts"
import { CircuitOpen } from "../../src/invoke/FunctionBreaker.ts"
import { NoCapacity, WorkerStartFailed } from "../../src/invoke/InvocationBackend.ts"
import {
  InvocationTimedOut,
  type InvokeError,
  LambdaExecutionError,
  RecursiveInvocation
} from "../../src/invoke/InvokeError.ts"
import { ContainerMetricsUnavailable } from "../../src/provision/ContainerMetrics.ts"
import { FunctionNotFound, FunctionUnusable } from "../../src/registry/FunctionRegistry.ts"
import { CallerUnknown } from "./auth.ts"
import { ClientContextInvalid } from "./clientContext.ts"
import { EventTooLarge, type PayloadCutShort, PayloadNotJson, PayloadTooLarge } from "./payload.ts"

/** A path of the API's form that leads nowhere. */
export class OperationUnknown extends Schema.TaggedError<OperationUnknown>()("OperationUnknown", {
  method: Schema.String,
  path: Schema.String
}) {}

/** The path is known, but not with this method. */
export class MethodRefused extends Schema.TaggedError<MethodRefused>()("MethodRefused", {
  /** As in the `Allow` header. */
  allow: Schema.String
}) {}

/** The percent-encoding of the path is broken. */
export class PathUnreadable extends Schema.TaggedError<PathUnreadable>()("PathUnreadable", {}) {}

/** The body of a control-plane request is not JSON at all. */
export class BodyNotJson extends Schema.TaggedError<BodyNotJson>()("BodyNotJson", { detail: Schema.String }) {
  override get message() {
    return `Could not parse request body into json: ${this.detail}`
  }
}

/** A bug. What it was is in the log, and nowhere else. */
export class Fault extends Schema.TaggedError<Fault>()("Fault", {}) {}

export type GatewayFailure =
  | InvokeError
  | FunctionReferenceRefused
  | CallerUnknown
  | ClientContextInvalid
  | PayloadTooLarge
  | EventTooLarge
  | PayloadNotJson
  | PayloadCutShort
  | EventQueueFull
  | EventNotStored
  | OperationUnknown
  | MethodRefused
  | PathUnreadable
  | ContainerMetricsUnavailable
  | InputMalformed
  | BodyNotJson
  | Refusal
  | Fault

const Type = Schema.optionalKey(Schema.Literals(["User", "Service"]))

/** The body of the errors whose text is in `Message`. */
export const ServiceError = Schema.Struct({ Type, Message: Schema.NullOr(Schema.String) })

/** The body of the errors whose text is in `message`. */
export const RequestError = Schema.Struct({ Type, message: Schema.String })

export const ThrottledError = Schema.Struct({
  Type,
  message: Schema.String,
  Reason: Schema.Literals(["ReservedFunctionConcurrentInvocationLimitExceeded", "ConcurrentInvocationLimitExceeded"])
})

/** What the function, or Lambda in its place, says of its failure. A runtime of one's own may say something else. */
export const FunctionError = Schema.Struct({ errorType: Schema.String, errorMessage: Schema.String })

export type ErrorBody =
  | { readonly schema: "ServiceError"; readonly value: typeof ServiceError.Type }
  | { readonly schema: "RequestError"; readonly value: typeof RequestError.Type }
  | { readonly schema: "ThrottledError"; readonly value: typeof ThrottledError.Type }
  | { readonly schema: "FunctionError"; readonly bytes: Uint8Array }

export interface ErrorAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: ErrorBody
}

export interface Row<Failure> {
  readonly answer: (failure: Failure, owner: Owner) => ErrorAnswer
  /** One for each kind of answer; by what the API document calls it. */
  readonly examples: Readonly<Record<string, Failure>>
}

type Rows = { readonly [Tag in GatewayFailure["_tag"]]: Row<Extract<GatewayFailure, { readonly _tag: Tag }>> }

const typed = (
  status: number,
  errorType: string,
  body: ErrorBody,
  headers: Record<string, string> = {}
): ErrorAnswer => ({
  status,
  headers: { "x-amzn-ErrorType": errorType, ...headers },
  body
})

/** `Message`, and `Type: "User"`. */
const upper = (status: number, errorType: string, Message: string) =>
  typed(status, errorType, { schema: "ServiceError", value: { Type: "User", Message } })

/** `message`, and `Type: "User"`. */
const lower = (status: number, errorType: string, message: string) =>
  typed(status, errorType, { schema: "RequestError", value: { Type: "User", message } })

/** `message` alone. */
const bare = (status: number, errorType: string, message: string) =>
  typed(status, errorType, { schema: "RequestError", value: { message } })

const functionName = FunctionName.make("my-function")
const executionErrorExample = {
  requestId: "8c8a2c9e-9a3b-4f0a-8a1e-0f0d7c1b2a3d",
  timeout: Duration.seconds(3),
  target: "http://127.0.0.1:9001"
}

const rows = {
  ParametersInvalid: {
    answer: (failure) => bare(400, "ValidationException", failure.message),
    examples: {
      "parameter out of its range": new ParametersInvalid({
        violations: [
          {
            value: "Later",
            field: "invocationType",
            constraint: "Member must satisfy enum value set: [DryRun, RequestResponse, Event]"
          }
        ]
      })
    }
  },
  QualifierMismatch: {
    answer: (failure) => lower(400, "InvalidParameterValueException", failure.message),
    examples: { "two qualifiers": new QualifierMismatch() }
  },
  RegionUnreachable: {
    answer: (failure) => upper(404, "ResourceNotFoundException", failure.message),
    examples: { "another region": new RegionUnreachable({ region: "eu-west-1", ownRegion: "us-east-1" }) }
  },
  AccountDenied: {
    answer: () => typed(403, "AccessDeniedException", { schema: "ServiceError", value: { Message: null } }),
    examples: { "another account": new AccountDenied() }
  },
  CallerUnknown: {
    answer: (failure) =>
      lower(
        403,
        failure.given ? "UnrecognizedClientException" : "MissingAuthenticationTokenException",
        failure.message
      ),
    examples: { "no key": new CallerUnknown({ given: false }), "wrong key": new CallerUnknown({ given: true }) }
  },
  ClientContextInvalid: {
    answer: (failure) => lower(400, "InvalidRequestContentException", failure.message),
    examples: { "client context": new ClientContextInvalid({ reason: "NotJson" }) }
  },
  PayloadTooLarge: {
    answer: (failure) => bare(413, "RequestEntityTooLargeException", failure.message),
    examples: { "payload too large": new PayloadTooLarge({ limitBytes: 6_291_456 }) }
  },
  EventTooLarge: {
    answer: (failure) => bare(413, "RequestEntityTooLargeException", failure.message),
    examples: { "event too large": new EventTooLarge({ bytes: 2_000_000, limitBytes: 1_048_576 }) }
  },
  PayloadNotJson: {
    answer: (failure) => lower(400, "InvalidRequestContentException", failure.message),
    examples: { "payload not JSON": new PayloadNotJson({ detail: "Unexpected token" }) }
  },
  PayloadCutShort: {
    answer: (failure) => lower(400, "InvalidRequestContentException", failure.message),
    examples: {}
  },
  EventQueueFull: {
    answer: (failure) =>
      typed(
        429,
        "TooManyRequestsException",
        { schema: "RequestError", value: { Type: "User", message: failure.message } },
        { "Retry-After": "1" }
      ),
    examples: { "queue full": new EventQueueFull({ maxEvents: 100_000 }) }
  },
  EventNotStored: {
    answer: (failure) =>
      typed(500, "ServiceException", {
        schema: "ServiceError",
        value: { Type: "Service", Message: failure.message }
      }),
    examples: { "disk full": new EventNotStored({ isDiskFull: true, cause: "SQLITE_FULL" }) }
  },
  FunctionNotFound: {
    answer: (failure, owner) =>
      upper(
        404,
        "ResourceNotFoundException",
        `Function not found: ${functionArn(owner, failure.functionName, failure.qualifier ?? "$LATEST")}`
      ),
    examples: { "unknown function": new FunctionNotFound({ functionName }) }
  },
  FunctionUnusable: {
    answer: (failure) => upper(502, "InvalidRuntimeException", failure.message),
    examples: {
      "unusable function": new FunctionUnusable({ functionName, detail: "my-function: runtime 'cobol60' is not known" })
    }
  },
  NoCapacity: {
    answer: (failure) =>
      failure.reason === "Closed"
        ? typed(
            503,
            "ServiceUnavailableException",
            {
              schema: "RequestError",
              value: { Type: "Service", message: "Irori is stopping and takes no more invocations." }
            },
            { "Retry-After": "1" }
          )
        : typed(
            429,
            "TooManyRequestsException",
            {
              schema: "ThrottledError",
              value: {
                Type: "User",
                message: failure.message,
                Reason: throttleReasons[failure.reason]
              }
            },
            { "Retry-After": "1" }
          ),
    examples: {
      throttled: new NoCapacity({ functionName, reason: "TimedOut" }),
      "throttled for the account": new NoCapacity({ functionName, reason: "AccountLimit" }),
      stopping: new NoCapacity({ functionName, reason: "Closed" })
    }
  },
  CircuitOpen: {
    answer: (failure) =>
      typed(
        502,
        "ResourceNotReadyException",
        { schema: "RequestError", value: { Type: "Service", message: failure.message } },
        { "Retry-After": String(Math.max(1, Math.ceil(Duration.toSeconds(failure.retryAfter)))) }
      ),
    examples: {
      "workers keep failing": new CircuitOpen({ functionName, failures: 5, retryAfter: Duration.seconds(30) })
    }
  },
  RecursiveInvocation: {
    answer: (failure) => upper(400, "RecursiveInvocationException", failure.message),
    examples: { "recursive loop": new RecursiveInvocation({ functionName }) }
  },
  WorkerStartFailed: {
    answer: (failure) =>
      startFailures[failure.failure.reason] === "InvalidRuntimeException"
        ? upper(502, "InvalidRuntimeException", failure.message)
        : lower(502, "ResourceNotReadyException", failure.message),
    examples: {
      "no such image": new WorkerStartFailed({
        functionName,
        failure: { reason: "ImageNotFound", detail: "there is no image 'my-function:1' here; build or pull it" }
      }),
      "worker did not start": new WorkerStartFailed({
        functionName,
        failure: { reason: "EngineUnavailable", detail: "the container engine does not answer" }
      })
    }
  },
  // The event was delivered, so Lambda answers as for an error of the function's own.
  LambdaExecutionError: {
    answer: (failure) => ({
      status: 200,
      headers: {
        "X-Amz-Executed-Version": failure.executedVersion,
        "X-Amz-Function-Error": "Unhandled",
        ...(failure.log === undefined ? {} : { "X-Amz-Log-Result": Buffer.from(failure.log).toString("base64") })
      },
      body: { schema: "FunctionError", bytes: failure.document }
    }),
    examples: {
      "timed out": new LambdaExecutionError({
        functionName,
        executedVersion: "$LATEST",
        errorType: "Sandbox.Timedout",
        document: errorDocument(timeoutDocument(executionErrorExample.requestId, executionErrorExample.timeout)),
        cause: new InvocationTimedOut({
          functionName,
          timeout: executionErrorExample.timeout,
          target: executionErrorExample.target
        })
      })
    }
  },
  OperationUnknown: {
    answer: (failure) =>
      lower(404, "UnknownOperationException", `There is no operation ${failure.method} ${failure.path}`),
    examples: {}
  },
  MethodRefused: {
    answer: (failure) => ({
      status: 405,
      headers: { Allow: failure.allow },
      body: { schema: "RequestError", value: { message: "Method Not Allowed" } }
    }),
    examples: {}
  },
  PathUnreadable: {
    answer: () => bare(400, "ValidationException", "The path is not validly percent-encoded."),
    examples: { "broken path": new PathUnreadable() }
  },
  ContainerMetricsUnavailable: {
    answer: (failure) => bare(503, "ServiceUnavailableException", failure.message),
    examples: {
      "nothing measured": new ContainerMetricsUnavailable({ detail: "Docker did not answer within 1m (list)." })
    }
  },
  InputMalformed: {
    answer: (failure) => upper(400, "SerializationException", failure.message),
    examples: {
      "wrong kind of value": new InputMalformed({ detail: "STRING_VALUE can not be converted to an Integer" })
    }
  },
  BodyNotJson: {
    answer: (failure) => lower(400, "InvalidRequestContentException", failure.message),
    examples: { "body not JSON": new BodyNotJson({ detail: "Unexpected token" }) }
  },
  InvalidParameterValue: {
    answer: (failure) =>
      (failure.isUntyped === true ? bare : lower)(400, "InvalidParameterValueException", failure.message),
    examples: {
      "refused value": new InvalidParameterValue({
        detail: "Could not unzip uploaded file. Please check your file, then try to upload again."
      })
    }
  },
  ResourceConflict: {
    answer: (failure) => lower(409, "ResourceConflictException", failure.message),
    examples: { "exists already": new ResourceConflict({ detail: "Function already exist: my-function" }) }
  },
  ResourceNotFound: {
    answer: (failure) => upper(404, "ResourceNotFoundException", failure.message),
    examples: { "not there": new ResourceNotFound({ detail: "The resource you requested does not exist." }) }
  },
  PreconditionFailed: {
    answer: (failure) => lower(412, "PreconditionFailedException", failure.message),
    examples: {
      "revision id": new PreconditionFailed({
        detail:
          "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to " +
          "retrieve the latest Revision Id"
      })
    }
  },
  ProvisionedConcurrencyConfigNotFound: {
    answer: (failure) => lower(404, "ProvisionedConcurrencyConfigNotFoundException", failure.message),
    examples: { "nothing provisioned": new ProvisionedConcurrencyConfigNotFound() }
  },
  CodeSigningConfigNotFound: {
    answer: (failure) => upper(404, "CodeSigningConfigNotFoundException", failure.message),
    examples: {
      "no such code signing configuration": new CodeSigningConfigNotFound({
        arn: "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdef0"
      })
    }
  },
  RequestTooLarge: {
    answer: (failure) => bare(413, "RequestEntityTooLargeException", failure.message),
    examples: {
      "request too large": new RequestTooLarge({ detail: "Zipped size must be smaller than 52428800 bytes" })
    }
  },
  PolicyLengthExceeded: {
    answer: (failure) => lower(400, "PolicyLengthExceededException", failure.message),
    examples: {
      "policy too long": new PolicyLengthExceeded({
        detail: "The final policy size (20481) is bigger than the limit (20480)."
      })
    }
  },
  CodeStorageExceeded: {
    answer: (failure) => lower(400, "CodeStorageExceededException", failure.message),
    examples: { "no room for code": new CodeStorageExceeded() }
  },
  Fault: {
    answer: () =>
      typed(500, "ServiceException", {
        schema: "ServiceError",
        value: { Type: "Service", Message: "An error occurred and the request cannot be processed." }
      }),
    examples: { fault: new Fault() }
  }
} satisfies Rows

/** A function's own queue is none of Lambda's: to callers its end is that of what the function may run at once. */
const throttleReasons = {
  ReservedLimit: "ReservedFunctionConcurrentInvocationLimitExceeded",
  AccountLimit: "ConcurrentInvocationLimitExceeded",
  QueueFull: "ReservedFunctionConcurrentInvocationLimitExceeded",
  TimedOut: "ReservedFunctionConcurrentInvocationLimitExceeded"
} satisfies Record<Exclude<NoCapacity["reason"], "Closed">, (typeof ThrottledError.Type)["Reason"]>

/** What has to be put right by whoever owns the function, and what may pass by itself. */
const startFailures = {
  ImageNotFound: "InvalidRuntimeException",
  RuntimeUnavailable: "InvalidRuntimeException",
  EngineUnavailable: "ResourceNotReadyException",
  Refused: "ResourceNotReadyException",
  InitError: "InvalidRuntimeException",
  InitExited: "InvalidRuntimeException",
  InitTimedOut: "InvalidRuntimeException"
} satisfies Record<StartFailure["reason"], "InvalidRuntimeException" | "ResourceNotReadyException">

/** The row of one failure: its tag and the row's belong together, which the compiler cannot follow through an index. */
export const rowOf = (tag: GatewayFailure["_tag"]) => rows[tag] as Row<GatewayFailure>

export const answerTo = (failure: GatewayFailure, owner: Owner): ErrorAnswer =>
  rowOf(failure._tag).answer(failure, owner)

export const errorResponse = (failure: GatewayFailure, owner: Owner): Response => {
  const { status, headers, body } = answerTo(failure, owner)
  const bytes = "bytes" in body ? new Uint8Array(body.bytes) : new TextEncoder().encode(JSON.stringify(body.value))
  return withBytes(new Response(bytes, { status, headers: { "Content-Type": "application/json", ...headers } }), bytes)
}
