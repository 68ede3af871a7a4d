/**
 * Commits together what is to be written at the same moment: one wait for the disk instead of one for each. What is
 * written is the store's to know; here it is only done in order, and whoever wants it to be on the disk is told.
 */
import { setImmediate } from "node:timers"
import type { SqlDatabase } from "../../control/Database.ts"

/** A change of the database. Neither of its callbacks throws. */
export interface Work {
  /** Runs in a transaction, and again in another one if that fails. */
  readonly apply: () => void
  /** Of what it keeps in memory until it is written. */
  readonly bytes?: number
  /** It is on the disk. */
  readonly done?: () => void
  /** It is not, and is forgotten. Without this it is tried again until it is. */
  readonly failed?: (cause: unknown) => void
}

export interface JournalOptions {
  /** Called before each commit: what it writes comes into the same one. */
  readonly prepare: () => void
  /** Called after each. */
  readonly committed: () => void
  /** Something that must be written cannot be. `retry` is to be called in a while. */
  readonly stuck: (cause: unknown) => void
}

/** A transaction holds up everything else for as long as it takes: some milliseconds with so many small ones. */
const maxBatch = 512
const maxBatchBytes = 4 * 1024 * 1024

export class Journal {
  readonly #database: SqlDatabase
  readonly #options: JournalOptions
  #queue: Array<Work> = []
  #isScheduled = false
  #isStuck = false

  constructor(database: SqlDatabase, options: JournalOptions) {
    this.#database = database
    this.#options = options
  }

  write(work: Work): void {
    this.#queue.push(work)
    this.wake()
  }

  /** Calls `prepare` soon, though nothing is to be written yet. */
  wake(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  /** Tries again what could not be written. */
  retry(): void {
    this.#isStuck = false
    this.wake()
  }

  /** Writes all that is left, at once. What still fails is forgotten: it will look as if it had never been done. */
  close(): void {
    let left = Number.POSITIVE_INFINITY
    while (this.#queue.length > 0 && this.#queue.length < left) {
      left = this.#queue.length
      this.#isStuck = false
      this.#commit()
    }
  }

  #flush(): void {
    this.#options.prepare()
    this.#commit()
    this.#options.committed()
    if (this.#queue.length > 0 && !this.#isStuck) this.wake()
  }

  #commit(): void {
    const batch = this.#take()
    if (batch.length === 0) return
    const cause = this.#transact(batch)
    if (cause === undefined) {
      for (const work of batch) work.done?.()
      return
    }
    // The disk may have room for what makes room, or for the less of it.
    const kept: Array<Work> = []
    let stuckBy: unknown
    for (const work of batch) {
      if (work.failed !== undefined) {
        work.failed(cause)
        continue
      }
      const again = this.#transact([work])
      if (again === undefined) work.done?.()
      else {
        stuckBy = again
        kept.push(work)
      }
    }
    if (kept.length === 0) return
    this.#queue = [...kept, ...this.#queue]
    this.#isStuck = true
    this.#options.stuck(stuckBy)
  }

  /** While something is stuck, only what may fail is tried: it is not to wait for the disk's recovery. */
  #take(): ReadonlyArray<Work> {
    const queue = this.#queue
    if (this.#isStuck) {
      this.#queue = queue.filter(({ failed }) => failed === undefined)
      return queue.filter(({ failed }) => failed !== undefined)
    }
    let count = 0
    let bytes = 0
    while (count < queue.length && count < maxBatch && (count === 0 || bytes < maxBatchBytes)) {
      bytes += queue[count]!.bytes ?? 0
      count++
    }
    if (count === queue.length) {
      this.#queue = []
      return queue
    }
    return queue.splice(0, count)
  }

  /** Undefined when it is on the disk. */
  #transact(batch: ReadonlyArray<Work>): unknown {
    try {
      this.#database.transaction(() => {
        for (const work of batch) work.apply()
      })
      return undefined
    } catch (cause) {
      return cause ?? new Error("nothing was said")
    }
  }
}
