/** What the events of a call have in common, those that ask its authorizers and the one that its function gets. */
import type { Owner } from "../domain/FunctionName.ts"
import type { RouteCall } from "./RouteAuthorizer.ts"

export const eventContext = (
  { api, domainName, parameters, requestId, sourceIp, timeMillis }: RouteCall,
  owner: Owner
) => ({
  accountId: owner.accountId,
  apiId: api.id,
  domainName,
  requestId,
  sourceIp,
  stage: api.stage,
  timeMillis,
  pathParameters: parameters,
  ...(api.stageVariables === undefined ? {} : { stageVariables: api.stageVariables })
})
