/** A worker's extensions and its runtime together, on a virtual clock and without a socket. */
import { it } from "@effect/vitest"
import { Clock, Effect, FiberSet } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import type { StartFailure } from "../../src/domain/Worker.ts"
import { HttpClient } from "../../src/invoke/HttpClient.ts"
import { ExtensionHost } from "../../src/runtime-api/ExtensionHost.ts"
import type { ExtensionEvent } from "../../src/runtime-api/ExtensionSession.ts"
import { type Outcome, type RuntimeEvent, RuntimeSession } from "../../src/runtime-api/RuntimeSession.ts"
import { TelemetryHub } from "../../src/runtime-api/TelemetryHub.ts"

const event = (requestId: string): RuntimeEvent => ({
  requestId,
  timeoutMillis: 3000,
  invokedFunctionArn: "arn:aws:lambda:us-east-1:000000000000:function:hello",
  traceId: "Root=1",
  payload: new Uint8Array()
})

const extensionId = "00000000-0000-4000-8000-000000000001"

/** A worker with these extensions, and what happens to it. */
const worker = (external: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const run = yield* FiberSet.makeRuntime<never, void>()
    const client = yield* HttpClient.make
    const nowMillis = () => clock.currentTimeMillisUnsafe()
    const session = new RuntimeSession()
    const telemetry = new TelemetryHub({ nowMillis, run, client, listen: () => {} })
    const runtime = {
      onInitialized: (done: (failure: StartFailure | undefined) => void) => session.onInitialized(done),
      end: () => session.end(undefined, "ended")
    }
    const host = new ExtensionHost({ nowMillis, run, telemetry, runtime })
    host.prepare({
      functionName: "hello",
      functionVersion: "$LATEST",
      handler: "index.handler",
      accountId: "000000000000",
      initializationType: "on-demand",
      memoryMegabytes: 128,
      external,
      jsonLines: false
    })
    const seen: Array<string> = []
    host.onInitialized((failure) => seen.push(failure === undefined ? "ready" : `failed ${failure.errorType}`))
    return {
      host,
      seen,
      /** The runtime asks for an event, and writes down which it gets. */
      runtimeNext: () => void session.next(({ requestId }) => void seen.push(`runtime ${requestId}`)),
      respond: (requestId: string) => void session.respond(requestId, new Uint8Array()),
      register: (name: string, events: ReadonlyArray<string>) => void host.session.register(extensionId, name, events),
      extensionNext: () =>
        void host.session.next(extensionId, (given: ExtensionEvent) => {
          seen.push(given.eventType === "INVOKE" ? `extension ${given.requestId}` : `shutdown ${given.shutdownReason}`)
        }),
      deliver: (requestId: string) => {
        const done = (outcome: Outcome) =>
          void seen.push(outcome._tag === "Answered" ? `answered ${requestId}` : `lost ${requestId} ${outcome.began}`)
        host.deliver(event(requestId), done, (wrapped) => session.deliver(event(requestId), wrapped))
      },
      broken: Effect.map(Effect.timeoutOption(host.broken, 0), (found) => found._tag === "Some")
    }
  })

const ready = Effect.gen(function* () {
  const subject = yield* worker(["watcher"])
  subject.register("watcher", ["INVOKE", "SHUTDOWN"])
  subject.extensionNext()
  subject.runtimeNext()
  expect(subject.seen.splice(0)).toEqual(["ready"])
  return subject
})

describe("ExtensionHost", () => {
  it.effect("is ready when the runtime is, where there are no extensions", () =>
    Effect.gen(function* () {
      const { host, runtimeNext, seen } = yield* worker([])
      expect(host.isActive).toBe(false)
      runtimeNext()
      expect(seen).toEqual(["ready"])
    }).pipe(Effect.scoped)
  )

  it.effect("is ready when the last one of all has asked for an event, whoever that is", () =>
    Effect.gen(function* () {
      const { extensionNext, register, runtimeNext, seen } = yield* worker(["watcher"])
      runtimeNext()
      expect(seen).toEqual([])
      register("watcher", [])
      expect(seen).toEqual([])
      extensionNext()
      expect(seen).toEqual(["ready"])
    }).pipe(Effect.scoped)
  )

  it.effect("fails to initialise with the extension that ended, once", () =>
    Effect.gen(function* () {
      const { broken, host, runtimeNext, seen } = yield* worker(["watcher"])
      runtimeNext()
      host.exited("watcher", 2)
      expect(seen).toEqual(["failed Extension.Crash"])
      expect(yield* broken).toBe(true)
    }).pipe(Effect.scoped)
  )

  it.effect("answers when the runtime has, and is free when the extensions are", () =>
    Effect.gen(function* () {
      const { deliver, extensionNext, host, respond, runtimeNext, seen } = yield* ready
      deliver("r-1")
      expect(seen.splice(0)).toEqual(["extension r-1", "runtime r-1"])
      respond("r-1")
      expect(seen.splice(0)).toEqual(["answered r-1"])
      runtimeNext()
      deliver("r-2")
      expect(seen).toEqual([])
      expect(host.free).toBeDefined()
      extensionNext()
      expect(seen.splice(0)).toEqual(["extension r-2", "runtime r-2"])
      extensionNext()
      respond("r-2")
      expect(host.free).toBeUndefined()
    }).pipe(Effect.scoped)
  )

  it.effect("gives extensions the function's timeout, counted from the event, and not a millisecond more", () =>
    Effect.gen(function* () {
      const { broken, deliver, respond, seen } = yield* ready
      deliver("r-1")
      yield* TestClock.adjust("1 seconds")
      respond("r-1")
      deliver("r-2")
      seen.splice(0)
      yield* TestClock.adjust("1999 millis")
      expect([seen, yield* broken]).toEqual([[], false])
      yield* TestClock.adjust("1 millis")
      expect([seen, yield* broken]).toEqual([["lost r-2 false"], true])
    }).pipe(Effect.scoped)
  )

  it.effect("leaves it to the invoker to end a function that runs out of time", () =>
    Effect.gen(function* () {
      const { broken, deliver, extensionNext, host, seen } = yield* ready
      deliver("r-1")
      extensionNext()
      seen.splice(0)
      yield* TestClock.adjust("1 minute")
      expect([seen, yield* broken]).toEqual([[], false])
      yield* Effect.forkChild(host.farewell(Effect.void), { startImmediately: true })
      expect(seen).toEqual(["shutdown timeout"])
    }).pipe(Effect.scoped)
  )

  it.effect("loses what is under way and what waits with an extension that ends", () =>
    Effect.gen(function* () {
      const { broken, deliver, host, seen } = yield* ready
      deliver("r-1")
      seen.splice(0)
      host.exited("watcher", 0)
      expect(seen).toEqual(["lost r-1 true"])
      expect(yield* broken).toBe(true)
      deliver("r-2")
      expect(seen).toEqual(["lost r-1 true", "lost r-2 false"])
    }).pipe(Effect.scoped)
  )

  it.effect("has 300 milliseconds for the runtime's end, and two seconds in all", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* ready
      const farewell = yield* Effect.forkChild(host.farewell(Effect.never), { startImmediately: true })
      yield* TestClock.adjust("299 millis")
      expect(seen).toEqual([])
      yield* TestClock.adjust("1 millis")
      expect(seen).toEqual(["shutdown spindown"])
      yield* TestClock.adjust("1699 millis")
      expect(farewell.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(farewell.pollUnsafe()).toBeDefined()
    }).pipe(Effect.scoped)
  )

  it.effect("takes no event any more once it says farewell, and lets the runtime be", () =>
    Effect.gen(function* () {
      const { deliver, host, respond, runtimeNext, seen } = yield* ready
      deliver("r-1")
      yield* Effect.forkChild(host.farewell(Effect.void), { startImmediately: true })
      respond("r-1")
      runtimeNext()
      deliver("r-2")
      expect(seen).toEqual(["extension r-1", "runtime r-1", "answered r-1", "lost r-2 false"])
    }).pipe(Effect.scoped)
  )

  it.effect("waits no longer than its extensions take", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* ready
      const farewell = yield* Effect.forkChild(host.farewell(Effect.void), { startImmediately: true })
      expect(seen).toEqual(["shutdown spindown"])
      expect(farewell.pollUnsafe()).toBeUndefined()
      host.exited("watcher", 0)
      yield* Effect.yieldNow
      expect(farewell.pollUnsafe()).toBeDefined()
    }).pipe(Effect.scoped)
  )

  it.effect("has half a second where all extensions are internal, and none where there are none", () =>
    Effect.gen(function* () {
      const inside = yield* worker([])
      inside.register("inside", ["INVOKE"])
      inside.runtimeNext()
      inside.extensionNext()
      const farewell = yield* Effect.forkChild(inside.host.farewell(Effect.never), { startImmediately: true })
      yield* TestClock.adjust("499 millis")
      expect(farewell.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(farewell.pollUnsafe()).toBeDefined()
      const none = yield* worker([])
      none.runtimeNext()
      yield* none.host.farewell(Effect.never)
    }).pipe(Effect.scoped)
  )
})
