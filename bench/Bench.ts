/** What a benchmark is, and the rows it gives. A row is one bar of the table, or a number beside it that has no bar. */

/** How much is measured. The short form shows that a benchmark works; its numbers say nothing. */
export interface Scale {
  readonly rounds: number
  /** Of one burst of load. */
  readonly seconds: number
  readonly isShort: boolean
}

/** One number for each round. */
export type Rounds = ReadonlyArray<number>

export interface Row {
  readonly what: string
  /** What it is measured beside; absent where the bar is a number by itself. */
  readonly against?: string
  readonly unit: string
  readonly digits: number
  readonly ours: Rounds
  readonly theirs?: Rounds
  /** Of the ratio where there is something beside it, else of the number itself. Absent: no bar. */
  readonly bar?: { readonly least: number } | { readonly most: number }
  /** What a reader must know to read it rightly. */
  readonly note?: string
}

/** It cannot be measured here. */
export interface Skipped {
  readonly what: string
  readonly skipped: string
}

export interface Bench {
  /** As it is asked for on the command line. */
  readonly name: string
  readonly title: string
  readonly run: (scale: Scale) => Promise<ReadonlyArray<Row | Skipped>>
}

/** The middle one of several; of an even number the upper of the two. */
export const median = (numbers: Rounds): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN

/** The number that `share` of all are below. */
export const quantile = (numbers: ArrayLike<number>, share: number): number => {
  const sorted = Float64Array.from(numbers).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

/** Each in turn, `rounds` times, after one that does not count: A B A B. Answers with each one's rounds. */
export const inTurns = async <const K extends string>(
  rounds: number,
  measures: Readonly<Record<K, () => number | Promise<number>>>
): Promise<Record<K, ReadonlyArray<number>>> => {
  const measured: Partial<Record<K, ReadonlyArray<number>>> = {}
  for (let round = -1; round < rounds; round++) {
    for (const key in measures) {
      const number = await measures[key]()
      if (round >= 0) measured[key] = [...(measured[key] ?? []), number]
    }
  }
  return measured as Record<K, ReadonlyArray<number>>
}

/**
 * What a row comes to. A ratio is that of a round's two numbers, which were measured next to each other: what the
 * machine did at that time is in both.
 */
export const outcomeOf = ({ bar, ours, theirs }: Row) => {
  const values = theirs === undefined ? ours : ours.map((number, round) => number / (theirs[round] ?? Number.NaN))
  const value = median(values)
  return {
    value,
    least: Math.min(...values),
    most: Math.max(...values),
    isMet: bar === undefined ? undefined : "least" in bar ? value >= bar.least : value <= bar.most
  }
}
