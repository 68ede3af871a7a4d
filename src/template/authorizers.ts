/** Who decides who may call an API, as `Auth` of a template and the security schemes of a definition say it. */
import { Duration } from "effect"
import type { ApiKind, Authorizer, JwtAuthorizer } from "../domain/Route.ts"
import type { Fields } from "./Fields.ts"
import { functionTargetOf } from "./Reading.ts"

/** `AWS_IAM`, where templates name an authorizer: those who sign. */
export const signatureAuthorizer = "AWS_IAM"

const defaultTtlSeconds: Readonly<Record<ApiKind, number>> = { rest: 300, http: 0 }

/** Undefined where it is none that is known here, which was said. */
export const authorizerOf = (kind: ApiKind, settings: Fields): Authorizer | undefined => {
  if (settings.has("UserPoolArn")) return userPool(settings)
  if (settings.has("FunctionArn")) return lambda(kind, settings)
  if (settings.has("JwtConfiguration") || settings.has("OpenIdConnectUrl")) return jwt(settings)
  settings.remarks.refuse(
    settings.path,
    "this authorizer is of no kind that is known here: its routes refuse everybody"
  )
  return undefined
}

const userPool = (settings: Fields): JwtAuthorizer | undefined => {
  const [arn, ...others] = settings.texts("UserPoolArn") ?? []
  const issuer = issuerOfPool(arn)
  if (issuer === undefined) {
    settings.remarks.refuse(settings.at("UserPoolArn"), `UserPoolArn: '${arn ?? ""}' is no ARN of a user pool`)
    return undefined
  }
  if (others.length > 0) settings.warn("UserPoolArn", "of several user pools the tokens of the first one are taken")
  const header = settings.record("Identity")?.text("Header") ?? "Authorization"
  return { type: "jwt", issuer, audience: [], identitySource: `method.request.header.${header}` }
}

/** As the tokens of a user pool have it in `iss`. */
const issuerOfPool = (arn: string | undefined): string | undefined => {
  const [, region, pool] = /^arn:[\w-]+:cognito-idp:([\w-]+):\d*:userpool\/([\w-]+)$/.exec(arn ?? "") ?? []
  return region === undefined ? undefined : `https://cognito-idp.${region}.amazonaws.com/${pool}`
}

const jwt = (settings: Fields): JwtAuthorizer | undefined => {
  const configuration = settings.record("JwtConfiguration")
  const discovery = settings.text("OpenIdConnectUrl")
  const issuer =
    configuration?.text("issuer") ??
    configuration?.text("Issuer") ??
    discovery?.replace(/\/\.well-known\/openid-configuration$/, "")
  if (issuer === undefined) {
    settings.remarks.refuse(settings.path, "its issuer is missing")
    return undefined
  }
  return {
    type: "jwt",
    issuer,
    audience: configuration?.texts("audience") ?? configuration?.texts("Audience") ?? [],
    identitySource: settings.text("IdentitySource") ?? "$request.header.Authorization"
  }
}

const lambda = (kind: ApiKind, settings: Fields): Authorizer | undefined => {
  const target = functionTargetOf(settings.text("FunctionArn") ?? "")
  if (target === undefined) {
    settings.remarks.refuse(settings.at("FunctionArn"), "FunctionArn: Expected the ARN of a function")
    return undefined
  }
  const identity = settings.record("Identity")
  const isToken = kind === "rest" && settings.choice("FunctionPayloadType", ["TOKEN", "REQUEST"]) !== "REQUEST"
  const tokenPattern = isToken ? identity?.text("ValidationExpression") : undefined
  const version = settings.choice("AuthorizerPayloadFormatVersion", ["1.0", "2.0"])
  return {
    type: "lambda",
    ...target,
    kind: isToken ? "token" : "request",
    identitySources: isToken
      ? [`method.request.header.${identity?.text("Header") ?? "Authorization"}`]
      : identitySourcesOf(kind, identity),
    ...(tokenPattern === undefined ? {} : { tokenPattern }),
    ttl: Duration.seconds(identity?.whole("ReauthorizeEvery", 0, 3600) ?? defaultTtlSeconds[kind]),
    payloadFormat: kind === "http" ? (version ?? "2.0") : "1.0",
    hasSimpleAnswers: kind === "http" && settings.flag("EnableSimpleResponses") === true
  }
}

const identitySourcesOf = (kind: ApiKind, identity: Fields | undefined): ReadonlyArray<string> => {
  const [request, others] = kind === "rest" ? ["method.request", ""] : ["$request", "$"]
  const named = (key: string, prefix: string) => (identity?.texts(key) ?? []).map((name) => `${prefix}.${name}`)
  return [
    ...named("Headers", `${request}.header`),
    ...named("QueryStrings", `${request}.querystring`),
    ...named("StageVariables", `${others}stageVariables`),
    ...named("Context", `${others}context`)
  ]
}

/** Of a security scheme in an OpenAPI definition; `api-key` is one that stands for API keys. */
export const schemeAuthorizerOf = (kind: ApiKind, scheme: Fields): Authorizer | "api-key" | undefined => {
  const own = scheme.record("x-amazon-apigateway-authorizer")
  if (own === undefined) {
    if (scheme.text("x-amazon-apigateway-authtype")?.toLowerCase() === "awssigv4") return { type: "iam" }
    if (scheme.text("type") === "apiKey" && scheme.text("name")?.toLowerCase() === "x-api-key") return "api-key"
    scheme.remarks.warn(
      scheme.path,
      "this security scheme is of no kind that is known here: its routes refuse everybody"
    )
    return undefined
  }
  const header = scheme.text("name") ?? "Authorization"
  const sources = own
    .text("identitySource")
    ?.split(",")
    .map((source) => source.trim())
  switch (own.text("type")?.toLowerCase()) {
    case "jwt": {
      const configuration = own.record("jwtConfiguration")
      const issuer = configuration?.text("issuer")
      if (issuer === undefined) break
      const identitySource = sources?.[0] ?? "$request.header.Authorization"
      return { type: "jwt", issuer, audience: configuration?.texts("audience") ?? [], identitySource }
    }
    case "cognito_user_pools": {
      const issuer = issuerOfPool(own.texts("providerARNs")?.[0])
      if (issuer === undefined) break
      return { type: "jwt", issuer, audience: [], identitySource: `method.request.header.${header}` }
    }
    case "token":
    case "request": {
      const target = functionTargetOf(own.text("authorizerUri") ?? "")
      if (target === undefined) break
      const isToken = own.text("type")?.toLowerCase() === "token"
      const tokenPattern = isToken ? own.text("identityValidationExpression") : undefined
      return {
        type: "lambda",
        ...target,
        kind: isToken ? "token" : "request",
        identitySources: sources ?? (isToken ? [`method.request.header.${header}`] : []),
        ...(tokenPattern === undefined ? {} : { tokenPattern }),
        ttl: Duration.seconds(own.whole("authorizerResultTtlInSeconds", 0, 3600) ?? defaultTtlSeconds[kind]),
        payloadFormat:
          kind === "http" ? (own.choice("authorizerPayloadFormatVersion", ["1.0", "2.0"]) ?? "2.0") : "1.0",
        hasSimpleAnswers: own.flag("enableSimpleResponses") === true
      }
    }
  }
  scheme.remarks.warn(own.path, "this authorizer is of no kind that is known here: its routes refuse everybody")
  return undefined
}
