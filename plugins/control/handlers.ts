/** Every operation of the control plane, by name. A noun is a file of its own and a line here. */
import type { Effect } from "effect"
import { aliases } from "./aliases.ts"
import { concurrency } from "./concurrency.ts"
import { eventInvokeConfigs } from "./eventInvokeConfigs.ts"
import { eventSourceMappings } from "./eventSourceMappings.ts"
import { functions } from "./functions.ts"
import { functionUrls } from "./functionUrls.ts"
import { layers } from "./layers.ts"
import { permissions } from "./permissions.ts"
import { settings } from "./settings.ts"
import { tags } from "./tags.ts"
import { versions } from "./versions.ts"

export const handlers = {
  ...aliases,
  ...functions,
  ...versions,
  ...eventInvokeConfigs,
  ...functionUrls,
  ...permissions,
  ...concurrency,
  ...layers,
  ...tags,
  ...eventSourceMappings,
  ...settings
}

/** What the operations need, taken from their own types. */
export type ControlServices = {
  [Name in keyof typeof handlers]: (typeof handlers)[Name] extends (
    ...args: never
  ) => Effect.Effect<infer _A, infer _E, infer R>
    ? R
    : never
}[keyof typeof handlers]
