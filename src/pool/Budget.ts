/** What all functions' workers together may take of the machine: how many there are, and the memory they declare. */

export interface Room {
  readonly workers: number
  readonly megabytes: number
}

export class Budget {
  readonly #most: Room
  #workers = 0
  #megabytes = 0
  /** Of what is taken, what will be given back: workers on their way out. */
  #leavingWorkers = 0
  #leavingMegabytes = 0

  constructor(most: Room) {
    this.#most = most
  }

  /** Takes the room of one worker. False, and nothing taken, where there is none. */
  reserve(megabytes: number): boolean {
    if (this.#workers + 1 > this.#most.workers || this.#megabytes + megabytes > this.#most.megabytes) return false
    this.#workers++
    this.#megabytes += megabytes
    return true
  }

  /** Takes it in any case, for a worker that is there already. */
  count(megabytes: number): void {
    this.#workers++
    this.#megabytes += megabytes
  }

  release(megabytes: number): void {
    this.#workers--
    this.#megabytes -= megabytes
  }

  /** A worker begins to go; `left` follows when it is gone. */
  leaving(megabytes: number): void {
    this.#leavingWorkers++
    this.#leavingMegabytes += megabytes
  }

  left(megabytes: number): void {
    this.#leavingWorkers--
    this.#leavingMegabytes -= megabytes
    this.release(megabytes)
  }

  /** Whether all of `wanted` would fit once the workers that are leaving have gone. */
  willFit(wanted: Room): boolean {
    return (
      this.#workers - this.#leavingWorkers + wanted.workers <= this.#most.workers &&
      this.#megabytes - this.#leavingMegabytes + wanted.megabytes <= this.#most.megabytes
    )
  }

  /** False for a worker that would not fit on an empty machine. */
  couldFit(megabytes: number): boolean {
    return this.#most.workers >= 1 && megabytes <= this.#most.megabytes
  }

  get used(): Room {
    return { workers: this.#workers, megabytes: this.#megabytes }
  }
}
