import { expect, layer } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { Worker } from "../../src/domain/Worker.ts"
import * as LogTailWorkerClient from "../../src/invoke/LogTailWorkerClient.ts"
import { type WorkerAnswer, WorkerClient, WorkerLost } from "../../src/invoke/WorkerClient.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { functionConfig, invocation, worker } from "../support/functions.ts"

const config = functionConfig({ timeout: Duration.seconds(9) })
const { requestId } = invocation()
const answer: WorkerAnswer = { payload: new TextEncoder().encode('"yes"') }
const start = `START RequestId: ${requestId} Version: $LATEST\n`
const end = `END RequestId: ${requestId}\nREPORT RequestId: ${requestId}\t`

/** Each worker of a test gets its events here, and answers when the test says so. */
const sent = new Map<string, Deferred.Deferred<WorkerAnswer, WorkerLost>>()
const fake = Layer.succeed(WorkerClient, {
  send: ({ id }) =>
    Effect.suspend(() => {
      const done = Deferred.makeUnsafe<WorkerAnswer, WorkerLost>()
      sent.set(id, done)
      return Deferred.await(done)
    })
})

const lost = ({ id }: Worker, began: boolean) =>
  new WorkerLost({ workerId: id, began, target: "http://worker", cause: "gone", exit: { code: 3 } })

const send = (to: Worker, settings: Parameters<typeof invocation>[0] = { logTail: true }) =>
  Effect.forkChild(
    WorkerClient.use((client) => client.send(to, config, invocation(settings))),
    { startImmediately: true }
  )

/** Lets time pass in small steps, with all that has arrived seen in each. */
const pass = (millis: number) =>
  Effect.repeat(
    Effect.andThen(
      TestClock.adjust("1 millis"),
      Effect.promise(() => new Promise<void>((done) => setImmediate(() => setImmediate(() => setImmediate(done)))))
    ),
    { times: millis - 1 }
  )

const print = (from: Worker, text: string, extension?: string) =>
  RuntimeApi.useSync(({ output }) =>
    output.write(from.id, { stream: "stdout", text, ...(extension === undefined ? {} : { extension }) })
  )

const answered = (by: Worker) => Effect.suspend(() => Deferred.succeed(sent.get(by.id)!, answer))

layer(LogTailWorkerClient.layer(fake).pipe(Layer.provideMerge(RuntimeApi.layer)))("LogTailWorkerClient", (it) => {
  it.effect("sends what does not ask for its log at once, and tells none", () =>
    Effect.gen(function* () {
      const one = worker("unasked")
      const sending = yield* send(one, {})
      yield* print(one, "unheard")
      yield* answered(one)
      expect(yield* Fiber.join(sending)).toEqual(answer)
    })
  )

  it.effect("tells what is printed between the event and the answer, and a little after, and nothing before", () =>
    Effect.gen(function* () {
      const one = worker("usual")
      const sending = yield* send(one)
      yield* print(one, "of an earlier event")
      yield* pass(30)
      yield* print(one, "first")
      yield* print(one, "not the function's", "an-extension")
      yield* pass(1000)
      yield* answered(one)
      yield* pass(3)
      yield* print(one, "on its way")
      yield* pass(4)
      expect(sending.pollUnsafe()).toBeUndefined()
      yield* print(one, "the last one")
      yield* pass(30)
      const { log } = yield* Fiber.join(sending)
      expect(log?.startsWith(`${start}first\non its way\nthe last one\n${end}Duration: 10`)).toBe(true)
      expect(log?.endsWith("\tMax Memory Used: 0 MB\t\n")).toBe(true)
    })
  )

  it.effect("waits for a worker that prints on and on, but not for ever", () =>
    Effect.gen(function* () {
      const one = worker("chatty")
      const sending = yield* send(one)
      yield* pass(30)
      yield* answered(one)
      for (let line = 0; line < 200; line++) yield* Effect.andThen(print(one, `line ${line}`), pass(1))
      expect((yield* Fiber.join(sending)).log).toContain("line 50\n")
    })
  )

  it.effect("keeps the lines of two workers apart", () =>
    Effect.gen(function* () {
      const [one, other] = [worker("apart-1"), worker("apart-2")]
      const sending = [yield* send(one), yield* send(other)] as const
      yield* pass(30)
      yield* print(one, "mine")
      yield* print(other, "yours")
      yield* answered(other)
      yield* answered(one)
      yield* pass(30)
      expect((yield* Fiber.join(sending[0])).log).toContain(`${start}mine\n${end}`)
      expect((yield* Fiber.join(sending[1])).log).toContain(`${start}yours\n${end}`)
    })
  )

  it.effect("cuts the function off at its timeout, not before, and still tells its log", () =>
    Effect.gen(function* () {
      const one = worker("slow")
      const sending = yield* send(one)
      yield* pass(20)
      yield* print(one, "begun")
      yield* TestClock.adjust("8900 millis")
      yield* pass(30)
      expect(sending.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("100 millis")
      yield* pass(30)
      expect(yield* Effect.flip(Fiber.join(sending))).toMatchObject({
        _tag: "WorkerLost",
        began: true,
        timedOut: true,
        log: expect.stringContaining(`${start}begun\n${end}Duration: 9000.00 ms\tBilled Duration: 9000 ms\t`)
      })
    })
  )

  it.effect("tells the log of a worker that died, with how it died", () =>
    Effect.gen(function* () {
      const one = worker("mortal")
      const sending = yield* send(one)
      yield* pass(30)
      yield* Deferred.fail(sent.get(one.id)!, lost(one, true))
      yield* print(one, "last words")
      yield* pass(30)
      const error = yield* Effect.flip(Fiber.join(sending))
      expect(error).toMatchObject({ began: true, exit: { code: 3 } })
      expect(error.log).toContain(`${start}last words\n${end}`)
    })
  )

  it.effect("tells no log of an event that no worker had", () =>
    Effect.gen(function* () {
      const one = worker("unreached")
      const sending = yield* send(one)
      yield* pass(30)
      yield* Deferred.fail(sent.get(one.id)!, lost(one, false))
      yield* pass(30)
      expect((yield* Effect.flip(Fiber.join(sending))).log).toBeUndefined()
    })
  )

  it.effect("reports the most memory that was measured, also of a worker that cannot be measured at its end", () =>
    Effect.gen(function* () {
      const one = worker("measured")
      const measured = [52 * 1024 * 1024, undefined]
      const { vitals } = yield* RuntimeApi
      vitals.set(one.id, { maxMemoryBytes: Effect.sync(() => measured.shift()), outputLagMillis: 5 })
      const sending = yield* send(one)
      yield* pass(30)
      yield* answered(one)
      yield* pass(30)
      expect((yield* Fiber.join(sending)).log).toContain("\tMax Memory Used: 52 MB\t\n")
    })
  )

  it.effect("leaves out what an emulator says of its own, and takes the Init Duration from it", () =>
    Effect.gen(function* () {
      const one = worker("emulated", { transport: "rie" })
      const sending = yield* send(one)
      yield* pass(30)
      yield* print(one, "22 Nov 2026 02:45:34,123 [INFO] (rapid) exec '/var/runtime/bootstrap' (cwd=/var/task)")
      yield* print(one, "START RequestId: 1-2-3 Version: $LATEST")
      yield* print(one, "hello")
      yield* print(one, "END RequestId: 1-2-3")
      yield* print(
        one,
        "REPORT RequestId: 1-2-3\tInit Duration: 81.52 ms\tDuration: 90.10 ms\tBilled Duration: 91 ms\t"
      )
      yield* answered(one)
      yield* pass(30)
      const { log } = yield* Fiber.join(sending)
      expect(log).toContain(`${start}hello\n${end}`)
      expect(log?.endsWith("\tInit Duration: 81.52 ms\t\n")).toBe(true)
    })
  )
})
