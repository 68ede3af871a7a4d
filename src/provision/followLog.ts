/** Reads what a container prints for as long as it is there, also past streams that the engine breaks off. */
import { Deferred, Effect, Stream } from "effect"
import { ContainerLog, type LogLine } from "./ContainerLog.ts"
import type { DockerAdaptor } from "./DockerAdaptor.ts"

export interface FollowedLog {
  readonly name: string
  /** Done when the container has ended. */
  readonly ended: Deferred.Deferred<void>
  /** Of what was printed since then. Absent: of everything. */
  readonly sinceMillis?: number
  readonly onLine: (line: LogLine) => Effect.Effect<void>
}

const firstPauseMillis = 50
const maxPauseMillis = 5_000

/** Returns when the container has ended and all is read, or when it is gone. Interrupt it for one that is removed. */
export const followLog = (docker: DockerAdaptor["Service"], { ended, name, onLine, sinceMillis }: FollowedLog) =>
  Effect.suspend(() => {
    const log = new ContainerLog(sinceMillis)
    let pauseMillis = firstPauseMillis
    const hand = (line: LogLine) => {
      pauseMillis = firstPauseMillis
      return onLine(line)
    }
    const wait = Effect.suspend(() => {
      const pause = Effect.sleep(pauseMillis)
      pauseMillis = Math.min(2 * pauseMillis, maxPauseMillis)
      return pause
    })
    const waitOrEnd = Effect.raceFirst(wait, Deferred.await(ended))

    /** True when there is nothing more to read. */
    const readOn = Effect.gen(function* () {
      const hadEnded = yield* Deferred.isDone(ended)
      return yield* Stream.runForEach(docker.logs(name, log), hand).pipe(
        // The engine ends it a moment before it says that the container has ended.
        Effect.andThen(Effect.andThen(waitOrEnd, Deferred.isDone(ended))),
        Effect.catch((error) => {
          if (error._tag === "DockerNotFound") return Effect.succeed(true)
          const said = Effect.logDebug(`The log of ${name} broke off, and is read on: ${error.message}`)
          // What it printed last is read once more after its end.
          return Effect.andThen(said, Effect.as(hadEnded ? wait : waitOrEnd, false))
        })
      )
    })
    return Effect.repeat(readOn, { until: (isDone) => isDone }).pipe(
      Effect.ensuring(Effect.suspend(() => Effect.forEach(log.end(), onLine, { discard: true })))
    )
  })
