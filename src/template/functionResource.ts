/** Reads a function out of a template: `AWS::Serverless::Function` and `AWS::Lambda::Function`. */
import { isAbsolute, resolve } from "node:path"
import { Schema } from "effect"
import type { DeclaredUrl, EventInvokeDefaults } from "../domain/FunctionConfig.ts"
import { FunctionName } from "../domain/FunctionName.ts"
import { isRecord } from "../domain/json.ts"
import { reservedVariables } from "../provision/workerEnvironment.ts"
import { corsPolicyOf } from "./corsSettings.ts"
import { Fields } from "./Fields.ts"
import type { ImageBuild, TemplateCode, TemplateFunction } from "./Template.ts"
import type { Resource } from "./templateNames.ts"

export interface FunctionPlace {
  readonly name: string
  readonly place: string
  /** Absolute: what paths in the template start from. */
  readonly folder: string
}

/** It is fine as it is, and its code is in AWS. */
export interface CodeElsewhere {
  readonly elsewhere: string
}

/** Undefined where something was refused on the way; `properties` are resolved. */
export const functionOf = (
  resource: Resource,
  properties: Fields,
  { folder, name, place }: FunctionPlace
): TemplateFunction | CodeElsewhere | undefined => {
  const isServerless = resource.type.startsWith("AWS::Serverless::")
  warnOfStrangers(properties)
  warnOfBuilds(resource, properties)
  if (!Schema.is(FunctionName)(name)) {
    properties.remarks.refuse(
      properties.at("FunctionName"),
      `'${name}' is no function name: 1 to 64 letters, digits, - or _`
    )
    return undefined
  }
  const code = isServerless ? serverlessCode(resource, properties, folder) : lambdaCode(resource, properties, folder)
  if (code === undefined || "elsewhere" in code) return code

  const isImage = code._tag === "Image"
  const runtime = isImage ? undefined : properties.text("Runtime")
  const handler = isImage ? undefined : properties.text("Handler")
  if (!isImage && runtime === undefined) refuseAbsent(properties, "Runtime")
  if (!isImage && handler === undefined && runtime?.startsWith("provided") === false)
    refuseAbsent(properties, "Handler")
  const description = properties.text("Description")
  const image = imageConfigOf(properties.record("ImageConfig"))
  const storage = properties.record("EphemeralStorage")?.whole("Size", 512, 10_240)
  const alias = isServerless ? properties.text("AutoPublishAlias") : undefined
  const reserved = properties.whole("ReservedConcurrentExecutions", 0, 10_000)
  const provisioned = properties
    .record("ProvisionedConcurrencyConfig")
    ?.whole("ProvisionedConcurrentExecutions", 1, 10_000)
  if (provisioned !== undefined && reserved !== undefined && provisioned > reserved) {
    properties.remarks.refuse(
      properties.at("ProvisionedConcurrencyConfig"),
      `${provisioned} cannot be provisioned of ${reserved} that are reserved`
    )
  }
  const deadLetters = (properties.record("DeadLetterQueue") ?? properties.record("DeadLetterConfig"))?.text("TargetArn")
  const url = isServerless ? urlOf(properties.record("FunctionUrlConfig")) : undefined
  const eventInvoke = isServerless ? eventInvokeOf(properties.record("EventInvokeConfig")) : undefined
  return {
    logicalId: resource.logicalId,
    name,
    place,
    code,
    ...(runtime === undefined ? {} : { runtime }),
    ...(handler === undefined ? {} : { handler }),
    ...(description === undefined ? {} : { description }),
    ...(isImage && image !== undefined ? { imageConfig: image } : {}),
    ...(storage === undefined ? {} : { ephemeralStorageMegabytes: storage }),
    ...loggingOf(properties.record("LoggingConfig")),
    environment: environmentOf(properties.record("Environment")?.record("Variables")),
    timeoutSeconds: properties.whole("Timeout", 1, 900) ?? 3,
    memoryMegabytes: properties.whole("MemorySize", 128, 10_240) ?? 128,
    layers: isImage ? [] : (properties.texts("Layers") ?? []),
    ...(reserved === undefined ? {} : { reservedConcurrency: reserved }),
    ...(provisioned === undefined ? {} : { provisionedConcurrency: provisioned }),
    ...(deadLetters === undefined ? {} : { deadLetterTarget: deadLetters }),
    qualifiers: alias === undefined ? [] : [alias, "1"],
    ...(url === undefined ? {} : { url }),
    ...(eventInvoke === undefined ? {} : { eventInvoke })
  }
}

const refuseAbsent = (properties: Fields, key: string): void =>
  properties.remarks.refuse(properties.path, `${key} is missing`)

const sourceOf = (given: string, folder: string): TemplateCode | CodeElsewhere =>
  /^(s3|https?):\/\//.test(given)
    ? { elsewhere: `its code is at ${given}` }
    : { _tag: "Local", path: pathOf(given, folder) }

const pathOf = (given: string, folder: string): string => (isAbsolute(given) ? given : resolve(folder, given))

const serverlessCode = (
  resource: Resource,
  properties: Fields,
  folder: string
): TemplateCode | CodeElsewhere | undefined => {
  if (isImage(properties)) return imageCode(resource, properties, folder, properties.text("ImageUri"))
  if (properties.has("InlineCode")) return inlineCode(properties, properties.text("InlineCode"))
  const { CodeUri } = properties.values
  if (isRecord(CodeUri)) return { elsewhere: `its code is at s3://${CodeUri.Bucket ?? "?"}/${CodeUri.Key ?? "?"}` }
  // A CodeUri that could not be resolved has said why.
  if (CodeUri === undefined && Object.hasOwn(resource.properties, "CodeUri"))
    return { elsewhere: "its CodeUri is not known here" }
  return sourceOf(properties.text("CodeUri") ?? ".", folder)
}

const lambdaCode = (
  resource: Resource,
  properties: Fields,
  folder: string
): TemplateCode | CodeElsewhere | undefined => {
  // Left by a packager beside the place in S3 that the code is uploaded to.
  const asset = resource.metadata["aws:asset:path"]
  if (typeof properties.values.Code === "string") return sourceOf(properties.values.Code, folder)
  const code = properties.record("Code") ?? new Fields({}, properties.path, properties.remarks)
  if (isImage(properties) || code.has("ImageUri")) return imageCode(resource, properties, folder, code.text("ImageUri"))
  if (code.has("ZipFile")) return inlineCode(properties, code.text("ZipFile"))
  if (typeof asset === "string") return { _tag: "Local", path: pathOf(asset, folder) }
  if (code.has("S3Bucket") || code.has("S3Key")) {
    return { elsewhere: `its code is at s3://${code.text("S3Bucket") ?? "?"}/${code.text("S3Key") ?? "?"}` }
  }
  properties.remarks.refuse(properties.path, "Code is missing")
  return undefined
}

const isImage = (properties: Fields): boolean => properties.text("PackageType") === "Image"

const extensions: ReadonlyArray<readonly [runtime: RegExp, fileName: string]> = [
  [/^nodejs/, "index.js"],
  [/^python/, "index.py"]
]

const inlineCode = (properties: Fields, text: string | undefined): TemplateCode | undefined => {
  const runtime = properties.text("Runtime") ?? ""
  const fileName = extensions.find(([pattern]) => pattern.test(runtime))?.[1]
  if (fileName === undefined) {
    properties.remarks.refuse(properties.path, "inline code is for the runtimes of Node.js and Python")
  }
  return fileName === undefined || text === undefined ? undefined : { _tag: "Inline", fileName, text }
}

/** Without a URI it is the image that `sam build` makes of the Dockerfile, which has this name. */
const imageCode = (
  resource: Resource,
  properties: Fields,
  folder: string,
  uri: string | undefined
): TemplateCode | undefined => {
  const { Dockerfile, DockerContext, DockerTag } = resource.metadata
  const build = imageBuildOf(resource, folder)
  if (uri !== undefined) return { _tag: "Image", uri, ...(build === undefined ? {} : { build }) }
  if (typeof Dockerfile !== "string") {
    properties.remarks.refuse(properties.path, "ImageUri is missing")
    return undefined
  }
  const tag = typeof DockerTag === "string" ? DockerTag : "latest"
  const built = `${resource.logicalId.toLowerCase()}:${tag}`
  const context = typeof DockerContext === "string" ? DockerContext : "."
  const file = context === "." ? Dockerfile : `${context.replace(/\/$/, "")}/${Dockerfile}`
  properties.warn(
    "PackageType",
    `its image is not built here; to build it: docker build -t ${built} -f ${file} ${context}`
  )
  return { _tag: "Image", uri: built, ...(build === undefined ? {} : { build }) }
}

const imageBuildOf = ({ metadata }: Resource, folder: string): ImageBuild | undefined => {
  const { DockerBuildArgs, DockerBuildTarget, DockerContext, Dockerfile } = metadata
  if (typeof Dockerfile !== "string") return undefined
  const context = pathOf(typeof DockerContext === "string" ? DockerContext : ".", folder)
  const given = isRecord(DockerBuildArgs) ? Object.entries(DockerBuildArgs) : []
  return {
    context,
    dockerfile: pathOf(Dockerfile, context),
    buildArguments: Object.fromEntries(given.map(([name, value]) => [name, String(value)])),
    ...(typeof DockerBuildTarget === "string" ? { target: DockerBuildTarget } : {})
  }
}

const imageConfigOf = (config: Fields | undefined): TemplateFunction["imageConfig"] => {
  if (config === undefined) return undefined
  const [command, entryPoint] = [config.texts("Command"), config.texts("EntryPoint")]
  const workingDirectory = config.text("WorkingDirectory")
  return {
    ...(command === undefined ? {} : { command }),
    ...(entryPoint === undefined ? {} : { entryPoint }),
    ...(workingDirectory === undefined || workingDirectory === "" ? {} : { workingDirectory })
  }
}

const loggingOf = (config: Fields | undefined) => {
  if (config === undefined) return {}
  const format = config.choice("LogFormat", ["Text", "JSON"])
  const application = config.choice("ApplicationLogLevel", ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"])
  const system = config.choice("SystemLogLevel", ["DEBUG", "INFO", "WARN"])
  return {
    ...(format === undefined ? {} : { loggingFormat: format }),
    ...(application === undefined ? {} : { applicationLogLevel: application }),
    ...(system === undefined ? {} : { systemLogLevel: system })
  }
}

const variableName = /^[a-zA-Z][a-zA-Z0-9_]+$/

const environmentOf = (variables: Fields | undefined): Readonly<Record<string, string>> => {
  const environment: Record<string, string> = {}
  for (const name of Object.keys(variables?.values ?? {})) {
    const text = variables?.text(name)
    if (!variableName.test(name)) {
      variables?.remarks.refuse(
        variables.at(name),
        `${name} is no name for a variable: a letter, then letters, digits or _`
      )
    } else if (reservedVariables.has(name)) {
      variables?.remarks.refuse(variables.at(name), `the variable ${name} is reserved: Lambda sets it`)
    } else if (text !== undefined) environment[name] = text
  }
  return environment
}

export const urlOf = (config: Fields | undefined): DeclaredUrl | undefined => {
  if (config === undefined) return undefined
  const authType = config.choice("AuthType", ["NONE", "AWS_IAM"])
  if (authType === undefined) {
    if (!config.has("AuthType")) config.remarks.refuse(config.path, "AuthType is missing: NONE or AWS_IAM")
    return undefined
  }
  const cors = config.record("Cors")
  return {
    authType,
    invokeMode: config.choice("InvokeMode", ["BUFFERED", "RESPONSE_STREAM"]) ?? "BUFFERED",
    ...(cors === undefined ? {} : { cors: corsPolicyOf(cors) })
  }
}

export const eventInvokeOf = (config: Fields | undefined): EventInvokeDefaults | undefined => {
  if (config === undefined) return undefined
  const maxRetries = config.whole("MaximumRetryAttempts", 0, 2)
  const maxAgeSeconds = config.whole("MaximumEventAgeInSeconds", 60, 21_600)
  const destinations = config.record("DestinationConfig")
  const destination = (key: string) => {
    const target = destinations?.record(key)
    const arn = target?.text("Destination")
    if (target !== undefined && arn === undefined) {
      target.remarks.warn(target.path, `${key}: SAM would make a destination of this; there is none here`)
    }
    return arn
  }
  const [onSuccess, onFailure] = [destination("OnSuccess"), destination("OnFailure")]
  return {
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
    ...(onSuccess === undefined ? {} : { onSuccess }),
    ...(onFailure === undefined ? {} : { onFailure })
  }
}

/** Properties that are about AWS, or read by others. */
export const unreadOfFunctions: ReadonlySet<string> = new Set([
  ...["Events", "FunctionName"],
  ...["AssumeRolePolicyDocument", "AutoPublishAliasAllProperties", "AutoPublishCodeSha256", "CodeSigningConfigArn"],
  ...["Connectors", "DeploymentPreference", "KmsKeyArn", "PermissionsBoundary", "Policies", "PropagateTags"],
  ...[
    "RecursiveLoop",
    "Role",
    "RolePath",
    "RuntimeManagementConfig",
    "SnapStart",
    "SourceKMSKeyArn",
    "Tags",
    "Tracing"
  ],
  ...["TracingConfig", "VersionDeletionPolicy", "VersionDescription", "VpcConfig"]
])

const known = new Set([
  ...["Architectures", "AutoPublishAlias", "Code", "CodeUri", "DeadLetterConfig", "DeadLetterQueue", "Description"],
  ...["Environment", "EphemeralStorage", "EventInvokeConfig", "FunctionUrlConfig", "Handler", "ImageConfig"],
  ...["ImageUri", "InlineCode", "Layers", "LoggingConfig", "MemorySize", "PackageType"],
  ...["ProvisionedConcurrencyConfig", "ReservedConcurrentExecutions", "Runtime", "Timeout"]
])

const warnOfStrangers = (properties: Fields): void => {
  for (const key of Object.keys(properties.values)) {
    if (!known.has(key)) properties.warn(key, `${key}: Irori does nothing with this property`)
  }
}

/** What a build makes out of sources is not what is there before it. */
const warnOfBuilds = ({ metadata }: Resource, properties: Fields): void => {
  const { BuildMethod } = metadata
  if (typeof BuildMethod !== "string") return
  properties.remarks.warn(
    properties.path,
    `it is built by ${BuildMethod}, which Irori does not do: run sam build, and set IRORI_TEMPLATE to .aws-sam/build/template.yaml`
  )
}
