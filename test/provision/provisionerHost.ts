/** A process of its own with a ProcessProvisioner and two workers, for tests that kill it. Says `ready` when they run. */
import { Duration, Effect, Layer } from "effect"
import { CodeFolder } from "../../src/domain/FunctionConfig.ts"
import * as ProcessProvisioner from "../../src/provision/ProcessProvisioner.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { functionConfig } from "../support/functions.ts"

const layer = ProcessProvisioner.layer({
  owner: { region: "eu-north-1", accountId: "123456789012" },
  initTimeout: Duration.seconds(20),
  path: process.env.PATH ?? ""
}).pipe(Layer.provide(RuntimeApi.layer))

const config = functionConfig({ code: new CodeFolder({ path: process.argv[2] ?? "" }) })

Effect.gen(function* () {
  const provisioner = yield* Provisioner
  yield* Effect.all([provisioner.start(config), provisioner.start(config)], { concurrency: 2 })
  console.log("ready")
  yield* Effect.never
}).pipe(Effect.provide(layer), Effect.runPromise)
