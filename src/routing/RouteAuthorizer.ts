/** Who decides whether a caller may have a route, for routes that name an authorizer or ask for an API key. */
import { Context, Effect, Layer, Schema } from "effect"
import type { Api, Authorizer, Route } from "../domain/Route.ts"
import type { HttpRequest } from "../events/HttpEventV2.ts"
import type { RestApiKey, RestCaller } from "../events/RestEvent.ts"
import type { SignedRequest } from "../sigv4/canonicalRequest.ts"

/** A request to an API. */
export interface ApiCall {
  readonly api: Api
  readonly parameters: Readonly<Record<string, string>>
  /** `rawPath` is the path after the stage, as it came. */
  readonly request: HttpRequest
  /** With the stage. */
  readonly stagePath: string
  readonly domainName: string
  readonly requestId: string
  readonly sourceIp: string
  /** Unix. */
  readonly timeMillis: number
}

/** One that an authorizer is asked about. Its body is there where it is signed, and empty for every other authorizer. */
export interface RouteCall extends ApiCall {
  /** Absent for a gatekeeper that is asked before a route is looked for. */
  readonly route?: Route
  /** As the client has sent it, which is what it may have signed. */
  readonly sent: Omit<SignedRequest, "body">
}

/** What the function's event says of the caller. */
export interface Authorized {
  /** `requestContext.authorizer`, whole. */
  readonly context?: Readonly<Record<string, unknown>>
  /** Who signed, for `requestContext.identity` of a REST API. */
  readonly caller?: RestCaller
  /** The API key that an authorizer says the caller has. */
  readonly apiKey?: string
  /** The one that the call was counted by. */
  readonly counted?: RestApiKey
}

/** The caller may not have the route; the client is answered with this. */
export class CallRefused extends Schema.TaggedError<CallRefused>()("CallRefused", {
  status: Schema.Int,
  /** As JSON: `{"message":"Unauthorized"}`. */
  body: Schema.Record(Schema.String, Schema.NullOr(Schema.String)),
  headers: Schema.Record(Schema.String, Schema.String),
  /** One line for the log. */
  reason: Schema.String
}) {}

export class RouteAuthorizer extends Context.Service<
  RouteAuthorizer,
  {
    /** Asks `authorizer`, which `call.api` has under `name`. */
    readonly authorize: (
      name: string,
      authorizer: Authorizer,
      call: RouteCall
    ) => Effect.Effect<Authorized, CallRefused>
    /**
     * Counts the call by its API key, or refuses it. For routes that ask for a key; `authorized` is what their authorizer
     * has said.
     */
    readonly count: (call: RouteCall, authorized: Authorized) => Effect.Effect<Authorized, CallRefused>
  }
>()("irori/routing/RouteAuthorizer") {
  /** Knows nobody: whoever needs an authorizer or a key is refused. */
  static readonly layerNone = Layer.succeed(RouteAuthorizer, {
    authorize: (name) => Effect.fail(unusable(`the authorizer ${name} is not known here`)),
    count: () => Effect.fail(unusable("there are no API keys"))
  })
}

/** Nobody can say who may call: a fault of the API's, and the caller learns no more than that. */
export const unusable = (reason: string): CallRefused =>
  new CallRefused({ status: 500, body: { message: null }, headers: {}, reason })
