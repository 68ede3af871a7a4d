/**
 * Whether a function's callers come faster than they can be served, and have for a while. A burst is not that, however
 * large: it waits in line, and the line gets shorter. Callers who await their answer before they ask again are not that
 * either: as many come as are served. What is left would wait longer and longer, until each is served just before it gives
 * up. Then a few are better served in time, and the others told at once, as with the controlled delay of B. Maurer, "Fail
 * at Scale", ACM Queue 13(8), 2015; that goes by how long there has been a line, and this by how long it has grown.
 *
 * Time is counted in turns: as many have been served as there are workers, and 100 ms have passed.
 */

const leastTurnMillis = 100

/** It has grown for so many turns, one after the other, each time by half of what was served in it or more. */
const turns = 3
const growthOfServed = 0.5

/** And is so many times as long as the workers are many. */
const lengthOfWorkers = 10

export class Overload {
  /** Without one nobody waits, or workers are being started: a line that grows says nothing then. */
  #turn: { readonly sinceMillis: number; readonly waiting: number; served: number; refused: number } | undefined
  #grown = 0
  #isOn = false
  /** How long nobody has to have been refused until it is over. */
  #patienceMillis = 0
  #refusedMillis = 0

  /** How many may wait while it lasts: those who will be served within half of an invocation's time, and one at least. */
  static room(workers: number): number {
    return Math.max(1, Math.floor(workers / 2))
  }

  /** It is too much, until nobody has had to be refused for as many turns as it took to see it. */
  isOn(nowMillis: number): boolean {
    if (this.#isOn && nowMillis - this.#refusedMillis > this.#patienceMillis) this.#isOn = false
    return this.#isOn
  }

  /** Somebody waits now; `waiting` with it. */
  waits(waiting: number, nowMillis: number): void {
    this.#turn ??= { sinceMillis: nowMillis, waiting: waiting - 1, served: 0, refused: 0 }
  }

  /** Somebody was refused who would have waited. */
  refused(nowMillis: number): void {
    this.#refusedMillis = nowMillis
    if (this.#turn !== undefined) this.#turn.refused++
  }

  /** Nothing can be said of how the line grows, and what was seen of it is void. */
  unknown(): void {
    this.#turn = undefined
    this.#grown = 0
  }

  /** One who waited got one of `workers`; `waiting` still do. True when it has become too much by now. */
  served(waiting: number, workers: number, nowMillis: number): boolean {
    if (waiting === 0) this.unknown()
    const turn = this.#turn
    if (turn === undefined) return false
    turn.served++
    const millis = nowMillis - turn.sinceMillis
    if (turn.served < workers || millis < leastTurnMillis) return false
    const hasGrown = waiting - turn.waiting + turn.refused >= turn.served * growthOfServed
    this.#grown = hasGrown ? this.#grown + 1 : 0
    this.#turn = { sinceMillis: nowMillis, waiting, served: 0, refused: 0 }
    if (this.#isOn || this.#grown < turns || waiting < workers * lengthOfWorkers) return false
    this.#isOn = true
    this.#patienceMillis = turns * millis
    this.#refusedMillis = nowMillis
    return true
  }
}
