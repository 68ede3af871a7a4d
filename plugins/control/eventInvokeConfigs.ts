/** What functions say of their asynchronous events. */
import { Effect } from "effect"
import { EventInvokeConfigs } from "../../src/control/EventInvokeConfigs.ts"
import type { Handlers } from "./Operation.ts"

export const eventInvokeConfigs = {
  PutFunctionEventInvokeConfig: (input, { reference }) =>
    EventInvokeConfigs.use((configs) => configs.put(reference, input)),
  UpdateFunctionEventInvokeConfig: (input, { reference }) =>
    EventInvokeConfigs.use((configs) => configs.update(reference, input)),
  GetFunctionEventInvokeConfig: (_, { reference }) => EventInvokeConfigs.use((configs) => configs.get(reference)),
  DeleteFunctionEventInvokeConfig: (_, { reference }) =>
    Effect.as(
      EventInvokeConfigs.use((configs) => configs.remove(reference)),
      undefined
    ),
  ListFunctionEventInvokeConfigs: ({ Marker, MaxItems }, { reference }) =>
    EventInvokeConfigs.use((configs) => configs.list(reference.name, { marker: Marker, maxItems: MaxItems }))
} satisfies Handlers<EventInvokeConfigs>
