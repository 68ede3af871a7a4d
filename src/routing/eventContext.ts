/** What the events of a call have in common, those that ask its authorizers and the one that its function gets. */
import type { Owner } from "../domain/FunctionName.ts"
import type { ApiCall } from "./RouteAuthorizer.ts"

export const eventContext = (
  { api, domainName, parameters, requestId, sourceIp, timeMillis }: ApiCall,
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
