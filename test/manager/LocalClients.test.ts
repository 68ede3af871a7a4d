import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { GatewayId, WorkerId } from "../../src/domain/Worker.ts"
import { HeartbeatClient } from "../../src/provision/HeartbeatClient.ts"
import * as LocalHeartbeatClient from "../../src/provision/LocalHeartbeatClient.ts"
import * as LocalProvisionClient from "../../src/provision/LocalProvisionClient.ts"
import * as Manager from "../../src/provision/Manager.ts"
import { ProvisionClient } from "../../src/provision/ProvisionClient.ts"
import { StartFailed } from "../../src/provision/Provisioner.ts"
import { functionConfig, hello } from "../support/functions.ts"
import { FakeMachine } from "./fakes.ts"

const lease = Duration.minutes(5)

const withClients = <A, E>(
  machine: FakeMachine,
  body: (
    provision: ProvisionClient["Service"],
    heartbeat: HeartbeatClient["Service"]
  ) => Effect.Effect<A, E, Manager.Manager>
) =>
  Effect.gen(function* () {
    return yield* body(yield* ProvisionClient, yield* HeartbeatClient)
  }).pipe(
    Effect.provide(
      Layer.merge(LocalProvisionClient.layer, LocalHeartbeatClient.layer).pipe(
        Layer.provideMerge(Manager.layer({ codeRoots: ["/code"], idleTimeout: lease })),
        Layer.provide([machine.provisioner, machine.workerClient])
      )
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

  it.effect("a worker that the heartbeats name is kept; one that they do not name is removed after the lease", () => {
    const machine = new FakeMachine()
    return withClients(machine, (provision, heartbeat) =>
      Effect.gen(function* () {
        const kept = yield* provision.provision(functionConfig())
        const left = yield* provision.provision(functionConfig())
        for (let minute = 0; minute < 6; minute += 1) {
          yield* heartbeat.send(hello, [kept.id])
          yield* TestClock.adjust("1 minute")
        }
        expect(yield* provision.sync).toEqual([kept])
        expect(machine.calls).toContain(`stop ${left.id}`)
      })
    )
  })

  it.effect("the workers of gateways in other processes are not this one's to adopt, and not in its heartbeats", () => {
    const machine = new FakeMachine()
    return withClients(machine, (provision, heartbeat) =>
      Effect.gen(function* () {
        const manager = yield* Manager.Manager
        const [theirs] = yield* manager.provision(functionConfig(), 1, GatewayId.make("another"))
        const [nobodys] = yield* manager.provision(functionConfig(), 1)
        const ours = yield* provision.provision(functionConfig())
        expect(yield* provision.sync).toEqual([ours])
        const strangers = [theirs!.worker.id, nobodys!.worker.id]
        expect(yield* heartbeat.send(hello, [ours.id, ...strangers])).toEqual(strangers)
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
