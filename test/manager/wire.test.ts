import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { CodeFolder } from "../../src/domain/FunctionConfig.ts"
import type { StartFailure } from "../../src/domain/Worker.ts"
import { WorkerId } from "../../src/domain/Worker.ts"
import { HeartbeatClient } from "../../src/provision/HeartbeatClient.ts"
import * as HttpHeartbeatClient from "../../src/provision/HttpHeartbeatClient.ts"
import * as HttpProvisionClient from "../../src/provision/HttpProvisionClient.ts"
import type { ManagerClientOptions } from "../../src/provision/ManagerClient.ts"
import { ProvisionClient } from "../../src/provision/ProvisionClient.ts"
import { StartFailed } from "../../src/provision/Provisioner.ts"
import { functionConfig, hello, worker } from "../support/functions.ts"
import { rawServer, response } from "../support/rawServer.ts"
import { clientOptions, managerServer } from "./server.ts"

const config = functionConfig({
  environment: { NAME: "värde" },
  timeout: Duration.seconds(9),
  description: "says hello"
})

const withClients = <A, E>(
  options: ManagerClientOptions,
  body: (provision: ProvisionClient["Service"], heartbeat: HeartbeatClient["Service"]) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    return yield* body(yield* ProvisionClient, yield* HeartbeatClient)
  }).pipe(Effect.provide(Layer.merge(HttpProvisionClient.layer(options), HttpHeartbeatClient.layer(options))))

describe("a gateway's clients against a manager in another process", () => {
  it.effect("a worker is provisioned from the whole function, listed, named in a heartbeat and removed", () =>
    Effect.gen(function* () {
      const { machine, url } = yield* managerServer()
      yield* withClients(clientOptions(url), (provision, heartbeat) =>
        Effect.gen(function* () {
          const worker = yield* provision.provision(config)
          expect(machine.configs).toEqual([config])
          expect(worker).toEqual(machine.running.get(worker.id))
          expect(yield* provision.sync).toEqual([worker])
          const gone = WorkerId.make("gone")
          expect(yield* heartbeat.send(hello, [worker.id, gone])).toEqual([gone])
          yield* provision.remove(worker.id)
          expect(machine.running.size).toBe(0)
          // Gone already, which is what was asked for.
          yield* provision.remove(worker.id)
        })
      )
    })
  )

  it.effect("a worker is paused and resumed, and one that is gone is not", () =>
    Effect.gen(function* () {
      const { machine, url } = yield* managerServer()
      yield* withClients(clientOptions(url), (provision) =>
        Effect.gen(function* () {
          const worker = yield* provision.provision(config)
          yield* provision.pause(worker.id)
          // It is still there to be adopted.
          expect(yield* provision.sync).toEqual([worker])
          yield* provision.resume(worker.id)
          expect(machine.calls.slice(1)).toEqual([`pause ${worker.id}`, `resume ${worker.id}`])
          const gone = WorkerId.make("gone")
          expect(yield* Effect.flip(provision.pause(gone))).toMatchObject({ _tag: "WorkerGone", id: gone })
          expect(yield* Effect.flip(provision.resume(gone))).toMatchObject({ _tag: "WorkerGone", id: gone })
        })
      )
    })
  )

  it.effect("a manager that cannot pause says nothing about the worker", () =>
    Effect.gen(function* () {
      const server = yield* rawServer((_, socket) => socket.write(response(404, '{"detail":"Not Found"}')))
      yield* withClients(clientOptions(`http://127.0.0.1:${server.port}`), (provision) =>
        Effect.gen(function* () {
          const { id } = worker("w")
          expect(yield* Effect.flip(provision.pause(id))).toMatchObject({ _tag: "ManagerUnreachable" })
          expect(yield* Effect.flip(provision.resume(id))).toMatchObject({ _tag: "ManagerUnreachable" })
        })
      )
    })
  )

  it.effect.each([
    { reason: "ImageNotFound", detail: "There is no image." },
    { reason: "InitTimedOut", detail: "Not ready." },
    { reason: "InitError", detail: "It failed.", document: '{"errorMessage":"ä"}', errorType: "TypeError" },
    { reason: "InitExited", detail: "It exited.", exit: { code: 1 } },
    { reason: "EngineUnavailable", detail: "No engine." },
    { reason: "RuntimeUnavailable", detail: "No runtime." },
    { reason: "Refused", detail: "No." }
  ] satisfies ReadonlyArray<StartFailure>)("a failed start arrives whole: $reason", (failure) =>
    Effect.gen(function* () {
      const { machine, url } = yield* managerServer()
      machine.onStart = () => Effect.fail(new StartFailed({ failure }))
      const failed = yield* withClients(clientOptions(url), ({ provision }) => Effect.flip(provision(config)))
      expect(failed.failure).toEqual(failure)
      expect(failed.functionName).toBe(hello)
    })
  )

  it.effect("a manager that refuses says why", () =>
    Effect.gen(function* () {
      const { url } = yield* managerServer({ maxWorkers: 0 })
      const outside = functionConfig({ code: new CodeFolder({ path: "/elsewhere" }) })
      yield* withClients(clientOptions(url), ({ provision }) =>
        Effect.gen(function* () {
          expect((yield* Effect.flip(provision(config))).failure).toEqual({
            reason: "Refused",
            detail: "The manager is at its limit of 0 workers."
          })
          expect((yield* Effect.flip(provision(outside))).failure.detail).toContain("/elsewhere")
        })
      )
    })
  )

  it.effect("a gateway that gives up a start leaves no worker", () =>
    Effect.gen(function* () {
      const { machine, url } = yield* managerServer()
      const starting = yield* Deferred.make<void>()
      const givenUp = yield* Deferred.make<void>()
      machine.onStart = () =>
        Effect.andThen(Deferred.succeed(starting, undefined), Effect.never).pipe(
          Effect.onInterrupt(() => Deferred.succeed(givenUp, undefined))
        )
      yield* withClients(clientOptions(url), ({ provision }) =>
        Effect.gen(function* () {
          const asked = yield* Effect.forkChild(provision(config))
          yield* Deferred.await(starting)
          yield* Fiber.interrupt(asked)
          yield* Deferred.await(givenUp)
          expect(machine.running.size).toBe(0)
        })
      )
    })
  )

  it.effect("a manager that takes too long is given up, and so is the start", () =>
    Effect.gen(function* () {
      const { machine, url } = yield* managerServer()
      const starting = yield* Deferred.make<void>()
      const givenUp = yield* Deferred.make<void>()
      machine.onStart = () =>
        Effect.andThen(Deferred.succeed(starting, undefined), Effect.never).pipe(
          Effect.onInterrupt(() => Deferred.succeed(givenUp, undefined))
        )
      yield* withClients(clientOptions(url), ({ provision }) =>
        Effect.gen(function* () {
          const asked = yield* Effect.forkChild(Effect.flip(provision(config)))
          yield* Deferred.await(starting)
          yield* TestClock.adjust("30 seconds")
          expect((yield* Fiber.join(asked)).failure).toEqual({
            reason: "EngineUnavailable",
            detail: `The manager at ${url} did not answer within 30s.`
          })
          yield* Deferred.await(givenUp)
        })
      )
    })
  )

  it.effect("a gateway with another token is told so, and nothing starts", () =>
    Effect.gen(function* () {
      const { machine, url } = yield* managerServer()
      yield* withClients({ ...clientOptions(url), token: "another" }, (provision, heartbeat) =>
        Effect.gen(function* () {
          expect((yield* Effect.flip(provision.provision(config))).failure).toEqual({
            reason: "EngineUnavailable",
            detail: `The manager at ${url} refuses this gateway's token: it has another one.`
          })
          expect((yield* Effect.flip(provision.sync))._tag).toBe("ManagerUnreachable")
          expect((yield* Effect.flip(provision.remove(WorkerId.make("w"))))._tag).toBe("ManagerUnreachable")
          expect((yield* Effect.flip(heartbeat.send(hello, [])))._tag).toBe("ManagerUnreachable")
          expect(machine.calls).toEqual([])
        })
      )
    })
  )

  it.effect("a manager that is not there is an engine that is not there", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(rawServer(() => {}))
      const url = `http://127.0.0.1:${port}`
      yield* withClients(clientOptions(url), (provision, heartbeat) =>
        Effect.gen(function* () {
          const { failure } = yield* Effect.flip(provision.provision(config))
          expect(failure.reason).toBe("EngineUnavailable")
          expect(failure.detail).toContain(`The manager at ${url} cannot be reached: `)
          expect(Exit.isFailure(yield* Effect.exit(heartbeat.send(hello, [])))).toBe(true)
        })
      )
    })
  )

  it.effect("a server that is no manager is not believed", () =>
    Effect.gen(function* () {
      const server = yield* rawServer(({ head }, socket) =>
        socket.write(head.startsWith("GET") ? response(200, "<html>") : response(503, "<html>"))
      )
      const url = `http://127.0.0.1:${server.port}`
      yield* withClients(clientOptions(url), ({ provision, sync }) =>
        Effect.gen(function* () {
          expect((yield* Effect.flip(provision(config))).failure.detail).toBe(`The manager at ${url} answered 503.`)
          expect((yield* Effect.flip(sync)).cause).toMatchObject({
            message: `The manager at ${url} answers in another protocol.`
          })
        })
      )
    })
  )

  it.effect("a start carries the trace of the log lines around it, or one of its own", () =>
    Effect.gen(function* () {
      const server = yield* rawServer((_, socket) => socket.write(response(500, "{}")))
      yield* withClients(clientOptions(`http://127.0.0.1:${server.port}`), ({ provision }) =>
        Effect.gen(function* () {
          yield* Effect.exit(provision(config)).pipe(
            Effect.annotateLogs({ trace_id: "1-5bef4de7-ad49b0e87f6ef6c87fc2e700" })
          )
          yield* Effect.exit(provision(config))
          const [first, second] = server.requests.map(({ head }) => /X-Amzn-Trace-Id: (.*)/.exec(head)?.[1])
          expect(first).toBe("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0")
          expect(second).toMatch(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Sampled=0$/)
        })
      )
    })
  )
})
