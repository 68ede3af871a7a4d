/** Tags of functions. */
import { Effect } from "effect"
import { Tagging } from "../../src/control/Tagging.ts"
import type { Handlers } from "./Operation.ts"

export const tags = {
  // The model demands all of these.
  ListTags: ({ Resource = "" }) => Tagging.use((tagging) => Effect.map(tagging.list(Resource), (Tags) => ({ Tags }))),
  TagResource: ({ Resource = "", Tags = {} }) =>
    Tagging.use((tagging) => Effect.as(tagging.tag(Resource, Tags), undefined)),
  UntagResource: ({ Resource = "", TagKeys = [] }) =>
    Tagging.use((tagging) => Effect.as(tagging.untag(Resource, TagKeys), undefined))
} satisfies Handlers<Tagging>
