/**
 * Who uses which worker, and since when nobody has said so. A gateway's heartbeat renews its workers' leases; those
 * of a gateway that died run out. No I/O and no clock: the time comes in.
 */
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Worker, WorkerId } from "../domain/Worker.ts"

export interface Lease {
  readonly worker: Worker
  /** What it was started from; absent for one that was running before this process knew of it. */
  readonly config?: FunctionConfig
  /** Unix milliseconds: its start, its last heartbeat or its last event, whichever came last. */
  lastUsedMillis: number
  /** Whether a gateway has paused it. */
  paused: boolean
}

export class WorkerLeases {
  readonly #leases = new Map<WorkerId, Lease>()

  grant(worker: Worker, config: FunctionConfig, nowMillis: number): void {
    this.#leases.set(worker.id, { worker, config, lastUsedMillis: nowMillis, paused: false })
  }

  /** True where there is a lease to renew. */
  renew(id: WorkerId, nowMillis: number): boolean {
    const lease = this.#leases.get(id)
    if (lease !== undefined) lease.lastUsedMillis = nowMillis
    return lease !== undefined
  }

  pause(id: WorkerId): void {
    const lease = this.#leases.get(id)
    if (lease !== undefined) lease.paused = true
  }

  resume(id: WorkerId, nowMillis: number): void {
    const lease = this.#leases.get(id)
    if (lease === undefined) return
    lease.paused = false
    lease.lastUsedMillis = nowMillis
  }

  find(id: WorkerId): Lease | undefined {
    return this.#leases.get(id)
  }

  end(id: WorkerId): void {
    this.#leases.delete(id)
  }

  /** Brings the leases in line with what runs: a worker without one gets it, one that is gone loses it. */
  reconcile(running: ReadonlyArray<Worker>, nowMillis: number): ReadonlyArray<Lease> {
    const ids = new Set(running.map(({ id }) => id))
    for (const id of this.#leases.keys()) if (!ids.has(id)) this.#leases.delete(id)
    return running.map((worker) => {
      const lease = this.#leases.get(worker.id) ?? { worker, lastUsedMillis: nowMillis, paused: false }
      this.#leases.set(worker.id, lease)
      return lease
    })
  }
}
