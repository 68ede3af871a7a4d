/**
 * What the fields of heads come to, for all connections together: nearly all that clients of one kind say is the same, and
 * is read and kept once. Only heads that are byte for byte the same share anything; no more than so many are kept, and
 * none that is long, whatever anybody sends.
 */

/** Twice as many heads are kept at most: those of late, and those before them. */
const maxRecent = 64
/** Longer ones belong to whoever sent them. */
const maxKeptBytes = 2048

export interface Known<F> {
  /** The lines as they came, without the first one. */
  readonly bytes: Uint8Array
  /** Not to be changed: other heads with the same fields are given the same ones. */
  readonly fields: F
  /** The first line of the last head with them, but for long ones. */
  startLine: string
  /** That head as it came, with the empty line, where it came twice running. */
  whole: Uint8Array | undefined
}

export class KnownFields<F> {
  readonly #read: (lines: ReadonlyArray<string>) => F
  #recent = new Map<string, Known<F>>()
  #before: ReadonlyMap<string, Known<F>> = new Map()

  /** `read` gets the lines of a head's fields, as they came, of one byte a character. What it throws is thrown on. */
  constructor(read: (lines: ReadonlyArray<string>) => F) {
    this.#read = read
  }

  /** Of the part of `bytes` that is between the end of a head's first line and that of the head. */
  of(bytes: Buffer, from: number, to: number): Known<F> {
    const text = bytes.toString("latin1", from, to)
    const recent = this.#recent.get(text)
    if (recent !== undefined) return recent
    const known = this.#before.get(text) ?? {
      // Copied: what came with it would be held for as long.
      bytes: new Uint8Array(bytes.subarray(from, to)),
      fields: this.#read(text === "" ? [] : text.slice(lineEndBytes).split("\r\n")),
      startLine: "",
      whole: undefined
    }
    if (text.length <= maxKeptBytes) this.#keep(text, known)
    return known
  }

  #keep(text: string, known: Known<F>): void {
    if (this.#recent.size === maxRecent) {
      this.#before = this.#recent
      this.#recent = new Map()
    }
    this.#recent.set(text, known)
  }
}

const lineEndBytes = 2
