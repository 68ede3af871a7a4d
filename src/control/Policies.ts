/**
 * Who may do what with a function: the policies of functions, versions and aliases, each its own. Kept in the database
 * and in memory, so that a caller of a function URL is judged without SQL.
 */
import { randomUUID } from "node:crypto"
import { Context, Effect, Layer } from "effect"
import { functionArn, type Owner, type Qualifier } from "../domain/FunctionName.ts"
import type { FunctionReference } from "../domain/FunctionReference.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { ControlDatabase, type Tables } from "./Database.ts"
import { FunctionStore } from "./FunctionStore.ts"
import { demandLength, demandRevision, demandStatement, statementTaken } from "./policyRefusals.ts"
import {
  conditionsOf,
  type ResourcePolicy,
  readPrincipal,
  type Statement,
  type StatementConditions
} from "./ResourcePolicy.ts"
import {
  InvalidParameterValue,
  type PolicyLengthExceeded,
  type PreconditionFailed,
  type ResourceConflict,
  ResourceNotFound
} from "./refusals.ts"
import { demandFunction, demandVersion } from "./versionOf.ts"

/** By the API's own names. */
export interface PermissionRequest extends StatementConditions {
  readonly StatementId: string | undefined
  readonly Action: string | undefined
  readonly Principal: string | undefined
  readonly RevisionId?: string | undefined
}

export class Policies extends Context.Service<
  Policies,
  {
    /** Of the function itself, or of one version or alias of it. */
    readonly policyOf: (name: string, qualifier?: Qualifier) => ResourcePolicy | undefined
    /** Answers with the statement that it has added. */
    readonly allow: (
      reference: FunctionReference,
      request: PermissionRequest
    ) => Effect.Effect<
      Statement,
      InvalidParameterValue | PolicyLengthExceeded | PreconditionFailed | ResourceConflict | ResourceNotFound
    >
    /** A policy goes with its last statement. */
    readonly withdraw: (
      reference: FunctionReference,
      statementId: string,
      revisionId?: string
    ) => Effect.Effect<void, PreconditionFailed | ResourceNotFound>
    readonly get: (reference: FunctionReference) => Effect.Effect<ResourcePolicy, ResourceNotFound>
  }
>()("irori/control/Policies") {
  static readonly layer = (options: { readonly owner: Owner }) => Layer.effect(Policies, make(options.owner))
}

const tables: Tables = {
  name: "policies",
  steps: [
    // The function itself has the empty qualifier.
    `CREATE TABLE policies (
       function TEXT NOT NULL,
       qualifier TEXT NOT NULL,
       statements TEXT NOT NULL,
       revision_id TEXT NOT NULL,
       PRIMARY KEY (function, qualifier)
     ) STRICT`
  ]
}

const make = Effect.fnUntraced(function* (owner: Owner) {
  const database = yield* ControlDatabase
  const registry = yield* FunctionRegistry
  const store = yield* FunctionStore
  yield* database.prepare(tables)
  /** By function, then by qualifier. */
  const policies = new Map<string, Map<Qualifier, ResourcePolicy>>()

  const read = (name: string): void => {
    const rows = database.all("SELECT qualifier, statements, revision_id FROM policies WHERE function = ?", name)
    if (rows.length === 0) policies.delete(name)
    else {
      policies.set(
        name,
        new Map(
          rows.map(({ qualifier, revision_id, statements }) => [
            String(qualifier),
            // Written by `write` alone.
            { statements: JSON.parse(String(statements)) as ReadonlyArray<Statement>, revisionId: String(revision_id) }
          ])
        )
      )
    }
  }
  for (const { function: name } of database.all("SELECT DISTINCT function FROM policies")) read(String(name))

  const remove = (name: string, qualifier: Qualifier) =>
    database.run("DELETE FROM policies WHERE function = ? AND qualifier = ?", name, qualifier)

  /** The policy of a version or an alias goes with it, as that of a function has done when this is called. */
  const follow = (name: string): void => {
    for (const qualifier of policies.get(name)?.keys() ?? []) {
      const isThere = store.versions(name)?.has(qualifier) === true || store.aliases(name).has(qualifier)
      if (qualifier !== "" && !isThere) remove(name, qualifier)
    }
    if (policies.has(name)) read(name)
  }
  store.onChange(follow)

  const policyOf = (name: string, qualifier: Qualifier = "") => policies.get(name)?.get(qualifier)

  const write = ({ name, qualifier = "" }: FunctionReference, statements: ReadonlyArray<Statement>): void => {
    if (statements.length === 0) remove(name, qualifier)
    else {
      database.run(
        "INSERT OR REPLACE INTO policies VALUES (?, ?, ?, ?)",
        name,
        qualifier,
        JSON.stringify(statements),
        randomUUID()
      )
    }
    read(name)
  }

  return Policies.of({
    policyOf,
    allow: Effect.fnUntraced(function* (reference, request) {
      const { name, qualifier } = reference
      if (qualifier === "$LATEST") {
        return yield* new InvalidParameterValue({
          detail: "We currently do not support adding policies for $LATEST."
        })
      }
      const { Action = "", StatementId = "" } = request
      const principal = yield* Effect.fromResult(readPrincipal(request.Principal ?? ""))
      if (request.FunctionUrlAuthType !== undefined && Action !== "lambda:InvokeFunctionUrl") {
        return yield* new InvalidParameterValue({
          detail: "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
        })
      }
      yield* demandFunction(registry, owner, name)
      if (qualifier !== undefined) yield* demandVersion(registry, owner, name, qualifier)
      const before = policyOf(name, qualifier)
      const statements = before?.statements ?? []
      if (statements.some(({ Sid }) => Sid === StatementId)) return yield* statementTaken(StatementId)
      yield* demandRevision(before, request.RevisionId, "GetPolicy")
      const conditions = conditionsOf(request)
      const statement: Statement = {
        Sid: StatementId,
        Effect: "Allow",
        Principal: principal,
        Action,
        Resource: functionArn(owner, name, qualifier),
        ...(conditions === undefined ? {} : { Condition: conditions })
      }
      yield* demandLength([...statements, statement])
      write(reference, [...statements, statement])
      return statement
    }),
    withdraw: Effect.fnUntraced(function* (reference, statementId, revisionId) {
      const { name, qualifier } = reference
      yield* demandFunction(registry, owner, name).pipe(
        Effect.mapError(() => new ResourceNotFound({ detail: `No policy found for: ${functionArn(owner, name)}` }))
      )
      const before = policyOf(name, qualifier)
      yield* demandStatement(before, statementId)
      yield* demandRevision(before, revisionId, "GetPolicy")
      write(
        reference,
        (before?.statements ?? []).filter(({ Sid }) => Sid !== statementId)
      )
    }),
    get: ({ name, qualifier }) => {
      const policy = policyOf(name, qualifier)
      return policy === undefined
        ? Effect.fail(new ResourceNotFound({ detail: "The resource you requested does not exist." }))
        : Effect.succeed(policy)
    }
  })
})
