/** Writes `openapi/` out of the routes: `bun run openapi`. Nothing is served, and no function is run. */
import { mkdir, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import { Effect, Layer, ManagedRuntime } from "effect"
import { stringify } from "yaml"
import { SignIn } from "../src/auth/SignIn.ts"
import { AsyncInvoker } from "../src/invoke/AsyncInvoker.ts"
import { FailedEvents } from "../src/invoke/async/FailedEvents.ts"
import { LambdaInvoker } from "../src/invoke/LambdaInvoker.ts"
import { MetricsReport } from "../src/metrics/MetricsReport.ts"
import { ContainerMetrics } from "../src/provision/ContainerMetrics.ts"
import { Manager } from "../src/provision/Manager.ts"
import { ProvisionClient } from "../src/provision/ProvisionClient.ts"
import { FunctionRegistry } from "../src/registry/FunctionRegistry.ts"
import { Reloader } from "../src/reload/Reloader.ts"
import { RouteAuthorizer } from "../src/routing/RouteAuthorizer.ts"
import { RouteTable } from "../src/routing/RouteTable.ts"
import type { ControlServices } from "./control/handlers.ts"
import { control } from "./control/index.ts"
import { openApiDocument } from "./docs/openApi.ts"
import { gatewayDescription } from "./gateway/description.ts"
import { gateway } from "./gateway/index.ts"
import { managerDescription } from "./manager/description.ts"
import { manager } from "./manager/index.ts"

const measuring = [Layer.mock(MetricsReport, {}), Layer.mock(ContainerMetrics, {})] as const

const controlServices: Layer.Layer<ControlServices> = Layer.effectContext(Effect.die("The routes are not asked."))

const owner = { region: "us-east-1", accountId: "123456789012" }

/** The routes are there to be described only. */
const gatewayRoutes = () =>
  gateway(
    ManagedRuntime.make(
      Layer.mergeAll(
        Layer.mock(LambdaInvoker, {}),
        Layer.mock(AsyncInvoker, {}),
        Layer.mock(FailedEvents, {}),
        Layer.mock(ProvisionClient, {}),
        ...measuring,
        FunctionRegistry.layerMemory([]),
        RouteTable.layerMemory([]),
        Layer.mock(Reloader, {}),
        RouteAuthorizer.layerNone,
        SignIn.layerNone
      )
    ),
    { owner, maxPayloadBytes: 6_291_456, maxEventBytes: 1_048_576, signInPath: "/user/auth/v1" }
  ).use(control(ManagedRuntime.make(controlServices), { owner }))

const managerRoutes = () =>
  manager(ManagedRuntime.make(Layer.mergeAll(Layer.mock(Manager, {}), ...measuring)), { token: "" })

/** Every file by its path from the root of the repository. */
export const openApiFiles = async (): Promise<ReadonlyMap<string, string>> => {
  const documents = {
    "openapi/gateway.yaml": await openApiDocument(gatewayRoutes(), gatewayDescription),
    "openapi/manager.yaml": await openApiDocument(managerRoutes(), managerDescription)
  }
  return new Map(
    Object.entries(documents).map(([path, document]) => [
      path,
      // Without aliases, which not every generator of clients follows, and so that readers of YAML 1.1 see the same in it.
      stringify(document, { aliasDuplicateObjects: false, lineWidth: 120, version: "1.1" })
    ])
  )
}

if (import.meta.main) {
  for (const [path, text] of await openApiFiles()) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
}
