/** What holds for the whole installation. */
import { Effect } from "effect"
import type { Handlers } from "./Operation.ts"

export const settings = {
  ListEventSourceMappings: () => Effect.succeed({ EventSourceMappings: [] })
} satisfies Handlers<never>
