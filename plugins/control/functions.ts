/** Functions themselves. */
import { Effect } from "effect"
import { Functions } from "../../src/control/Functions.ts"
import type { Handlers } from "./Operation.ts"

export const functions = {
  CreateFunction: (input, { reference }) => Functions.use((service) => service.create(reference.name, input)),
  GetFunction: (_, { origin, reference }) => Functions.use((service) => service.get(reference, origin)),
  GetFunctionConfiguration: (_, { reference }) => Functions.use((service) => service.configuration(reference)),
  UpdateFunctionCode: (input, { reference }) => Functions.use((service) => service.updateCode(reference, input)),
  UpdateFunctionConfiguration: (input, { reference }) =>
    Functions.use((service) => service.updateConfiguration(reference, input)),
  DeleteFunction: (_, { reference }) => Functions.use((service) => Effect.as(service.remove(reference), undefined)),
  ListFunctions: (input) => Functions.use((service) => service.list(input))
} satisfies Handlers<Functions>
