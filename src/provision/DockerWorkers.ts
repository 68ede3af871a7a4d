/** The permits of Docker operations, each with a number by which its holder is known in logs and traces. */
import { Effect, Semaphore } from "effect"

/** `docker_worker-3` is the holder of the fourth permit of those called `docker_worker`. */
export class DockerWorkers {
  readonly #name: string
  readonly #permits: Semaphore.Semaphore
  readonly #free: Array<number>

  constructor(name: string, max: number) {
    this.#name = name
    this.#permits = Semaphore.makeUnsafe(max)
    this.#free = Array.from({ length: max }, (_, index) => index)
  }

  run<A, E>(operation: string, subject: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return this.#permits.withPermit(
      Effect.acquireUseRelease(
        Effect.sync(() => this.#free.shift()!),
        (slot) => {
          const worker = { docker_worker: `${this.#name}-${slot}`, operation }
          return Effect.logDebug(`Docker ${operation} ${subject}`.trimEnd()).pipe(
            Effect.andThen(effect),
            Effect.annotateLogs(worker),
            Effect.withSpan(`DockerAdaptor.${operation}`, { attributes: { ...worker, subject } })
          )
        },
        (slot) => Effect.sync(() => this.#free.unshift(slot))
      )
    )
  }
}
