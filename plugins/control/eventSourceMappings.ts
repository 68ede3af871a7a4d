/** Event sources: there are none. */
import { Effect } from "effect"
import { EventSourceMappings } from "../../src/control/EventSourceMappings.ts"
import type { Handlers } from "./Operation.ts"

export const eventSourceMappings = {
  // The model demands a function's name.
  CreateEventSourceMapping: (input, { reference }) =>
    EventSourceMappings.use((mappings) =>
      mappings.create(reference, input.EventSourceArn !== undefined || input.SelfManagedEventSource !== undefined)
    ),
  GetEventSourceMapping: ({ UUID = "" }) => EventSourceMappings.use((mappings) => mappings.find(UUID)),
  UpdateEventSourceMapping: ({ UUID = "" }) => EventSourceMappings.use((mappings) => mappings.find(UUID)),
  DeleteEventSourceMapping: ({ UUID = "" }) => EventSourceMappings.use((mappings) => mappings.find(UUID)),
  ListEventSourceMappings: () => Effect.succeed({ EventSourceMappings: [] })
} satisfies Handlers<EventSourceMappings>
