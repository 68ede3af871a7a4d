/**
 * Those who stand in line, first come, first served; anybody may leave from anywhere. Where one stands is kept in itself:
 * of a thousand that wait, a `Map` or `Set` would be looked up far from all else that is read of them, and copied whole
 * again and again, as they come and go.
 */

/** One who may stand in a line: one at a time. These are the line's to change. */
export interface InLine<T> {
  before: T | undefined
  after: T | undefined
  isInLine: boolean
}

export class Line<T extends InLine<T>> {
  #first: T | undefined
  #last: T | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Who has stood there longest. */
  get first(): T | undefined {
    return this.#first
  }

  /** At the end; one who is in line already keeps its place. */
  add(one: T): void {
    if (one.isInLine) return
    one.isInLine = true
    one.before = this.#last
    if (this.#last === undefined) this.#first = one
    else this.#last.after = one
    this.#last = one
    this.#size++
  }

  /** False for one who is not in line. */
  delete(one: T): boolean {
    if (!one.isInLine) return false
    const { after, before } = one
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    one.before = undefined
    one.after = undefined
    one.isInLine = false
    this.#size--
    return true
  }

  /** In order. Whoever is looked at may be deleted. */
  *[Symbol.iterator](): Generator<T> {
    let one = this.#first
    while (one !== undefined) {
      const { after } = one
      yield one
      one = after
    }
  }
}
