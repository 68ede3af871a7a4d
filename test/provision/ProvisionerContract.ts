/** What every Provisioner must do. Each implementation's test runs this over its own layer and its own functions. */

import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, type Layer, PubSub, type Scope } from "effect"
import type { FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { type Worker, WorkerId } from "../../src/domain/Worker.ts"
import { Provisioner, type WorkerDeath } from "../../src/provision/Provisioner.ts"
import type { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { answer, deliver } from "../support/delivery.ts"
import { cpuTicks } from "../support/processes.ts"

/** A provisioner with functions that behave as their names say. All speak the Runtime API. */
export interface Subject {
  /** The provisioner, and the Runtime API that its workers call. A new one for each test. */
  readonly layer: () => Layer.Layer<Provisioner | RuntimeApi, unknown>
  /** Answers an event with that event. */
  readonly echo: FunctionConfig
  /** Gets ready, and ends with exit code 7 when it is given an event. */
  readonly exitsWhenCalled: FunctionConfig
  /** Posts `{"errorType":"Runtime.Broken","errorMessage":"broken"}` to `init/error` and ends with code 1. */
  readonly initError: FunctionConfig
  /** Ends with exit code 4 before it is ready. */
  readonly initExit: FunctionConfig
  /** Never gets ready. Its timeout is its second try's limit: keep it about a second. */
  readonly stuck: FunctionConfig
  /** Everything the machine still has of any of these functions' workers: names of containers, of processes. */
  readonly remains: Effect.Effect<ReadonlyArray<string>>
  /** Never rests, whether it has an event or not; answers an event with that event. */
  readonly busy: FunctionConfig
  /** The process that runs a worker's function. */
  readonly pidOf: (worker: Worker) => Effect.Effect<number>
  /** As somebody at this machine would do it, past the provisioner. */
  readonly pauseFromOutside: (worker: Worker) => Effect.Effect<unknown>
  readonly kill: (worker: Worker) => Effect.Effect<unknown>
}

const ids = (workers: ReadonlyArray<{ readonly id: WorkerId }>) => workers.map(({ id }) => id).toSorted()

/** Looks again and again until nothing is left; for what a start that was interrupted is still clearing away. */
const untilNothingRemains = (remains: Subject["remains"]) =>
  remains.pipe(
    Effect.delay("20 millis"),
    Effect.repeat({ until: (left) => left.length === 0 }),
    Effect.timeoutOrElse({
      duration: "10 seconds",
      orElse: () => Effect.flatMap(remains, (left) => Effect.die(new Error(`still there: ${left.join(", ")}`)))
    })
  )

/** `subject` is undefined where this machine has no such machine room; `why` is then said instead. */
export const suite = (name: string, subject: Subject | undefined, why = "") =>
  describe(`Provisioner (${name})`, () => {
    if (subject === undefined) {
      it.skip(`is not tested here: ${why}`)
      return
    }

    const test = (
      sentence: string,
      body: Effect.Effect<unknown, unknown, Provisioner | RuntimeApi | Scope.Scope>,
      timeout = 60_000
    ) => it.live(sentence, () => Effect.provide(Effect.scoped(body), subject.layer()), timeout)

    test(
      "starts a worker that is ready for its first event, and lists it",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const worker = yield* provisioner.start(subject.echo)
        expect(worker).toMatchObject({
          functionName: subject.echo.name,
          version: subject.echo.version,
          transport: "runtime-api"
        })
        expect(ids(yield* provisioner.list)).toEqual([worker.id])
        expect(yield* answer(worker, { hello: "there" })).toEqual({ body: { hello: "there" } })
      })
    )

    test(
      "starts a worker of its own for each of several starts at once",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const workers = yield* Effect.all(
          [1, 2, 3].map(() => provisioner.start(subject.echo)),
          { concurrency: "unbounded" }
        )
        expect(new Set(ids(workers)).size).toBe(3)
        expect(ids(yield* provisioner.list)).toEqual(ids(workers))
        const answers = yield* Effect.forEach(workers, (worker) => answer(worker, worker.id), { concurrency: 3 })
        expect(answers.map(({ body }) => body)).toEqual(workers.map(({ id }) => id))
      })
    )

    test(
      "stops the worker it is asked to stop and no other",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const stays = yield* provisioner.start(subject.echo)
        const goes = yield* provisioner.start(subject.echo)
        yield* provisioner.stop(goes.id)
        expect(ids(yield* provisioner.list)).toEqual([stays.id])
        expect((yield* subject.remains).length).toBe(1)
        expect((yield* answer(stays, 1)).body).toBe(1)
      })
    )

    test(
      "has nothing left of a worker once its stop is over, and stops it a second time without complaint",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const worker = yield* provisioner.start(subject.echo)
        yield* Effect.all([provisioner.stop(worker.id), provisioner.stop(worker.id)], { concurrency: 2 })
        expect(yield* subject.remains).toEqual([])
        yield* provisioner.stop(worker.id)
        expect(yield* provisioner.list).toEqual([])
      })
    )

    test(
      "pauses a worker, which answers nothing and takes no CPU until it is resumed, and then goes on",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const deaths = yield* PubSub.subscribe(provisioner.deaths)
        const worker = yield* provisioner.start(subject.busy)
        const pid = yield* subject.pidOf(worker)
        const ticks = Effect.sync(() => cpuTicks(pid))
        const first = yield* ticks
        expect(first).toBeGreaterThan(0)
        yield* ticks.pipe(Effect.delay("10 millis"), Effect.repeat({ until: (taken) => taken > first + 2 }))
        yield* provisioner.pause(worker.id)
        const atRest = yield* ticks
        const waiting = yield* Effect.forkChild(answer(worker, { hello: "there" }), { startImmediately: true })
        // Long past what an answer takes.
        yield* Effect.sleep("300 millis")
        expect(waiting.pollUnsafe()).toBeUndefined()
        expect(yield* ticks).toBe(atRest)
        expect(ids(yield* provisioner.list)).toEqual([worker.id])
        yield* provisioner.resume(worker.id)
        expect(yield* Fiber.join(waiting)).toEqual({ body: { hello: "there" } })
        expect(yield* answer(worker, 2)).toEqual({ body: 2 })
        expect(yield* PubSub.remaining(deaths)).toBe(0)
      })
    )

    test(
      "pauses and resumes no other worker",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const paused = yield* provisioner.start(subject.echo)
        const runs = yield* provisioner.start(subject.echo)
        yield* provisioner.pause(paused.id)
        expect(yield* answer(runs, 1)).toEqual({ body: 1 })
        const waiting = yield* Effect.forkChild(answer(paused, 2), { startImmediately: true })
        yield* provisioner.resume(runs.id)
        expect(yield* answer(runs, 3)).toEqual({ body: 3 })
        expect(waiting.pollUnsafe()).toBeUndefined()
        yield* provisioner.resume(paused.id)
        expect(yield* Fiber.join(waiting)).toEqual({ body: 2 })
      })
    )

    test(
      "pauses a worker a second time without complaint, and one resume is enough; so for resuming one that runs",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const worker = yield* provisioner.start(subject.echo)
        yield* provisioner.resume(worker.id)
        yield* Effect.all([provisioner.pause(worker.id), provisioner.pause(worker.id)], { concurrency: 2 })
        yield* provisioner.pause(worker.id)
        yield* Effect.all([provisioner.resume(worker.id), provisioner.resume(worker.id)], { concurrency: 2 })
        yield* provisioner.resume(worker.id)
        expect(yield* answer(worker, 1)).toEqual({ body: 1 })
      })
    )

    test(
      "a worker that is resumed while its pause is under way runs, also when whoever paused it has left",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const worker = yield* provisioner.start(subject.echo)
        for (const patience of [0, 1, 2, 4, 8, 16]) {
          const pausing = yield* Effect.forkChild(provisioner.pause(worker.id), { startImmediately: true })
          yield* Effect.sleep(patience)
          if (patience % 4 === 0) yield* Fiber.interrupt(pausing)
          yield* provisioner.resume(worker.id)
          expect(yield* answer(worker, patience)).toEqual({ body: patience })
        }
      })
    )

    test(
      "stops a paused worker, and nothing of it is left",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const worker = yield* provisioner.start(subject.echo)
        yield* provisioner.pause(worker.id)
        yield* provisioner.stop(worker.id)
        expect(yield* provisioner.list).toEqual([])
        expect(yield* subject.remains).toEqual([])
      })
    )

    test(
      "neither pauses nor resumes a worker that is gone or never was",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const worker = yield* provisioner.start(subject.echo)
        yield* provisioner.stop(worker.id)
        for (const id of [worker.id, WorkerId.make("lambda-nobody-00000000")]) {
          expect(yield* Effect.flip(provisioner.pause(id))).toMatchObject({ _tag: "WorkerGone", id })
          expect(yield* Effect.flip(provisioner.resume(id))).toMatchObject({ _tag: "WorkerGone", id })
        }
      })
    )

    test(
      "a worker that dies while it is paused is a death like any other",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const deaths = yield* PubSub.subscribe(provisioner.deaths)
        const worker = yield* provisioner.start(subject.echo)
        yield* provisioner.pause(worker.id)
        yield* subject.kill(worker)
        expect(yield* PubSub.take(deaths)).toMatchObject({ id: worker.id, exit: { signal: "killed" } })
        expect(yield* Effect.flip(provisioner.resume(worker.id))).toMatchObject({ _tag: "WorkerGone" })
        yield* untilNothingRemains(subject.remains)
      })
    )

    test(
      "a worker that somebody else pauses is not taken for dead, and is resumed",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const worker = yield* provisioner.start(subject.echo)
        yield* subject.pauseFromOutside(worker)
        const waiting = yield* Effect.forkChild(answer(worker, 1), { startImmediately: true })
        yield* Effect.sleep("100 millis")
        expect(ids(yield* provisioner.list)).toEqual([worker.id])
        yield* provisioner.pause(worker.id)
        yield* provisioner.resume(worker.id)
        expect(yield* Fiber.join(waiting)).toEqual({ body: 1 })
      })
    )

    test(
      "stops a worker that never was",
      Effect.gen(function* () {
        yield* (yield* Provisioner).stop(WorkerId.make("lambda-nobody-00000000"))
      })
    )

    test(
      "publishes a death once, with its exit, after the worker has left the list",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const deaths = yield* PubSub.subscribe(provisioner.deaths)
        const worker = yield* provisioner.start(subject.exitsWhenCalled)
        const outcome = yield* Effect.forkChild(deliver(worker))
        const death = yield* PubSub.take(deaths)
        expect(death).toEqual({ id: worker.id, exit: { code: 7 } })
        expect(yield* provisioner.list).toEqual([])
        expect(yield* Fiber.join(outcome)).toMatchObject({ _tag: "Lost", began: true, exit: { code: 7 } })
        // The next death that is seen is the next worker's: the first one was published once.
        const next = yield* provisioner.start(subject.exitsWhenCalled)
        yield* Effect.forkChild(deliver(next))
        expect((yield* PubSub.take(deaths)).id).toBe(next.id)
      })
    )

    test(
      "publishes no death of a worker that it was asked to stop",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const deaths = yield* PubSub.subscribe(provisioner.deaths)
        const stopped = yield* provisioner.start(subject.exitsWhenCalled)
        yield* provisioner.stop(stopped.id)
        const dies = yield* provisioner.start(subject.exitsWhenCalled)
        yield* Effect.forkChild(deliver(dies))
        expect(yield* PubSub.take(deaths)).toMatchObject({ id: dies.id } satisfies Partial<WorkerDeath>)
      })
    )

    test(
      "fails with the document that the function posted when its initialisation failed",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const { failure } = yield* Effect.flip(provisioner.start(subject.initError))
        expect(failure).toMatchObject({ reason: "InitError", errorType: "Runtime.Broken" })
        expect(JSON.parse(failure.document ?? "")).toMatchObject({ errorMessage: "broken" })
        expect(yield* provisioner.list).toEqual([])
        yield* untilNothingRemains(subject.remains)
      })
    )

    test(
      "fails with the exit code when the function ends before it is ready",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const { failure } = yield* Effect.flip(provisioner.start(subject.initExit))
        expect(failure).toMatchObject({ reason: "InitExited", exit: { code: 4 } })
        expect(yield* provisioner.list).toEqual([])
        yield* untilNothingRemains(subject.remains)
      })
    )

    test(
      "gives up a worker that never gets ready, and leaves nothing of it",
      Effect.gen(function* () {
        const { failure } = yield* Effect.flip((yield* Provisioner).start(subject.stuck))
        expect(failure.reason).toBe("InitTimedOut")
        yield* untilNothingRemains(subject.remains)
      })
    )

    test(
      "leaves nothing of a start that is interrupted",
      Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const started = yield* Effect.forkChild(provisioner.start(subject.stuck))
        yield* subject.remains.pipe(Effect.delay("10 millis"), Effect.repeat({ until: (there) => there.length > 0 }))
        yield* Fiber.interrupt(started)
        yield* untilNothingRemains(subject.remains)
        expect(yield* provisioner.list).toEqual([])
      })
    )

    it.live(
      "takes all its workers with it when its scope is closed, those that are starting included",
      () =>
        Effect.gen(function* () {
          const starting = yield* Deferred.make<Fiber.Fiber<unknown, unknown>>()
          yield* Effect.gen(function* () {
            const provisioner = yield* Provisioner
            yield* Effect.all([provisioner.start(subject.echo), provisioner.start(subject.echo)], { concurrency: 2 })
            yield* Deferred.succeed(starting, yield* Effect.forkDetach(provisioner.start(subject.stuck)))
            yield* subject.remains.pipe(
              Effect.delay("10 millis"),
              Effect.repeat({ until: (there) => there.length > 2 })
            )
          }).pipe(Effect.provide(subject.layer()))
          expect(yield* subject.remains).toEqual([])
          const exit = yield* Fiber.await(yield* Deferred.await(starting))
          expect(Exit.isFailure(exit)).toBe(true)
        }),
      60_000
    )
  })
