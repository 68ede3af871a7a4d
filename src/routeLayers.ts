/** Where the routes of HTTP APIs come from, and who is asked whether a caller may have one. */
import { join } from "node:path"
import { Duration, Layer, Option } from "effect"
import type { Settings } from "./Config.ts"
import { fileSource } from "./routing/fileSource.ts"
import { RouteAuthorizer } from "./routing/RouteAuthorizer.ts"
import { RouteTable } from "./routing/RouteTable.ts"
import { readRoutingFile } from "./routing/routingFile.ts"

/** `routing.yml`, beside `functions.yml` unless the settings name another. */
const routingFile = ({ functionsDir, routingFile }: Settings) =>
  fileSource({
    path: Option.getOrElse(routingFile, () => join(functionsDir, "routing.yml")),
    isRequired: Option.isSome(routingFile),
    watch: true,
    // Its functions have timeouts of their own, and callers wait for those.
    read: (text, path) => readRoutingFile(text, path, { timeout: Duration.infinity })
  })

export const routing = (settings: Settings) =>
  Layer.merge(RouteTable.layer([routingFile(settings)]), RouteAuthorizer.layerNone)
