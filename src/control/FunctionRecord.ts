/** What is kept of a function: a record for each of its versions, `$LATEST` among them, and one for each alias. */
import { Schema } from "effect"

const Text = Schema.optionalKey(Schema.String)
const Texts = Schema.optionalKey(Schema.Array(Schema.String))

/** What a caller has set, by the API's own names, with its defaults filled in. Absent is what was never given. */
export const FunctionSettings = Schema.Struct({
  PackageType: Schema.Literals(["Zip", "Image"]),
  Role: Schema.String,
  /** Absent for images, as the handler is. */
  Runtime: Text,
  Handler: Text,
  Description: Schema.String,
  /** Seconds. */
  Timeout: Schema.Int,
  /** Megabytes. */
  MemorySize: Schema.Int,
  Architectures: Schema.Array(Schema.String),
  /** Megabytes of `/tmp`. */
  EphemeralStorage: Schema.Int,
  TracingMode: Schema.String,
  SnapStart: Schema.String,
  LoggingConfig: Schema.Struct({
    LogFormat: Schema.Literals(["Text", "JSON"]),
    ApplicationLogLevel: Schema.optionalKey(Schema.Literals(["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"])),
    SystemLogLevel: Schema.optionalKey(Schema.Literals(["DEBUG", "INFO", "WARN"])),
    LogGroup: Schema.String
  }),
  Environment: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  Layers: Schema.optionalKey(Schema.Array(Schema.Struct({ Arn: Schema.String, CodeSize: Schema.Int }))),
  VpcConfig: Schema.optionalKey(
    Schema.Struct({
      SubnetIds: Schema.Array(Schema.String),
      SecurityGroupIds: Schema.Array(Schema.String),
      Ipv6AllowedForDualStack: Schema.Boolean
    })
  ),
  DeadLetterTargetArn: Text,
  KMSKeyArn: Text,
  FileSystemConfigs: Schema.optionalKey(
    Schema.Array(Schema.Struct({ Arn: Schema.String, LocalMountPath: Schema.String }))
  ),
  ImageConfig: Schema.optionalKey(Schema.Struct({ EntryPoint: Texts, Command: Texts, WorkingDirectory: Text }))
})
export type FunctionSettings = typeof FunctionSettings.Type

/** A package in the code store, by its hash. */
const ZipCode = Schema.Struct({
  /** Hexadecimal, of the ZIP itself. */
  sha256: Schema.String,
  sizeBytes: Schema.Int,
  /** Of the contents. */
  unzippedBytes: Schema.optionalKey(Schema.Int)
})
const ImageCode = Schema.Struct({ imageUri: Schema.String })
export const FunctionCode = Schema.Union([ZipCode, ImageCode])
export type FunctionCode = typeof FunctionCode.Type

export const latest = "$LATEST"

export const VersionRecord = Schema.Struct({
  /** `$LATEST`, or a number. */
  version: Schema.String,
  /** Another one after each step. */
  revisionId: Schema.String,
  lastModifiedMillis: Schema.Int,
  state: Schema.Literals(["Pending", "Active"]),
  /** Absent until it is first active. */
  update: Schema.optionalKey(Schema.Literals(["InProgress", "Successful"])),
  code: FunctionCode,
  settings: FunctionSettings,
  /** Of a published version: what `$LATEST` was then, in short. */
  publishedOf: Text
})
export type VersionRecord = typeof VersionRecord.Type

export const AliasRecord = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  description: Schema.String,
  revisionId: Schema.String,
  /** The share of another version, 0 to 1. */
  weights: Schema.Record(Schema.String, Schema.Finite)
})
export type AliasRecord = typeof AliasRecord.Type

const versionJson = Schema.fromJsonString(VersionRecord)
const aliasJson = Schema.fromJsonString(AliasRecord)

export const encodeVersion = Schema.encodeSync(versionJson)
export const decodeVersion = Schema.decodeUnknownSync(versionJson)
export const encodeAlias = Schema.encodeSync(aliasJson)
export const decodeAlias = Schema.decodeUnknownSync(aliasJson)

export const isSettled = ({ state, update }: VersionRecord): boolean => state === "Active" && update === "Successful"
