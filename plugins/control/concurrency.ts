/** How many of a function may run at once, and how many of a version are kept ready. */
import { Effect } from "effect"
import { Concurrency } from "../../src/control/Concurrency.ts"
import type { Handlers } from "./Operation.ts"

export const concurrency = {
  // The model demands the numbers.
  PutFunctionConcurrency: ({ ReservedConcurrentExecutions = 0 }, { reference }) =>
    Concurrency.use((concurrency) =>
      Effect.as(concurrency.reserve(reference, ReservedConcurrentExecutions), { ReservedConcurrentExecutions })
    ),
  GetFunctionConcurrency: (_, { reference }) =>
    Concurrency.use((concurrency) =>
      Effect.map(concurrency.reservedOf(reference), (ReservedConcurrentExecutions) =>
        ReservedConcurrentExecutions === undefined ? {} : { ReservedConcurrentExecutions }
      )
    ),
  DeleteFunctionConcurrency: (_, { reference }) =>
    Concurrency.use((concurrency) => Effect.as(concurrency.free(reference), undefined)),
  PutProvisionedConcurrencyConfig: ({ ProvisionedConcurrentExecutions = 1 }, { reference }) =>
    Concurrency.use((concurrency) => concurrency.provision(reference, ProvisionedConcurrentExecutions)),
  GetProvisionedConcurrencyConfig: (_, { reference }) =>
    Concurrency.use((concurrency) => concurrency.provisioned(reference)),
  DeleteProvisionedConcurrencyConfig: (_, { reference }) =>
    Concurrency.use((concurrency) => Effect.as(concurrency.unprovision(reference), undefined)),
  ListProvisionedConcurrencyConfigs: (input, { reference }) =>
    Concurrency.use((concurrency) => concurrency.list(reference.name, input))
} satisfies Handlers<Concurrency>
