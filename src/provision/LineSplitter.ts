/** Cuts what a worker writes into lines, and a line that has no end into pieces: its memory is bounded. */

const lineFeed = 10
const noBytes = Buffer.alloc(0)

export class LineSplitter {
  readonly #maxLineBytes: number
  readonly #emit: (line: string) => void
  #pending: Buffer = noBytes

  /** A line longer than `maxLineBytes` is emitted in pieces of at most that length. Empty lines are left out. */
  constructor(maxLineBytes: number, emit: (line: string) => void) {
    this.#maxLineBytes = maxLineBytes
    this.#emit = emit
  }

  push(chunk: Buffer): void {
    let rest = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    for (;;) {
      const end = rest.indexOf(lineFeed)
      const length = end === -1 ? rest.length : end
      if (length > this.#maxLineBytes) {
        const cut = this.#characterStart(rest)
        this.#line(rest.subarray(0, cut))
        rest = rest.subarray(cut)
      } else if (end === -1) break
      else {
        this.#line(rest.subarray(0, end))
        rest = rest.subarray(end + 1)
      }
    }
    // A copy: the piece would keep the whole chunk that it was cut from.
    this.#pending = rest.length === 0 ? noBytes : Buffer.from(rest)
  }

  /** What came after the last line feed is a line too. */
  end(): void {
    this.#line(this.#pending)
    this.#pending = noBytes
  }

  /** The last place up to the limit that is not inside a character of UTF-8. */
  #characterStart(bytes: Buffer): number {
    let cut = this.#maxLineBytes
    while (cut > this.#maxLineBytes - 4 && (bytes[cut]! & 0xc0) === 0x80) cut--
    return cut
  }

  /** A carriage return inside a line is how runtimes write the line feeds of one message (AWS's do so too). */
  #line(bytes: Buffer): void {
    const line = bytes.toString("utf8").replace(/\r$/, "").replaceAll("\r", "\n")
    if (line !== "") this.#emit(line)
  }
}
