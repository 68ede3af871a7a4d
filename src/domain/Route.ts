/** HTTP APIs and their routes: which function answers which method and path. What a path matches is `RouteTree`'s to say. */
import type { Duration } from "effect"
import type { Qualifier } from "./FunctionName.ts"

/** The two products of API Gateway, which differ in routing, events and answers. */
export type ApiKind = "rest" | "http"

/** `1.0` is what REST APIs give to functions; an HTTP API gives either. */
export type PayloadFormat = "1.0" | "2.0"

export interface Route {
  /** In upper case, or `ANY`. */
  readonly method: string
  /** As API Gateway writes it: `/pets/{id}`, `/files/{path+}`; `$default`, in an HTTP API, is whatever no other takes. */
  readonly path: string
  /** As the source has it: whether there is such a function shows when it is called. */
  readonly functionName: string
  readonly qualifier?: Qualifier
  /** The name in `authorizers` of the one who is asked first. Absent, everybody may call. */
  readonly authorizer?: string
  /** The caller's token must have one of these. Of routes whose authorizer is of the type `jwt`. */
  readonly scopes?: ReadonlyArray<string>
  /** Whether callers must show an API key, and are counted by it. Asked after the authorizer. */
  readonly needsApiKey?: boolean
  readonly payloadFormat: PayloadFormat
}

/** Who decides who may call. */
export type Authorizer = SignInAuthorizer | JwtAuthorizer | LambdaAuthorizer | SignatureAuthorizer

/** The tokens that this gateway gives out itself, to those who sign in. */
export interface SignInAuthorizer {
  readonly type: "sign-in"
}

/** The tokens of an issuer: `JWT` in an HTTP API, a user pool in a REST API. */
export interface JwtAuthorizer {
  readonly type: "jwt"
  /** A URL, to the letter as tokens have it in `iss`. */
  readonly issuer: string
  /** A token's `aud`, or else its `client_id`, must be one of these. Without any, whoever it is for may call. */
  readonly audience: ReadonlyArray<string>
  /** As API Gateway writes it: `$request.header.Authorization`, `method.request.header.Authorization`. */
  readonly identitySource: string
}

/** A function that is asked. */
export interface LambdaAuthorizer {
  readonly type: "lambda"
  /** As the source has it, like a route's. */
  readonly functionName: string
  readonly qualifier?: Qualifier
  /** Whether the function sees one header, which only REST APIs have, or the request without its body. */
  readonly kind: "token" | "request"
  /**
   * As API Gateway writes them: `$request.querystring.x`, `method.request.header.X`, `$context.stage`, `context.stage`,
   * `$stageVariables.x`. Whoever lacks one of them is refused without asking. A token's is one header.
   */
  readonly identitySources: ReadonlyArray<string>
  /** What a token must match from end to end before the function is asked. Of the kind `token`. */
  readonly tokenPattern?: string
  /** How long an answer holds for everybody with the same identity; zero asks each time, as does having no sources. */
  readonly ttl: Duration.Duration
  /** Of its event. A REST API's is always 1.0. */
  readonly payloadFormat: PayloadFormat
  /** Whether it answers `{"isAuthorized":true}` in place of a policy. Of format 2.0. */
  readonly hasSimpleAnswers: boolean
}

/** AWS Signature Version 4, of the service `execute-api`. */
export interface SignatureAuthorizer {
  readonly type: "iam"
}

/** What an HTTP API answers to browsers of other origins, in place of its functions. */
export interface ApiCors {
  readonly allowOrigins?: ReadonlyArray<string>
  readonly allowMethods?: ReadonlyArray<string>
  readonly allowHeaders?: ReadonlyArray<string>
  readonly exposeHeaders?: ReadonlyArray<string>
  readonly allowCredentials?: boolean
  readonly maxAgeSeconds?: number
}

export interface Api {
  /** Lower-case letters and digits: the first part of its host, `<id>.execute-api.…`. */
  readonly id: string
  readonly kind: ApiKind
  /** `$default`, in an HTTP API, is in no path. */
  readonly stage: string
  readonly stageVariables?: Readonly<Record<string, string>>
  /**
   * Where its paths are on a host that is no API's own: at the root, as behind a domain of one's own; behind the name
   * of the stage; or both. On its own host they are always behind the name of the stage.
   */
  readonly mounts: ReadonlyArray<"root" | "stage">
  readonly routes: ReadonlyArray<Route>
  /** As `image/png` or `image/*`. Of REST APIs; an HTTP API knows itself what is binary. */
  readonly binaryMediaTypes: ReadonlyArray<string>
  /** Of HTTP APIs. */
  readonly cors?: ApiCors
  /** Of REST APIs: the headers of the answer to `OPTIONS`, wherever no route is there for that method itself. */
  readonly preflightHeaders?: Readonly<Record<string, string>>
  readonly authorizers: Readonly<Record<string, Authorizer>>
  /** The name of the authorizer that is asked before a route is looked for, so that strangers learn no paths. */
  readonly gatekeeper?: string
  /** Where the API key of a call comes from: its `x-api-key`, or what its authorizer says. Absent, `header`. */
  readonly apiKeySource?: "header" | "authorizer"
  /** How long a caller waits for an answer: 29 seconds in REST APIs, 30 in HTTP APIs. */
  readonly timeout: Duration.Duration
  /**
   * Takes results that API Gateway refuses, and has paths decoded and header names in lower case, as those who come with
   * a `routing.yml` are used to. Of REST APIs.
   */
  readonly isLenient: boolean
}

export const defaultTimeoutSeconds: Readonly<Record<ApiKind, number>> = { rest: 29, http: 30 }
