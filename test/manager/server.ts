/** A manager on a port of its own, over a machine that the test scripts. */
import { Duration, Effect, Layer, ManagedRuntime } from "effect"
import { manager } from "../../plugins/manager/index.ts"
import * as Manager from "../../src/provision/Manager.ts"
import type { ManagerClientOptions } from "../../src/provision/ManagerClient.ts"
import { FakeMachine } from "./fakes.ts"
import { measuring } from "./measuring.ts"

export const token = "a token that both sides have"

export const managerServer = (options: Partial<Manager.ManagerOptions> = {}, port = 0) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const machine = new FakeMachine()
      const runtime = ManagedRuntime.make(
        Manager.layer({ codeRoots: ["/code"], idleTimeout: Duration.minutes(5), ...options }).pipe(
          Layer.provide([machine.provisioner, machine.workerClient]),
          Layer.merge(measuring())
        )
      )
      const app = manager(runtime, { token }).listen({
        hostname: "127.0.0.1",
        port,
        reusePort: false,
        idleTimeout: 0
      })
      return { machine, runtime, app, url: `http://127.0.0.1:${app.server?.port}` }
    }),
    ({ app, runtime }) => Effect.promise(() => app.stop(true).then(() => runtime.dispose()))
  )

export const clientOptions = (managerUrl: string): ManagerClientOptions => ({
  managerUrl,
  token,
  timeout: Duration.seconds(30)
})
