/** Published versions of functions. */
import { Versions } from "../../src/control/Versions.ts"
import type { Handlers } from "./Operation.ts"

export const versions = {
  PublishVersion: (input, { reference }) => Versions.use((service) => service.publish(reference, input)),
  ListVersionsByFunction: (input, { reference }) => Versions.use((service) => service.list(reference, input))
} satisfies Handlers<Versions>
