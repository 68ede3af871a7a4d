/** A function's settings out of what a caller gives: defaults filled in, changes laid over, and what Lambda refuses. */
import type { CreateFunctionRequest, UpdateFunctionConfigurationRequest } from "@aws-sdk/client-lambda"
import { Schema } from "effect"
import { excerpt } from "../domain/ParametersInvalid.ts"
import { reservedVariables } from "../provision/workerEnvironment.ts"
import { FunctionSettings } from "./FunctionRecord.ts"
import type { UsedLayer } from "./Layers.ts"
import { InvalidParameterValue } from "./refusals.ts"
import { refuseRuntime, refuseSnapStart } from "./supportedRuntimes.ts"

type Given = Omit<UpdateFunctionConfigurationRequest, "FunctionName" | "Layers"> & {
  readonly Layers: ReadonlyArray<UsedLayer> | undefined
}

/** `layers` are those that `input` names. */
export const newSettings = (
  name: string,
  input: CreateFunctionRequest,
  layers: ReadonlyArray<UsedLayer> | undefined
): FunctionSettings =>
  withGiven(
    {
      PackageType: input.PackageType === "Image" ? "Image" : "Zip",
      Role: "",
      Description: "",
      Timeout: 3,
      MemorySize: 128,
      Architectures: input.Architectures ?? ["x86_64"],
      EphemeralStorage: 512,
      TracingMode: "PassThrough",
      SnapStart: "None",
      LoggingConfig: { LogFormat: "Text", LogGroup: `/aws/lambda/${name}` }
    },
    { ...input, Layers: layers }
  )

export const changedSettings = (
  before: FunctionSettings,
  input: UpdateFunctionConfigurationRequest,
  layers: ReadonlyArray<UsedLayer> | undefined
): FunctionSettings => withGiven(before, { ...input, Layers: layers })

/** What is not given stays; environment and layers are given whole. */
const withGiven = (before: FunctionSettings, given: Given): FunctionSettings =>
  settingsOf({
    ...before,
    Role: given.Role ?? before.Role,
    Runtime: given.Runtime ?? before.Runtime,
    Handler: given.Handler ?? before.Handler,
    Description: given.Description ?? before.Description,
    Timeout: given.Timeout ?? before.Timeout,
    MemorySize: given.MemorySize ?? before.MemorySize,
    EphemeralStorage: given.EphemeralStorage?.Size ?? before.EphemeralStorage,
    TracingMode: given.TracingConfig?.Mode ?? before.TracingMode,
    SnapStart: given.SnapStart?.ApplyOn ?? before.SnapStart,
    LoggingConfig: loggingOf(before.LoggingConfig, given.LoggingConfig),
    Environment: given.Environment === undefined ? before.Environment : (given.Environment.Variables ?? {}),
    Layers: notEmpty(given.Layers ?? before.Layers),
    VpcConfig:
      given.VpcConfig === undefined
        ? before.VpcConfig
        : {
            SubnetIds: given.VpcConfig.SubnetIds ?? before.VpcConfig?.SubnetIds ?? [],
            SecurityGroupIds: given.VpcConfig.SecurityGroupIds ?? before.VpcConfig?.SecurityGroupIds ?? [],
            Ipv6AllowedForDualStack:
              given.VpcConfig.Ipv6AllowedForDualStack ?? before.VpcConfig?.Ipv6AllowedForDualStack ?? false
          },
    // Empty takes back what was set.
    DeadLetterTargetArn: notBlank(given.DeadLetterConfig?.TargetArn ?? before.DeadLetterTargetArn),
    KMSKeyArn: notBlank(given.KMSKeyArn ?? before.KMSKeyArn),
    FileSystemConfigs: notEmpty(given.FileSystemConfigs ?? before.FileSystemConfigs),
    ImageConfig: given.ImageConfig === undefined ? before.ImageConfig : notBare(given.ImageConfig)
  })

/** Through JSON, which leaves out what is undefined. */
const settingsOf = (raw: object): FunctionSettings => decode(JSON.stringify(raw))
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(FunctionSettings))

const notEmpty = (list: ReadonlyArray<unknown> | undefined) => (list?.length === 0 ? undefined : list)
const notBlank = (text: string | undefined) => (text === "" ? undefined : text)
const notBare = <A extends object>(config: A) =>
  Object.values(config).every((value) => value === undefined) ? undefined : config

/** Only JSON has levels. */
const loggingOf = (before: FunctionSettings["LoggingConfig"], given: Given["LoggingConfig"]) => {
  const whole = { ...before, ...withoutUndefined(given ?? {}) }
  const { LogFormat, LogGroup } = whole
  if (LogFormat !== "JSON") return { LogFormat, LogGroup }
  const { ApplicationLogLevel = "INFO", SystemLogLevel = "INFO" } = whole
  return { LogFormat, LogGroup, ApplicationLogLevel, SystemLogLevel }
}

const withoutUndefined = <A extends object>(given: A): A =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as A

const maxEnvironmentBytes = 4096
/** Of an environment that a refusal repeats. */
const maxMeasuredShown = 8192

/** Why Lambda does not take a function of these settings; undefined where it does. */
export const refuseSettings = (settings: FunctionSettings): InvalidParameterValue | undefined => {
  const isGiven = settings.Runtime !== undefined || settings.Handler !== undefined || settings.Layers !== undefined
  if (settings.PackageType === "Image") {
    return isGiven
      ? new InvalidParameterValue({
          detail: "Please don't provide handler or runtime or layer when the intended function PackageType is Image."
        })
      : (refuseImageConfig(settings.ImageConfig) ?? refuseEnvironment(settings.Environment))
  }
  if (settings.Runtime === undefined || settings.Handler === undefined) {
    return new InvalidParameterValue({
      detail: "Runtime and Handler are mandatory parameters for functions created with deployment packages."
    })
  }
  return (
    refuseRuntime(settings.Runtime) ??
    (settings.Handler.includes("\0") ? noNull("Handler") : undefined) ??
    (settings.SnapStart === "PublishedVersions" ? refuseSnapStart(settings.Runtime) : undefined) ??
    refuseEnvironment(settings.Environment)
  )
}

/** What a process is started with ends at a null character: no process can be given one. */
const noNull = (field: string) => new InvalidParameterValue({ detail: `${field} contains a null character.` })

const refuseImageConfig = (config: FunctionSettings["ImageConfig"]): InvalidParameterValue | undefined =>
  Object.values(config ?? {})
    .flat()
    .some((text) => text.includes("\0"))
    ? noNull("ImageConfig")
    : undefined

/** Of the model, and nothing that Irori does: a function that was promised one of them would not be what it seems. */
const unknownFeatures = [
  "AcceleratorConfig",
  "CapacityProviderConfig",
  "DurableConfig",
  "PublishTo",
  "RuntimeConfig",
  "TenancyConfig"
]

export const refuseUnknownFeatures = (given: object): InvalidParameterValue | undefined => {
  const found = unknownFeatures.find((name) => name in given)
  return found === undefined
    ? undefined
    : new InvalidParameterValue({ detail: `${found} is not supported by this service.` })
}

const cannotConfigure =
  "Lambda was unable to configure your environment variables because the environment variables you have provided"

const refuseEnvironment = (environment: FunctionSettings["Environment"] = {}): InvalidParameterValue | undefined => {
  const reserved = Object.keys(environment).filter((name) => reservedVariables.has(name))
  if (reserved.length > 0) {
    return new InvalidParameterValue({
      detail: `${cannotConfigure} contains reserved keys that are currently not supported for modification. Reserved keys used in this request: ${reserved.join(", ")}`
    })
  }
  const broken = Object.entries(environment).find(([, value]) => value.includes("\0"))
  if (broken !== undefined) {
    return new InvalidParameterValue({ detail: `${cannotConfigure} contains a null character in ${broken[0]}` })
  }
  const text = JSON.stringify(environment)
  if (Buffer.byteLength(text) <= maxEnvironmentBytes) return undefined
  return new InvalidParameterValue({
    detail: `${cannotConfigure} exceeded the 4KB limit. String measured: ${excerpt(text, maxMeasuredShown)}`
  })
}
