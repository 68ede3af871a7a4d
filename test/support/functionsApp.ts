/** Functions, versions and aliases over their real services, asked as HTTP asks. The database is in memory, code is not. */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duration, Effect, Layer, type ManagedRuntime, ManagedRuntime as Runtimes } from "effect"
import { code } from "../../plugins/control/code.ts"
import type { ControlServices } from "../../plugins/control/handlers.ts"
import { control } from "../../plugins/control/index.ts"
import { Aliases } from "../../src/control/Aliases.ts"
import { CodeLinks } from "../../src/control/CodeLinks.ts"
import { CodeStore } from "../../src/control/CodeStore.ts"
import { ConcurrencyLimits } from "../../src/control/ConcurrencyLimits.ts"
import { ControlDatabase } from "../../src/control/Database.ts"
import { FunctionCatalog } from "../../src/control/FunctionCatalog.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { Functions } from "../../src/control/Functions.ts"
import { Layers } from "../../src/control/Layers.ts"
import { Tags } from "../../src/control/Tags.ts"
import { Versions } from "../../src/control/Versions.ts"
import type { FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { FunctionRegistry, type RegistryProblem } from "../../src/registry/FunctionRegistry.ts"
import * as StoredFunctionRegistry from "../../src/registry/StoredFunctionRegistry.ts"
import { zip } from "./zip.ts"

export const owner = { region: "us-east-1", accountId: "123456789012" }
export const arn = (name: string) => `arn:aws:lambda:us-east-1:123456789012:function:${name}`
export const role = "arn:aws:iam::123456789012:role/r"

export const storedOptions = {
  defaults: {
    maxCapacity: 10,
    minCapacity: 0,
    acquireTimeout: Duration.seconds(5),
    idleTimeout: Duration.minutes(5),
    maxQueued: 100
  },
  maxTimeout: Duration.minutes(15)
}

interface Options {
  /** Functions that come from files. */
  readonly files?: ReadonlyArray<FunctionConfig>
  readonly problems?: ReadonlyArray<RegistryProblem>
  readonly database?: Layer.Layer<ControlDatabase, unknown>
  readonly codeFolder?: string
  readonly layers?: Layer.Layer<Layers>
}

/** Everything that keeps functions, and the registry over it. */
export const functionServices = (options: Options = {}) => {
  const folder = options.codeFolder ?? mkdtempSync(join(tmpdir(), "irori-functions-"))
  return Layer.mergeAll(Functions.layer, Versions.layer, Aliases.layer).pipe(
    Layer.provideMerge(FunctionCatalog.layer({ owner, functionsFile: "functions/functions.yml" })),
    Layer.provideMerge(
      StoredFunctionRegistry.layer(storedOptions).pipe(
        Layer.provide(FunctionRegistry.layerMemory(options.files ?? [], options.problems))
      )
    ),
    Layer.provideMerge(
      Layer.mergeAll(
        ConcurrencyLimits.layer({ accountConcurrency: 1000 }),
        CodeLinks.layer,
        Tags.layer,
        options.layers ?? Layers.layerNone
      )
    ),
    Layer.provideMerge(Layer.merge(FunctionStore.layer, CodeStore.layer(folder))),
    Layer.provideMerge(options.database ?? ControlDatabase.layerMemory)
  )
}

export interface Answer {
  readonly status: number
  readonly type: string | null
  // biome-ignore lint/suspicious/noExplicitAny: JSON that a test looks into.
  readonly body: any
}

export const functionsApp = (options: Options = {}) => {
  const runtime = Runtimes.make(Layer.orDie(functionServices(options)))
  // Of the operations that there are, the tests ask those of these services.
  const app = control(runtime as unknown as ManagedRuntime.ManagedRuntime<ControlServices, never>, { owner }).use(
    code(runtime, owner)
  )
  const fetch = (path: string, init: RequestInit = {}) => app.handle(new Request(`http://localhost${path}`, init))
  /** `METHOD rest`, where `rest` follows `/2015-03-31/functions`. */
  const ask = async (request: string, body?: object): Promise<Answer> => {
    const [method = "", path = ""] = request.split(" ")
    const response = await fetch(`/2015-03-31/functions${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    return {
      status: response.status,
      type: response.headers.get("x-amzn-errortype"),
      body: text === "" ? undefined : JSON.parse(text)
    }
  }
  return {
    runtime,
    ask,
    fetch,
    /** Makes one and waits until it is active. */
    create: async (name: string, settings: object = {}) => {
      const answer = await ask("POST ", await creation(name, settings))
      await settled(name)
      return answer
    },
    settled: (name: string) => settled(name)
  }

  /** Nothing is on its way any more. */
  async function settled(name: string) {
    await runtime.runPromise(
      FunctionStore.use((store) =>
        Effect.gen(function* () {
          while ([...(store.versions(name)?.values() ?? [])].some(({ update }) => update !== "Successful")) {
            yield* Effect.yieldNow
          }
        })
      )
    )
  }
}

/** Base64 of a package with a handler that answers `text`. */
export const zipFile = async (text = "hello"): Promise<string> =>
  (await zip({ "index.mjs": `export const handler = async () => ${JSON.stringify(text)}\n` })).toString("base64")

/** The body of a CreateFunction; `Code` and all else may be given. */
export const creation = async (name: string, settings: object = {}): Promise<object> => ({
  FunctionName: name,
  Role: role,
  Runtime: "nodejs22.x",
  Handler: "index.handler",
  Code: { ZipFile: await zipFile() },
  ...settings
})
