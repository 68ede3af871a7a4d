import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { WorkerId } from "../../src/domain/Worker.ts"
import { HeartbeatClient } from "../../src/provision/HeartbeatClient.ts"
import * as LocalHeartbeatClient from "../../src/provision/LocalHeartbeatClient.ts"
import * as LocalProvisionClient from "../../src/provision/LocalProvisionClient.ts"
import { ProvisionClient } from "../../src/provision/ProvisionClient.ts"
import { StartFailed } from "../../src/provision/Provisioner.ts"
import { functionConfig, hello } from "../support/functions.ts"
import { FakeMachine } from "./fakes.ts"

const withClients = <A, E>(
  machine: FakeMachine,
  body: (provision: ProvisionClient["Service"], heartbeat: HeartbeatClient["Service"]) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    return yield* body(yield* ProvisionClient, yield* HeartbeatClient)
  }).pipe(
    Effect.provide(
      Layer.merge(LocalProvisionClient.layer, LocalHeartbeatClient.layer).pipe(Layer.provide(machine.provisioner))
    )
  )

describe("a gateway's clients in the manager's own process", () => {
  it.effect("a worker is provisioned, listed, named in a heartbeat and removed", () => {
    const machine = new FakeMachine()
    return withClients(machine, (provision, heartbeat) =>
      Effect.gen(function* () {
        const worker = yield* provision.provision(functionConfig())
        expect(yield* provision.sync).toEqual([worker])
        expect(yield* heartbeat.send(hello, [worker.id, WorkerId.make("gone")])).toEqual(["gone"])
        yield* provision.remove(worker.id)
        expect(yield* provision.sync).toEqual([])
      })
    )
  })

  it.effect("a worker is paused and resumed, and one that is gone is not", () => {
    const machine = new FakeMachine()
    return withClients(machine, (provision) =>
      Effect.gen(function* () {
        const { id } = yield* provision.provision(functionConfig())
        yield* provision.pause(id)
        yield* provision.resume(id)
        expect(machine.calls.slice(1)).toEqual([`pause ${id}`, `resume ${id}`])
        const gone = WorkerId.make("gone")
        expect(yield* Effect.flip(provision.pause(gone))).toMatchObject({ _tag: "WorkerGone", id: gone })
        expect(yield* Effect.flip(provision.resume(gone))).toMatchObject({ _tag: "WorkerGone", id: gone })
      })
    )
  })

  it.effect("a failed start arrives whole", () => {
    const machine = new FakeMachine()
    const failure = { reason: "InitError", detail: "It failed.", document: "{}", errorType: "E" } as const
    machine.onStart = () => Effect.fail(new StartFailed({ failure }))
    return withClients(machine, (provision) =>
      Effect.gen(function* () {
        const failed = yield* Effect.flip(provision.provision(functionConfig()))
        expect([failed.functionName, failed.failure]).toEqual([hello, failure])
      })
    )
  })
})
