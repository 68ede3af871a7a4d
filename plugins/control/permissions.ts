/** Who may do what with a function, a version or an alias. */
import { Effect } from "effect"
import { Policies } from "../../src/control/Policies.ts"
import { policyDocument } from "../../src/control/ResourcePolicy.ts"
import type { Handlers } from "./Operation.ts"

export const permissions = {
  AddPermission: (input, { reference }) =>
    Policies.use((policies) =>
      Effect.map(policies.allow(reference, input), (statement) => ({ Statement: JSON.stringify(statement) }))
    ),
  RemovePermission: (input, { reference }) =>
    // The model demands a statement's id.
    Policies.use((policies) =>
      Effect.as(policies.withdraw(reference, input.StatementId ?? "", input.RevisionId), undefined)
    ),
  GetPolicy: (_, { reference }) =>
    Policies.use((policies) =>
      Effect.map(policies.get(reference), ({ revisionId, statements }) => ({
        Policy: policyDocument(statements),
        RevisionId: revisionId
      }))
    )
} satisfies Handlers<Policies>
