/** What is refused alike of the policies of functions and of layers. */
import { Effect } from "effect"
import { policyDocument, type ResourcePolicy, type Statement } from "./ResourcePolicy.ts"
import { PolicyLengthExceeded, PreconditionFailed, ResourceConflict, ResourceNotFound } from "./refusals.ts"

/** Of one policy, as a document. */
export const maxPolicyBytes = 20_480

export const statementTaken = (statementId: string) =>
  new ResourceConflict({
    detail: `The statement id (${statementId}) provided already exists. Please provide a new statement id, or remove the existing statement.`
  })

/** `operation` is the one that tells the latest. */
export const demandRevision = (
  policy: ResourcePolicy | undefined,
  revisionId: string | undefined,
  operation: "GetPolicy" | "GetLayerPolicy"
) =>
  revisionId === undefined || revisionId === policy?.revisionId
    ? Effect.void
    : Effect.fail(
        new PreconditionFailed({
          detail: `The Revision Id provided does not match the latest Revision Id. Call the ${operation} API to retrieve the latest Revision Id`
        })
      )

/** Fails where the policy, if there is one, has no such statement. */
export const demandStatement = Effect.fnUntraced(function* (policy: ResourcePolicy | undefined, statementId: string) {
  if (policy === undefined) {
    return yield* new ResourceNotFound({ detail: "No policy is associated with the given resource." })
  }
  if (!policy.statements.some(({ Sid }) => Sid === statementId)) {
    return yield* new ResourceNotFound({ detail: `Statement ${statementId} is not found in resource policy.` })
  }
})

export const demandLength = (statements: ReadonlyArray<Statement>) => {
  const bytes = Buffer.byteLength(policyDocument(statements))
  return bytes <= maxPolicyBytes
    ? Effect.void
    : Effect.fail(
        new PolicyLengthExceeded({
          detail: `The final policy size (${bytes}) is bigger than the limit (${maxPolicyBytes}).`
        })
      )
}
