/**
 * Those who wait, first come, first served; anybody may leave from anywhere. A `Set` has that order too, but looks for its
 * first member among all that have left before it.
 */

interface Place<W> {
  readonly waiter: W
  before: Place<W> | undefined
  after: Place<W> | undefined
}

export class WaitingLine<W> {
  readonly #places = new Map<W, Place<W>>()
  #first: Place<W> | undefined
  #last: Place<W> | undefined

  get size(): number {
    return this.#places.size
  }

  /** Who has waited longest. */
  get first(): W | undefined {
    return this.#first?.waiter
  }

  has(waiter: W): boolean {
    return this.#places.has(waiter)
  }

  /** At the end; one who waits already keeps its place. */
  add(waiter: W): void {
    if (this.#places.has(waiter)) return
    const place: Place<W> = { waiter, before: this.#last, after: undefined }
    if (this.#last === undefined) this.#first = place
    else this.#last.after = place
    this.#last = place
    this.#places.set(waiter, place)
  }

  /** False for one who does not wait. */
  delete(waiter: W): boolean {
    const place = this.#places.get(waiter)
    if (place === undefined) return false
    const { after, before } = place
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    return this.#places.delete(waiter)
  }

  /** In order. Whoever is looked at may be deleted. */
  *[Symbol.iterator](): Generator<W> {
    for (let place = this.#first; place !== undefined; place = place.after) yield place.waiter
  }
}
