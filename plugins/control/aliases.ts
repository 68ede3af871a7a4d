/** Names for versions of functions. */
import { Effect } from "effect"
import { Aliases } from "../../src/control/Aliases.ts"
import type { Handlers } from "./Operation.ts"

export const aliases = {
  CreateAlias: (input, { reference }) => Aliases.use((service) => service.create(reference, input)),
  GetAlias: ({ Name = "" }, { reference }) => Aliases.use((service) => service.get(reference, Name)),
  UpdateAlias: (input, { reference }) => Aliases.use((service) => service.update(reference, input.Name ?? "", input)),
  DeleteAlias: ({ Name = "" }, { reference }) =>
    Aliases.use((service) => Effect.as(service.remove(reference, Name), undefined)),
  ListAliases: (input, { reference }) => Aliases.use((service) => service.list(reference, input))
} satisfies Handlers<Aliases>
