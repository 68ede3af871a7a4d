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
  readonly payloadFormat: PayloadFormat
}

/** Who decides who may call. What the settings of a type mean is for whoever implements it. */
export interface Authorizer {
  readonly type: string
  readonly settings: Readonly<Record<string, unknown>>
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
  readonly authorizers: Readonly<Record<string, Authorizer>>
  /** The name of the authorizer that is asked before a route is looked for, so that strangers learn no paths. */
  readonly gatekeeper?: string
  /** How long a caller waits for an answer: 29 seconds in REST APIs, 30 in HTTP APIs. */
  readonly timeout: Duration.Duration
  /**
   * Takes results that API Gateway refuses, and has paths decoded and header names in lower case, as those who come with
   * a `routing.yml` are used to. Of REST APIs.
   */
  readonly isLenient: boolean
}

export const defaultTimeoutSeconds: Readonly<Record<ApiKind, number>> = { rest: 29, http: 30 }
