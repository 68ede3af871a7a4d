import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { CodeFolder } from "../../src/domain/FunctionConfig.ts"
import type { StartFailure } from "../../src/domain/Worker.ts"
import { GatewayId, WorkerId } from "../../src/domain/Worker.ts"
import { fingerprint } from "../../src/provision/fingerprint.ts"
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

const info = {
  id: "lambda-hello-1",
  name: "lambda-hello-1",
  ip_address: "127.0.0.1",
  port: 1234,
  created_at: 1768212000,
  last_used_at: 1768212000,
  status: "running",
  function_name: hello,
  version: "$LATEST",
  transport: "runtime-api"
}

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

  it.live("a manager that is not there for long is an engine that is not there", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(rawServer(() => {}))
      const url = `http://127.0.0.1:${port}`
      yield* withClients({ ...clientOptions(url), patience: Duration.millis(100) }, (provision, heartbeat) =>
        Effect.gen(function* () {
          const { failure } = yield* Effect.flip(provision.provision(config))
          expect(failure.reason).toBe("EngineUnavailable")
          expect(failure.detail).toContain(`The manager at ${url} cannot be reached: `)
          expect(Exit.isFailure(yield* Effect.exit(heartbeat.send(hello, [])))).toBe(true)
        })
      )
    })
  )

  it.live("a start waits for a manager that is not there yet", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(rawServer(() => {}))
      yield* withClients(clientOptions(`http://127.0.0.1:${port}`), ({ provision }) =>
        Effect.gen(function* () {
          const asked = yield* Effect.forkChild(provision(config), { startImmediately: true })
          // Refused at once, and so for some time.
          yield* Effect.sleep("200 millis")
          expect(asked.pollUnsafe()).toBeUndefined()
          const { machine } = yield* managerServer({}, port)
          expect(yield* Fiber.join(asked)).toEqual([...machine.running.values()][0])
        }).pipe(Effect.scoped)
      )
    })
  )

  it.live("a start is asked for again when its manager goes away in the middle", () =>
    Effect.gen(function* () {
      const server = yield* rawServer(({ body }, socket) => {
        if (server.requests.length === 1) return socket.destroy()
        expect(body).toEqual(server.requests[0]!.body)
        socket.write(response(200, JSON.stringify({ workers: [info] })))
      })
      yield* withClients(clientOptions(`http://127.0.0.1:${server.port}`), ({ provision }) =>
        Effect.gen(function* () {
          expect((yield* provision(config)).id).toBe(info.id)
          expect(server.requests.length).toBe(2)
        })
      )
    })
  )

  it.effect("each of two gateways has its own workers, and learns that another's are not", () =>
    Effect.gen(function* () {
      const { url } = yield* managerServer()
      const as = (name: string) => ({ ...clientOptions(url), gatewayId: GatewayId.make(name) })
      yield* withClients(as("one"), (one, heartbeatOfOne) =>
        withClients(as("two"), (two, heartbeatOfTwo) =>
          Effect.gen(function* () {
            const ofOne = yield* one.provision(config)
            const ofTwo = yield* two.provision(config)
            expect([ofOne.gateway, ofTwo.gateway]).toEqual(["one", "two"])
            expect(ofOne.fingerprint).toBe(fingerprint(config))
            expect(yield* one.sync).toEqual([ofOne])
            expect(yield* two.sync).toEqual([ofTwo])
            expect(yield* heartbeatOfOne.send(hello, [ofOne.id, ofTwo.id])).toEqual([ofTwo.id])
            expect(yield* heartbeatOfTwo.send(hello, [ofOne.id, ofTwo.id])).toEqual([ofOne.id])
          })
        )
      )
      yield* withClients(clientOptions(url), ({ sync }) =>
        Effect.map(sync, (all) => expect(all.map(({ gateway }) => gateway)).toEqual(["one", "two"]))
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
