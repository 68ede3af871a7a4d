/** Who decides whether a caller may have a route, for routes that name an authorizer. */
import { Context, Effect, Layer, Schema } from "effect"
import type { Api, Authorizer, Route } from "../domain/Route.ts"
import type { HttpRequest } from "../events/HttpEventV2.ts"
import type { RestCaller } from "../events/RestEvent.ts"

/** A request to an API, before its body is read. */
export interface RouteCall {
  readonly api: Api
  /** Absent for a gatekeeper that is asked before a route is looked for. */
  readonly route?: Route
  readonly parameters: Readonly<Record<string, string>>
  /** `rawPath` is the path after the stage, as it came; `body` is empty. */
  readonly request: HttpRequest
  /** With the stage. */
  readonly stagePath: string
  readonly domainName: string
  readonly requestId: string
  readonly sourceIp: string
  /** Unix. */
  readonly timeMillis: number
}

/** What the function's event says of the caller. */
export interface Authorized {
  /** `requestContext.authorizer`, whole. */
  readonly context?: Readonly<Record<string, unknown>>
  /** Who signed, for `requestContext.identity` of a REST API. */
  readonly caller?: RestCaller
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
  }
>()("irori/routing/RouteAuthorizer") {
  /** Knows no type of authorizer: whoever needs one is refused. */
  static readonly layerNone = Layer.succeed(RouteAuthorizer, {
    authorize: (name, { type }) =>
      Effect.fail(
        new CallRefused({
          status: 500,
          body: { message: null },
          headers: {},
          reason: `authorizer ${name} is of the type ${type}, which is not known here`
        })
      )
  })
}
