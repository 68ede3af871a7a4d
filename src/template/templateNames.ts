/** What the names in a template stand for: parameters, pseudo parameters, and resources by their `Ref` and attributes. */
import { functionArn, type Owner } from "../domain/FunctionName.ts"
import { isRecord } from "../domain/json.ts"
import { type Known, type Names, type Remarks, textOf, unknowable, unknown, value } from "./Intrinsics.ts"
import type { Path } from "./parseTemplate.ts"

export interface Resource {
  readonly logicalId: string
  readonly type: string
  /** With those of `Globals`; not resolved. */
  readonly properties: Readonly<Record<string, unknown>>
  readonly metadata: Readonly<Record<string, unknown>>
}

export interface NamesOptions {
  readonly owner: Owner
  readonly stackName: string
  /** In place of the parameters' defaults. */
  readonly parameters: Readonly<Record<string, string>>
}

/** What the reading of a template goes by. `resolve` comes after the names it resolves with. */
export interface Naming {
  readonly content: Readonly<Record<string, unknown>>
  readonly resources: ReadonlyMap<string, Resource>
  readonly resolve: (value: unknown, path: Path, remarks: Remarks) => unknown
}

const silent: Remarks = { warn: () => {}, refuse: () => {} }

export const serverless = "AWS::Serverless::"
export const implicitRestApi = "ServerlessRestApi"
export const implicitHttpApi = "ServerlessHttpApi"

/** Letters and digits as the logical id is, in lower case: what an API answers to as a host. */
export const apiIdOf = (logicalId: string): string => logicalId.toLowerCase()

export const isFunction = ({ type }: Resource): boolean =>
  type === "AWS::Serverless::Function" || type === "AWS::Lambda::Function"
export const isLayer = ({ type }: Resource): boolean =>
  type === "AWS::Serverless::LayerVersion" || type === "AWS::Lambda::LayerVersion"

export const templateNames = (naming: Naming, options: NamesOptions): Names & { readonly nameOf: NameOf } => {
  const { owner, stackName } = options
  const partition = owner.region.startsWith("cn-") ? "aws-cn" : "aws"
  const urlSuffix = partition === "aws-cn" ? "amazonaws.com.cn" : "amazonaws.com"
  const pseudo: Readonly<Record<string, unknown>> = {
    "AWS::AccountId": owner.accountId,
    "AWS::NotificationARNs": [],
    "AWS::Partition": partition,
    "AWS::Region": owner.region,
    "AWS::StackId": `arn:${partition}:cloudformation:${owner.region}:${owner.accountId}:stack/${stackName}/local`,
    "AWS::StackName": stackName,
    "AWS::URLSuffix": urlSuffix
  }
  const beingNamed = new Set<string>()

  /** The name that `property` gives, or else the logical id. */
  const nameOf: NameOf = (resource, property) => {
    // Of resources that are named after each other none has a name.
    if (beingNamed.has(resource.logicalId)) return resource.logicalId
    beingNamed.add(resource.logicalId)
    const given = naming.resolve(
      resource.properties[property],
      ["Resources", resource.logicalId, "Properties", property],
      silent
    )
    beingNamed.delete(resource.logicalId)
    return textOf(given) ?? resource.logicalId
  }

  const arn = (service: string, rest: string) =>
    `arn:${partition}:${service}:${owner.region}:${owner.accountId}:${rest}`

  const about = (resource: Resource): About => {
    const name = (property: string) => nameOf(resource, property)
    switch (resource.type) {
      case "AWS::Serverless::Function":
      case "AWS::Lambda::Function":
        return { ref: name("FunctionName"), Arn: functionArn(owner, name("FunctionName")) }
      case "AWS::Serverless::LayerVersion":
      case "AWS::Lambda::LayerVersion": {
        const layer = arn("lambda", `layer:${name("LayerName")}`)
        return { ref: `${layer}:1`, LayerVersionArn: `${layer}:1`, LayerArn: layer, Arn: `${layer}:1` }
      }
      case "AWS::Lambda::Version":
        return { ref: `${functionNamed(resource)}:1`, Version: "1", FunctionArn: `${functionNamed(resource)}:1` }
      case "AWS::Lambda::Alias":
        return {
          ref: `${functionNamed(resource)}:${name("Name")}`,
          AliasArn: `${functionNamed(resource)}:${name("Name")}`
        }
      case "AWS::Serverless::Api":
      case "AWS::ApiGateway::RestApi":
        return { ref: apiIdOf(resource.logicalId), RestApiId: apiIdOf(resource.logicalId), RootResourceId: "root" }
      case "AWS::Serverless::HttpApi":
      case "AWS::ApiGatewayV2::Api": {
        const id = apiIdOf(resource.logicalId)
        return { ref: id, ApiId: id, ApiEndpoint: `https://${id}.execute-api.${owner.region}.${urlSuffix}` }
      }
      case "AWS::DynamoDB::Table":
      case "AWS::DynamoDB::GlobalTable":
      case "AWS::Serverless::SimpleTable":
        return { ref: name("TableName"), Arn: arn("dynamodb", `table/${name("TableName")}`) }
      case "AWS::S3::Bucket":
        return {
          ref: name("BucketName"),
          Arn: `arn:${partition}:s3:::${name("BucketName")}`,
          DomainName: `${name("BucketName")}.s3.${urlSuffix}`
        }
      case "AWS::SQS::Queue": {
        const queue = name("QueueName")
        const url = `https://sqs.${owner.region}.${urlSuffix}/${owner.accountId}/${queue}`
        return { ref: url, QueueUrl: url, QueueName: queue, Arn: arn("sqs", queue) }
      }
      case "AWS::SNS::Topic": {
        const topic = arn("sns", name("TopicName"))
        return { ref: topic, TopicArn: topic, TopicName: name("TopicName") }
      }
      case "AWS::Kinesis::Stream":
        return { ref: name("Name"), Arn: arn("kinesis", `stream/${name("Name")}`) }
      case "AWS::Events::EventBus":
        return { ref: name("Name"), Name: name("Name"), Arn: arn("events", `event-bus/${name("Name")}`) }
      case "AWS::IAM::Role":
        return { ref: name("RoleName"), Arn: `arn:${partition}:iam::${owner.accountId}:role/${name("RoleName")}` }
      case "AWS::Logs::LogGroup":
        return { ref: name("LogGroupName"), Arn: arn("logs", `log-group:${name("LogGroupName")}:*`) }
      case "AWS::SSM::Parameter":
        return { ref: name("Name") }
      case "AWS::SecretsManager::Secret": {
        const secret = arn("secretsmanager", `secret:${name("Name")}`)
        return { ref: secret, Id: secret }
      }
      case "AWS::Serverless::StateMachine":
      case "AWS::StepFunctions::StateMachine": {
        const machine = nameOf(resource, resource.type.startsWith(serverless) ? "Name" : "StateMachineName")
        return {
          ref: arn("states", `stateMachine:${machine}`),
          Arn: arn("states", `stateMachine:${machine}`),
          Name: machine
        }
      }
      case "AWS::Cognito::UserPool": {
        // AWS makes the id up: this one is only one to replace.
        const id = `${owner.region}_${resource.logicalId}`
        const provider = `cognito-idp.${owner.region}.${urlSuffix}/${id}`
        return {
          ref: id,
          UserPoolId: id,
          Arn: arn("cognito-idp", `userpool/${id}`),
          ProviderName: provider,
          ProviderURL: `https://${provider}`
        }
      }
      default:
        return { ref: resource.logicalId }
    }
  }

  const functionNamed = (resource: Resource): string => {
    const given = nameOf(resource, "FunctionName")
    return given.startsWith("arn:") ? given : functionArn(owner, given)
  }

  const parameter = (name: string): Known => {
    const declared = isRecord(naming.content.Parameters) ? naming.content.Parameters[name] : undefined
    if (!isRecord(declared)) return unknown
    const type = typeof declared.Type === "string" ? declared.Type : "String"
    const given = options.parameters[name] ?? textOf(declared.Default)
    if (given === undefined) {
      return unknowable(`the parameter ${name} has no value: set IRORI_TEMPLATE_PARAMETERS="${name}=…"; left out`)
    }
    if (type.startsWith("AWS::SSM::Parameter::Value") && options.parameters[name] === undefined) {
      return unknowable(
        `the parameter ${name} is looked up in AWS by ${given}: set IRORI_TEMPLATE_PARAMETERS="${name}=…"; left out`
      )
    }
    const isList = type === "CommaDelimitedList" || type.startsWith("List<") || type.includes("Value<List<")
    return value(isList ? (given === "" ? [] : given.split(",").map((item) => item.trim())) : given)
  }

  /** What SAM makes beside a function: `Function.Alias`, `FunctionAliaslive`, `FunctionRole`, `FunctionUrl`. */
  const beside = (name: string): Known => {
    for (const resource of naming.resources.values()) {
      const { logicalId, type } = resource
      if (!type.startsWith(serverless) || !name.startsWith(logicalId)) continue
      const rest = name.slice(logicalId.length)
      if (type === "AWS::Serverless::Function") {
        const own = functionArn(owner, nameOf(resource, "FunctionName"))
        const alias = textOf(naming.resolve(resource.properties.AutoPublishAlias, [], silent))
        if (alias !== undefined && (rest === ".Alias" || rest === `Alias${alias}`)) return value(`${own}:${alias}`)
        if (rest === ".Version") return value(`${own}:1`)
        if (rest === "Role") return value(name)
        if (rest === "Url") return value(own)
      } else if (rest === ".Stage" || /^\w*Stage$/.test(rest)) {
        return value(stageOf(resource))
      } else if (/^[0-9a-f]{10}$/.test(rest) && isLayer(resource)) {
        return value(about(resource).ref)
      }
    }
    if (name.startsWith(implicitRestApi)) return value(name === implicitRestApi ? apiIdOf(name) : "Prod")
    if (name.startsWith(implicitHttpApi)) return value(name === implicitHttpApi ? apiIdOf(name) : "$default")
    return unknown
  }

  const stageOf = (resource: Resource): string => {
    const stage = nameOf(resource, "StageName")
    return stage === resource.logicalId ? "$default" : stage
  }

  return {
    nameOf,
    region: owner.region,
    mappings: naming.content.Mappings,
    conditions: naming.content.Conditions,
    ref: (name) => {
      if (Object.hasOwn(pseudo, name)) return value(pseudo[name])
      const declared = parameter(name)
      if (declared._tag !== "Unknown") return declared
      const resource = naming.resources.get(name)
      return resource === undefined ? beside(name) : value(about(resource).ref)
    },
    attribute: (name, attribute) => {
      const resource = naming.resources.get(name)
      if (resource !== undefined) {
        const known = about(resource)
        return Object.hasOwn(known, attribute) && attribute !== "ref"
          ? value(known[attribute])
          : unknowable(`${attribute} of ${name} (${resource.type}) is not known here; left out`)
      }
      const made = beside(name)
      if (made._tag !== "Value") return made
      if (name.endsWith("Role") && attribute === "Arn") {
        return value(`arn:${partition}:iam::${owner.accountId}:role/${name}`)
      }
      return unknowable(`${attribute} of ${name} is not known here; left out`)
    }
  }
}

type NameOf = (resource: Resource, property: string) => string

interface About {
  readonly ref: string
  readonly [attribute: string]: string
}
