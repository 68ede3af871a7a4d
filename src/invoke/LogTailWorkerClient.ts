/**
 * WorkerClient that tells the end of an invocation's log with its outcome, where the invocation asks for it. It stands
 * where the workers' output is read. Invocations that do not ask pass it by.
 *
 * Output and answer come by different ways, so that a line may be read a little after the answer it was printed before.
 * What comes is taken to belong together when nothing more has come for a while.
 */
import { Clock, Context, Effect, Fiber, Layer, Option } from "effect"
import type { AnswerSink } from "../domain/AnswerSink.ts"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Invocation } from "../domain/Invocation.ts"
import type { Worker } from "../domain/Worker.ts"
import { RuntimeApi } from "../runtime-api/RuntimeApi.ts"
import type { OutputLine } from "../runtime-api/WorkerOutput.ts"
import { LogTail } from "./LogTail.ts"
import { type DirectClient, WorkerClient, WorkerLost } from "./WorkerClient.ts"

/** Of a worker whose machine does not say. */
const usualLagMillis = 5
/** A worker that prints on and on is not waited for for longer than so many times the lag. */
const maxWaits = 20
/** Measuring by the engine may take a second, and goes on beside the function. */
const maxEarlyWait = "100 millis"

export const layer = <E, R>(inner: Layer.Layer<WorkerClient, E, R>) =>
  Layer.effect(
    WorkerClient,
    Effect.gen(function* () {
      const client = Context.get(yield* Layer.build(inner), WorkerClient)
      const clock = yield* Clock.Clock
      const api = yield* RuntimeApi
      const nowMillis = () => Number(clock.currentTimeNanosUnsafe()) / 1e6

      const sendTailed = (worker: Worker, config: FunctionConfig, invocation: Invocation, sink?: AnswerSink) =>
        Effect.acquireUseRelease(
          Effect.sync(() => new Listening((listener) => api.output.subscribe(worker.id, listener))),
          (listening) =>
            Effect.gen(function* () {
              const vitals = api.vitals.get(worker.id)
              const lagMillis = vitals?.outputLagMillis ?? usualLagMillis
              const measure = vitals?.maxMemoryBytes ?? Effect.succeed(undefined)
              // One that dies cannot be measured any more.
              const early = yield* Effect.forkChild(measure)
              // What an earlier invocation has printed is none of this one's.
              yield* listening.quiet(lagMillis)
              yield* Effect.timeoutOption(Fiber.await(early), maxEarlyWait)
              const coldStart = api.find(worker.id)?.coldStartMillis()
              const tail = new LogTail(invocation.requestId, config.version)
              const emulator = worker.transport === "rie" ? new EmulatorLog() : undefined
              listening.hear = (text) => {
                if (emulator?.isOwn(text) !== true) tail.line(text)
              }
              const startedMillis = nowMillis()
              const exit = yield* client
                .send(worker, config, invocation, sink)
                .pipe(Effect.timeoutOption(config.timeout), Effect.exit)
              const durationMillis = nowMillis() - startedMillis
              yield* listening.quiet(lagMillis)
              const maxMemoryBytes = Math.max((yield* measure) ?? 0, (yield* Fiber.join(early)) ?? 0)
              const initMillis = coldStart ?? emulator?.initMillis
              const log = tail.end({
                durationMillis,
                memoryMegabytes: config.memoryMegabytes,
                maxMemoryBytes,
                ...(initMillis === undefined ? {} : { initMillis })
              })
              const result = yield* Effect.mapError(exit, (lost) => withLog(lost, log))
              return Option.isSome(result) ? { ...result.value, log } : yield* timedOut(worker, log)
            }),
          (listening) => Effect.sync(listening.end)
        )

      const inDirect = client.direct
      const direct: DirectClient | undefined =
        inDirect === undefined
          ? undefined
          : {
              ...inDirect,
              takes: (config, invocation) => invocation.logTail !== true && inDirect.takes(config, invocation)
            }
      return WorkerClient.of({
        send: (worker, config, invocation, sink) =>
          invocation.logTail === true
            ? sendTailed(worker, config, invocation, sink)
            : client.send(worker, config, invocation, sink),
        ...(direct === undefined ? {} : { direct })
      })
    })
  )

/** Hears one worker. */
class Listening {
  readonly end: () => void
  hear: (text: string) => void = () => {}
  #heard = 0

  constructor(subscribe: (listener: (line: OutputLine) => void) => () => void) {
    this.end = subscribe((line) => {
      this.#heard++
      if (line.extension === undefined) this.hear(line.text)
    })
  }

  /** Waits until nothing has come for so long. */
  quiet(lagMillis: number): Effect.Effect<void> {
    const wait = Effect.suspend(() => {
      const before = this.#heard
      // A timer of a process that was held up is over before what has arrived meanwhile is read.
      return Effect.sleep(lagMillis).pipe(
        Effect.andThen(nextTurn),
        Effect.andThen(nextTurn),
        Effect.map(() => this.#heard === before)
      )
    })
    return Effect.asVoid(Effect.repeat(wait, { until: (isQuiet) => isQuiet, times: maxWaits - 1 }))
  }
}

const nextTurn = Effect.callback<void>((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})

/** An emulator keeps a log of its own among what the function prints, with request ids that it has made up. */
class EmulatorLog {
  /** That it told of. */
  initMillis: number | undefined

  isOwn(text: string): boolean {
    if (!/^(START|END|REPORT) RequestId: |^\d\d \w{3} \d{4} \d\d:\d\d:\d\d,\d{3} \[[A-Z]+\] \(/.test(text)) return false
    const told = /\tInit Duration: ([\d.]+) ms/.exec(text)?.[1]
    if (told !== undefined) this.initMillis = Number(told)
    return true
  }
}

const withLog = (lost: WorkerLost, log: string): WorkerLost => {
  const { began, cause, exit, lastWords, target, workerId } = lost
  if (!began) return lost
  return new WorkerLost({
    workerId,
    began,
    target,
    cause,
    log,
    ...(exit === undefined ? {} : { exit }),
    ...(lastWords === undefined ? {} : { lastWords })
  })
}

const timedOut = (worker: Worker, log: string) =>
  new WorkerLost({
    workerId: worker.id,
    began: true,
    timedOut: true,
    log,
    target: `http://${worker.host}:${worker.port}`,
    cause: new Error("The function ran past its timeout")
  })
