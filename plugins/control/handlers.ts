/** Every operation of the control plane, by name. A noun is a file of its own and a line here. */
import type { Effect } from "effect"
import { eventInvokeConfigs } from "./eventInvokeConfigs.ts"
import { functionUrls } from "./functionUrls.ts"
import { permissions } from "./permissions.ts"
import { settings } from "./settings.ts"

export const handlers = { ...eventInvokeConfigs, ...functionUrls, ...permissions, ...settings }

/** What the operations need, taken from their own types. */
export type ControlServices = {
  [Name in keyof typeof handlers]: (typeof handlers)[Name] extends (
    ...args: never
  ) => Effect.Effect<infer _A, infer _E, infer R>
    ? R
    : never
}[keyof typeof handlers]
