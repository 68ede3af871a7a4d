import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { type AnswerHead, type AnswerSink, noFlow } from "../../src/domain/AnswerSink.ts"
import * as HttpWorkerClient from "../../src/invoke/HttpWorkerClient.ts"
import { WorkerClient, WorkerLost } from "../../src/invoke/WorkerClient.ts"
import * as HttpProvisionClient from "../../src/provision/HttpProvisionClient.ts"
import { ProvisionClient } from "../../src/provision/ProvisionClient.ts"
import { clientOptions, managerServer } from "../manager/server.ts"
import { functionConfig, invocation, worker } from "../support/functions.ts"
import { KeptAnswer } from "../support/KeptAnswer.ts"
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

const send = (url: string, to = worker("w-1"), event = invocation(), token?: string, sink?: AnswerSink) =>
  WorkerClient.use((client) => client.send(to, config, event, sink)).pipe(
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

describe("HttpWorkerClient, of an answer that is streamed", () => {
  const bytes = (text: string) => new TextEncoder().encode(text)
  const streamTo = (url: string, running: ReturnType<typeof worker>, sink: AnswerSink) =>
    send(url, running, invocation(), undefined, sink)

  /** What a worker does that streams `words`, and then `last`. */
  const streaming =
    <A, E>(words: ReadonlyArray<string>, last: Effect.Effect<A, E>) =>
    (_worker: unknown, _invocation: unknown, sink: AnswerSink | undefined) =>
      Effect.suspend(() => {
        sink?.begin({ contentType: "text/plain; charset=ü", flow: noFlow })
        for (const word of words) sink?.piece(bytes(word))
        return last
      })

  it.effect("has its pieces while the worker makes them, and ends with it", () =>
    Effect.gen(function* () {
      const { machine, running, url } = yield* subject
      const ended = yield* Deferred.make<void>()
      machine.onEvent = streaming(["one", "two"], Effect.as(Deferred.await(ended), { payload: new Uint8Array() }))
      const sink = new KeptAnswer()
      const sent = yield* Effect.forkChild(streamTo(url, running, sink), { startImmediately: true })
      yield* Effect.promise(() => sink.until(() => sink.text === "onetwo"))
      expect(sink.head?.contentType).toBe("text/plain; charset=ü")
      expect(sent.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(ended, undefined)
      expect(yield* Fiber.join(sent)).toEqual({ payload: new Uint8Array() })
    })
  )

  it.effect("is plain where the function does not stream", () =>
    Effect.gen(function* () {
      const { machine, running, url } = yield* subject
      const sink = new KeptAnswer()
      expect(new Uint8Array((yield* streamTo(url, running, sink)).payload)).toEqual(bytes("{}"))
      machine.onEvent = () => Effect.succeed({ payload: bytes("no"), errorType: "E" })
      expect((yield* streamTo(url, running, sink)).errorType).toBe("E")
      expect([sink.head, sink.bytes]).toEqual([undefined, 0])
    })
  )

  it.effect("says what the function failed with on the way, and how its worker was lost", () =>
    Effect.gen(function* () {
      const { machine, running, url } = yield* subject
      machine.onEvent = streaming(["half"], Effect.succeed({ payload: bytes('{"a":"ü"}'), errorType: "エラー" }))
      const failed = yield* streamTo(url, running, new KeptAnswer())
      expect([failed.errorType, new TextDecoder().decode(failed.payload)]).toEqual(["エラー", '{"a":"ü"}'])
      const exit = { code: 3 }
      machine.onEvent = streaming(
        ["half"],
        Effect.fail(
          new WorkerLost({ workerId: running.id, began: true, exit, target: "", cause: new Error("it exited") })
        )
      )
      const lost = yield* Effect.flip(streamTo(url, running, new KeptAnswer()))
      expect([lost.began, lost.exit, lost.message]).toEqual([true, exit, "it exited"])
    })
  )

  it.effect("is lost where the manager breaks off, or speaks another protocol", () =>
    Effect.gen(function* () {
      const head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.irori.answer-stream\r\n"
      for (const [body, expected] of [
        ["Content-Length: 100\r\n\r\nP\0\0\0\x01x", "broke off"],
        ["Content-Length: 6\r\n\r\nP\0\0\0\x01x", "broke off"],
        ["Content-Length: 6\r\n\r\nnonsense", "another protocol"]
      ] as const) {
        const { port } = yield* rawServer((_, socket) => socket.end(head + body))
        const lost = yield* Effect.flip(streamTo(`http://127.0.0.1:${port}`, worker("w-1"), new KeptAnswer()))
        expect(lost.began).toBe(true)
        expect(lost.message).toMatch(expected)
      }
    })
  )

  it.effect("reaches the worker's flow from the gateway's, and does not leave its connection paused", () =>
    Effect.gen(function* () {
      const { machine, running, url } = yield* subject
      const flow: Array<string> = []
      let go = () => {}
      const resumed = new Promise<void>((done) => {
        go = done
      })
      const piece = new Uint8Array(256 * 1024)
      machine.onEvent = (_worker, _invocation, sink) =>
        Effect.gen(function* () {
          sink?.begin({
            flow: {
              pause: () => void flow.push("pause"),
              resume: () => {
                if (flow.at(-1) === "pause") go()
              }
            }
          })
          // Until nobody takes any more.
          while (flow.length === 0) {
            sink?.piece(piece)
            yield* Effect.callback<void>((turn) => void setImmediate(() => turn(Effect.void)))
          }
          yield* Effect.promise(() => resumed)
          return { payload: new Uint8Array() }
        })
      const sink = new KeptAnswer<AnswerHead>(true)
      const sent = yield* Effect.forkChild(streamTo(url, running, sink), { startImmediately: true })
      yield* Effect.promise(() => sink.until(() => sink.bytes > 0))
      const pump = setInterval(() => sink.head?.flow.resume(), 0)
      yield* Fiber.join(sent)
      clearInterval(pump)
      // The connection is kept, and carries the next exchange.
      machine.onEvent = (_, { payload }) => Effect.succeed({ payload })
      expect(new Uint8Array((yield* send(url, running)).payload)).toEqual(bytes("{}"))
    })
  )

  it.effect("goes on at full speed, to nobody, when the gateway leaves: the worker gets done", () =>
    Effect.gen(function* () {
      const { machine, running, url } = yield* subject
      const done = yield* Deferred.make<ReadonlyArray<string>>()
      const left = yield* Deferred.make<void>()
      const flow: Array<string> = []
      machine.onEvent = (_worker, _invocation, sink) =>
        Effect.gen(function* () {
          sink?.begin({ flow: { pause: () => void flow.push("pause"), resume: () => void flow.push("resume") } })
          sink?.piece(new Uint8Array(8 * 1024 * 1024))
          yield* Deferred.await(left)
          while (flow.at(-1) !== "resume")
            yield* Effect.callback<void>((turn) => void setImmediate(() => turn(Effect.void)))
          sink?.piece(new Uint8Array(8 * 1024 * 1024))
          yield* Deferred.succeed(done, [...flow])
          return { payload: new Uint8Array() }
        })
      const sink = new KeptAnswer(true)
      const sent = yield* Effect.forkChild(streamTo(url, running, sink), { startImmediately: true })
      yield* Effect.promise(() => sink.until(() => sink.bytes > 0))
      expect(flow).toContain("pause")
      yield* Fiber.interrupt(sent)
      yield* Deferred.succeed(left, undefined)
      expect((yield* Deferred.await(done)).at(-1)).toBe("resume")
    })
  )
})
