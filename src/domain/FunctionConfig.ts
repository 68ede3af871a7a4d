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
  idleTimeout: Schema.Duration
}) {}
