/** What stands behind the control plane, and the functions that it makes: the part of `layers.ts` that is about them. */
import { join } from "node:path"
import { Layer } from "effect"
import type { Settings } from "./Config.ts"
import { Account } from "./control/Account.ts"
import { Aliases } from "./control/Aliases.ts"
import { CodeLinks } from "./control/CodeLinks.ts"
import { CodeSigning } from "./control/CodeSigning.ts"
import { CodeStore } from "./control/CodeStore.ts"
import { Concurrency } from "./control/Concurrency.ts"
import { ConcurrencyLimits } from "./control/ConcurrencyLimits.ts"
import { ControlDatabase } from "./control/Database.ts"
import { EventSourceMappings } from "./control/EventSourceMappings.ts"
import { FunctionCatalog } from "./control/FunctionCatalog.ts"
import { FunctionStore } from "./control/FunctionStore.ts"
import { Functions } from "./control/Functions.ts"
import { FunctionUrls } from "./control/FunctionUrls.ts"
import { LayerStore } from "./control/LayerStore.ts"
import { Layers } from "./control/Layers.ts"
import { LayerVersions } from "./control/LayerVersions.ts"
import { Policies } from "./control/Policies.ts"
import { RecursionConfigs } from "./control/RecursionConfigs.ts"
import { RuntimeManagement } from "./control/RuntimeManagement.ts"
import { Tagging } from "./control/Tagging.ts"
import { Tags } from "./control/Tags.ts"
import { Versions } from "./control/Versions.ts"
import type { Owner } from "./domain/FunctionName.ts"
import * as StoredFunctionRegistry from "./registry/StoredFunctionRegistry.ts"
import * as TemplateFunctionRegistry from "./registry/TemplateFunctionRegistry.ts"
import type { StateFolder } from "./StateFolder.ts"
import { folderRegistry, templateFile, templatePathOf } from "./templateLayers.ts"

const ownerOf = ({ accountId, region }: Settings): Owner => ({ accountId, region })

/** What the API keeps, in the state folder. */
const kept = (settings: Settings, state: StateFolder) => {
  const owner = ownerOf(settings)
  return Layer.mergeAll(
    LayerVersions.layer({ owner }),
    Layers.layer({ owner, folder: join(state.path, "layers") }),
    ConcurrencyLimits.layer({ accountConcurrency: settings.accountConcurrency }),
    Tags.layer
  ).pipe(
    Layer.provideMerge(Layer.merge(LayerStore.layer({ owner }), CodeLinks.layer)),
    Layer.provideMerge(Layer.merge(FunctionStore.layer, CodeStore.layer(join(state.path, "code")))),
    Layer.provideMerge(ControlDatabase.layer(join(state.path, "control.db")))
  )
}

/** Every function there is: those made through the API, over those of files; and what invoking one has to know of it. */
export const registry = (settings: Settings, state: StateFolder) =>
  RecursionConfigs.layer({ owner: ownerOf(settings) }).pipe(Layer.provideMerge(functions(settings, state)))

const functions = (settings: Settings, state: StateFolder) =>
  StoredFunctionRegistry.layer({ defaults: settings, maxTimeout: settings.invokeTimeout }).pipe(
    Layer.provide(
      TemplateFunctionRegistry.layer({
        folder: join(state.path, "template"),
        defaults: settings,
        maxTimeout: settings.invokeTimeout
      })
    ),
    Layer.provide(folderRegistry(settings)),
    Layer.provideMerge(templateFile(settings)),
    Layer.provideMerge(kept(settings, state))
  )

/** The operations, over the registry and what it keeps. */
export const operations = (settings: Settings) => {
  const owner = ownerOf(settings)
  return Layer.mergeAll(
    Functions.layer,
    Versions.layer,
    Aliases.layer,
    FunctionUrls.layer({ owner, domain: settings.functionUrlDomain }),
    Policies.layer({ owner }),
    Tagging.layer({ owner }),
    RuntimeManagement.layer({ owner }),
    CodeSigning.layer({ owner }),
    EventSourceMappings.layer,
    Account.layer.pipe(Layer.provideMerge(Concurrency.layer({ owner })))
  ).pipe(
    Layer.provideMerge(
      FunctionCatalog.layer({
        owner,
        functionsFile: templatePathOf(settings) ?? join(settings.functionsDir, "functions.yml")
      })
    )
  )
}
