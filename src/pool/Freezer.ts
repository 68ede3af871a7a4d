/**
 * Which idle workers are paused, and the way back. A pause that has begun is waited for before its worker is resumed:
 * the other way round the pause would come last, and the worker's next event would wait for ever.
 */
import { Deferred, Effect, FiberSet, Semaphore } from "effect"
import type { WorkerId } from "../domain/Worker.ts"
import { ProvisionClient } from "../provision/ProvisionClient.ts"

/** Pauses under way at once: a sweep over many idle workers must not hold up those that are needed. */
const maxPauses = 2

interface Frozen {
  state: "queued" | "begun" | "cancelled"
  readonly done: Deferred.Deferred<void>
}

export class Freezer {
  static readonly make = Effect.gen(function* () {
    const provisioning = yield* ProvisionClient
    const permits = yield* Semaphore.make(maxPauses)
    const pauses = yield* FiberSet.make<void>()
    const fork = yield* FiberSet.runtime(pauses)()
    return new Freezer(provisioning, (pause) => fork(permits.withPermit(pause)))
  })

  readonly #provisioning: ProvisionClient["Service"]
  readonly #enqueue: (pause: Effect.Effect<void>) => void
  readonly #frozen = new Map<WorkerId, Frozen>()

  constructor(provisioning: ProvisionClient["Service"], enqueue: (pause: Effect.Effect<void>) => void) {
    this.#provisioning = provisioning
    this.#enqueue = enqueue
  }

  isFrozen(id: WorkerId): boolean {
    return this.#frozen.has(id)
  }

  /** Has an idle worker paused, behind the scenes. */
  freeze(id: WorkerId): void {
    if (this.#frozen.has(id)) return
    const frozen: Frozen = { state: "queued", done: Deferred.makeUnsafe() }
    this.#frozen.set(id, frozen)
    this.#enqueue(
      Effect.suspend(() => {
        if (frozen.state === "cancelled") return Effect.void
        frozen.state = "begun"
        return this.#provisioning.pause(id)
      }).pipe(
        // It may be paused all the same: it stays frozen, so that it is resumed before it is used.
        Effect.catch((error) => Effect.logDebug(`Worker '${id}' was not paused: ${error.message}`)),
        Effect.ensuring(Effect.sync(() => Deferred.doneUnsafe(frozen.done, Effect.void)))
      )
    )
  }

  /** Waits until the worker runs again. Fails where it does not: it is not to be used. */
  thaw(id: WorkerId) {
    return Effect.suspend(() => {
      const frozen = this.#frozen.get(id)
      if (frozen === undefined) return Effect.void
      this.#frozen.delete(id)
      if (frozen.state === "queued") {
        frozen.state = "cancelled"
        return Effect.void
      }
      return Effect.andThen(Deferred.await(frozen.done), this.#provisioning.resume(id))
    })
  }

  /** The worker is gone, or going. */
  forget(id: WorkerId): void {
    const frozen = this.#frozen.get(id)
    if (frozen?.state === "queued") frozen.state = "cancelled"
    this.#frozen.delete(id)
  }
}
