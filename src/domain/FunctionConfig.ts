/** What the platform knows about one version of a function before any worker exists. */
import { Schema } from "effect"
import { FunctionName } from "./FunctionName.ts"

/** Code in a folder of this machine; read-only to the function, as its `/var/task`. */
export class CodeFolder extends Schema.TaggedClass<CodeFolder>("CodeFolder")("CodeFolder", {
  /** Absolute. */
  path: Schema.NonEmptyString,
  /** Another one for other contents, as far as whoever made this knows: workers of the old ones are not used on. */
  revision: Schema.optionalKey(Schema.String)
}) {}

/** Code inside a container image. */
export class CodeImage extends Schema.TaggedClass<CodeImage>("CodeImage")("CodeImage", {
  uri: Schema.NonEmptyString
}) {}

/**
 * How an event reaches the worker. `runtime-api`: the worker asks for it. `rie`: it is posted to the
 * Runtime Interface Emulator inside the image; only images can have it.
 */
export const Transport = Schema.Literals(["runtime-api", "rie"])
export type Transport = typeof Transport.Type

/** What a function says over what its image says about how it is run. */
export const ImageConfig = Schema.Struct({
  entryPoint: Schema.optionalKey(Schema.Array(Schema.String)),
  command: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Absolute, in the image. */
  workingDirectory: Schema.optionalKey(Schema.NonEmptyString)
})
export type ImageConfig = typeof ImageConfig.Type

/** How a runtime writes its log: lines of text, or a JSON object a line. */
export const LoggingFormat = Schema.Literals(["Text", "JSON"])
export type LoggingFormat = typeof LoggingFormat.Type

export const ApplicationLogLevel = Schema.Literals(["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"])
export type ApplicationLogLevel = typeof ApplicationLogLevel.Type

export const SystemLogLevel = Schema.Literals(["DEBUG", "INFO", "WARN"])
export type SystemLogLevel = typeof SystemLogLevel.Type

/** Why a worker initialises: for the event that waits, or so that there is one before the event comes. */
export const InitializationType = Schema.Literals(["on-demand", "provisioned-concurrency"])
export type InitializationType = typeof InitializationType.Type

/** A URL that a function is declared with; its CORS in the words of Lambda's API. */
export const DeclaredUrl = Schema.Struct({
  authType: Schema.Literals(["NONE", "AWS_IAM"]),
  invokeMode: Schema.Literals(["BUFFERED", "RESPONSE_STREAM"]),
  cors: Schema.optionalKey(
    Schema.Struct({
      AllowCredentials: Schema.optionalKey(Schema.Boolean),
      AllowHeaders: Schema.optionalKey(Schema.Array(Schema.String)),
      AllowMethods: Schema.optionalKey(Schema.Array(Schema.String)),
      AllowOrigins: Schema.optionalKey(Schema.Array(Schema.String)),
      ExposeHeaders: Schema.optionalKey(Schema.Array(Schema.String)),
      /** Seconds. */
      MaxAge: Schema.optionalKey(Schema.Int)
    })
  )
})
export type DeclaredUrl = typeof DeclaredUrl.Type

/** Lambda's smallest, and what a function has that says nothing. */
export const defaultEphemeralStorageMegabytes = 512

/** What a function says of its asynchronous events, unless something else is set for it through the API. */
export const EventInvokeDefaults = Schema.Struct({
  maxRetries: Schema.optionalKey(Schema.Int),
  maxAgeSeconds: Schema.optionalKey(Schema.Int),
  /** ARNs or URLs. */
  onSuccess: Schema.optionalKey(Schema.NonEmptyString),
  onFailure: Schema.optionalKey(Schema.NonEmptyString)
})
export type EventInvokeDefaults = typeof EventInvokeDefaults.Type

export class FunctionConfig extends Schema.Class<FunctionConfig>("FunctionConfig")({
  name: FunctionName,
  /** `$LATEST`, or the number of a published version. */
  version: Schema.NonEmptyString,
  code: Schema.Union([CodeFolder, CodeImage]),
  /** For people. */
  description: Schema.optionalKey(Schema.String),
  /** Lambda's identifier, such as `nodejs22.x`; absent for images. */
  runtime: Schema.optionalKey(Schema.NonEmptyString),
  /** `file.export`, as the runtime reads it; absent for images, which have it in their command. */
  handler: Schema.optionalKey(Schema.NonEmptyString),
  /** Absolute: a folder of this machine whose contents are the function's `/opt`, all its layers in one. */
  layersPath: Schema.optionalKey(Schema.NonEmptyString),
  /** For images. */
  imageConfig: Schema.optionalKey(ImageConfig),
  /** The size of `/tmp`, 512 where it is absent. A worker that is a process shares the machine's and has no limit. */
  ephemeralStorageMegabytes: Schema.optionalKey(Schema.Int),
  /** `Text` where it is absent. The levels count with `JSON` alone. */
  loggingFormat: Schema.optionalKey(LoggingFormat),
  /** The least that a function's own lines must have to be written; `INFO` where it is absent. */
  applicationLogLevel: Schema.optionalKey(ApplicationLogLevel),
  systemLogLevel: Schema.optionalKey(SystemLogLevel),
  /** `on-demand` where it is absent. */
  initializationType: Schema.optionalKey(InitializationType),
  /** Of functions that come from files. Those of the API have theirs beside them. */
  url: Schema.optionalKey(DeclaredUrl),
  /** The function's own variables, beside those that the platform sets. */
  environment: Schema.Record(Schema.String, Schema.String),
  /** How long one invocation may run before it is cut off and its worker removed. */
  timeout: Schema.Duration,
  /** Megabytes (2^20 bytes). */
  memoryMegabytes: Schema.Int,
  transport: Transport,
  /** The most workers that may exist at once, starting ones included. Above it callers wait. */
  maxCapacity: Schema.Int,
  /** How many workers are kept warm when nobody calls. */
  minCapacity: Schema.Int,
  /** The longest a caller waits for a place; the time a start takes that is under way for it comes on top. */
  acquireTimeout: Schema.Duration,
  /** The most callers that wait at once; one more is refused at once. */
  maxQueued: Schema.Int,
  /** A worker idle for this long is removed, unless `minCapacity` keeps it. */
  idleTimeout: Schema.Duration,
  /** An ARN or a URL: it gets the asynchronous events that failed in the end. */
  deadLetterTarget: Schema.optionalKey(Schema.NonEmptyString),
  eventInvoke: Schema.optionalKey(EventInvokeDefaults)
}) {}
