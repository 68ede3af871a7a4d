/**
 * Which idle workers are paused, and the way back. A worker that is being paused is thawed only when that is done:
 * the other way round the pause would come last, and its event would wait for ever.
 */
import { Deferred, Effect, FiberSet } from "effect"
import type { WorkerId } from "../domain/Worker.ts"
import { ProvisionClient } from "../provision/ProvisionClient.ts"

export class Freezer {
  static readonly make = Effect.gen(function* () {
    const provisioning = yield* ProvisionClient
    const pauses = yield* FiberSet.make<void>()
    const fork = yield* FiberSet.runtime(pauses)()
    return new Freezer(provisioning, fork)
  })

  readonly #provisioning: ProvisionClient["Service"]
  readonly #fork: (effect: Effect.Effect<void>) => void
  /** Paused, or being paused; done when that is over. */
  readonly #frozen = new Map<WorkerId, Deferred.Deferred<void>>()

  constructor(provisioning: ProvisionClient["Service"], fork: (effect: Effect.Effect<void>) => void) {
    this.#provisioning = provisioning
    this.#fork = fork
  }

  isFrozen(id: WorkerId): boolean {
    return this.#frozen.has(id)
  }

  /** Has an idle worker paused, behind the scenes. One that cannot be is simply not paused. */
  freeze(id: WorkerId): void {
    if (this.#frozen.has(id)) return
    const paused = Deferred.makeUnsafe<void>()
    this.#frozen.set(id, paused)
    this.#fork(
      this.#provisioning.pause(id).pipe(
        Effect.catch((error) => Effect.logDebug(`Worker '${id}' was not paused: ${error.message}`)),
        Effect.ensuring(Effect.sync(() => Deferred.doneUnsafe(paused, Effect.void)))
      )
    )
  }

  /** Waits until the worker runs again. Fails where it does not: it is not to be used. */
  thaw(id: WorkerId) {
    return Effect.suspend(() => {
      const paused = this.#frozen.get(id)
      if (paused === undefined) return Effect.void
      return Effect.andThen(
        Deferred.await(paused),
        Effect.suspend(() => {
          this.#frozen.delete(id)
          return this.#provisioning.resume(id)
        })
      )
    })
  }

  forget(id: WorkerId): void {
    this.#frozen.delete(id)
  }
}
