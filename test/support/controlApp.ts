/**
 * The operations of some nouns over their real services, asked as HTTP asks. Functions are rows of the store; whoever
 * names one that is not there is told so by the registry, as by that of the whole program.
 */
import { Effect, Layer, type ManagedRuntime, ManagedRuntime as Runtimes } from "effect"
import type { ControlServices } from "../../plugins/control/handlers.ts"
import { control } from "../../plugins/control/index.ts"
import { ControlDatabase } from "../../src/control/Database.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import { FunctionNotFound, FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { aliasRecord, versionRecord } from "./functionRecords.ts"
import { functionConfig } from "./functions.ts"

export const owner = { region: "us-east-1", accountId: "123456789012" }
export const functionArn = "arn:aws:lambda:us-east-1:123456789012:function"

/** Functions of the store, whose configurations are all alike. */
export const registryOfStore = Layer.effect(
  FunctionRegistry,
  Effect.map(FunctionStore, (store) =>
    FunctionRegistry.of({
      get: (name, qualifier = "$LATEST") => {
        const version = store.aliases(name).get(qualifier)?.version ?? qualifier
        return store.versions(name)?.has(version) === true
          ? Effect.succeed(functionConfig({ name: FunctionName.make(name), version }))
          : Effect.fail(new FunctionNotFound({ functionName: name, qualifier }))
      },
      list: Effect.sync(() =>
        store
          .names()
          .flatMap((name) =>
            [...(store.versions(name)?.keys() ?? [])].map((version) =>
              functionConfig({ name: FunctionName.make(name), version })
            )
          )
      ),
      problems: Effect.succeed([])
    })
  )
)

/** The store, its database and the registry over it. */
export const ground = registryOfStore.pipe(
  Layer.provideMerge(FunctionStore.layer),
  Layer.provideMerge(ControlDatabase.layerMemory)
)

export interface Answer {
  readonly status: number
  readonly type: string | null
  // biome-ignore lint/suspicious/noExplicitAny: JSON that a test looks into.
  readonly body: any
}

/** There are `hello`, with the versions 1 and 2 and the alias `live` of the first, and `other`. */
export const controlApp = <R>(services: Layer.Layer<R | FunctionStore, unknown>) => {
  const runtime = Runtimes.make(Layer.orDie(services))
  // The services of the nouns that a test asks.
  const app = control(runtime as unknown as ManagedRuntime.ManagedRuntime<ControlServices, never>, { owner })
  const ready = runtime.runPromise(
    Effect.map(FunctionStore, (store) => {
      for (const version of ["$LATEST", "1", "2"]) store.putVersion("hello", versionRecord(version))
      store.putAlias("hello", aliasRecord("live", "1"))
      store.putVersion("other", versionRecord())
    })
  )
  return {
    runtime,
    /** `method path` */
    ask: async (request: string, body?: unknown): Promise<Answer> => {
      await ready
      const [method = "GET", path = "/"] = request.split(" ")
      const response = await app.handle(
        new Request(`http://localhost${path}`, {
          method,
          ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } })
        })
      )
      const text = await response.text()
      return {
        status: response.status,
        type: response.headers.get("x-amzn-errortype"),
        body: text === "" ? undefined : JSON.parse(text)
      }
    }
  }
}
