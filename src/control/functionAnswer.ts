/** A version's record as Lambda's API tells of it. What is undefined in an answer is left out of it. */
import { createHash } from "node:crypto"
import { functionArn, type Owner, type Qualifier } from "../domain/FunctionName.ts"
import type { FunctionCode, FunctionSettings, VersionRecord } from "./FunctionRecord.ts"

/** The configuration with its state. `qualifier` is the ARN's. */
export const configurationOf = (owner: Owner, name: string, record: VersionRecord, qualifier?: Qualifier) => ({
  ...listedConfigurationOf(owner, name, record, qualifier),
  ...stateOf(record)
})

/** As lists have it, which show no state. */
export const listedConfigurationOf = (owner: Owner, name: string, record: VersionRecord, qualifier?: Qualifier) => {
  const { settings } = record
  return {
    FunctionName: name,
    FunctionArn: functionArn(owner, name, qualifier),
    Runtime: settings.Runtime,
    Role: settings.Role === "" ? undefined : settings.Role,
    Handler: settings.Handler,
    CodeSize: "imageUri" in record.code ? 0 : record.code.sizeBytes,
    Description: settings.Description,
    Timeout: settings.Timeout,
    MemorySize: settings.MemorySize,
    LastModified: wireTime(record.lastModifiedMillis),
    CodeSha256: codeSha256(record.code),
    Version: record.version,
    VpcConfig: settings.VpcConfig === undefined ? undefined : { ...settings.VpcConfig, VpcId: "" },
    DeadLetterConfig:
      settings.DeadLetterTargetArn === undefined ? undefined : { TargetArn: settings.DeadLetterTargetArn },
    Environment: settings.Environment === undefined ? undefined : { Variables: settings.Environment },
    KMSKeyArn: settings.KMSKeyArn,
    TracingConfig: { Mode: settings.TracingMode },
    RevisionId: record.revisionId,
    Layers: settings.Layers,
    FileSystemConfigs: settings.FileSystemConfigs,
    PackageType: settings.PackageType,
    ImageConfigResponse: settings.ImageConfig === undefined ? undefined : { ImageConfig: settings.ImageConfig },
    Architectures: settings.Architectures,
    EphemeralStorage: { Size: settings.EphemeralStorage },
    SnapStart: snapStartOf(record),
    RuntimeVersionConfig: runtimeVersionOf(owner, settings),
    LoggingConfig: settings.LoggingConfig
  }
}

const creating = "The function is being created."

const stateOf = ({ state, update }: VersionRecord) => {
  if (state === "Pending") return { State: state, StateReason: creating, StateReasonCode: "Creating" }
  return update === "InProgress"
    ? {
        State: state,
        LastUpdateStatus: update,
        LastUpdateStatusReason: creating,
        LastUpdateStatusReasonCode: "Creating"
      }
    : { State: state, LastUpdateStatus: update }
}

/** Base64 of the ZIP's hash. An image's is its digest, where the URI names one, and else the URI's own hash. */
export const codeSha256 = (code: FunctionCode): string =>
  "imageUri" in code
    ? (digestOf(code.imageUri) ?? createHash("sha256").update(code.imageUri).digest("hex"))
    : Buffer.from(code.sha256, "hex").toString("base64")

const digestOf = (imageUri: string): string | undefined => /@sha256:([0-9a-f]{64})$/.exec(imageUri)?.[1]

/** What GetFunction says of an image. To what a tag leads is known to the machine that runs it, not here. */
export const imageLocation = (imageUri: string) => ({
  RepositoryType: "ECR",
  ImageUri: imageUri,
  ResolvedImageUri: digestOf(imageUri) === undefined ? undefined : imageUri
})

const snapStartOf = ({ settings, version }: VersionRecord) => ({
  ApplyOn: settings.SnapStart,
  OptimizationStatus: settings.SnapStart === "PublishedVersions" && version !== "$LATEST" ? "On" : "Off"
})

const runtimeVersionOf = (owner: Owner, { Runtime }: FunctionSettings) =>
  Runtime === undefined
    ? undefined
    : {
        RuntimeVersionArn: `arn:aws:lambda:${owner.region}::runtime:${createHash("sha256").update(Runtime).digest("hex")}`
      }

/** `2025-11-25T02:26:54.123+0000` */
export const wireTime = (millis: number): string => new Date(millis).toISOString().replace("Z", "+0000")
