/** Runs the code of a function in a real process of a runtime, behind the real Runtime API. */
import { it } from "@effect/vitest"
import { Duration, Effect, Layer, type Scope } from "effect"
import * as ProcessProvisioner from "../../src/provision/ProcessProvisioner.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { codeFolder } from "../support/codeFolder.ts"
import { functionConfig } from "../support/functions.ts"
import { type WorkerLine, workerLog } from "../support/workerLog.ts"

type Settings = Parameters<typeof functionConfig>[0]

export const runtimeTests = (runtime: string, program?: string) => {
  const layer = ProcessProvisioner.layer({
    owner: { region: "us-east-1", accountId: "123456789012" },
    initTimeout: Duration.seconds(15),
    path: process.env.PATH ?? "",
    ...(program === undefined ? {} : { programs: { [runtime]: program } })
  }).pipe(Layer.provideMerge(RuntimeApi.layer))

  return {
    /** Starts a worker on `files`. */
    start: (files: Readonly<Record<string, string>>, handler: string, settings: Settings = {}) =>
      Effect.flatMap(Provisioner, (provisioner) =>
        provisioner.start(functionConfig({ code: codeFolder(files), runtime, handler, ...settings }))
      ),

    /** `body` gets the lines that its workers print. */
    test: (
      sentence: string,
      body: (
        lines: ReadonlyArray<WorkerLine>
      ) => Effect.Effect<unknown, unknown, Provisioner | RuntimeApi | Scope.Scope>
    ) =>
      it.live(sentence, () => {
        const log = workerLog()
        return Effect.scoped(body(log.lines)).pipe(Effect.provide(Layer.provideMerge(layer, log.layer)))
      })
  }
}

/** Waits until the log has `count` lines. */
export const untilLogged = (lines: ReadonlyArray<WorkerLine>, count: number) =>
  Effect.sync(() => lines.length).pipe(
    Effect.delay("5 millis"),
    Effect.repeat({ until: (length) => length >= count }),
    Effect.timeout("5 seconds")
  )
