/** Where the routes of HTTP APIs come from, and who is asked whether a caller may have one. */
import { join } from "node:path"
import { Duration, Layer, Option, type Scope } from "effect"
import * as Authorizers from "./auth/Authorizers.ts"
import { JwksCache } from "./auth/JwksCache.ts"
import { SignIn } from "./auth/SignIn.ts"
import { UsagePlans } from "./auth/UsagePlans.ts"
import type { Settings } from "./Config.ts"
import { fileSource } from "./routing/fileSource.ts"
import { RouteTable } from "./routing/RouteTable.ts"
import { readRoutingFile } from "./routing/routingFile.ts"
import { templateSource } from "./routing/templateSource.ts"
import type { StateFolder } from "./StateFolder.ts"
import type { TemplateFile } from "./template/TemplateFile.ts"
import { isFolderMeant } from "./templateLayers.ts"

/** `routing.yml`, beside `functions.yml` unless the settings name another. */
const routingFile = ({ functionsDir, routingFile, signIn }: Settings) =>
  fileSource({
    path: Option.getOrElse(routingFile, () => join(functionsDir, "routing.yml")),
    isRequired: Option.isSome(routingFile),
    watch: true,
    // Its functions have timeouts of their own, and callers wait for those.
    read: (text, path) => readRoutingFile(text, path, { timeout: Duration.infinity, needsSignIn: signIn !== undefined })
  })

/** Who decides who may call: the routes say which of them. */
const authorizers = (settings: Settings, state: StateFolder) => {
  const { accountId, apiKeysFile, credentials, region, signIn } = settings
  const plans = Option.match(apiKeysFile, {
    onNone: () => UsagePlans.layerNone,
    onSome: (file) => UsagePlans.layer({ file, database: join(state.path, "usage.db"), watch: true })
  })
  return Authorizers.layer({ owner: { accountId, region }, credentials }).pipe(
    Layer.provideMerge(
      Layer.mergeAll(signIn === undefined ? SignIn.layerNone : SignIn.layer(signIn), JwksCache.layer(), plans)
    )
  )
}

export const routing = (settings: Settings, state: StateFolder) =>
  Layer.merge(
    RouteTable.layer<never, Scope.Scope | TemplateFile>([
      // The folder of functions counts only where it is meant.
      ...(Option.isSome(settings.routingFile) || isFolderMeant(settings) ? [routingFile(settings)] : []),
      templateSource
    ]),
    authorizers(settings, state)
  )
