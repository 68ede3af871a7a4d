import { expect, layer } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as RuntimeApiWorkerClient from "../../src/invoke/RuntimeApiWorkerClient.ts"
import { WorkerClient } from "../../src/invoke/WorkerClient.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { functionConfig, invocation, worker } from "../support/functions.ts"

const owner = { region: "eu-west-1", accountId: "123456789012" }
const config = functionConfig({ timeout: Duration.seconds(9) })
const subject = worker("w-1")

/** The subject's runtime, as the test drives it. */
interface Runtime {
  /** Asks for an event; done when there is one. */
  readonly next: Effect.Effect<Response>
  readonly respond: (id: string, verb: "response" | "error", body: string) => Effect.Effect<number>
  readonly end: (exit: { code: number }) => void
}

const runtime = Effect.gen(function* () {
  const api = yield* RuntimeApi
  const listener = yield* api.open(subject.id, "127.0.0.1")
  listener.admit("127.0.0.1")
  const base = `http://127.0.0.1:${listener.port}/2018-06-01/runtime/invocation`
  return {
    next: Effect.promise((signal) => fetch(`${base}/next`, { signal })),
    respond: (id, verb, body) =>
      Effect.promise((signal) =>
        fetch(`${base}/${id}/${verb}`, { method: "POST", body, signal }).then(({ status }) => status)
      ),
    end: (exit) => listener.end(exit, "it exited")
  } satisfies Runtime
})

/** A runtime that has come up and waits for its first event. */
const waitingRuntime = Effect.gen(function* () {
  const up = yield* runtime
  const initialized = yield* RuntimeApi.use((api) => Effect.succeed(api.find(subject.id)?.initialized ?? Effect.void))
  const polled = yield* Effect.forkChild(up.next)
  yield* initialized
  return { ...up, polled }
})

const send = (settings: Parameters<typeof invocation>[0] = {}) =>
  Effect.flatMap(WorkerClient, (client) => client.send(subject, config, invocation(settings)))

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const requestId = invocation().requestId

layer(RuntimeApiWorkerClient.layer({ owner }).pipe(Layer.provideMerge(RuntimeApi.layer)))(
  "RuntimeApiWorkerClient",
  (it) => {
    it.effect("gives a waiting worker the event as it was sent, and takes its answer as it comes", () =>
      Effect.gen(function* () {
        const { polled, respond } = yield* waitingRuntime
        const payload = new TextEncoder().encode('{"a": 1 }')
        const sent = yield* Effect.forkChild(send({ payload, clientContext: '{"custom":{}}', qualifier: "live" }))
        const event = yield* Fiber.join(polled)
        expect(yield* Effect.promise(() => event.text())).toBe('{"a": 1 }')
        expect(event.headers.get("lambda-runtime-aws-request-id")).toBe(requestId)
        expect(event.headers.get("lambda-runtime-trace-id")).toBe(invocation().traceId)
        expect(event.headers.get("lambda-runtime-client-context")).toBe('{"custom":{}}')
        expect(event.headers.get("lambda-runtime-invoked-function-arn")).toBe(
          "arn:aws:lambda:eu-west-1:123456789012:function:hello:live"
        )
        expect(event.headers.get("lambda-runtime-deadline-ms")).toBe("9000")
        yield* respond(requestId, "response", ' {"b":2}')
        const answer = yield* Fiber.join(sent)
        expect(text(answer.payload)).toBe(' {"b":2}')
        expect(answer.errorType).toBeUndefined()
      })
    )

    it.effect("names the function as it was invoked: without a qualifier when none was given", () =>
      Effect.gen(function* () {
        const { polled } = yield* waitingRuntime
        yield* Effect.forkChild(send())
        const event = yield* Fiber.join(polled)
        expect(event.headers.get("lambda-runtime-invoked-function-arn")).toBe(
          "arn:aws:lambda:eu-west-1:123456789012:function:hello"
        )
      })
    )

    it.effect("tells an error of the function from a result", () =>
      Effect.gen(function* () {
        const { polled, respond } = yield* waitingRuntime
        const sent = yield* Effect.forkChild(send())
        yield* Fiber.join(polled)
        yield* respond(requestId, "error", '{"errorType":"TypeError","errorMessage":"no"}')
        expect((yield* Fiber.join(sent)).errorType).toBe("TypeError")
      })
    )

    it.effect("says how a worker ended that had begun", () =>
      Effect.gen(function* () {
        const { end, polled } = yield* waitingRuntime
        const sent = yield* Effect.forkChild(Effect.flip(send()))
        yield* Fiber.join(polled)
        end({ code: 3 })
        const lost = yield* Fiber.join(sent)
        expect([lost.began, lost.exit, lost.target]).toEqual([true, { code: 3 }, "http://127.0.0.1:9"])
        expect(lost.message).toBe("The worker was lost: it exited")
      })
    )

    it.effect("knows that nothing ran on a worker that has no Runtime API here", () =>
      Effect.gen(function* () {
        expect((yield* Effect.flip(send())).began).toBe(false)
      })
    )

    /** A worker that has answered one event and does not ask for the next. */
    const busyRuntime = Effect.gen(function* () {
      const up = yield* waitingRuntime
      const first = yield* Effect.forkChild(send())
      yield* Fiber.join(up.polled)
      yield* up.respond(requestId, "response", "1")
      yield* Fiber.join(first)
      return up
    })

    it.effect("waits for a worker that is about to ask for its next event", () =>
      Effect.gen(function* () {
        const { next, respond } = yield* busyRuntime
        const sent = yield* Effect.forkChild(send())
        yield* TestClock.adjust("1999 millis")
        yield* next
        // Only until it has the event: from then on the time limit is the caller's.
        yield* TestClock.adjust("10 seconds")
        yield* respond(requestId, "response", "2")
        expect(text((yield* Fiber.join(sent)).payload)).toBe("2")
      })
    )

    it.effect("gives up a worker that does not ask within two seconds, and the event never reaches it", () =>
      Effect.gen(function* () {
        const { next } = yield* busyRuntime
        const sent = yield* Effect.forkChild(Effect.flip(send()))
        yield* TestClock.adjust("1999 millis")
        expect(sent.pollUnsafe()).toBeUndefined()
        // Limits are looked at every so often, not each by a timer of its own.
        yield* TestClock.adjust("50 millis")
        expect((yield* Fiber.join(sent)).began).toBe(false)
        expect((yield* next).status).toBe(403)
      })
    )

    it.effect("takes back an event that was not fetched when its caller leaves", () =>
      Effect.gen(function* () {
        const { next } = yield* busyRuntime
        const started = yield* Deferred.make<void>()
        const sent = yield* Effect.forkChild(
          Effect.andThen(
            Effect.sync(() => Deferred.doneUnsafe(started, Exit.void)),
            send()
          )
        )
        yield* Deferred.await(started)
        yield* TestClock.adjust("1 millis")
        yield* Fiber.interrupt(sent)
        expect((yield* next).status).toBe(403)
      })
    )
  }
)
