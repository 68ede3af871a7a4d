/** The account, and what functions have besides code and configuration. */
import { Effect } from "effect"
import { Account } from "../../src/control/Account.ts"
import { CodeSigning } from "../../src/control/CodeSigning.ts"
import { RecursionConfigs } from "../../src/control/RecursionConfigs.ts"
import { RuntimeManagement } from "../../src/control/RuntimeManagement.ts"
import type { Handlers } from "./Operation.ts"

export const settings = {
  GetAccountSettings: () => Account.use((account) => account.settings),
  GetFunctionRecursionConfig: (_, { reference }) =>
    RecursionConfigs.use((configs) => Effect.map(configs.get(reference.name), (RecursiveLoop) => ({ RecursiveLoop }))),
  // The model demands what is put.
  PutFunctionRecursionConfig: ({ RecursiveLoop = "Terminate" }, { reference }) =>
    RecursionConfigs.use((configs) => Effect.as(configs.put(reference.name, RecursiveLoop), { RecursiveLoop })),
  GetRuntimeManagementConfig: (_, { reference }) => RuntimeManagement.use((management) => management.get(reference)),
  PutRuntimeManagementConfig: ({ RuntimeVersionArn, UpdateRuntimeOn = "Auto" }, { reference }) =>
    RuntimeManagement.use((management) => management.put(reference, UpdateRuntimeOn, RuntimeVersionArn)),
  GetFunctionCodeSigningConfig: (_, { reference }) =>
    CodeSigning.use((signing) => Effect.as(signing.get(reference.name), {})),
  PutFunctionCodeSigningConfig: ({ CodeSigningConfigArn = "" }) =>
    CodeSigning.use((signing) => signing.put(CodeSigningConfigArn)),
  DeleteFunctionCodeSigningConfig: (_, { reference }) =>
    CodeSigning.use((signing) => Effect.as(signing.remove(reference.name), undefined))
} satisfies Handlers<Account | CodeSigning | RecursionConfigs | RuntimeManagement>
