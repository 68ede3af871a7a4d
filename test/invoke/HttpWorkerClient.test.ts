import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import * as HttpWorkerClient from "../../src/invoke/HttpWorkerClient.ts"
import { WorkerClient, WorkerLost } from "../../src/invoke/WorkerClient.ts"
import * as HttpProvisionClient from "../../src/provision/HttpProvisionClient.ts"
import { ProvisionClient } from "../../src/provision/ProvisionClient.ts"
import { clientOptions, managerServer } from "../manager/server.ts"
import { functionConfig, invocation, worker } from "../support/functions.ts"
import { rawServer, response } from "../support/rawServer.ts"

const config = functionConfig()

/** A manager that runs one worker, and a client of it. */
const subject = Effect.gen(function* () {
  const { machine, url } = yield* managerServer()
  const running = yield* ProvisionClient.use((client) => client.provision(config)).pipe(
    Effect.provide(HttpProvisionClient.layer(clientOptions(url)))
  )
  return { machine, running, url }
})

const send = (url: string, to = worker("w-1"), event = invocation(), token?: string) =>
  WorkerClient.use((client) => client.send(to, config, event)).pipe(
    Effect.provide(HttpWorkerClient.layer({ ...clientOptions(url), ...(token === undefined ? {} : { token }) }))
  )

describe("HttpWorkerClient", () => {
  it.effect("passes every field of an invocation on, and its bytes unchanged both ways", () =>
    Effect.gen(function* () {
      const { machine, running, url } = yield* subject
      const bytes = new Uint8Array([0, 255, 10, 13, 0xc3])
      const event = invocation({ payload: bytes, qualifier: "live", clientContext: '{"custom":{"å":"\\n"}}' })
      const answer = yield* send(url, running, event)
      expect(machine.events).toEqual([event])
      expect(new Uint8Array(answer.payload)).toEqual(bytes)
      expect(answer.errorType).toBeUndefined()
    })
  )

  it.effect("passes a function's error on with its type, whatever letters that has", () =>
    Effect.gen(function* () {
      const { machine, running, url } = yield* subject
      machine.onEvent = () => Effect.succeed({ payload: new TextEncoder().encode("{}"), errorType: "エラー\r\nX: y" })
      expect((yield* send(url, running)).errorType).toBe("エラー\r\nX: y")
    })
  )

  it.effect.each([{ began: true, exit: { signal: "killed", outOfMemory: true } }, { began: false }])(
    "passes on what became of a lost worker: %o",
    (lost) =>
      Effect.gen(function* () {
        const { machine, running, url } = yield* subject
        machine.onEvent = ({ id }) =>
          Effect.fail(new WorkerLost({ workerId: id, target: "there", cause: new Error("it exited"), ...lost }))
        const failed = yield* Effect.flip(send(url, running))
        expect([failed.began, failed.exit, failed.message]).toEqual([lost.began, lost.exit, "it exited"])
        expect(failed.target).toBe(`${url}/containers/w-1/invocations`)
      })
  )

  it.effect("knows that nothing ran where the manager does not know the worker or the gateway", () =>
    Effect.gen(function* () {
      const { machine, running, url } = yield* subject
      const unknown = yield* Effect.flip(send(url, worker("w-9")))
      expect([unknown.began, unknown.message]).toEqual([false, "The manager has no worker w-9."])
      expect((yield* Effect.flip(send(url, running, invocation(), "another"))).began).toBe(false)
      expect(machine.events).toEqual([])
    })
  )

  it.effect("knows that nothing ran where there is no manager, and not so where it broke off", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(rawServer(() => {}))
      expect((yield* Effect.flip(send(`http://127.0.0.1:${port}`))).began).toBe(false)
      const broken = yield* rawServer((_, socket) => socket.destroy())
      expect((yield* Effect.flip(send(`http://127.0.0.1:${broken.port}`))).began).toBe(true)
      expect(broken.requests.length).toBe(1)
      const failing = yield* rawServer((_, socket) => socket.write(response(500, "")))
      expect((yield* Effect.flip(send(`http://127.0.0.1:${failing.port}`))).began).toBe(true)
    })
  )

  it.effect("takes the event back when its caller leaves", () =>
    Effect.gen(function* () {
      const { machine, running, url } = yield* subject
      const arrived = yield* Deferred.make<void>()
      const left = yield* Deferred.make<void>()
      machine.onEvent = () =>
        Effect.andThen(Deferred.succeed(arrived, undefined), Effect.never).pipe(
          Effect.onInterrupt(() => Deferred.succeed(left, undefined))
        )
      const sent = yield* Effect.forkChild(send(url, running))
      yield* Deferred.await(arrived)
      yield* Fiber.interrupt(sent)
      yield* Deferred.await(left)
    })
  )
})
