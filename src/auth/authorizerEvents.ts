/** What functions that decide who may call are asked: the request without its body (`LAMBDA-CONTRACT.md` section 14). */
import type { Owner } from "../domain/FunctionName.ts"
import type { LambdaAuthorizer } from "../domain/Route.ts"
import { decodedPath, httpEventV2 } from "../events/HttpEventV2.ts"
import { restEvent } from "../events/RestEvent.ts"
import { eventContext } from "../routing/eventContext.ts"
import type { RouteCall } from "../routing/RouteAuthorizer.ts"
import { routeKeyOf } from "./identity.ts"

/**
 * The ARNs by which a policy may mean the call: the path as it came, and with its encoding undone, in which form routes
 * are found by it. The first is the one that functions are told.
 */
export const callArns = (call: RouteCall, owner: Owner): readonly [string, ...ReadonlyArray<string>] => {
  const { api, request } = call
  // A REST API does not tell the two apart.
  const path = api.kind === "rest" && !api.isLenient ? request.rawPath.replace(/(?<=.)\/$/, "") : request.rawPath
  const arn = (of: string) =>
    `arn:aws:execute-api:${owner.region}:${owner.accountId}:${api.id}/${api.stage}/${request.method}${of}`
  const decoded = decodedPath(path)
  return decoded === path ? [arn(path)] : [arn(path), arn(decoded)]
}

/** `identity` has a value for each of the authorizer's sources. */
export const authorizerEvent = (
  authorizer: LambdaAuthorizer,
  call: RouteCall,
  owner: Owner,
  identity: ReadonlyArray<string>
): unknown => {
  const [arn] = callArns(call, owner)
  if (authorizer.kind === "token") return { type: "TOKEN", methodArn: arn, authorizationToken: identity[0] }
  return authorizer.payloadFormat === "2.0"
    ? eventV2(call, owner, arn, identity)
    : eventV1(call, owner, arn, identity.join(","))
}

const noBody = new Uint8Array()

const eventV2 = (call: RouteCall, owner: Owner, routeArn: string, identitySource: ReadonlyArray<string>) => {
  const { domainName, request, route, stagePath } = call
  const { body, isBase64Encoded, version, ...event } = httpEventV2(
    { ...request, rawPath: decodedPath(stagePath), body: noBody },
    {
      ...eventContext(call, owner),
      domainPrefix: domainName.split(".", 1)[0]!,
      routeKey: route === undefined ? "$default" : routeKeyOf(route)
    }
  )
  return { version, type: "REQUEST", routeArn, identitySource, ...event }
}

const eventV1 = (call: RouteCall, owner: Owner, methodArn: string, identity: string) => {
  const { api, request, route, stagePath } = call
  const { body, isBase64Encoded, requestContext, version, ...event } = restEvent(
    { ...request, body: noBody },
    {
      ...eventContext(call, owner),
      resource: route?.path ?? request.rawPath,
      stagePath,
      binaryMediaTypes: api.binaryMediaTypes,
      style: api.isLenient ? "lenient" : api.kind
    }
  )
  const { authorizer, ...context } = requestContext
  const asked = { type: "REQUEST", methodArn, ...event, requestContext: context }
  return version === undefined ? asked : { version, ...asked, identitySource: identity, authorizationToken: identity }
}
